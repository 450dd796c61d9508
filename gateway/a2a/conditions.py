"""Conditional requests: whether a client has the representation already (RFC 9110, section 13).

Pure: header fields in, yes or no out. A date says so only if it is exactly the one that was sent with the
representation: what a reader may see can go back to what it was, and then a later date is no proof.
"""

import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Final

_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def is_unchanged(headers: Sequence[tuple[bytes, bytes]], *, etag: str, modified: int) -> bool:
    """Whether these headers name the representation with this tag, of this time in whole seconds since the epoch.

    If there is an If-None-Match, it alone decides (section 13.2.2), and weakly: `W/` makes no difference.
    """
    tags = _all(headers, b"if-none-match")
    if tags:
        return any(value.strip() == "*" or etag in _TAG.findall(value) for value in tags)
    dates = _all(headers, b"if-modified-since")
    return len(dates) == 1 and _seconds(dates[0]) == modified


def _all(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for found, value in headers if found == name]


def _seconds(date: str) -> float | None:
    """A date of HTTP; None for anything else, which is to be ignored (section 13.1.3)."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
