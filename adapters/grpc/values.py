"""google.protobuf.Value and Struct as JSON. Whole numbers become integers, as JSON writers everywhere would have it."""

import math

from google.protobuf.struct_pb2 import Struct, Value

from registry.model import JsonValue

EXACT = 2**53


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


def _number(number: float) -> int | float:
    if not math.isfinite(number):
        raise ValueError(f"{number} is no JSON number")
    return int(number) if number.is_integer() and abs(number) <= EXACT else number
