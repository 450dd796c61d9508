"""google.protobuf.Value as JSON."""

import json

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from adapters.values import read_struct, read_value

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
