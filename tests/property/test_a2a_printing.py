"""What our printer of A2A's JSON writes is what protobuf's writes; what is put into a Struct comes out again."""

from typing import Any, cast

from a2a.types import a2a_pb2 as wire
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.a2a.parts import fill
from gateway.a2a.printing import print_message
from registry.model import JsonObject, JsonValue
from tests.support.messages import messages

TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)
THOROUGH = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@THOROUGH
@given(st.one_of(messages(wire.StreamResponse), messages(wire.SendMessageResponse)))
def test_both_printers_write_the_same(message: Message) -> None:
    assert print_message(message) == MessageToDict(message)


@THOROUGH
@given(VALUES)
def test_a_value_is_filled_as_by_the_parser(value: JsonValue) -> None:
    filled = Value()
    fill(filled, value)
    assert filled == ParseDict(cast("Any", value), Value())


@THOROUGH
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_a_struct_is_filled_as_by_the_parser(value: JsonObject) -> None:
    filled = Struct()
    fill(filled, value)
    assert filled == ParseDict(cast("Any", value), Struct())
    holder = wire.Task()
    fill(holder.metadata, value)
    assert holder.HasField("metadata")
