import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from interchange.v1 import annotations_pb2 as _annotations_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Tone(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TONE_UNSPECIFIED: _ClassVar[Tone]
    TONE_FRIENDLY: _ClassVar[Tone]
    TONE_FORMAL: _ClassVar[Tone]

class Channel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANNEL_UNSPECIFIED: _ClassVar[Channel]
    CHANNEL_EMAIL: _ClassVar[Channel]
    CHANNEL_SMS: _ClassVar[Channel]
    CHANNEL_PHONE: _ClassVar[Channel]
TONE_UNSPECIFIED: Tone
TONE_FRIENDLY: Tone
TONE_FORMAL: Tone
CHANNEL_UNSPECIFIED: Channel
CHANNEL_EMAIL: Channel
CHANNEL_SMS: Channel
CHANNEL_PHONE: Channel

class DraftRequest(_message.Message):
    __slots__ = ("candidate_id", "role", "tone", "recruiter")
    CANDIDATE_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TONE_FIELD_NUMBER: _ClassVar[int]
    RECRUITER_FIELD_NUMBER: _ClassVar[int]
    candidate_id: str
    role: str
    tone: Tone
    recruiter: str
    def __init__(self, candidate_id: _Optional[str] = ..., role: _Optional[str] = ..., tone: _Optional[_Union[Tone, str]] = ..., recruiter: _Optional[str] = ...) -> None: ...

class DraftResponse(_message.Message):
    __slots__ = ("draft_id", "subject", "text")
    DRAFT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    draft_id: str
    subject: str
    text: str
    def __init__(self, draft_id: _Optional[str] = ..., subject: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class SendRequest(_message.Message):
    __slots__ = ("candidate_id", "subject", "text", "channel", "urgent", "recruiter")
    CANDIDATE_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    URGENT_FIELD_NUMBER: _ClassVar[int]
    RECRUITER_FIELD_NUMBER: _ClassVar[int]
    candidate_id: str
    subject: str
    text: str
    channel: Channel
    urgent: bool
    recruiter: str
    def __init__(self, candidate_id: _Optional[str] = ..., subject: _Optional[str] = ..., text: _Optional[str] = ..., channel: _Optional[_Union[Channel, str]] = ..., urgent: _Optional[bool] = ..., recruiter: _Optional[str] = ...) -> None: ...

class SendResponse(_message.Message):
    __slots__ = ("message_id", "sent_at", "channel", "sent_by")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SENT_BY_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    sent_at: _timestamp_pb2.Timestamp
    channel: Channel
    sent_by: str
    def __init__(self, message_id: _Optional[str] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., channel: _Optional[_Union[Channel, str]] = ..., sent_by: _Optional[str] = ...) -> None: ...
