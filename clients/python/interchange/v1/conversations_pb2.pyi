from google.protobuf import struct_pb2 as _struct_pb2
from interchange.v1 import agent_pb2 as _agent_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AppendRequest(_message.Message):
    __slots__ = ("conversation_id", "id", "parts", "artifacts")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    id: str
    parts: _containers.RepeatedCompositeFieldContainer[_agent_pb2.Part]
    artifacts: _containers.RepeatedCompositeFieldContainer[_agent_pb2.Artifact]
    def __init__(self, conversation_id: _Optional[str] = ..., id: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[_agent_pb2.Part, _Mapping]]] = ..., artifacts: _Optional[_Iterable[_Union[_agent_pb2.Artifact, _Mapping]]] = ...) -> None: ...

class AppendResponse(_message.Message):
    __slots__ = ("message", "repeated")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    message: _agent_pb2.Message
    repeated: bool
    def __init__(self, message: _Optional[_Union[_agent_pb2.Message, _Mapping]] = ..., repeated: _Optional[bool] = ...) -> None: ...

class UpdateRequest(_message.Message):
    __slots__ = ("conversation_id", "id", "seq", "parts", "artifacts")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    id: str
    seq: int
    parts: _containers.RepeatedCompositeFieldContainer[_agent_pb2.Part]
    artifacts: _containers.RepeatedCompositeFieldContainer[_agent_pb2.Artifact]
    def __init__(self, conversation_id: _Optional[str] = ..., id: _Optional[str] = ..., seq: _Optional[int] = ..., parts: _Optional[_Iterable[_Union[_agent_pb2.Part, _Mapping]]] = ..., artifacts: _Optional[_Iterable[_Union[_agent_pb2.Artifact, _Mapping]]] = ...) -> None: ...

class UpdateResponse(_message.Message):
    __slots__ = ("message", "repeated")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    message: _agent_pb2.Message
    repeated: bool
    def __init__(self, message: _Optional[_Union[_agent_pb2.Message, _Mapping]] = ..., repeated: _Optional[bool] = ...) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("conversation_id", "after", "before", "limit")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    after: int
    before: int
    limit: int
    def __init__(self, conversation_id: _Optional[str] = ..., after: _Optional[int] = ..., before: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ReadResponse(_message.Message):
    __slots__ = ("messages", "tail")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_agent_pb2.Message]
    tail: int
    def __init__(self, messages: _Optional[_Iterable[_Union[_agent_pb2.Message, _Mapping]]] = ..., tail: _Optional[int] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ("conversation_id", "after", "mark")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    after: int
    mark: str
    def __init__(self, conversation_id: _Optional[str] = ..., after: _Optional[int] = ..., mark: _Optional[str] = ...) -> None: ...

class FollowResponse(_message.Message):
    __slots__ = ("message", "mark", "over")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    message: _agent_pb2.Message
    mark: str
    over: bool
    def __init__(self, message: _Optional[_Union[_agent_pb2.Message, _Mapping]] = ..., mark: _Optional[str] = ..., over: _Optional[bool] = ...) -> None: ...

class AskRequest(_message.Message):
    __slots__ = ("conversation_id", "question")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    question: _agent_pb2.Question
    def __init__(self, conversation_id: _Optional[str] = ..., question: _Optional[_Union[_agent_pb2.Question, _Mapping]] = ...) -> None: ...

class AskResponse(_message.Message):
    __slots__ = ("repeated",)
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    repeated: bool
    def __init__(self, repeated: _Optional[bool] = ...) -> None: ...

class FinishRequest(_message.Message):
    __slots__ = ("conversation_id", "finished", "failed")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    finished: Finished
    failed: _agent_pb2.Failed
    def __init__(self, conversation_id: _Optional[str] = ..., finished: _Optional[_Union[Finished, _Mapping]] = ..., failed: _Optional[_Union[_agent_pb2.Failed, _Mapping]] = ...) -> None: ...

class Finished(_message.Message):
    __slots__ = ("parts", "artifacts", "metadata")
    PARTS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedCompositeFieldContainer[_agent_pb2.Part]
    artifacts: _containers.RepeatedCompositeFieldContainer[_agent_pb2.Artifact]
    metadata: _struct_pb2.Struct
    def __init__(self, parts: _Optional[_Iterable[_Union[_agent_pb2.Part, _Mapping]]] = ..., artifacts: _Optional[_Iterable[_Union[_agent_pb2.Artifact, _Mapping]]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class FinishResponse(_message.Message):
    __slots__ = ("message", "repeated")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    message: _agent_pb2.Message
    repeated: bool
    def __init__(self, message: _Optional[_Union[_agent_pb2.Message, _Mapping]] = ..., repeated: _Optional[bool] = ...) -> None: ...
