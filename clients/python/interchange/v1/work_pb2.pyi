import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from interchange.v1 import agent_pb2 as _agent_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttachRequest(_message.Message):
    __slots__ = ("hello", "piece", "hand_back", "seats")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    PIECE_FIELD_NUMBER: _ClassVar[int]
    HAND_BACK_FIELD_NUMBER: _ClassVar[int]
    SEATS_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    piece: Piece
    hand_back: HandBack
    seats: Seats
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., piece: _Optional[_Union[Piece, _Mapping]] = ..., hand_back: _Optional[_Union[HandBack, _Mapping]] = ..., seats: _Optional[_Union[Seats, _Mapping]] = ...) -> None: ...

class AttachResponse(_message.Message):
    __slots__ = ("welcome", "assignment", "heard", "withdrawn", "draining")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    assignment: Assignment
    heard: Heard
    withdrawn: Withdrawn
    draining: Draining
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., assignment: _Optional[_Union[Assignment, _Mapping]] = ..., heard: _Optional[_Union[Heard, _Mapping]] = ..., withdrawn: _Optional[_Union[Withdrawn, _Mapping]] = ..., draining: _Optional[_Union[Draining, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("agent", "seats", "converses", "methods", "library")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SEATS_FIELD_NUMBER: _ClassVar[int]
    CONVERSES_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    agent: str
    seats: int
    converses: bool
    methods: _containers.RepeatedScalarFieldContainer[str]
    library: str
    def __init__(self, agent: _Optional[str] = ..., seats: _Optional[int] = ..., converses: _Optional[bool] = ..., methods: _Optional[_Iterable[str]] = ..., library: _Optional[str] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("seats", "window", "largest")
    SEATS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    LARGEST_FIELD_NUMBER: _ClassVar[int]
    seats: int
    window: int
    largest: int
    def __init__(self, seats: _Optional[int] = ..., window: _Optional[int] = ..., largest: _Optional[int] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("delivery_id", "number", "fence")
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    delivery_id: str
    number: int
    fence: int
    def __init__(self, delivery_id: _Optional[str] = ..., number: _Optional[int] = ..., fence: _Optional[int] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("attempt", "turn", "call", "call_id", "time_left", "trace")
    class TraceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_LEFT_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    attempt: Attempt
    turn: _agent_pb2.Turn
    call: SkillCall
    call_id: str
    time_left: _duration_pb2.Duration
    trace: _containers.ScalarMap[str, str]
    def __init__(self, attempt: _Optional[_Union[Attempt, _Mapping]] = ..., turn: _Optional[_Union[_agent_pb2.Turn, _Mapping]] = ..., call: _Optional[_Union[SkillCall, _Mapping]] = ..., call_id: _Optional[str] = ..., time_left: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., trace: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SkillCall(_message.Message):
    __slots__ = ("method", "request", "chain", "metadata")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    method: str
    request: bytes
    chain: _containers.RepeatedCompositeFieldContainer[_agent_pb2.Principal]
    metadata: _containers.RepeatedCompositeFieldContainer[Metadatum]
    def __init__(self, method: _Optional[str] = ..., request: _Optional[bytes] = ..., chain: _Optional[_Iterable[_Union[_agent_pb2.Principal, _Mapping]]] = ..., metadata: _Optional[_Iterable[_Union[Metadatum, _Mapping]]] = ...) -> None: ...

class Metadatum(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: bytes
    def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class Piece(_message.Message):
    __slots__ = ("attempt", "event", "message", "ended")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    attempt: Attempt
    event: _agent_pb2.TurnEvent
    message: bytes
    ended: Ended
    def __init__(self, attempt: _Optional[_Union[Attempt, _Mapping]] = ..., event: _Optional[_Union[_agent_pb2.TurnEvent, _Mapping]] = ..., message: _Optional[bytes] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class Heard(_message.Message):
    __slots__ = ("attempt", "bytes")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    attempt: Attempt
    bytes: int
    def __init__(self, attempt: _Optional[_Union[Attempt, _Mapping]] = ..., bytes: _Optional[int] = ...) -> None: ...

class HandBack(_message.Message):
    __slots__ = ("attempt", "reason")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    attempt: Attempt
    reason: str
    def __init__(self, attempt: _Optional[_Union[Attempt, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class Seats(_message.Message):
    __slots__ = ("seats",)
    SEATS_FIELD_NUMBER: _ClassVar[int]
    seats: int
    def __init__(self, seats: _Optional[int] = ...) -> None: ...

class Withdrawn(_message.Message):
    __slots__ = ("attempt", "reason")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    attempt: Attempt
    reason: str
    def __init__(self, attempt: _Optional[_Union[Attempt, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class Draining(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...
