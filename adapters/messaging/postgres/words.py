"""Words: what a search compares, made from texts in the same way whatever the database's language and locale are.

A word is a run of letters and digits, without accents and in one case; so an index need not know any language.
"""

import re
import unicodedata
from collections.abc import Iterator

LONGEST = 200
"""Characters of a word that count. PostgreSQL takes lexemes of up to 2 KiB."""

TOGETHER = 900_000
"""Bytes of the words of one message, about; PostgreSQL takes up to 1 MiB. What a longer text says at its end is not
found."""

PLACES = 32
"""How many places of a word in a text count; they are numbered, up to the highest that PostgreSQL takes."""
LAST_PLACE = 16_383

_WORD = re.compile(r"[^\W_]+")


def vector_of(text: str) -> str:
    """The words of a text and their places, as PostgreSQL writes a tsvector; empty where there are none."""
    places: dict[str, list[str]] = {}
    room = TOGETHER
    for place, word in enumerate(_words(text), 1):
        found = places.get(word)
        if found is None:
            room -= len(word.encode()) + 2 * PLACES + 8
            if room < 0:
                break
            places[word] = [str(min(place, LAST_PLACE))]
        elif len(found) < PLACES:
            found.append(str(min(place, LAST_PLACE)))
    return " ".join(f"'{word}':{','.join(found)}" for word, found in places.items())


def query_of(words: str) -> str:
    """What finds texts with all of these words, as PostgreSQL writes a tsquery; empty where there are none."""
    return " & ".join(f"'{word}'" for word in dict.fromkeys(_words(words)))


def _words(text: str) -> Iterator[str]:
    """Letters and digits only: nothing in a word is syntax of a tsvector or a tsquery."""
    for word in _WORD.finditer(_plain(text)):
        yield word[0][:LONGEST]


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not unicodedata.combining(part)).casefold()
