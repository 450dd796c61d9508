"""Parts: what messages, answers and artifacts are made of, to and from plain Python values.

Text is `str`, bytes are `bytes`, JSON is whatever `json` would take; a `Part` made by hand is left as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from google.protobuf import json_format, struct_pb2
from interchange.v1 import agent_pb2

Json: TypeAlias = Mapping[str, Any] | Sequence[Any] | str | int | float | bool | None
Content: TypeAlias = agent_pb2.Part | bytes | Json
"""What `part` makes a part of."""


def part(content: Content, *, media_type: str = "", filename: str = "") -> agent_pb2.Part:
    """One part: text of a `str`, raw bytes of `bytes`, data of any other JSON value.

    Raises:
        TypeError, ValueError: the content is nothing that JSON can say.
    """
    if isinstance(content, agent_pb2.Part):
        return content
    made = agent_pb2.Part(media_type=media_type, filename=filename)
    if isinstance(content, str):
        made.text = content
    elif isinstance(content, bytes):
        made.raw = content
    else:
        made.data.CopyFrom(_value(content))
    return made


def link(url: str, *, media_type: str = "", filename: str = "") -> agent_pb2.Part:
    """A part that says where its content is."""
    return agent_pb2.Part(url=url, media_type=media_type, filename=filename)


def text_of(parts: Iterable[agent_pb2.Part]) -> str:
    """The texts among parts, a line break between them."""
    return "\n".join(each.text for each in parts if each.WhichOneof("content") == "text")


def data_of(parts: Iterable[agent_pb2.Part]) -> Any:
    """The first JSON value among parts; None if there is none. Whole numbers come back as `int`."""
    for each in parts:
        if each.WhichOneof("content") == "data":
            return _whole(json_format.MessageToDict(each)["data"])
    return None


def json_value(value: struct_pb2.Value) -> Any:
    """A protobuf Value as JSON; whole numbers come back as `int`."""
    return _whole(json_format.MessageToDict(value))


def write_parts(content: Content | Sequence[agent_pb2.Part]) -> list[dict[str, Any]]:
    """Content as A2A's JSON writes parts, which are the same as ours."""
    given = cast("Sequence[object]", content) if isinstance(content, list | tuple) else ()
    whole = given and all(isinstance(each, agent_pb2.Part) for each in given)
    parts = cast("Sequence[agent_pb2.Part]", given) if whole else [part(cast("Content", content))]
    return [json_format.MessageToDict(each) for each in parts]


def read_parts(written: object) -> tuple[agent_pb2.Part, ...]:
    """Parts from A2A's JSON.

    Raises:
        ValueError: they are none.
    """
    each = cast("list[dict[str, Any]]", written) if isinstance(written, list) else None
    if each is None or not all(isinstance(part, dict) and part for part in each):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError("parts are a list of objects")
    try:
        return tuple(json_format.ParseDict(part, agent_pb2.Part(), ignore_unknown_fields=True) for part in each)
    except (json_format.ParseError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("a part is not as A2A writes it") from error


def _value(content: Json) -> struct_pb2.Value:
    try:
        return json_format.ParseDict(cast("Any", content), struct_pb2.Value())
    except (json_format.ParseError, TypeError) as error:
        raise TypeError(f"a part cannot be made of {type(content).__name__}: give it text, bytes or JSON") from error


def _whole(value: Any) -> Any:
    """JSON with whole numbers as `int`: protobuf keeps one kind of number only, and 3 is not to become 3.0."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in cast("dict[str, Any]", value).items()}
    return [_whole(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value
