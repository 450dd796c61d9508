"""Bodies: content to bytes and back, always the same bytes; and what a search finds in it."""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.messaging.bodies import Body, read_body, text_of, write_body
from registry.model import Artifact, BadRequest, JsonObject, JsonValue, Part

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(TEXTS, VALUES, max_size=3)
CONTENT = st.one_of(
    st.fixed_dictionaries({"text": TEXTS}),
    st.fixed_dictionaries({"raw": st.binary(max_size=30)}),
    st.fixed_dictionaries({"url": TEXTS}),
    st.fixed_dictionaries({"data": VALUES}),
)


def part_of(content: dict[str, Any], media_type: str, filename: str, metadata: dict[str, Any]) -> Part:
    return Part(**content, media_type=media_type, filename=filename, metadata=metadata)


PARTS = st.builds(part_of, CONTENT, TEXTS, TEXTS, OBJECTS)
ARTIFACTS = st.builds(
    Artifact,
    id=TEXTS,
    parts=st.lists(PARTS, max_size=2).map(tuple),
    name=TEXTS,
    description=TEXTS,
    append=st.booleans(),
    last=st.booleans(),
)
BODIES = st.builds(
    Body,
    parts=st.lists(PARTS, max_size=3).map(tuple),
    artifacts=st.lists(ARTIFACTS, max_size=2).map(tuple),
    question=st.none() | OBJECTS,
    metadata=OBJECTS,
)


def written(body: Body) -> bytes:
    return write_body(body.parts, artifacts=body.artifacts, question=body.question, metadata=body.metadata)


def shuffled(value: JsonValue) -> JsonValue:
    """The same JSON, with the fields of all objects the other way round, and nothing that is a plain dict or list."""
    match value:
        case Mapping():
            return MappingProxyType({key: shuffled(value[key]) for key in reversed(list(value))})
        case list():
            return tuple(map(shuffled, value))
        case _:
            return value


@given(BODIES)
def test_what_is_written_is_read_again_as_it_was(body: Body) -> None:
    assert read_body(written(body)) == body


@given(OBJECTS)
def test_the_same_content_has_the_same_bytes_however_it_is_held(content: dict[str, JsonValue]) -> None:
    plain = write_body((Part(data=content, metadata=content),), question=content, metadata=content)
    other = cast("JsonObject", shuffled(content))
    assert write_body([Part(data=other, metadata=other)], question=other, metadata=other) == plain


@given(BODIES)
def test_no_body_is_empty_or_has_anything_but_json(body: Body) -> None:
    assert orjson.dumps(orjson.loads(written(body)), option=orjson.OPT_SORT_KEYS) == written(body)


def test_fields_have_the_names_they_have_on_the_wire() -> None:
    part = Part(raw=b"\xff\x00", media_type="image/png", filename="face.png", metadata={"page": 1})

    assert orjson.loads(write_body((part,))) == {
        "parts": [
            {
                "raw": base64.b64encode(b"\xff\x00").decode(),
                "mediaType": "image/png",
                "filename": "face.png",
                "metadata": {"page": 1},
            }
        ]
    }


def test_an_erased_body_says_nothing() -> None:
    assert read_body(b"") == Body()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"because she asked for it", "not JSON"),
        (b'{"parts": [', "not JSON"),
        (b"[]", "the body is not an object"),
        (b'{"part": []}', "the body has 'part'"),
        (b'{"parts": {}}', "parts is not a list"),
        (b'{"parts": [{"text": "a"}, {"mediaType": "text/plain"}]}', "parts/1 has not exactly one of"),
        (b'{"parts": [{"text": "a", "url": "b"}]}', "parts/0 has not exactly one of"),
        (b'{"parts": [{"text": 1}]}', "parts/0/text is not a string"),
        (b'{"parts": [{"raw": "!"}]}', "parts/0/raw is not base64"),
        (b'{"parts": [{"text": "a", "metadata": 1}]}', "parts/0/metadata is not an object"),
        (b'{"artifacts": [{"id": "a", "parts": [{}]}]}', "artifacts/0/parts/0 has not exactly one of"),
        (b'{"artifacts": [{"id": "a", "kind": "b"}]}', "artifacts/0 has 'kind'"),
        (b'{"question": "why?"}', "question is not an object"),
        (b'{"metadata": []}', "metadata is not an object"),
    ],
)
def test_what_is_no_body_is_refused_with_the_place_where_it_is_wrong(body: bytes, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        read_body(body)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:partsexldiu01 ', max_size=60).map(str.encode))
def test_whatever_the_bytes_nothing_but_a_bad_request_comes_of_it(body: bytes) -> None:
    try:
        read_body(body)
    except BadRequest as refused:
        assert "body" in refused.message


@pytest.mark.parametrize("data", ["\ud800", 2**64, {"deep": "\udfff"}])
def test_what_is_not_json_is_not_written(data: JsonValue) -> None:
    with pytest.raises(BadRequest, match="cannot be written as JSON"):
        write_body((Part(data=data),))


def test_what_is_nested_too_deep_is_not_written_and_still_searched() -> None:
    deep: Any = "found"
    for _ in range(3000):
        deep = [deep]

    with pytest.raises(BadRequest, match="cannot be written as JSON"):
        write_body((Part(data=deep),))
    assert text_of((Part(data=deep),)) == "found"


def test_a_search_finds_texts_names_of_files_and_strings_in_data_in_their_order() -> None:
    parts = (
        Part(text="Which candidates?"),
        Part(raw=b"%PDF", filename="Curriculum vitae.pdf", media_type="application/pdf"),
        Part(data={"name": "Ada", "skills": ["Go", "Rust"], "years": 7, "remote": True}, metadata={"secret": "hidden"}),
        Part(url="https://example.com/ada", filename="profile"),
    )
    made = Artifact(id="1", name="Shortlist", description="Three of them", parts=(Part(text="Ada first"),))

    assert text_of(parts, artifacts=(made,)).splitlines() == [
        "Which candidates?",
        "Curriculum vitae.pdf",
        "Ada",
        "Go",
        "Rust",
        "profile",
        "Shortlist",
        "Three of them",
        "Ada first",
    ]


def test_a_search_text_has_nothing_that_a_database_does_not_keep() -> None:
    assert text_of((Part(text="a\0b"), Part(data=["\ud800c"]))) == "a b\n?c"
