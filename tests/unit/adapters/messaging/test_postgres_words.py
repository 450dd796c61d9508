"""Words as PostgreSQL gets them: the same whatever the text is written in, and never anything but words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.messaging.postgres.words import LAST_PLACE, LONGEST, PLACES, TOGETHER, query_of, vector_of

_ENTRY = re.compile(r"'([^\W_]+)':(\d+(?:,\d+)*)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The red house", ["the", "red", "house"]),
        ("Ärger in ZÜRICH", ["arger", "in", "zurich"]),
        ("STRASSE Straße", ["strasse"]),
        ("see foo.bar/baz@example.com", ["see", "foo", "bar", "baz", "example", "com"]),
        ("snake_case 3.14 №5", ["snake", "case", "3", "14", "no5"]),
        ("東京 に 行く", ["東京", "に", "行く"]),
        ("'; DROP TABLE -- \\ : & | ! ( )", ["drop", "table"]),
        ("\0 \ud800 😀", []),
    ],
)
def test_a_word_is_letters_and_digits_without_accents_in_one_case(text: str, words: list[str]) -> None:
    assert [word for word, _ in _ENTRY.findall(vector_of(text))] == words
    assert query_of(text) == " & ".join(f"'{word}'" for word in words)


def test_the_places_of_a_word_are_numbered_and_not_all_of_them_count() -> None:
    assert vector_of("no yes no") == "'no':1,3 'yes':2"
    [(_, places)] = _ENTRY.findall(vector_of("no " * 100))
    assert len(places.split(",")) == PLACES
    assert vector_of("no " * 20_000 + "yes").endswith(f"'yes':{LAST_PLACE}")


def test_what_is_too_long_for_postgresql_is_cut() -> None:
    assert vector_of("x" * 10_000) == f"'{'x' * LONGEST}':1"
    assert len(vector_of(" ".join(f"word{number}" for number in range(200_000)))) < TOGETHER


@given(st.text())
def test_nothing_but_words_and_places_reaches_postgresql(text: str) -> None:
    assert _ENTRY.sub("", vector_of(text)).strip() == ""
    assert re.fullmatch(r"(?:'[^\W_]+'(?: & )?)*", query_of(text))


@given(st.text(), st.text())
def test_what_is_in_a_text_is_found_by_what_is_asked_in_the_same_way(before: str, text: str) -> None:
    there = {word for word, _ in _ENTRY.findall(vector_of(f"{before} {text}"))}
    assert {word.strip("'") for word in query_of(text).split(" & ") if word} <= there
