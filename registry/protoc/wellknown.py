"""The JSON Schema of protobuf's scalars and well-known types in ProtoJSON, each as input and as output.

The two differ on purpose. An input admits only what both codecs read and a model should write; an output admits
whatever a codec may emit: "NaN", 64-bit integers as strings, numbers of enum values that nobody declared.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from google.protobuf.descriptor import FieldDescriptor

from registry.protoc.numbers import decimal_pattern


class Direction(StrEnum):
    INPUT = "input"
    OUTPUT = "output"


_FLOAT_MAX = 3.4028234663852886e38
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$"
_DURATION = r"^-?[0-9]{1,11}(?:\.[0-9]{1,9})?s$"  # 3,000 years; protobuf's 10,000 would need a long expression
_FIELD = r"[a-z][a-zA-Z0-9]*"
_FIELD_MASK = rf"^(?:{_FIELD}(?:\.{_FIELD})*(?:,{_FIELD}(?:\.{_FIELD})*)*)?$"
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"

_EMITTED_64 = {"type": ["string", "integer"], "pattern": "^-?[0-9]{1,20}$"}

RANGES: Mapping[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}
"""What each integer type can hold."""


def scalar(kind: int, direction: Direction) -> dict[str, object]:
    """The schema of a scalar that is neither an enum nor a message."""
    if kind in RANGES:
        low, high = RANGES[kind]
        if high < 2**32:
            return {"type": "integer", "minimum": low, "maximum": high}
        return integer64(low, high) if direction is Direction.INPUT else dict(_EMITTED_64)
    if kind == FieldDescriptor.TYPE_BOOL:
        return {"type": "boolean"}
    if kind == FieldDescriptor.TYPE_STRING:
        return {"type": "string"}
    if kind == FieldDescriptor.TYPE_BYTES:
        return _bytes(direction)
    return _number(direction, single=kind == FieldDescriptor.TYPE_FLOAT)


def integer64(low: int, high: int) -> dict[str, object]:
    """ProtoJSON writes these as strings and reads both; exact however large, since a pattern has no rounding."""
    return {"type": ["string", "integer"], "pattern": decimal_pattern(low, high), "minimum": low, "maximum": high}


def map_key(kind: int) -> dict[str, object]:
    """What the names of a map's entries look like; nothing to say of strings."""
    if kind == FieldDescriptor.TYPE_BOOL:
        return {"enum": ["true", "false"]}
    return {"pattern": decimal_pattern(*RANGES[kind])} if kind in RANGES else {}


def _bytes(direction: Direction) -> dict[str, object]:
    pattern = {"pattern": _BASE64} if direction is Direction.INPUT else {}
    return {"type": "string", "contentEncoding": "base64", **pattern}


def _number(direction: Direction, *, single: bool) -> dict[str, object]:
    if direction is Direction.OUTPUT:
        return {"type": ["number", "string"], "pattern": "^(?:NaN|-?Infinity)$"}
    return {"type": "number", **({"minimum": -_FLOAT_MAX, "maximum": _FLOAT_MAX} if single else {})}


def _wrapper(kind: int) -> Callable[[Direction], dict[str, object]]:
    return lambda direction: scalar(kind, direction)


def _same(**schema: object) -> Callable[[Direction], dict[str, object]]:
    return lambda _: dict(schema)


def _timestamp(direction: Direction) -> dict[str, object]:
    pattern = {"pattern": _TIMESTAMP} if direction is Direction.INPUT else {}
    return {"type": "string", "format": "date-time", **pattern}


def _duration(direction: Direction) -> dict[str, object]:
    pattern = _DURATION if direction is Direction.INPUT else _DURATION.replace("11", "12")
    return {"type": "string", "pattern": pattern}


WRAPPERS: Mapping[str, int] = {
    "google.protobuf.DoubleValue": FieldDescriptor.TYPE_DOUBLE,
    "google.protobuf.FloatValue": FieldDescriptor.TYPE_FLOAT,
    "google.protobuf.Int64Value": FieldDescriptor.TYPE_INT64,
    "google.protobuf.UInt64Value": FieldDescriptor.TYPE_UINT64,
    "google.protobuf.Int32Value": FieldDescriptor.TYPE_INT32,
    "google.protobuf.UInt32Value": FieldDescriptor.TYPE_UINT32,
    "google.protobuf.BoolValue": FieldDescriptor.TYPE_BOOL,
    "google.protobuf.StringValue": FieldDescriptor.TYPE_STRING,
    "google.protobuf.BytesValue": FieldDescriptor.TYPE_BYTES,
}

_TYPES: Mapping[str, Callable[[Direction], dict[str, object]]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": lambda direction: (
        {"type": "string", "pattern": _FIELD_MASK} if direction is Direction.INPUT else {"type": "string"}
    ),
    "google.protobuf.Struct": _same(type="object"),
    "google.protobuf.Value": _same(),
    "google.protobuf.ListValue": _same(type="array"),
    "google.protobuf.Empty": _same(type="object", maxProperties=0),
    "google.protobuf.Any": lambda direction: {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        **({"required": ["@type"]} if direction is Direction.INPUT else {}),
    },
    **{name: _wrapper(kind) for name, kind in WRAPPERS.items()},
}

OBJECTS = frozenset({"google.protobuf.Struct", "google.protobuf.Empty", "google.protobuf.Any"})
"""Well-known types whose JSON is an object, and which can so be a root."""


def well_known(full_name: str, direction: Direction) -> dict[str, object] | None:
    """The schema of a well-known type, None of any other message."""
    found = _TYPES.get(full_name)
    return found(direction) if found else None
