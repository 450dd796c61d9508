"""A validator's error as faults: a JSON pointer to the very field, and a sentence that says what was expected.

The sentence says of what came only its type, never its value, since faults are shown, logged and audited.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kind

from registry.model import Fault, JsonObject, JsonValue

LISTED = 20
"""Names and values listed in one sentence."""

SEGMENT = 100
"""Characters shown of one segment of a pointer: a caller may send a key of a megabyte."""


def faults_of(error: ValidationError, schema: JsonObject) -> Iterator[Fault]:
    """The faults one error stands for: several where several properties are unknown."""
    path = error.instance_path
    match error.kind:
        case Kind.Required(property=name):
            yield Fault(pointer([*path, name]), "is required")
        case Kind.AdditionalProperties(unexpected=names):
            known = _known(schema, error.schema_path)
            for name in names:
                yield Fault(pointer([*path, name]), f"is not a known field{known}")
        case Kind.PropertyNames(error=inner):
            yield Fault(pointer([*path, str(inner.instance)]), f"as a key: {_sentence(inner)}")
        case _:
            yield Fault(pointer(path), _sentence(error))


def pointer(path: Sequence[str | int]) -> str:
    """A path as an RFC 6901 JSON pointer."""
    return "".join(f"/{_segment(str(part))}" for part in path)


def _segment(part: str) -> str:
    shown = part if len(part) <= SEGMENT else f"{part[:SEGMENT]}…"
    return shown.replace("~", "~0").replace("/", "~1")


def _sentence(error: ValidationError) -> str:  # noqa: PLR0911 a table in the form of a match
    match error.kind:
        case Kind.Type(types=types):
            return f"expected {_either(types)}, found {_type(error.instance)}"
        case Kind.Enum(options=options):
            return f"must be one of {_listed(options)}"
        case Kind.Constant(expected_value=value):
            return f"must be {_listed([value])}"
        case Kind.Custom(message=message):
            return message
        case Kind.AnyOf(context=context) | Kind.OneOfNotValid(context=context):
            return _alternatives(context)
        case Kind.OneOfMultipleValid():
            return "fits more than one of the forms it may have, and must fit exactly one"
        case Kind.FalseSchema():
            return "must not be given"
        case Kind.Not():
            return "is a value that is not allowed"
        case Kind.UniqueItems():
            return "must not hold the same item twice"
        case Kind.MultipleOf(multiple_of=step):
            return f"must be a multiple of {step}"
        case _:
            return _limit(error)


LIMITS: Mapping[str, str] = {
    "minimum": "must be at least {}",
    "exclusiveMinimum": "must be more than {}",
    "maximum": "must be at most {}",
    "exclusiveMaximum": "must be less than {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} entries",
    "maxProperties": "must have at most {} entries",
}


def _limit(error: ValidationError) -> str:
    keyword = error.kind.name
    return LIMITS[keyword].format(error.kind.value) if keyword in LIMITS else f"does not fit its {keyword}"


def _alternatives(context: Sequence[Sequence[ValidationError]]) -> str:
    """What each alternative had against it; one sentence where all of them wanted another type."""
    first = [branch[0] for branch in context if branch]
    wanted = [name for error in first if isinstance(error.kind, Kind.Type) for name in error.kind.types]
    if first and len(wanted) >= len(first) and all(isinstance(error.kind, Kind.Type) for error in first):
        return f"expected {_either(wanted)}, found {_type(first[0].instance)}"
    reasons = [error for error in first if not isinstance(error.kind, Kind.Type)] or first
    said = dict.fromkeys(_where(error) + _sentence_of_branch(error) for error in reasons[:3])
    return " or ".join(said) or "fits none of the forms it may have"


def _where(error: ValidationError) -> str:
    return f"{pointer(error.instance_path)[1:]} " if error.instance_path else ""


def _sentence_of_branch(error: ValidationError) -> str:
    if isinstance(error.kind, Kind.Required):
        return f"{error.kind.property} is required"
    return _sentence(error)


NAMES = {
    "null": "null",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "array": "a list",
    "object": "an object",
}


def _either(types: Sequence[str]) -> str:
    return " or ".join(dict.fromkeys(NAMES.get(name, name) for name in types))


def _type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    found = "object" if isinstance(value, Mapping) else "array" if isinstance(value, list) else "string"
    return NAMES["number" if isinstance(value, int | float) else found]


def _listed(values: Sequence[object]) -> str:
    """Permitted values; each short, not too many."""
    shown = ", ".join(_cut(value) for value in values[:LISTED])
    return shown if len(values) <= LISTED else f"{shown} and {len(values) - LISTED} more"


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= SEGMENT else f"{text[:SEGMENT]}…"


def _known(schema: JsonObject, path: Sequence[str | int]) -> str:
    """The fields there are, where an unknown one was given: the path leads to the schema that says so."""
    here: JsonValue = schema
    for part in path[:-1]:
        if isinstance(here, Mapping):
            here = here.get(str(part))
        elif isinstance(here, list) and isinstance(part, int):
            here = cast("list[JsonValue]", here)[part]
    known = here.get("properties") if isinstance(here, Mapping) else None
    names = list(known) if isinstance(known, Mapping) else []
    return f"; known are {_listed(names)}" if names else ""
