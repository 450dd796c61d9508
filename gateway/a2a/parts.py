"""Parts between A2A's words and ours, one for one: text, bytes, a URL or data, with what is said about each."""

from collections.abc import Sequence
from typing import Any, cast

from a2a.types import a2a_pb2 as wire
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct, Value

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
    """Put JSON into a Struct or a Value of a message."""
    ParseDict(cast("dict[str, Any]", value), message)


def read_struct(struct: Struct) -> JsonObject:
    """A Struct as JSON."""
    return MessageToDict(struct) if struct.fields else {}


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
