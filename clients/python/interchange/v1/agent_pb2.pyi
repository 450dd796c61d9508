import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Principal(_message.Message):
    __slots__ = ("kind", "issuer", "subject", "name", "domain")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Principal.Kind]
        PERSON: _ClassVar[Principal.Kind]
        AGENT: _ClassVar[Principal.Kind]
        SERVICE: _ClassVar[Principal.Kind]
    KIND_UNSPECIFIED: Principal.Kind
    PERSON: Principal.Kind
    AGENT: Principal.Kind
    SERVICE: Principal.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    kind: Principal.Kind
    issuer: str
    subject: str
    name: str
    domain: str
    def __init__(self, kind: _Optional[_Union[Principal.Kind, str]] = ..., issuer: _Optional[str] = ..., subject: _Optional[str] = ..., name: _Optional[str] = ..., domain: _Optional[str] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("text", "raw", "url", "data", "media_type", "filename", "metadata")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    text: str
    raw: bytes
    url: str
    data: _struct_pb2.Value
    media_type: str
    filename: str
    metadata: _struct_pb2.Struct
    def __init__(self, text: _Optional[str] = ..., raw: _Optional[bytes] = ..., url: _Optional[str] = ..., data: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., media_type: _Optional[str] = ..., filename: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("id", "conversation_id", "seq", "kind", "sender", "parts", "turn_id", "answers", "updates", "at", "question", "artifacts")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Message.Kind]
        SAID: _ClassVar[Message.Kind]
        ANSWERED: _ClassVar[Message.Kind]
        UPDATED: _ClassVar[Message.Kind]
        FAILED: _ClassVar[Message.Kind]
        CANCELLED: _ClassVar[Message.Kind]
        ERASED: _ClassVar[Message.Kind]
        ASKED: _ClassVar[Message.Kind]
    KIND_UNSPECIFIED: Message.Kind
    SAID: Message.Kind
    ANSWERED: Message.Kind
    UPDATED: Message.Kind
    FAILED: Message.Kind
    CANCELLED: Message.Kind
    ERASED: Message.Kind
    ASKED: Message.Kind
    ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    conversation_id: str
    seq: int
    kind: Message.Kind
    sender: Principal
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    turn_id: str
    answers: str
    updates: str
    at: _timestamp_pb2.Timestamp
    question: Question
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    def __init__(self, id: _Optional[str] = ..., conversation_id: _Optional[str] = ..., seq: _Optional[int] = ..., kind: _Optional[_Union[Message.Kind, str]] = ..., sender: _Optional[_Union[Principal, _Mapping]] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., turn_id: _Optional[str] = ..., answers: _Optional[str] = ..., updates: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., question: _Optional[_Union[Question, _Mapping]] = ..., artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ...) -> None: ...

class Turn(_message.Message):
    __slots__ = ("turn_id", "conversation_id", "agent", "delivery_id", "attempt", "fence", "chain", "input", "history", "answers", "turn_token", "deadline", "extensions")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    TURN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    turn_id: str
    conversation_id: str
    agent: str
    delivery_id: str
    attempt: int
    fence: int
    chain: _containers.RepeatedCompositeFieldContainer[Principal]
    input: _containers.RepeatedCompositeFieldContainer[Message]
    history: _containers.RepeatedCompositeFieldContainer[Message]
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    turn_token: str
    deadline: _timestamp_pb2.Timestamp
    extensions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, turn_id: _Optional[str] = ..., conversation_id: _Optional[str] = ..., agent: _Optional[str] = ..., delivery_id: _Optional[str] = ..., attempt: _Optional[int] = ..., fence: _Optional[int] = ..., chain: _Optional[_Iterable[_Union[Principal, _Mapping]]] = ..., input: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., history: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., turn_token: _Optional[str] = ..., deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., extensions: _Optional[_Iterable[str]] = ...) -> None: ...

class TurnEvent(_message.Message):
    __slots__ = ("delta", "artifact", "status", "message", "question", "deferred", "done", "failed")
    DELTA_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    DEFERRED_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    delta: Delta
    artifact: Artifact
    status: Status
    message: Message
    question: Question
    deferred: Deferred
    done: Done
    failed: Failed
    def __init__(self, delta: _Optional[_Union[Delta, _Mapping]] = ..., artifact: _Optional[_Union[Artifact, _Mapping]] = ..., status: _Optional[_Union[Status, _Mapping]] = ..., message: _Optional[_Union[Message, _Mapping]] = ..., question: _Optional[_Union[Question, _Mapping]] = ..., deferred: _Optional[_Union[Deferred, _Mapping]] = ..., done: _Optional[_Union[Done, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("artifact_id", "part")
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    artifact_id: str
    part: Part
    def __init__(self, artifact_id: _Optional[str] = ..., part: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("id", "name", "description", "parts", "append", "last")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    description: str
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    append: bool
    last: bool
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., append: _Optional[bool] = ..., last: _Optional[bool] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("text", "progress", "total")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    text: str
    progress: float
    total: float
    def __init__(self, text: _Optional[str] = ..., progress: _Optional[float] = ..., total: _Optional[float] = ...) -> None: ...

class Question(_message.Message):
    __slots__ = ("id", "kind", "text", "answer_schema", "addressees", "context", "expires_at")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Question.Kind]
        CLARIFICATION: _ClassVar[Question.Kind]
        APPROVAL: _ClassVar[Question.Kind]
        FEEDBACK: _ClassVar[Question.Kind]
        REVIEW: _ClassVar[Question.Kind]
        CONSENT: _ClassVar[Question.Kind]
    KIND_UNSPECIFIED: Question.Kind
    CLARIFICATION: Question.Kind
    APPROVAL: Question.Kind
    FEEDBACK: Question.Kind
    REVIEW: Question.Kind
    CONSENT: Question.Kind
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ADDRESSEES_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: Question.Kind
    text: str
    answer_schema: _struct_pb2.Struct
    addressees: _containers.RepeatedScalarFieldContainer[str]
    context: _containers.RepeatedCompositeFieldContainer[Part]
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[Question.Kind, str]] = ..., text: _Optional[str] = ..., answer_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., addressees: _Optional[_Iterable[str]] = ..., context: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("question_id", "outcome", "value", "by", "at")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[Answer.Outcome]
        GIVEN: _ClassVar[Answer.Outcome]
        DECLINED: _ClassVar[Answer.Outcome]
        EXPIRED: _ClassVar[Answer.Outcome]
    OUTCOME_UNSPECIFIED: Answer.Outcome
    GIVEN: Answer.Outcome
    DECLINED: Answer.Outcome
    EXPIRED: Answer.Outcome
    QUESTION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    question_id: str
    outcome: Answer.Outcome
    value: _struct_pb2.Value
    by: Principal
    at: _timestamp_pb2.Timestamp
    def __init__(self, question_id: _Optional[str] = ..., outcome: _Optional[_Union[Answer.Outcome, str]] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., by: _Optional[_Union[Principal, _Mapping]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Deferred(_message.Message):
    __slots__ = ("until", "reason")
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    until: _timestamp_pb2.Timestamp
    reason: str
    def __init__(self, until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ("parts", "metadata")
    PARTS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    metadata: _struct_pb2.Struct
    def __init__(self, parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Failed(_message.Message):
    __slots__ = ("code", "text", "retryable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    code: str
    text: str
    retryable: bool
    def __init__(self, code: _Optional[str] = ..., text: _Optional[str] = ..., retryable: _Optional[bool] = ...) -> None: ...

class SkillResult(_message.Message):
    __slots__ = ("content", "structured", "is_error", "input_requests", "request_state")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    STRUCTURED_FIELD_NUMBER: _ClassVar[int]
    IS_ERROR_FIELD_NUMBER: _ClassVar[int]
    INPUT_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_STATE_FIELD_NUMBER: _ClassVar[int]
    content: _containers.RepeatedCompositeFieldContainer[Part]
    structured: _struct_pb2.Value
    is_error: bool
    input_requests: _containers.RepeatedCompositeFieldContainer[InputRequest]
    request_state: bytes
    def __init__(self, content: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., structured: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., is_error: _Optional[bool] = ..., input_requests: _Optional[_Iterable[_Union[InputRequest, _Mapping]]] = ..., request_state: _Optional[bytes] = ...) -> None: ...

class InputRequest(_message.Message):
    __slots__ = ("key", "question", "sampling", "roots")
    KEY_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    ROOTS_FIELD_NUMBER: _ClassVar[int]
    key: str
    question: Question
    sampling: _struct_pb2.Struct
    roots: bool
    def __init__(self, key: _Optional[str] = ..., question: _Optional[_Union[Question, _Mapping]] = ..., sampling: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., roots: _Optional[bool] = ...) -> None: ...
