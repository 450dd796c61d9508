"""Strict JSON: one reading of a body, or none.

Parsers disagree about duplicate keys, NaN, huge numbers and deep nesting, and every disagreement is a way to have one
thing checked and another one done. Here a body is parsed once, what two parsers might read differently is refused, and
what goes on is written anew from what was parsed. Pure: bytes in, object out; `gateway.guard` decides what to answer.
"""

import json
import re
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Any, cast

import orjson

from registry.model import BadRequest, JsonObject

MAX_DEPTH = 100
MAX_VALUES = 100_000

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?')  # matches an unterminated string too: stays linear whatever comes
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEP = [1 if byte in b"[{" else -1 for byte in range(256)]


class Mistake(Enum):
    """What kind of refusal a body deserves."""

    SYNTAX = "syntax"  # not JSON, or JSON that can be read in two ways
    SHAPE = "shape"  # JSON, but not an object


class StrictJsonError(BadRequest):
    """A body that is not one JSON object with one meaning; the message says what is wrong and where."""

    def __init__(self, message: str, mistake: Mistake = Mistake.SYNTAX) -> None:
        super().__init__(message)
        self.mistake = mistake


@dataclass(frozen=True, slots=True)
class StrictBody:
    """What a body says, and the same written anew: what later readers get instead of the client's bytes."""

    content: JsonObject
    text: bytes


def read_strict(body: bytes) -> StrictBody:
    """Read a body as one JSON object.

    Refused are NaN and infinities, numbers and nesting beyond what all readers share, lone surrogates, keys that occur
    twice in one object (however they are escaped), more than `MAX_VALUES` keys and items, and everything but an object.

    Raises:
        StrictJsonError: the body is none.
    """
    _bounded(body)
    content = _parsed(body)
    if not isinstance(content, dict):
        raise StrictJsonError(f"The body must be one JSON object, not {_kind(content)}", Mistake.SHAPE)
    text = orjson.dumps(content)
    if text != body:  # whoever writes compact JSON, which is nearly everybody, is proven unambiguous by this line
        _one_meaning(body)
    return StrictBody(cast("JsonObject", content), text)


def _bounded(body: bytes) -> None:
    """Refuse what would take long or go deep, before anything is built from it.

    The counts over the raw bytes are a few nanoseconds a kilobyte and nearly always settle it.
    """
    if body.count(b'"') > 4 * MAX_VALUES:
        raise StrictJsonError("The body has too many strings")
    values, openings = _counts(body)
    if values <= MAX_VALUES and openings <= MAX_DEPTH:
        return
    bare = _STRING.sub(b"", body)
    values, openings = _counts(bare)
    if values > MAX_VALUES or openings > MAX_VALUES:
        raise StrictJsonError(f"The body has more than {MAX_VALUES} keys and items")
    if openings > MAX_DEPTH and _depth(bare) > MAX_DEPTH:
        raise StrictJsonError(f"The body is nested deeper than {MAX_DEPTH} levels")


def _counts(text: bytes) -> tuple[int, int]:
    """How many keys and items, and how many opening brackets; what is inside strings counts too."""
    return text.count(b",") + text.count(b":"), text.count(b"[") + text.count(b"{")


def _depth(bare: bytes) -> int:
    brackets = bare.translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StrictJsonError(f"The body is not JSON: {error}") from None


def _kind(content: object) -> str:
    if isinstance(content, list):
        return "an array (batches are not supported)"
    return "null" if content is None else "a string" if isinstance(content, str) else "a number or boolean"


class _Twice(dict[str, Any]):
    """An object in which a key occurs twice; `key` is the first such."""

    key: str


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) == len(pairs):
        return content
    twice = _Twice(content)
    seen: set[str] = set()
    twice.key = next(key for key, _ in pairs if key in seen or seen.add(key))
    return twice


class _Lossy:
    """An integer that fits neither 64 bits nor a double, so that readers would round it."""


def _exact(digits: str) -> object:
    if len(digits) < 16 or -(2**63) <= int(digits) < 2**64 or int(digits) == int(float(digits)):
        return 0
    return _Lossy()


_READER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_exact, parse_float=len)
_MAY_HIDE = (dict, list, _Lossy)


def _one_meaning(body: bytes) -> None:
    """Read a body that is known to be JSON a second time, for what the first reading does not tell."""
    found = _ambiguous(_READER.decode(body.decode()))
    if found is None:
        return
    steps, thing = found
    where = f"in {'/'.join(['', *steps])[:200] or 'the whole'}"
    if isinstance(thing, _Twice):
        raise StrictJsonError(f"The key {thing.key[:64]!r} occurs twice {where}")
    raise StrictJsonError(f"An integer is too large to be read exactly {where}")


def _ambiguous(thing: object) -> tuple[list[str], object] | None:
    """The first thing that can be read in two ways, and the steps to it; depth is bounded by `MAX_DEPTH`."""
    if isinstance(thing, (_Twice, _Lossy)):
        return [], thing
    if isinstance(thing, dict):
        places = cast("dict[str, object]", thing).items()
    else:
        places = enumerate(cast("list[object]", thing))
    for key, value in places:
        if isinstance(value, _MAY_HIDE) and (found := _ambiguous(cast("object", value))) is not None:
            return [str(key), *found[0]], found[1]
    return None
