"""google.protobuf.Value as JSON, and JSON as that."""

import json

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from hypothesis import given
from hypothesis import strategies as st
from interchange.v1 import agent_pb2 as wire

from adapters.values import DEEPEST, read_struct, read_value, write_value
from registry.model import JsonValue

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(JSON)
def test_json_that_went_into_a_value_comes_out_of_it(value: object) -> None:
    message = json_format.Parse(json.dumps(value), Value())
    assert read_value(message) == value


def test_whole_numbers_are_integers() -> None:
    struct = Struct()
    struct.update({"n": 3, "f": 2.5})
    assert json.dumps(read_struct(struct), sort_keys=True) == '{"f": 2.5, "n": 3}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="no JSON number"):
        read_value(Value(list_value=ListValue(values=[Value(number_value=number)])))


def test_a_value_that_says_nothing_is_null() -> None:
    assert read_value(Value()) is None


def written(value: JsonValue) -> Value:
    into = Value()
    write_value(value, into)
    return into


def nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


@given(JSON)
def test_json_that_is_written_is_read_again(value: JsonValue) -> None:
    assert read_value(Value.FromString(written(value).SerializeToString())) == value


@pytest.mark.parametrize("empty", [{}, [], "", 0, False, None])
def test_what_is_empty_is_not_lost(empty: JsonValue) -> None:
    assert read_value(written({"a": empty})) == {"a": empty}


def test_the_deepest_json_that_is_written_can_be_read_within_another_message() -> None:
    event = wire.TurnEvent(message=wire.Message(parts=[wire.Part(data=written(nested(DEEPEST)))]))
    back = wire.TurnEvent.FromString(event.SerializeToString())
    assert read_value(back.message.parts[0].data) == nested(DEEPEST)


@pytest.mark.parametrize("value", [nested(DEEPEST + 1), 10**400, "\ud800", {"\ud800": 1}])
def test_what_a_value_cannot_hold_is_refused(value: JsonValue) -> None:
    with pytest.raises(ValueError, match=r"nested|beyond|surrogate"):
        write_value(value, Value())
