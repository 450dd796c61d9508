"""Messages to agents: what is wrong with one is said by the very field, and a whole one passes."""

from typing import Any

import pytest

from registry.checks import compile_schema
from registry.messages import LEVELS, MESSAGE_INPUT, MESSAGE_OUTPUT, PARTS, message_faults, read_parts
from registry.model import JsonValue, Part

SAID = (Part(text="hello"),)


def faults(content: Any, parts: tuple[Part, ...] = ()) -> dict[str, str]:
    return {fault.path: fault.sentence for fault in message_faults(content, parts)}


def nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "content",
    [
        {"message": "hello"},
        {"message": "hello", "conversation": ""},
        {"message": "hello", "conversation": "x" * 256, "data": {}},
        {"message": "hello", "data": {"rows": [1, {"a": None}]}},
        {"message": "hello", "data": nested(LEVELS)},
    ],
)
def test_a_whole_message_has_no_faults(content: dict[str, Any]) -> None:
    assert faults(content) == {}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({}, {"/message": "is required"}),
        ({"conversation": "c", "data": {}}, {"/message": "is required"}),
        ({"message": ""}, {"/message": "must have at least 1 characters"}),
        ({"message": None}, {"/message": "expected a string, found null"}),
        ({"message": ["hello"]}, {"/message": "expected a string, found a list"}),
        ({"message": "hi", "data": "rows"}, {"/data": "expected an object, found a string"}),
        ({"message": "hi", "data": [1]}, {"/data": "expected an object, found a list"}),
        ({"message": "hi", "data": nested(LEVELS + 1)}, {"/data": "nests deeper than 30 levels"}),
        ({"message": "hi", "data": nested(5000)}, {"": "nests deeper than 100 levels"}),
        ({"message": "hi", "conversation": 7}, {"/conversation": "expected a string, found a number"}),
        ({"message": "hi", "conversation": "x" * 257}, {"/conversation": "must have at most 256 characters"}),
        ({"message": "hi", "conversation": "a\nb"}, {"/conversation": "must be printable characters only"}),
        ({"message": "hi", "conversation": "\u202ea"}, {"/conversation": "must be printable characters only"}),
        (
            {"message": "hi", "as": "ceo"},
            {"/as": "is not a known field; known are message, conversation, data"},
        ),
    ],
)
def test_each_fault_of_a_message_is_named(content: dict[str, Any], found: dict[str, str]) -> None:
    assert faults(content) == found


def test_a_message_in_parts_needs_no_words_beside_them() -> None:
    assert faults({}, SAID) == {}
    assert faults({"conversation": "c-1"}, SAID) == {}
    assert faults({}, (Part(data=nested(LEVELS)), Part(raw=b"\0"), Part(url="https://x.test/a"))) == {}


def test_a_message_comes_in_parts_or_in_fields_and_never_in_both() -> None:
    assert faults({"message": "hello"}, SAID) == {"/message": "is not a known field; known are conversation"}
    assert faults({"data": {}}, SAID) == {"/data": "is not a known field; known are conversation"}


def test_faults_of_parts_are_named_by_part() -> None:
    assert faults({"conversation": "\0"}, SAID) == {"/conversation": "must be printable characters only"}
    assert faults({}, (*SAID, Part(data=nested(LEVELS + 1)))) == {"/parts/1/data": "nests deeper than 30 levels"}
    assert faults({}, SAID * (PARTS + 1)) == {"/parts": "has 1,001 items; 1,000 are allowed"}


def test_fields_become_parts_in_their_order() -> None:
    assert read_parts({"message": "hello"}) == (Part(text="hello"),)
    assert read_parts({"message": "hello", "data": {"a": 1}}) == (Part(text="hello"), Part(data={"a": 1}))
    assert read_parts({"message": "hello", "data": {}}) == (Part(text="hello"), Part(data={}))


def test_the_schemas_are_ones_that_clients_can_check_with() -> None:
    answer: dict[str, Any] = {"conversation": "c", "turn": "t", "state": "completed", "text": "", "data": None}
    assert compile_schema(MESSAGE_OUTPUT).is_valid(answer)
    assert compile_schema(MESSAGE_OUTPUT).is_valid({**answer, "data": [1]})
    for schema in (MESSAGE_INPUT, MESSAGE_OUTPUT):
        assert schema["type"] == "object"
        assert not {"oneOf", "anyOf", "allOf", "$ref", "not"} & schema.keys()
