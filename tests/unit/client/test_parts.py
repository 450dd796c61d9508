"""Parts from plain values and back."""

from typing import Any

import pytest
from interchange_client.agent import data_of, link, part, text_of
from interchange_client.parts import read_parts, write_parts


def test_values_become_the_part_that_holds_them() -> None:
    assert part("words").text == "words"
    assert part(b"\x00").raw == b"\x00"
    assert part(part("words")) == part("words")
    assert data_of([part({"total": 3, "of": [1.5, None, True]})]) == {"total": 3, "of": [1.5, None, True]}
    assert data_of([part("words")]) is None


def test_texts_are_read_without_the_rest() -> None:
    assert text_of([part("one"), part({"not": "text"}), part("two")]) == "one\ntwo"


@pytest.mark.parametrize("nothing", [object(), {1, 2}, {"of": object()}])
def test_what_json_cannot_say_is_no_part(nothing: Any) -> None:
    with pytest.raises(TypeError, match="give it text, bytes or JSON"):
        part(nothing)


def test_parts_are_written_as_a2a_writes_them_and_read_back() -> None:
    parts = [part("words"), part(b"raw", media_type="image/png", filename="a.png"), link("https://example.com/a")]

    written = write_parts(parts)

    assert written == [
        {"text": "words"},
        {"raw": "cmF3", "mediaType": "image/png", "filename": "a.png"},
        {"url": "https://example.com/a"},
    ]
    assert list(read_parts(written)) == parts


def test_a_list_of_values_is_one_part_of_data() -> None:
    assert write_parts([1, 2]) == [{"data": [1.0, 2.0]}] == [{"data": [1, 2]}]
    assert write_parts("words") == [{"text": "words"}]


@pytest.mark.parametrize("written", [None, "words", ["words"], [{"text": 7}], [{}]])
def test_parts_that_are_none_are_refused(written: object) -> None:
    with pytest.raises(ValueError, match="part"):
        read_parts(written)
