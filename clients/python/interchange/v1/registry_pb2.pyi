from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Binding(_message.Message):
    __slots__ = ("kind", "targets", "tls")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    targets: _containers.RepeatedScalarFieldContainer[str]
    tls: Tls
    def __init__(self, kind: _Optional[str] = ..., targets: _Optional[_Iterable[str]] = ..., tls: _Optional[_Union[Tls, _Mapping]] = ...) -> None: ...

class Tls(_message.Message):
    __slots__ = ("ca", "certificate", "key", "server_name")
    CA_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    ca: str
    certificate: str
    key: str
    server_name: str
    def __init__(self, ca: _Optional[str] = ..., certificate: _Optional[str] = ..., key: _Optional[str] = ..., server_name: _Optional[str] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("manifest", "binding", "force", "reason", "overlay", "if_vacant")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    IF_VACANT_FIELD_NUMBER: _ClassVar[int]
    manifest: str
    binding: Binding
    force: bool
    reason: str
    overlay: str
    if_vacant: bool
    def __init__(self, manifest: _Optional[str] = ..., binding: _Optional[_Union[Binding, _Mapping]] = ..., force: _Optional[bool] = ..., reason: _Optional[str] = ..., overlay: _Optional[str] = ..., if_vacant: _Optional[bool] = ...) -> None: ...

class DiscoverRequest(_message.Message):
    __slots__ = ("target", "tls", "overlay", "force", "reason")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    target: str
    tls: Tls
    overlay: str
    force: bool
    reason: str
    def __init__(self, target: _Optional[str] = ..., tls: _Optional[_Union[Tls, _Mapping]] = ..., overlay: _Optional[str] = ..., force: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class ImportRequest(_message.Message):
    __slots__ = ("descriptor_set", "overlay", "binding", "force", "reason")
    DESCRIPTOR_SET_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    descriptor_set: bytes
    overlay: str
    binding: Binding
    force: bool
    reason: str
    def __init__(self, descriptor_set: _Optional[bytes] = ..., overlay: _Optional[str] = ..., binding: _Optional[_Union[Binding, _Mapping]] = ..., force: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("changes", "catalog_version")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CATALOG_VERSION_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    catalog_version: int
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., catalog_version: _Optional[int] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("name", "kind", "revision", "outcome", "differences", "breaking", "pin")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    BREAKING_FIELD_NUMBER: _ClassVar[int]
    PIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    revision: int
    outcome: str
    differences: _containers.RepeatedScalarFieldContainer[str]
    breaking: bool
    pin: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., revision: _Optional[int] = ..., outcome: _Optional[str] = ..., differences: _Optional[_Iterable[str]] = ..., breaking: _Optional[bool] = ..., pin: _Optional[str] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("all",)
    ALL_FIELD_NUMBER: _ClassVar[int]
    all: bool
    def __init__(self, all: _Optional[bool] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("items", "catalog_version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    CATALOG_VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Listed]
    catalog_version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Listed, _Mapping]]] = ..., catalog_version: _Optional[int] = ...) -> None: ...

class Listed(_message.Message):
    __slots__ = ("name", "kind", "title", "revision", "state", "tool_name", "domain", "hints", "targets")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    title: str
    revision: int
    state: str
    tool_name: str
    domain: str
    hints: _containers.RepeatedScalarFieldContainer[str]
    targets: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., title: _Optional[str] = ..., revision: _Optional[int] = ..., state: _Optional[str] = ..., tool_name: _Optional[str] = ..., domain: _Optional[str] = ..., hints: _Optional[_Iterable[str]] = ..., targets: _Optional[_Iterable[str]] = ...) -> None: ...

class ShowRequest(_message.Message):
    __slots__ = ("name", "revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: int
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class ShowResponse(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: str
    def __init__(self, document: _Optional[str] = ...) -> None: ...

class DiffRequest(_message.Message):
    __slots__ = ("name", "manifest", "overlay")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    name: str
    manifest: str
    overlay: str
    def __init__(self, name: _Optional[str] = ..., manifest: _Optional[str] = ..., overlay: _Optional[str] = ...) -> None: ...

class DiffResponse(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...

class ApproveRequest(_message.Message):
    __slots__ = ("name", "revision", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: int
    reason: str
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class RetireRequest(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class BindRequest(_message.Message):
    __slots__ = ("name", "binding")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    name: str
    binding: Binding
    def __init__(self, name: _Optional[str] = ..., binding: _Optional[_Union[Binding, _Mapping]] = ...) -> None: ...

class ChangeResponse(_message.Message):
    __slots__ = ("changes", "catalog_version")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CATALOG_VERSION_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    catalog_version: int
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., catalog_version: _Optional[int] = ...) -> None: ...
