"""Other people's text, made fit to be shown."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.text import clean, cut

ANYTHING = st.text(st.characters())  # lone surrogates too


@given(ANYTHING, st.integers(0, 50))
def test_a_cut_text_is_a_beginning_and_within_the_limit(text: str, limit: int) -> None:
    assert len(cut(text, limit).encode()) <= limit


@given(st.text(), st.integers(0, 50))
def test_cutting_keeps_whole_characters(text: str, limit: int) -> None:
    assert text.startswith(cut(text, limit))


@given(ANYTHING)
def test_clean_text_prints(text: str) -> None:
    assert clean(text, 100).isprintable()


def test_a_text_that_fits_is_kept_as_it_is() -> None:
    assert clean("no such candidate: c-0042 (Łódź)", 100) == "no such candidate: c-0042 (Łódź)"


def test_controls_and_direction_marks_become_spaces() -> None:
    assert clean("a\x1b[31mb\u202ec\r\nd", 100) == "a [31mb c  d"
