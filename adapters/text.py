"""Other people's text, made fit to be shown: cut to so many bytes, without control characters and without tokens."""

import re
from typing import Final

_TOKENS: Final = re.compile(r"bearer\s+\S+|eyJ[\w-]{4,}\.[\w-]+(\.[\w-]*)?", re.IGNORECASE)


def cut(text: str, limit: int) -> str:
    """The beginning of `text`, at most `limit` bytes of UTF-8, whole characters only."""
    return text[:limit].encode(errors="replace")[:limit].decode(errors="ignore")


def clean(text: str, limit: int) -> str:
    """`cut`, with a space for whatever does not print (controls, direction marks, lone surrogates), and without what
    looks like a token: a service that repeats ours would hand it to the caller."""
    hidden = _TOKENS.sub("[a token]", text[: 4 * limit])
    return cut("".join(char if char.isprintable() else " " for char in hidden[:limit]), limit).strip()
