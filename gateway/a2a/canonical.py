"""The canonical form of JSON (RFC 8785): the one text that everybody who holds a value can write, and so can sign.

Members are ordered by the UTF-16 code units of their names, strings escape only what they must, numbers are written as
ECMAScript writes them. Pure, and for any JSON; it knows nothing of cards.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring  # escapes exactly what RFC 8785 §3.2.2.2 demands, and nothing else
from typing import Final

from registry.model import JsonValue

_WORDS: Final = {None: "null", True: "true", False: "false"}
_EXACT: Final = 2**53 - 1
"""Beyond it a double does not hold every integer, and readers would disagree."""


def canonical(value: JsonValue) -> bytes:
    """The canonical form of a value, in UTF-8.

    Raises:
        ValueError: it has none: NaN, an infinity, an integer that no double holds, or half of a surrogate pair.
    """
    return _text(value).encode()


def _text(value: JsonValue) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, Mapping):
        names = sorted(value, key=_utf16)
        return "{" + ",".join(f"{encode_basestring(name)}:{_text(value[name])}" for name in names) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    return _integer(value)


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _integer(value: int) -> str:
    if abs(value) > _EXACT:
        raise ValueError(f"{value} is no number that every reader of JSON can hold")
    return str(value)


def _number(value: float) -> str:
    """ECMA-262, Number::toString; its digits are the shortest that read back the same, as those of `repr` are."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number in JSON")
    sign, found, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits, power = "".join(map(str, found)), int(exponent)
    point = len(digits) + power  # how many of the digits stand before the point
    minus = "-" if sign and value else ""
    if 0 < point <= 21:
        whole, rest = digits[:point].ljust(point, "0"), digits[point:]
        return f"{minus}{whole}.{rest}" if rest else f"{minus}{whole}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}" if value else "0"
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{minus}{mantissa}e{point - 1:+d}"
