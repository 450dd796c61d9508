import datetime

from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Classification(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLASSIFICATION_UNSPECIFIED: _ClassVar[Classification]
    CLASSIFICATION_PUBLIC: _ClassVar[Classification]
    CLASSIFICATION_INTERNAL: _ClassVar[Classification]
    CLASSIFICATION_CONFIDENTIAL: _ClassVar[Classification]
    CLASSIFICATION_RESTRICTED: _ClassVar[Classification]

class Visibility(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VISIBILITY_UNSPECIFIED: _ClassVar[Visibility]
    VISIBILITY_AUTHENTICATED: _ClassVar[Visibility]
    VISIBILITY_PUBLIC: _ClassVar[Visibility]

class WhenBusy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WHEN_BUSY_UNSPECIFIED: _ClassVar[WhenBusy]
    WHEN_BUSY_QUEUE: _ClassVar[WhenBusy]
    WHEN_BUSY_REJECT: _ClassVar[WhenBusy]

class Approval(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APPROVAL_UNSPECIFIED: _ClassVar[Approval]
    APPROVAL_NEVER: _ClassVar[Approval]
    APPROVAL_REQUIRED: _ClassVar[Approval]

class Invocation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INVOCATION_UNSPECIFIED: _ClassVar[Invocation]
    INVOCATION_DIRECT: _ClassVar[Invocation]
    INVOCATION_QUEUED: _ClassVar[Invocation]

class Streaming(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAMING_UNSPECIFIED: _ClassVar[Streaming]
    STREAMING_LAST: _ClassVar[Streaming]
    STREAMING_COLLECT: _ClassVar[Streaming]

class Bound(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BOUND_UNSPECIFIED: _ClassVar[Bound]
    BOUND_SUBJECT: _ClassVar[Bound]
    BOUND_DOMAIN: _ClassVar[Bound]
    BOUND_AGENT: _ClassVar[Bound]
    BOUND_CONVERSATION: _ClassVar[Bound]
CLASSIFICATION_UNSPECIFIED: Classification
CLASSIFICATION_PUBLIC: Classification
CLASSIFICATION_INTERNAL: Classification
CLASSIFICATION_CONFIDENTIAL: Classification
CLASSIFICATION_RESTRICTED: Classification
VISIBILITY_UNSPECIFIED: Visibility
VISIBILITY_AUTHENTICATED: Visibility
VISIBILITY_PUBLIC: Visibility
WHEN_BUSY_UNSPECIFIED: WhenBusy
WHEN_BUSY_QUEUE: WhenBusy
WHEN_BUSY_REJECT: WhenBusy
APPROVAL_UNSPECIFIED: Approval
APPROVAL_NEVER: Approval
APPROVAL_REQUIRED: Approval
INVOCATION_UNSPECIFIED: Invocation
INVOCATION_DIRECT: Invocation
INVOCATION_QUEUED: Invocation
STREAMING_UNSPECIFIED: Streaming
STREAMING_LAST: Streaming
STREAMING_COLLECT: Streaming
BOUND_UNSPECIFIED: Bound
BOUND_SUBJECT: Bound
BOUND_DOMAIN: Bound
BOUND_AGENT: Bound
BOUND_CONVERSATION: Bound
AGENT_FIELD_NUMBER: _ClassVar[int]
agent: _descriptor.FieldDescriptor
SKILL_FIELD_NUMBER: _ClassVar[int]
skill: _descriptor.FieldDescriptor
PARAM_FIELD_NUMBER: _ClassVar[int]
param: _descriptor.FieldDescriptor

class AgentOptions(_message.Message):
    __slots__ = ("name", "title", "domain", "version", "tags", "examples", "icon_url", "documentation_url", "provider", "classification", "visibility", "turns", "extensions", "input_modes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    ICON_URL_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTATION_URL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    INPUT_MODES_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    domain: str
    version: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    examples: _containers.RepeatedScalarFieldContainer[str]
    icon_url: str
    documentation_url: str
    provider: str
    classification: Classification
    visibility: Visibility
    turns: TurnOptions
    extensions: _containers.RepeatedCompositeFieldContainer[Extension]
    input_modes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., domain: _Optional[str] = ..., version: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., examples: _Optional[_Iterable[str]] = ..., icon_url: _Optional[str] = ..., documentation_url: _Optional[str] = ..., provider: _Optional[str] = ..., classification: _Optional[_Union[Classification, str]] = ..., visibility: _Optional[_Union[Visibility, str]] = ..., turns: _Optional[_Union[TurnOptions, _Mapping]] = ..., extensions: _Optional[_Iterable[_Union[Extension, _Mapping]]] = ..., input_modes: _Optional[_Iterable[str]] = ...) -> None: ...

class Extension(_message.Message):
    __slots__ = ("uri", "description", "required")
    URI_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    uri: str
    description: str
    required: bool
    def __init__(self, uri: _Optional[str] = ..., description: _Optional[str] = ..., required: _Optional[bool] = ...) -> None: ...

class TurnOptions(_message.Message):
    __slots__ = ("timeout", "max_attempts", "when_busy", "history")
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    WHEN_BUSY_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    timeout: _duration_pb2.Duration
    max_attempts: int
    when_busy: WhenBusy
    history: int
    def __init__(self, timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_attempts: _Optional[int] = ..., when_busy: _Optional[_Union[WhenBusy, str]] = ..., history: _Optional[int] = ...) -> None: ...

class SkillOptions(_message.Message):
    __slots__ = ("name", "external_name", "title", "tags", "examples", "read_only", "destructive", "idempotent", "open_world", "approval", "scopes", "timeout", "invocation", "streaming", "classification")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    DESTRUCTIVE_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENT_FIELD_NUMBER: _ClassVar[int]
    OPEN_WORLD_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    external_name: str
    title: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    examples: _containers.RepeatedScalarFieldContainer[str]
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool
    approval: Approval
    scopes: _containers.RepeatedScalarFieldContainer[str]
    timeout: _duration_pb2.Duration
    invocation: Invocation
    streaming: Streaming
    classification: Classification
    def __init__(self, name: _Optional[str] = ..., external_name: _Optional[str] = ..., title: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., examples: _Optional[_Iterable[str]] = ..., read_only: _Optional[bool] = ..., destructive: _Optional[bool] = ..., idempotent: _Optional[bool] = ..., open_world: _Optional[bool] = ..., approval: _Optional[_Union[Approval, str]] = ..., scopes: _Optional[_Iterable[str]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., invocation: _Optional[_Union[Invocation, str]] = ..., streaming: _Optional[_Union[Streaming, str]] = ..., classification: _Optional[_Union[Classification, str]] = ...) -> None: ...

class ParamOptions(_message.Message):
    __slots__ = ("example", "sensitive", "policy_visible", "bound", "header")
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    SENSITIVE_FIELD_NUMBER: _ClassVar[int]
    POLICY_VISIBLE_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    example: str
    sensitive: bool
    policy_visible: bool
    bound: Bound
    header: str
    def __init__(self, example: _Optional[str] = ..., sensitive: _Optional[bool] = ..., policy_visible: _Optional[bool] = ..., bound: _Optional[_Union[Bound, str]] = ..., header: _Optional[str] = ...) -> None: ...
