"""Where in some arguments a fault is: JSON pointers for broken rules, and for values that do not convert.

Both codecs use this, so a caller reads the same whichever of them did the work.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from protovalidate import FieldPathElementPb, ViolationPb

from registry.model import FarSideError, FarSideFault, Fault, InvalidArguments, JsonObject, JsonValue

_NODES, _TRIALS = 500, 200  # looking for a fault is for arguments that a person might have written
DEPTH = 100
"""How deeply messages may be nested in each other; protobuf's own limit."""

_PREFIX = re.compile(r"^(?:Failed to parse \S+ field: |cannot decode \S+ from JSON: )+")
_SUFFIX = re.compile(r" for field [\w.]+$| at [\w.]+(?:\[[^\]]*\])?(?:\.[\w.\[\]]+)?$")
_WELL_KNOWN = "google.protobuf."

Misfit = Callable[[Descriptor, JsonObject], str]
"""What keeps an object with one member from being a message; empty if nothing does."""


def pointer(*tokens: object) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)


def garbled(message: str) -> FarSideError:
    """The far side's bytes are not the message they should be; what exactly is wrong stays in the cause."""
    return FarSideError(f"The answer is not a {message} that can be read.", fault=FarSideFault.GARBLED)


def unenforceable(error: Exception) -> InvalidArguments:
    """A rule on the input failed while it was evaluated, so the call is not made."""
    return InvalidArguments([Fault("", f"a rule on the input could not be evaluated: {_line(error)}")])


def groups_of(message: Descriptor) -> tuple[tuple[FieldDescriptor, ...], ...]:
    """The oneofs of a message with more than one member."""
    return tuple(tuple(oneof.fields) for oneof in message.oneofs if len(oneof.fields) > 1)


def two_of_one(arguments: JsonObject, groups: Sequence[Sequence[FieldDescriptor]]) -> list[Fault]:
    """Faults of oneofs of which more than one member is given; conversion itself would let the last one win."""
    found: list[Fault] = []
    for group in groups:
        given = [field.json_name for field in group if _is_given(arguments, field)]
        names = ", ".join(field.json_name for field in group)
        found += [Fault(pointer(name), f"at most one of {names} may be given") for name in given[1:]]
    return found


def _is_given(arguments: JsonObject, field: FieldDescriptor) -> bool:
    return arguments.get(field.json_name, arguments.get(field.name)) is not None


def rule_faults(violations: Iterable[ViolationPb], message: Descriptor) -> list[Fault]:
    """buf.validate's violations as faults."""
    found: list[Fault] = []
    for violation in violations:
        elements = violation.field.elements if violation.field else []
        found.append(Fault(pointer(*_tokens(elements, message)), violation.message or f"breaks {violation.rule_id}"))
    return found


def _tokens(elements: Iterable[FieldPathElementPb], message: Descriptor | None) -> Iterator[object]:
    """The steps of a path in JSON names; a oneof is no step, its fault is its message's."""
    for element in elements:
        field = message.fields_by_name.get(element.field_name) if message else None
        if field is None:
            return
        yield field.json_name
        if element.subscript is not None:
            yield _key(element.subscript.value)
        message = _content(field)


def _key(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _content(field: FieldDescriptor) -> Descriptor | None:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return inner.fields_by_name["value"].message_type
    return inner


def located_faults(arguments: JsonObject, message: Descriptor, misfit: Misfit) -> list[Fault]:
    """Every place where the arguments do not convert; none where they are too large to be looked through."""
    nodes, depth = _size(arguments)
    if depth > DEPTH:
        return [Fault("", f"is nested more than {DEPTH} deep")]
    return list(_Search(misfit).within(arguments, message, ())) if nodes <= _NODES else []


class _Search:
    """Tries ever smaller pieces of the arguments."""

    def __init__(self, misfit: Misfit) -> None:
        self._ask = misfit
        self._trials = _TRIALS

    def _misfit(self, message: Descriptor, value: JsonObject) -> str:
        self._trials -= 1
        return self._ask(message, value) if self._trials >= 0 else ""

    def within(self, value: JsonObject, message: Descriptor, path: tuple[object, ...]) -> Iterator[Fault]:
        names = {name: field for field in message.fields for name in (field.name, field.json_name)}
        for key, each in value.items():
            field = names.get(key)
            if field is None:
                yield Fault(pointer(*path, key), "is not a field that is known here")
            elif words := self._misfit(message, {key: each}):
                yield from list(self._deeper(each, message, field, (*path, key))) or [Fault(pointer(*path, key), words)]

    def _deeper(
        self, value: JsonValue, message: Descriptor, field: FieldDescriptor, path: tuple[object, ...]
    ) -> Iterator[Fault]:
        """The faults inside a value; none if it is the value itself that is wrong."""
        content = _content(field)
        for wrapped, each, step in _pieces(value, field):
            words = self._misfit(message, {field.name: wrapped})
            if not words:
                continue
            inside = self._inside(each, content, (*path, *step))
            yield from inside or ([Fault(pointer(*path, *step), words)] if step else [])

    def _inside(self, value: JsonValue, content: Descriptor | None, path: tuple[object, ...]) -> list[Fault]:
        if content is None or content.full_name.startswith(_WELL_KNOWN) or not isinstance(value, Mapping):
            return []
        return list(self.within(value, content, path))


def _pieces(value: JsonValue, field: FieldDescriptor) -> Iterator[tuple[JsonValue, JsonValue, tuple[object, ...]]]:
    """(a value of the field with one entry alone, that entry, the step to it) of each entry."""
    if not field.is_repeated:
        yield value, value, ()
    elif isinstance(value, Mapping):
        yield from (({key: each}, each, (key,)) for key, each in value.items())
    elif isinstance(value, list | tuple):
        yield from (([each], each, (index,)) for index, each in enumerate(value))


def _size(arguments: JsonObject) -> tuple[int, int]:
    """How many values there are, and how deeply they are nested; counting stops at what is too much."""
    count, deepest, todo = 0, 0, list[tuple[JsonValue, int]]([(arguments, 1)])
    while todo and count <= _NODES and deepest <= DEPTH:
        value, depth = todo.pop()
        count, deepest = count + 1, max(deepest, depth)
        if isinstance(value, Mapping):
            todo.extend((each, depth + 1) for each in value.values())
        elif isinstance(value, list | tuple):
            todo.extend((each, depth + 1) for each in value)
    return count, deepest


def words_of(error: Exception) -> str:
    """What a converter said, without its account of the way there."""
    return _SUFFIX.sub("", _PREFIX.sub("", _line(error)).removesuffix("."))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
