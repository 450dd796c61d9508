"""Media types that an agent takes in messages, beside text and JSON."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

MOST: Final = 32
_NAME: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}"
_MODE: Final = re.compile(rf"{_NAME}/(\*|{_NAME})")


def mode_faults(modes: Sequence[str]) -> Iterator[str]:
    """What is wrong with the input modes of an agent, a sentence each."""
    if len(modes) > MOST:
        yield f"there are {len(modes)} input modes; {MOST} are possible."
    for mode in modes:
        if not _MODE.fullmatch(mode):
            yield f'"{mode[:80]}" is not a media type such as image/png, or image/* for all of a kind.'
    if len(set(modes)) < len(modes):
        yield "a media type is there twice."


def takes(modes: Sequence[str], media_type: str) -> bool:
    """Whether a media type, in any case and with parameters, is one of these."""
    essence = media_type.partition(";")[0].strip().lower()
    return essence in modes or f"{essence.partition('/')[0]}/*" in modes
