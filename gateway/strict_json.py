"""Strict JSON: one reading of a body, or none.

Parsers disagree about duplicate keys, NaN, huge numbers and deep nesting, and every disagreement is a way to have one
thing checked and another one done. Here a body is parsed once, what two parsers might read differently is refused, and
what goes on is written anew from what was parsed. Pure: bytes in, object out; `gateway.bodies` decides what to answer.
"""

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import orjson

from registry.model import BadRequest, JsonObject

MAX_DEPTH = 100
MAX_VALUES = 100_000

_NAMED_BELOW = 64 * 1024  # a larger body is refused without saying where: finding the place is slow
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_SQUARE = bytes.maketrans(b"{}", b"[]")
_BLANKS = b" \t\r\n"
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_DIGITS = b"0" * 19  # the shortest that may not fit into 64 bits
_LONG = re.compile(rb"(?<![\d.eE+-])-?\d{19,}+(?![.eE])")


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
    if text != body and not (_keys_are_kept(body, text) and _integers_are_exact(body)):
        raise StrictJsonError(_two_meanings(body))
    return StrictBody(cast("JsonObject", content), text)


def _bounded(body: bytes) -> None:
    """Refuse what would take long or go deep, before anything is built from it.

    The counts over the raw bytes are a few nanoseconds a kilobyte and nearly always settle it.
    """
    values, openings = _counts(body)
    if values <= MAX_VALUES and openings <= MAX_DEPTH:
        return
    bare = _bare(body)
    values, openings = _counts(bare)
    if values > MAX_VALUES or openings > MAX_VALUES:
        raise StrictJsonError(f"The body has more than {MAX_VALUES} keys and items")
    if openings > MAX_DEPTH and _is_deep(bare):
        raise StrictJsonError(f"The body is nested deeper than {MAX_DEPTH} levels")


def _counts(text: bytes) -> tuple[int, int]:
    """How many keys and items, and how many opening brackets; what is inside strings counts too."""
    return text.count(b",") + text.count(b":"), text.count(b"[") + text.count(b"{")


def _bare(body: bytes) -> bytes:
    """What is outside of strings, up to where the body stops being JSON. No loop of ours goes over the bytes.

    A run of backslashes begins inside a string, so that taking pairs away from its left leaves what escapes a quote.
    """
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    if plain.count(b'"') > 2 * MAX_VALUES + 2:
        raise StrictJsonError(f"The body has too many strings: more than {MAX_VALUES} keys and items")
    return b"".join(plain.split(b'"')[::2])


def _is_deep(bare: bytes) -> bool:
    """Whether brackets nest deeper than `MAX_DEPTH`. Closed pairs are taken away level by level, innermost first."""
    brackets = bare.translate(_SQUARE, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        fewer = brackets.replace(b"[]", b"")
        if len(fewer) == len(brackets):
            return len(brackets) > MAX_DEPTH  # what is left does not close
        brackets = fewer
    return bool(brackets)


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StrictJsonError(f"The body is not JSON: {error}") from None


def _keys_are_kept(body: bytes, text: bytes) -> bool:
    """Whether what was parsed has as many keys as the body: the parser drops all but one of the same key.

    INVARIANT: `text` is compact JSON of what was parsed from `body`. Colons inside strings are as many in both, unless
    an escape is one.
    """
    if b"\\u003" in body:
        body, text = _bare(body), _bare(text)
    return body.count(b":") == text.count(b":")


def _integers_are_exact(body: bytes) -> bool:
    """Whether every integer fits 64 bits or a double; `body` is known to be JSON."""
    if _LONG_DIGITS not in body.translate(_DIGITS):
        return True
    bare = _bare(body).translate(None, _BLANKS)
    return not any(isinstance(_exact(digits.decode()), _Lossy) for digits in _LONG.findall(bare))


def _kind(content: object) -> str:
    if isinstance(content, list):
        return "an array (batches are not supported)"
    return "null" if content is None else "a string" if isinstance(content, str) else "a number or boolean"


# What follows only finds the words for a refusal.


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


def _two_meanings(body: bytes) -> str:
    """What in a body can be read in two ways, found by reading it a second time unless that takes long."""
    found = _ambiguous(_READER.decode(body.decode())) if len(body) <= _NAMED_BELOW else None
    if found is None:
        return "A key occurs twice in one object, or an integer is too large to be read exactly"
    steps, thing = found
    where = f"in {'/'.join(['', *steps])[:200] or 'the whole'}"
    if isinstance(thing, _Twice):
        return f"The key {thing.key[:64]!r} occurs twice {where}"
    return f"An integer is too large to be read exactly {where}"


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
