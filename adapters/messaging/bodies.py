"""Bodies: what a message says, as the bytes that the log keeps.

JSON in the words of `interchange.v1` (proto3 JSON: camelCase, bytes as base64), written in one way only: the same
content always gives the same bytes, so that a message which is repeated is the same message. What the log says itself
is no such body: an `erased` message has the reason, as plain text.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from registry.model import Artifact, BadRequest, JsonObject, JsonValue, Part

_CONTENT = ("text", "raw", "url", "data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a message says. `question` is an `interchange.v1.Question` as JSON, in a message that asks."""

    parts: tuple[Part, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    question: JsonObject | None = None
    metadata: JsonObject = field(default_factory=dict[str, JsonValue])


def write_body(
    parts: Sequence[Part] = (),
    *,
    artifacts: Sequence[Artifact] = (),
    question: JsonObject | None = None,
    metadata: JsonObject | None = None,
) -> bytes:
    """The bytes of a body: the same for the same content, and never empty.

    Raises:
        BadRequest: something in it is not JSON: half a surrogate pair, a number beyond 64 bits, too deep a nesting.
    """
    body: dict[str, Any] = {}
    if parts:
        body["parts"] = [_write_part(part) for part in parts]
    if artifacts:
        body["artifacts"] = [_write_artifact(artifact) for artifact in artifacts]
    if question is not None:
        body["question"] = question
    if metadata:
        body["metadata"] = metadata
    try:
        return orjson.dumps(body, default=_plain, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise BadRequest(f"The message cannot be written as JSON: {error}.") from None


def read_body(body: bytes) -> Body:
    """What a body says; nothing, if it was erased (and so is empty).

    Raises:
        BadRequest: these are no bytes that `write_body` wrote; it says where.
    """
    if not body:
        return Body()
    try:
        return _read(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"This body is not JSON: {error}.") from None
    except _OddError as odd:
        raise BadRequest(f"This body is not one that we wrote: {odd}.") from None


def text_of(parts: Iterable[Part], *, artifacts: Iterable[Artifact] = ()) -> str:
    """What a search finds: all texts, the names of files and artifacts, and the strings in data; one a line."""
    words: list[str] = []
    for part in parts:
        words += _words(part)
    for artifact in artifacts:
        words += (artifact.name, artifact.description)
        for part in artifact.parts:
            words += _words(part)
    text = "\n".join(word for word in words if word)
    return text.replace("\0", " ").encode(errors="replace").decode()  # a database keeps neither NUL nor surrogates


class _OddError(Exception):
    """Something is not as `write_body` writes it; the message says where and what."""


def _plain(value: object) -> object:
    """What orjson does not know by itself: mappings and sequences that are no dict, list or tuple."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, JsonValue]", value))
    if isinstance(value, Sequence):
        return list(cast("Sequence[JsonValue]", value))
    raise TypeError(f"{type(value).__name__} is not JSON")


def _write_part(part: Part) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if part.text is not None:
        written["text"] = part.text
    elif part.raw is not None:
        written["raw"] = base64.b64encode(part.raw).decode()
    elif part.url is not None:
        written["url"] = part.url
    else:
        written["data"] = part.data
    if part.media_type:
        written["mediaType"] = part.media_type
    if part.filename:
        written["filename"] = part.filename
    if part.metadata:
        written["metadata"] = part.metadata
    return written


def _write_artifact(artifact: Artifact) -> dict[str, Any]:
    written: dict[str, Any] = {"id": artifact.id, "parts": [_write_part(part) for part in artifact.parts]}
    for name in ("name", "description", "append", "last"):
        if value := getattr(artifact, name):
            written[name] = value
    return written


def _read(value: object) -> Body:
    body = _object(value, "the body")
    _only(body, ("parts", "artifacts", "question", "metadata"), "the body")
    question = body.get("question")
    return Body(
        parts=_read_parts(body, "parts"),
        artifacts=tuple(
            _read_artifact(each, f"artifacts/{number}")
            for number, each in enumerate(_list(body.get("artifacts", []), "artifacts"))
        ),
        question=None if question is None else _object(question, "question"),
        metadata=_object(body.get("metadata", {}), "metadata"),
    )


def _read_parts(holder: Mapping[str, Any], where: str) -> tuple[Part, ...]:
    parts = _list(holder.get("parts", []), where)
    return tuple(_read_part(each, f"{where}/{number}") for number, each in enumerate(parts))


def _read_part(value: object, where: str) -> Part:
    part = _object(value, where)
    _only(part, (*_CONTENT, "mediaType", "filename", "metadata"), where)
    if sum(kind in part for kind in _CONTENT) != 1:
        raise _OddError(f"{where} has not exactly one of {', '.join(_CONTENT)}")
    return Part(
        text=_text(part, "text", where) if "text" in part else None,
        raw=_bytes(part, where) if "raw" in part else None,
        url=_text(part, "url", where) if "url" in part else None,
        data=part.get("data"),
        media_type=_text(part, "mediaType", where),
        filename=_text(part, "filename", where),
        metadata=_object(part.get("metadata", {}), f"{where}/metadata"),
    )


def _read_artifact(value: object, where: str) -> Artifact:
    artifact = _object(value, where)
    _only(artifact, ("id", "parts", "name", "description", "append", "last"), where)
    return Artifact(
        id=_text(artifact, "id", where),
        parts=_read_parts(artifact, f"{where}/parts"),
        name=_text(artifact, "name", where),
        description=_text(artifact, "description", where),
        append=artifact.get("append") is True,
        last=artifact.get("last") is True,
    )


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _OddError(f"{where} is not an object")
    return cast("dict[str, Any]", value)


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise _OddError(f"{where} is not a list")
    return cast("list[object]", value)


def _only(value: Mapping[str, object], known: Sequence[str], where: str) -> None:
    if unknown := sorted(value.keys() - set(known)):
        raise _OddError(f"{where} has {unknown[0]!r}")


def _text(holder: Mapping[str, object], name: str, where: str) -> str:
    value = holder.get(name, "")
    if not isinstance(value, str):
        raise _OddError(f"{where}/{name} is not a string")
    return value


def _bytes(part: Mapping[str, object], where: str) -> bytes:
    try:
        return base64.b64decode(_text(part, "raw", where), validate=True)
    except (binascii.Error, ValueError):
        raise _OddError(f"{where}/raw is not base64") from None


def _words(part: Part) -> list[str]:
    return [part.text or "", part.filename, *_strings(part.data)]


def _strings(value: JsonValue) -> list[str]:
    """All strings in some JSON, but for the names of fields."""
    found: list[str] = []
    left = [value]
    while left:
        match left.pop():
            case str() as text:
                found.append(text)
            case Mapping() as inner:
                left.extend(reversed(list(inner.values())))
            case Sequence() as inner:
                left.extend(reversed(inner))
            case _:
                pass
    return found
