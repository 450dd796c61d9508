"""Strict JSON: what is refused is in tests/integration/test_guard.py as clients see it; here is what always holds."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strict_json import MAX_DEPTH, MAX_VALUES, Mistake, StrictJsonError, read_strict
from registry.model import JsonValue

leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[JsonValue] = st.recursive(
    leaves | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
)
objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=6)


@given(objects, st.booleans(), st.sampled_from([None, 2]))
def test_whatever_json_writes_is_read_as_it_was_meant(
    content: dict[str, JsonValue], ascii_only: bool, indent: int
) -> None:
    strict = read_strict(json.dumps(content, ensure_ascii=ascii_only, indent=indent).encode())
    assert strict.content == content
    assert json.loads(strict.text) == content


@given(objects, st.data())
def test_a_key_said_twice_is_refused_wherever_it_is(content: dict[str, JsonValue], data: st.DataObject) -> None:
    depth = data.draw(st.integers(0, 3))
    twice = json.dumps({**content, "twice": 1})[:-1] + ', "\\u0074wice": 2}'
    body = '{"in": [' * depth + twice + "]}" * depth
    with pytest.raises(StrictJsonError, match="'twice' occurs twice"):
        read_strict(body.encode())


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\u01 aeE-+.', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        strict = read_strict(body)
    except StrictJsonError:
        return
    assert json.loads(body) == strict.content == json.loads(strict.text)


@pytest.mark.parametrize(
    ("number", "exact"),
    [
        ("9223372036854775807", True),
        ("18446744073709551615", True),
        ("-9223372036854775808", True),
        ("100000000000000000000", True),  # how JavaScript writes 1e20
        ("18446744073709551617", False),
        ("-9223372036854775809", False),
        ("123456789012345678901234567890", False),
    ],
)
def test_integers_come_in_as_long_as_every_reader_gets_the_same_one(number: str, exact: bool) -> None:
    body = f'{{"n":{number}}}'.encode()
    if exact:
        assert read_strict(body).content == {"n": int(number)}
    else:
        with pytest.raises(StrictJsonError, match="too large to be read exactly in /n"):
            read_strict(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\u003a", "a": "::"}',
        b'{"a": "\\\\u003a", "b": {"a": 1, "a": 2}}',
        b'{"a": "\\":", "\\u003A": 1, ":": 2}',
        b'{"a": {":": [":"]}, "a": ":\\u003a\\u003a\\u003a"}',
    ],
)
def test_colons_in_strings_hide_no_key(body: bytes) -> None:
    with pytest.raises(StrictJsonError, match="occurs twice"):
        read_strict(body)


@pytest.mark.parametrize(
    "value",
    ['"18446744073709551617"', "0.12345678901234567890123", "12345678901234567890123.5", "1e-0000000000000000000007"],
)
def test_digits_that_are_no_integer_may_be_many(value: str) -> None:
    assert read_strict(f'{{"n": {value}}}'.encode()).content == {"n": json.loads(value)}


def test_in_a_large_body_the_place_is_not_looked_for() -> None:
    body = b'{"a": [' + b", ".join([b'{"a":1}'] * 49_000) + b'], "b": 1, "b": 2}'
    with pytest.raises(StrictJsonError, match="A key occurs twice in one object, or"):
        read_strict(body)


def nested_apart(levels: int) -> bytes:
    return b'{"a": [' + b", ".join([b"[]", b"[" * (levels - 2) + b"]" * (levels - 2), b'"]]]]"'] * 9) + b"]}"


def test_brackets_that_close_do_not_hide_how_deep_others_go() -> None:
    assert read_strict(nested_apart(MAX_DEPTH))
    with pytest.raises(StrictJsonError, match="nested deeper"):
        read_strict(nested_apart(MAX_DEPTH + 1))


def test_depth_may_be_the_limit_and_no_level_more() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * levels + b"1" + b"}" * levels

    assert read_strict(nested(MAX_DEPTH))
    with pytest.raises(StrictJsonError, match="nested deeper"):
        read_strict(nested(MAX_DEPTH + 1))


def test_brackets_and_commas_in_strings_do_not_count() -> None:
    text = "[{,:" * MAX_VALUES
    assert read_strict(json.dumps({"a": text}).encode()).content == {"a": text}


@pytest.mark.parametrize(("body", "mistake"), [(b"[]", Mistake.SHAPE), (b"{", Mistake.SYNTAX)])
def test_a_mistake_says_of_what_kind_it_is(body: bytes, mistake: Mistake) -> None:
    with pytest.raises(StrictJsonError) as refused:
        read_strict(body)
    assert refused.value.mistake is mistake


QUOTES = b'{"a":' + b"[" * 101 + b'"' + b'\\"' * 390_000
WORST = {
    "many keys": b"{ " + b",".join(b'"%x":1' % n for n in range(99_999)) + b"}",
    "too many keys": b"{" + b",".join(b'"%x":1' % n for n in range(400_000)) + b"}",
    "many lists": b'{ "a":[' + b",".join([b"[]"] * 99_998) + b"]}",
    "too many lists": b'{ "a":[' + b",".join([b"[]"] * 1_300_000) + b"]}",
    "opening brackets": b'{"a":' + b"[" * 4_000_000,
    "quotes": b'"' * 4_000_000,
    "escaped quotes": QUOTES,
    "escaped quotes and a backslash": QUOTES + b"\\",
    "backslashes": b'{ "a":"' + b"\\\\" * 2_000_000 + b'"}',
    "colons": b'{ "a":"' + b":" * 4_000_000 + b'"}',
    "digits": b'{"a":' + b"9" * 4_000_000 + b"}",
    "long keys": b'{ "' + b"k" * 1_000_000 + b'":{"' + b"z" * 1_000_000 + b'":[' + b",".join([b"[]"] * 90_000) + b"]}}",
    "many objects": b'{ "a":[' + b", ".join([b'{"a":1}'] * 49_000) + b"]}",
    "the same key": b"{ " + b",".join(b'"%x":1' % (n % 40_000) for n in range(49_999)) + b"}",
}


@pytest.mark.parametrize("body", WORST.values(), ids=WORST.keys())
def test_no_body_takes_long(body: bytes) -> None:
    started = time.thread_time()
    with suppress(StrictJsonError):
        read_strict(body)
    assert time.thread_time() - started < 0.5
