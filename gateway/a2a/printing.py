"""A2A's protobuf messages as the JSON of the protocol (ProtoJSON), several times as fast as protobuf's own printer.

Protobuf looks at each field's descriptor every time; here that is done once for each kind of message. What it makes is
the same, which `tests/property/test_a2a_printing.py` holds. Made for the messages of A2A: no maps but those of a
Struct, no 64-bit numbers, no well-known types but Struct, Value and Timestamp.
"""

import base64
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from registry.model import JsonObject, JsonValue

_Print: TypeAlias = Callable[[Any], JsonValue]


class _Field(NamedTuple):
    """How a field is printed: its name in JSON, and what prints one value of it."""

    name: str
    print: _Print
    is_repeated: bool


def print_message(message: Message) -> JsonObject:
    """A message as JSON: the fields that it has, in the order of their numbers."""
    fields = _fields_of(message.DESCRIPTOR)
    printed: dict[str, JsonValue] = {}
    for descriptor, value in message.ListFields():
        field = fields[descriptor.number]
        printed[field.name] = [field.print(each) for each in value] if field.is_repeated else field.print(value)
    return printed


def print_struct(struct: Struct) -> JsonObject:
    """A Struct as JSON."""
    fields = struct.fields
    return {name: _print_value(fields[name]) for name in fields}


def _print_value(value: Value) -> JsonValue:
    """A Value as JSON.

    Raises:
        ValueError: it is a number that JSON has not.
    """
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            if not math.isfinite(value.number_value):
                raise ValueError(f"JSON has no number {value.number_value}.")
            return value.number_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return print_struct(value.struct_value)
        case "list_value":
            return _print_list(value.list_value)
        case _:
            return None


def _print_list(values: ListValue) -> list[JsonValue]:
    return [_print_value(each) for each in values.values]


_WELL_KNOWN: Final[Mapping[str, _Print]] = {
    Struct.DESCRIPTOR.full_name: print_struct,
    Value.DESCRIPTOR.full_name: _print_value,
    Timestamp.DESCRIPTOR.full_name: Timestamp.ToJsonString,
}


@cache
def _fields_of(descriptor: Descriptor) -> Mapping[int, _Field]:
    """How the fields of a message are printed, by their numbers."""
    return {field.number: _Field(field.json_name, _printer_of(field), field.is_repeated) for field in descriptor.fields}


def _printer_of(field: FieldDescriptor) -> _Print:
    if field.message_type is not None:
        return _WELL_KNOWN.get(field.message_type.full_name, print_message)
    if field.enum_type is not None:
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda number: names.get(number, number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda raw: base64.b64encode(raw).decode()
    return _as_it_is


def _as_it_is(value: JsonValue) -> JsonValue:
    return value
