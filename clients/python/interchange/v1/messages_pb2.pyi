import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LoggedMessage(_message.Message):
    __slots__ = ("conversation", "seq", "id", "kind", "sender", "issuer", "to", "turn", "answers", "updates", "at", "size", "erased", "body", "raw", "digest")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    seq: int
    id: str
    kind: str
    sender: str
    issuer: str
    to: _containers.RepeatedScalarFieldContainer[str]
    turn: str
    answers: str
    updates: str
    at: _timestamp_pb2.Timestamp
    size: int
    erased: bool
    body: str
    raw: bytes
    digest: bytes
    def __init__(self, conversation: _Optional[str] = ..., seq: _Optional[int] = ..., id: _Optional[str] = ..., kind: _Optional[str] = ..., sender: _Optional[str] = ..., issuer: _Optional[str] = ..., to: _Optional[_Iterable[str]] = ..., turn: _Optional[str] = ..., answers: _Optional[str] = ..., updates: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., size: _Optional[int] = ..., erased: _Optional[bool] = ..., body: _Optional[str] = ..., raw: _Optional[bytes] = ..., digest: _Optional[bytes] = ...) -> None: ...

class LoggedConversation(_message.Message):
    __slots__ = ("id", "tail", "domain", "started_by", "started_by_issuer", "opened_at", "hold")
    ID_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    STARTED_BY_FIELD_NUMBER: _ClassVar[int]
    STARTED_BY_ISSUER_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    id: str
    tail: int
    domain: str
    started_by: str
    started_by_issuer: str
    opened_at: _timestamp_pb2.Timestamp
    hold: str
    def __init__(self, id: _Optional[str] = ..., tail: _Optional[int] = ..., domain: _Optional[str] = ..., started_by: _Optional[str] = ..., started_by_issuer: _Optional[str] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., hold: _Optional[str] = ...) -> None: ...

class LoggedTurn(_message.Message):
    __slots__ = ("id", "agent", "opened", "state", "started_by", "opened_at", "changed_at", "due", "attempts", "question", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STARTED_BY_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    agent: str
    opened: int
    state: str
    started_by: str
    opened_at: _timestamp_pb2.Timestamp
    changed_at: _timestamp_pb2.Timestamp
    due: int
    attempts: int
    question: str
    error: str
    def __init__(self, id: _Optional[str] = ..., agent: _Optional[str] = ..., opened: _Optional[int] = ..., state: _Optional[str] = ..., started_by: _Optional[str] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., due: _Optional[int] = ..., attempts: _Optional[int] = ..., question: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class Mailbox(_message.Message):
    __slots__ = ("agent", "state", "cursor", "head", "attempts", "owner", "parked", "fence")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    PARKED_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    agent: str
    state: str
    cursor: int
    head: int
    attempts: int
    owner: str
    parked: str
    fence: int
    def __init__(self, agent: _Optional[str] = ..., state: _Optional[str] = ..., cursor: _Optional[int] = ..., head: _Optional[int] = ..., attempts: _Optional[int] = ..., owner: _Optional[str] = ..., parked: _Optional[str] = ..., fence: _Optional[int] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("engine", "revision", "conversations", "messages", "ready", "leased", "parked", "dead", "oldest_seconds")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CONVERSATIONS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    PARKED_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    OLDEST_SECONDS_FIELD_NUMBER: _ClassVar[int]
    engine: str
    revision: str
    conversations: int
    messages: int
    ready: int
    leased: int
    parked: int
    dead: int
    oldest_seconds: float
    def __init__(self, engine: _Optional[str] = ..., revision: _Optional[str] = ..., conversations: _Optional[int] = ..., messages: _Optional[int] = ..., ready: _Optional[int] = ..., leased: _Optional[int] = ..., parked: _Optional[int] = ..., dead: _Optional[int] = ..., oldest_seconds: _Optional[float] = ...) -> None: ...

class TailRequest(_message.Message):
    __slots__ = ("conversation", "last", "follow", "mark")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    last: int
    follow: bool
    mark: str
    def __init__(self, conversation: _Optional[str] = ..., last: _Optional[int] = ..., follow: _Optional[bool] = ..., mark: _Optional[str] = ...) -> None: ...

class TailResponse(_message.Message):
    __slots__ = ("message", "mark")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    message: LoggedMessage
    mark: str
    def __init__(self, message: _Optional[_Union[LoggedMessage, _Mapping]] = ..., mark: _Optional[str] = ...) -> None: ...

class ShowConversationRequest(_message.Message):
    __slots__ = ("conversation", "after", "before", "limit", "turn")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    after: int
    before: int
    limit: int
    turn: str
    def __init__(self, conversation: _Optional[str] = ..., after: _Optional[int] = ..., before: _Optional[int] = ..., limit: _Optional[int] = ..., turn: _Optional[str] = ...) -> None: ...

class ShowConversationResponse(_message.Message):
    __slots__ = ("conversation", "messages", "turns", "mailboxes", "seen")
    class SeenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    MAILBOXES_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    conversation: LoggedConversation
    messages: _containers.RepeatedCompositeFieldContainer[LoggedMessage]
    turns: _containers.RepeatedCompositeFieldContainer[LoggedTurn]
    mailboxes: _containers.RepeatedCompositeFieldContainer[Mailbox]
    seen: _containers.ScalarMap[str, int]
    def __init__(self, conversation: _Optional[_Union[LoggedConversation, _Mapping]] = ..., messages: _Optional[_Iterable[_Union[LoggedMessage, _Mapping]]] = ..., turns: _Optional[_Iterable[_Union[LoggedTurn, _Mapping]]] = ..., mailboxes: _Optional[_Iterable[_Union[Mailbox, _Mapping]]] = ..., seen: _Optional[_Mapping[str, int]] = ...) -> None: ...

class DeadRequest(_message.Message):
    __slots__ = ("conversation", "agent", "redriven", "limit", "mark")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    REDRIVEN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    agent: str
    redriven: bool
    limit: int
    mark: str
    def __init__(self, conversation: _Optional[str] = ..., agent: _Optional[str] = ..., redriven: _Optional[bool] = ..., limit: _Optional[int] = ..., mark: _Optional[str] = ...) -> None: ...

class DeadResponse(_message.Message):
    __slots__ = ("letters", "mark")
    LETTERS_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    letters: _containers.RepeatedCompositeFieldContainer[DeadLetter]
    mark: str
    def __init__(self, letters: _Optional[_Iterable[_Union[DeadLetter, _Mapping]]] = ..., mark: _Optional[str] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("conversation", "agent", "seq", "turn", "attempts", "error", "at", "redriven_as")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    REDRIVEN_AS_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    agent: str
    seq: int
    turn: str
    attempts: int
    error: str
    at: _timestamp_pb2.Timestamp
    redriven_as: int
    def __init__(self, conversation: _Optional[str] = ..., agent: _Optional[str] = ..., seq: _Optional[int] = ..., turn: _Optional[str] = ..., attempts: _Optional[int] = ..., error: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., redriven_as: _Optional[int] = ...) -> None: ...

class RedriveRequest(_message.Message):
    __slots__ = ("conversation", "letters")
    class Letter(_message.Message):
        __slots__ = ("agent", "seq")
        AGENT_FIELD_NUMBER: _ClassVar[int]
        SEQ_FIELD_NUMBER: _ClassVar[int]
        agent: str
        seq: int
        def __init__(self, agent: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    LETTERS_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    letters: _containers.RepeatedCompositeFieldContainer[RedriveRequest.Letter]
    def __init__(self, conversation: _Optional[str] = ..., letters: _Optional[_Iterable[_Union[RedriveRequest.Letter, _Mapping]]] = ...) -> None: ...

class RedriveResponse(_message.Message):
    __slots__ = ("letters",)
    class Redriven(_message.Message):
        __slots__ = ("agent", "seq", "redriven_as", "turn", "error")
        AGENT_FIELD_NUMBER: _ClassVar[int]
        SEQ_FIELD_NUMBER: _ClassVar[int]
        REDRIVEN_AS_FIELD_NUMBER: _ClassVar[int]
        TURN_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        agent: str
        seq: int
        redriven_as: int
        turn: str
        error: str
        def __init__(self, agent: _Optional[str] = ..., seq: _Optional[int] = ..., redriven_as: _Optional[int] = ..., turn: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...
    LETTERS_FIELD_NUMBER: _ClassVar[int]
    letters: _containers.RepeatedCompositeFieldContainer[RedriveResponse.Redriven]
    def __init__(self, letters: _Optional[_Iterable[_Union[RedriveResponse.Redriven, _Mapping]]] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ("conversation",)
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    def __init__(self, conversation: _Optional[str] = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: str
    def __init__(self, lines: _Optional[str] = ...) -> None: ...

class HoldRequest(_message.Message):
    __slots__ = ("conversation", "reason")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    reason: str
    def __init__(self, conversation: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class HoldResponse(_message.Message):
    __slots__ = ("conversation",)
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    conversation: LoggedConversation
    def __init__(self, conversation: _Optional[_Union[LoggedConversation, _Mapping]] = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("conversation",)
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    def __init__(self, conversation: _Optional[str] = ...) -> None: ...

class ReleaseResponse(_message.Message):
    __slots__ = ("conversation",)
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    conversation: LoggedConversation
    def __init__(self, conversation: _Optional[_Union[LoggedConversation, _Mapping]] = ...) -> None: ...

class EraseRequest(_message.Message):
    __slots__ = ("conversation", "reason", "sender", "up_to", "id")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    conversation: str
    reason: str
    sender: str
    up_to: int
    id: str
    def __init__(self, conversation: _Optional[str] = ..., reason: _Optional[str] = ..., sender: _Optional[str] = ..., up_to: _Optional[int] = ..., id: _Optional[str] = ...) -> None: ...

class EraseResponse(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...
