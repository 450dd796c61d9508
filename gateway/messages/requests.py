"""Reading the fields of a request, which came as proto3 JSON: 64-bit numbers are strings there."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from registry.model import BadRequest, JsonObject

GREATEST = 1 << 53
"""No message has a number like this, and every database can look for it."""

REASON = 1000

PAGE = 1000
"""Of anything that is listed."""


def read_text(content: JsonObject, key: str) -> str:
    """A text, empty where there is none."""
    return str(content.get(key, ""))


def read_number(content: JsonObject, key: str) -> int:
    """The number of a message, 0 where there is none.

    Raises:
        BadRequest: no message can have it.
    """
    number = int(str(content.get(key, 0)))
    if not 0 <= number < GREATEST:
        raise BadRequest(f"{key}: no message has the number {number}.")
    return number


def read_limit(content: JsonObject, key: str, *, default: int) -> int:
    """How many of something are wanted; the default where nothing is said. None at all is possible only where the
    field tells that from nothing being said.

    Raises:
        BadRequest: that is too many at once.
    """
    limit = int(str(content.get(key, default)))
    if limit > PAGE:
        raise BadRequest(f"{key}: {limit} are too many at once; at most {PAGE:,} are given.")
    return limit


def read_reason(content: JsonObject) -> str:
    """Why something is done.

    Raises:
        BadRequest: there is no reason, or a whole page.
    """
    reason = read_text(content, "reason").strip()
    if not 1 <= len(reason) <= REASON:
        raise BadRequest(f"reason: say in 1 to {REASON:,} characters why; whoever asks later is told.")
    return reason


def read_rows(content: JsonObject, key: str) -> Sequence[Mapping[str, Any]]:
    """The objects of a list, none where there is no list."""
    return cast("Sequence[Mapping[str, Any]]", content.get(key, ()))
