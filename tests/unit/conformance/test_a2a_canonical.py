"""The canonical form: what RFC 8785 says of numbers and names, and what A2A says of defaults."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from a2a.types import a2a_pb2 as wire

from conformance.a2a.canonical import CARD, NotCanonical, Shape, as_read, canonical, signed_bytes, without_defaults

NUMBERS = {  # RFC 8785, appendix B
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "written"), NUMBERS.items())
def test_numbers_are_written_as_the_appendix_has_them(bits: str, written: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == written.encode()


def test_names_are_in_the_order_of_their_utf_16_units() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]  # RFC 8785, section 3.2.3
    ordered = json.loads(canonical(dict.fromkeys(names, 0)))
    assert list(ordered) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_texts_are_written_with_as_few_escapes_as_there_can_be() -> None:
    written = canonical({"a": '\u20ac$\u000f\nA\'B"\\\\"/'})
    assert written == '{"a":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\ud800": 1}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


def test_a_value_nested_very_deep_is_refused() -> None:
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(NotCanonical):
        canonical(deep)


def test_the_example_of_the_specification_comes_out_as_it_is_printed_there() -> None:
    card: dict[str, Any] = {
        "name": "Example Agent",
        "description": "",
        "capabilities": {"streaming": False, "pushNotifications": False, "extensions": []},
        "skills": [],
        "signatures": [{"protected": "a", "signature": "b"}],
    }
    assert signed_bytes(card) == (
        b'{"capabilities":{"pushNotifications":false,"streaming":false},"description":"","name":"Example Agent",'
        b'"skills":[]}'
    )


def test_defaults_are_left_out_at_every_depth_but_not_what_somebody_named_or_must_be_there() -> None:
    card: dict[str, Any] = {
        "supportedInterfaces": [{"url": "a", "tenant": ""}],
        "iconUrl": "",
        "provider": {"url": "", "organization": ""},
        "securitySchemes": {
            "one": {"mtlsSecurityScheme": {"description": ""}},
            "two": {"oauth2SecurityScheme": {"flows": {"clientCredentials": {"scopes": {}, "refreshUrl": ""}}}},
        },
        "securityRequirements": [{"schemes": {"one": {"list": []}}}],
        "skills": [{"id": "a", "tags": [], "examples": [], "inputModes": None}],
    }
    assert without_defaults(card, CARD) == {
        "supportedInterfaces": [{"url": "a"}],
        "iconUrl": "",
        "provider": {"url": "", "organization": ""},
        "securitySchemes": {
            "one": {"mtlsSecurityScheme": {}},
            "two": {"oauth2SecurityScheme": {"flows": {"clientCredentials": {"scopes": {}}}}},
        },
        "securityRequirements": [{"schemes": {"one": {}}}],
        "skills": [{"id": "a", "tags": []}],
    }


def test_the_members_of_a_card_are_those_of_the_protocol() -> None:
    assert not list(differences(CARD, wire.AgentCard.DESCRIPTOR))


def differences(shape: Shape, message: Any) -> Iterator[str]:
    """Where a shape has other members than a message of the protocol."""
    if shape.named is not None:
        yield from differences(shape.named, message.fields_by_name["value"].message_type)
        return
    fields = {each.json_name: each.message_type for each in message.fields}
    yield from (f"{message.name}.{name}" for name in shape.members ^ fields.keys())
    for name, inner in shape.inner.items():
        yield from differences(inner, fields[name])


def test_readers_keep_what_the_protocol_knows_at_every_depth() -> None:
    card: dict[str, Any] = {
        "name": "a",
        "url": "b",
        "supportedInterfaces": [{"url": "a", "transport": "b"}],
        "capabilities": {"extensions": [{"uri": "a", "params": {"anything": {"goes": 1}}, "more": 1}]},
        "securitySchemes": {"one": {"type": "http", "httpAuthSecurityScheme": {"scheme": "a", "type": "http"}}},
        "securityRequirements": [{"schemes": {"one": {"list": ["a"], "more": 1}}, "one": []}],
    }
    assert as_read(card, CARD) == {
        "name": "a",
        "supportedInterfaces": [{"url": "a"}],
        "capabilities": {"extensions": [{"uri": "a", "params": {"anything": {"goes": 1}}}]},
        "securitySchemes": {"one": {"httpAuthSecurityScheme": {"scheme": "a"}}},
        "securityRequirements": [{"schemes": {"one": {"list": ["a"]}}}],
    }
