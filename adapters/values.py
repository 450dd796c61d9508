"""google.protobuf.Value and Struct as JSON, and JSON as those.

Read, whole numbers become integers, as JSON writers everywhere would have it; written, all numbers are doubles: a Value
has nothing else.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

from registry.model import JsonObject, JsonValue

EXACT: Final = 2**53
DEEPEST: Final = 30
"""Levels of JSON that are written: one is up to three messages, and who reads protobuf refuses more than 100."""


def read_value(value: Value) -> JsonValue:
    """The JSON that a Value means; null where it means nothing.

    Raises:
        ValueError: a number that JSON does not have.
    """
    match value.WhichOneof("kind"):
        case "struct_value":
            return read_struct(value.struct_value)
        case "list_value":
            return [read_value(item) for item in value.list_value.values]
        case "string_value":
            return value.string_value
        case "number_value":
            return _number(value.number_value)
        case "bool_value":
            return value.bool_value
        case _:
            return None


def read_struct(struct: Struct) -> dict[str, JsonValue]:
    """The JSON object that a Struct means.

    Raises:
        ValueError: a number that JSON does not have.
    """
    return {key: read_value(value) for key, value in struct.fields.items()}


def write_value(value: JsonValue, into: Value, *, levels: int = DEEPEST) -> None:
    """JSON, written into a new Value.

    Raises:
        ValueError: it is nested more than `levels` deep, or holds a number or a text that a Value cannot.
    """
    match value:
        case None:
            into.null_value = NULL_VALUE
        case bool():
            into.bool_value = value
        case int() | float():
            into.number_value = _double(value)
        case str():
            into.string_value = value
        case Mapping():
            write_struct(value, into.struct_value, levels=levels - 1)
        case _:
            _write_list(value, into.list_value, levels - 1)


def write_struct(value: JsonObject, into: Struct, *, levels: int = DEEPEST) -> None:
    """A JSON object, written into a new Struct.

    Raises:
        ValueError: as `write_value` says.
    """
    _check(levels)
    into.SetInParent()  # an empty object is one too
    for key, inner in value.items():
        write_value(inner, into.fields[key], levels=levels)


def _write_list(values: Sequence[JsonValue], into: ListValue, levels: int) -> None:
    _check(levels)
    into.SetInParent()
    for inner in values:
        write_value(inner, into.values.add(), levels=levels)


def _check(levels: int) -> None:
    if levels < 0:
        raise ValueError(f"it is nested more than {DEEPEST} deep")


def _double(number: float) -> float:
    try:
        return float(number)
    except OverflowError as error:
        raise ValueError("it holds a number beyond what a double can hold") from error


def _number(number: float) -> int | float:
    if not math.isfinite(number):
        raise ValueError(f"{number} is no JSON number")
    return int(number) if number.is_integer() and abs(number) <= EXACT else number
