"""What is special about the fields of a skill's input: bound, sensitive, visible to policies, mirrored in a header."""

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from interchange.v1.annotations_pb2 import ParamOptions

from registry.model import Param
from registry.names import HEADER
from registry.protoc.annotations import Annotations, Note
from registry.protoc.problems import Problems
from registry.protoc.schema import Notes, is_synthetic
from registry.protoc.settings import BOUNDS, NEWER, is_newer
from registry.protoc.wellknown import RANGES

_INTEGERS_IN_HEADERS = frozenset(kind for kind, (_, high) in RANGES.items() if high < 2**32)


def notes_of(method: MethodDescriptor, annotations: Annotations) -> Notes:
    """What is said of each field of a method's input, by its name in the proto."""
    return {field.name: annotations.param(field, method) for field in method.input_type.fields}


def params_of(method: MethodDescriptor, notes: Notes, annotations: Annotations) -> tuple[Param, ...]:
    """The special fields, in the order of the proto, then those in messages below that are sensitive."""
    fields = method.input_type.fields
    own = [param_of(field, notes[field.name].options) for field in fields if is_special(notes[field.name].options)]
    hidden = {param.name for param in own if param.sensitive}
    below = [name for name in sensitive_below(method.input_type, annotations) if name.split(".")[0] not in hidden]
    return (*own, *(Param(name=name, sensitive=True) for name in below))


def check_params(method: MethodDescriptor, notes: Notes, problems: Problems) -> None:
    """Report what cannot be done with a field of the input."""
    headers: dict[str, str] = {}
    for field in method.input_type.fields:
        note = notes[field.name]
        if is_newer(note.options):
            problems.add(note.place, NEWER)
        for option, sentence in _faults(field, note):
            problems.add(note.at(option), f"{field.full_name}: {sentence}")
        other = headers.setdefault(note.options.header.lower(), field.name)
        if note.options.header and other != field.name:
            problems.add(
                note.at("header"), f'{field.full_name}: the header "{note.options.header}" is also {other}\'s.'
            )


def sensitive_below(message: Descriptor, annotations: Annotations) -> tuple[str, ...]:
    """Dotted JSON names of sensitive fields of nested messages; what recurs is hidden from where it recurs."""
    return tuple(dict.fromkeys(_sensitive(message, annotations, "", frozenset({message.full_name}))))


def reachable(message: Descriptor) -> list[Descriptor]:
    """The messages in the fields of a message, and in theirs; the message itself only if it recurs."""
    found: dict[str, Descriptor] = {}
    todo = [message]
    while todo:
        for field in todo.pop().fields:
            inner = field.message_type
            if inner is not None and inner.full_name not in found:
                found[inner.full_name] = inner
                todo.append(inner)
    return list(found.values())


def cedar_type(field: FieldDescriptor) -> str:
    """The type a policy sees of a field; empty where it cannot see one."""
    if field.is_repeated:
        return "Set<String>" if field.type == field.TYPE_STRING else ""
    if field.type == field.TYPE_BOOL:
        return "Bool"
    if field.type in RANGES:
        return "Long"
    return "String" if field.type in (field.TYPE_STRING, field.TYPE_ENUM) else ""


def default_of(field: FieldDescriptor) -> bool | int | str | tuple[str, ...] | None:
    """The JSON a policy may assume where absence cannot be seen; None where it can."""
    if field.is_repeated:
        return ()
    if field.has_presence:
        return None
    if field.enum_type is not None:
        return field.enum_type.values_by_number[field.default_value].name
    return field.default_value


def is_special(options: ParamOptions) -> bool:
    return bool(options.bound or options.sensitive or options.policy_visible or options.header)


def param_of(field: FieldDescriptor, options: ParamOptions) -> Param:
    visible = options.policy_visible and bool(cedar_type(field))
    return Param(
        name=field.json_name,
        bound=BOUNDS.get(options.bound),
        sensitive=options.sensitive,
        policy_visible=visible,
        type=cedar_type(field) if visible else "",
        default=default_of(field) if visible else None,
        header=options.header,
    )


def _faults(field: FieldDescriptor, note: Note[ParamOptions]) -> Iterator[tuple[str, str]]:
    options = note.options
    if options.bound:
        yield from _bound_faults(field, options)
    if options.policy_visible and not cedar_type(field):
        yield "policy_visible", "policies can see only bool, string, enum, integer and repeated string fields."
    if options.header and not HEADER.fullmatch(options.header):
        yield "header", f'"{options.header}" is not the name of a header (RFC 9110 token).'
    if options.header and not _fits_header(field):
        yield "header", "only a single string, bool, enum or 32-bit integer can be mirrored in a header."
    if options.header and options.sensitive:
        yield "header", "sensitive and header contradict each other: headers are logged on the way."


def _bound_faults(field: FieldDescriptor, options: ParamOptions) -> Iterator[tuple[str, str]]:
    if options.bound not in BOUNDS:
        yield "bound", "bound has a value that this version does not know."
    if field.type != field.TYPE_STRING or field.is_repeated:
        yield "bound", "only a single string field can be bound."
    if field.containing_oneof is not None and not is_synthetic(field):
        yield "bound", "a member of a oneof cannot be bound."
    if options.example:
        yield "example", "bound and example contradict each other: the caller never writes this field."
    if options.header:
        yield "header", "bound and header contradict each other: the caller never sends this field."


def _fits_header(field: FieldDescriptor) -> bool:
    simple = (field.TYPE_STRING, field.TYPE_BOOL, field.TYPE_ENUM)
    return not field.is_repeated and (field.type in simple or field.type in _INTEGERS_IN_HEADERS)


def _sensitive(message: Descriptor, annotations: Annotations, prefix: str, above: frozenset[str]) -> Iterator[str]:
    for field in message.fields:
        name = f"{prefix}{field.json_name}"
        if prefix and annotations.param(field).options.sensitive:
            yield name
            continue
        inner = _content(field)
        if inner is None:
            continue
        if inner.full_name not in above:
            yield from _sensitive(inner, annotations, f"{name}.", above | {inner.full_name})
        elif _has_sensitive(inner, annotations):
            yield name


def _has_sensitive(message: Descriptor, annotations: Annotations) -> bool:
    return any(
        annotations.param(field).options.sensitive for each in [message, *reachable(message)] for field in each.fields
    )


def _content(field: FieldDescriptor) -> Descriptor | None:
    """The message in a field, or in the values of a map."""
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return inner.fields_by_name["value"].message_type
    return inner
