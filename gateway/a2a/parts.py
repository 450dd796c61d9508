"""Parts between A2A's words and ours, one for one: text, bytes, a URL or data, with what is said about each."""

from collections.abc import Mapping, Sequence
from typing import cast

from a2a.types import a2a_pb2 as wire
from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from gateway.a2a.printing import print_struct
from registry.model import JsonObject, JsonValue, Part


def read_part(part: wire.Part, data: JsonValue) -> Part:
    """One part of a message; `data` is its data as the request's JSON has it, since `Value` knows only doubles."""
    kind = part.WhichOneof("content")
    return Part(
        text=part.text if kind == "text" else None,
        raw=part.raw if kind == "raw" else None,
        url=part.url if kind == "url" else None,
        data=data if kind == "data" else None,
        media_type=part.media_type,
        filename=part.filename,
        metadata=read_struct(part.metadata),
    )


def fill(message: Struct | Value, value: JsonValue) -> None:
    """Put JSON into an empty Struct, which takes an object only, or into a Value."""
    if isinstance(message, Value):
        _fill_value(message, value)
    else:
        _fill_struct(message, cast("JsonObject", value))


def _fill_struct(struct: Struct, value: JsonObject) -> None:
    struct.SetInParent()  # there, even if it has nothing in it
    fields = struct.fields
    for name, each in value.items():
        _fill_value(fields[name], each)


def _fill_value(into: Value, value: JsonValue) -> None:
    match value:
        case str():
            into.string_value = value
        case bool():
            into.bool_value = value
        case int() | float():
            into.number_value = value
        case None:
            into.null_value = NULL_VALUE
        case Mapping():
            _fill_struct(into.struct_value, value)
        case _:
            into.list_value.SetInParent()
            add = into.list_value.values.add
            for each in value:
                _fill_value(add(), each)


def read_struct(struct: Struct) -> JsonObject:
    """A Struct as JSON."""
    return print_struct(struct) if struct.fields else {}


def write_parts(parts: Sequence[Part]) -> list[wire.Part]:
    """Our parts in A2A's words."""
    return [write_part(part) for part in parts]


def write_part(part: Part) -> wire.Part:
    """One of our parts in A2A's words."""
    written = wire.Part(media_type=part.media_type, filename=part.filename)
    if part.metadata:
        fill(written.metadata, part.metadata)
    if part.text is not None:
        written.text = part.text
    elif part.raw is not None:
        written.raw = part.raw
    elif part.url is not None:
        written.url = part.url
    else:
        fill(written.data, part.data)
    return written
