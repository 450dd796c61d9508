"""What is read as a plain message is what protobuf's parser reads; whatever that refuses is not plain."""

from collections.abc import Mapping
from typing import Any

import pytest
from a2a.types import a2a_pb2 as wire
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gateway.a2a.plain import read_plain
from tests.property.test_a2a_printing import TEXTS, VALUES

THOROUGH = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MOST = 2**31 - 1

NOTES = {"mediaType": TEXTS, "filename": TEXTS}
PARTS = st.fixed_dictionaries({"text": TEXTS}, optional=NOTES) | st.fixed_dictionaries(
    {"data": VALUES.filter(lambda value: value is not None)}, optional=NOTES
)
MESSAGES = st.fixed_dictionaries(
    {"messageId": TEXTS, "role": st.just("ROLE_USER"), "parts": st.lists(PARTS, max_size=3)},
    optional={"contextId": TEXTS, "taskId": TEXTS, "metadata": st.dictionaries(TEXTS, VALUES, max_size=3)},
)
CONFIGURATIONS = st.fixed_dictionaries(
    {},
    optional={
        "acceptedOutputModes": st.lists(TEXTS, max_size=2),
        "historyLength": st.integers(0, MOST),
        "returnImmediately": st.booleans(),
    },
)
PARAMS = st.fixed_dictionaries({"message": MESSAGES}, optional={"configuration": CONFIGURATIONS})

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, 1, -1, 1.0, 2.5, 2**31, 10**400, "", "true", "1", "ROLE_USER", "\ud800", [], [1], {}, {"text": "x"}]
)
NAMES = (
    *("message", "messageId", "message_id", "contextId", "taskId", "role", "parts", "metadata", "extensions"),
    *("configuration", "historyLength", "returnImmediately", "acceptedOutputModes", "taskPushNotificationConfig"),
    *("text", "data", "raw", "url", "mediaType", "filename", "tenant", "referenceTaskIds", "unheard of"),
)


def parsed(params: Any) -> wire.SendMessageRequest:
    """As the SDK reads it."""
    return ParseDict(params, wire.SendMessageRequest(), ignore_unknown_fields=True)


@THOROUGH
@given(PARAMS)
def test_what_is_plain_is_read_as_by_the_parser(params: Any) -> None:
    read = read_plain(params)
    assert read is not None
    assert read == parsed(params)


@THOROUGH
@given(PARAMS, st.data())
def test_what_is_odd_is_read_as_by_the_parser_or_left_to_it(params: Any, data: st.DataObject) -> None:
    odd = spoilt(params, data)
    read = read_plain(odd)
    event("plain" if read is not None else "left")
    if read is not None:
        assert read == parsed(odd)


def spoilt(value: Any, data: st.DataObject) -> Any:
    """The same with something odd at one place of it."""
    inner: Any = value
    if isinstance(value, Mapping) and inner and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(inner)))
        return {**inner, name: spoilt(inner[name], data)}
    if isinstance(value, list) and inner and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(inner) - 1))
        return [*inner[:place], spoilt(inner[place], data), *inner[place + 1 :]]
    if isinstance(value, Mapping):
        return {**inner, data.draw(st.sampled_from(NAMES)): data.draw(ODD)}
    return data.draw(ODD)


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [29, 31, 200])
def test_what_is_very_deep_is_left_to_the_parser(levels: int) -> None:
    message: Any = {"messageId": "m", "role": "ROLE_USER", "parts": [{"data": deep(levels)}]}
    in_metadata: Any = {"messageId": "m", "role": "ROLE_USER", "parts": [], "metadata": {"deep": deep(levels - 1)}}
    assert (read_plain({"message": message}) is not None) == (levels < 30)
    assert (read_plain({"message": in_metadata}) is not None) == (levels < 30)
