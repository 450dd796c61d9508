"""The canonical form of JSON: the examples of RFC 8785, and its edges."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.a2a.canonical import canonical

# RFC 8785, section 3.2.2 (with the text as the RFC has it, escapes and all) and what it becomes.
SAMPLE = r"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""
SAMPLE_FORM = (
    r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    r'"string":"€$\u000f\nA' + r"'" + r'B\"\\\\\"/"}'
)

# RFC 8785, section 3.2.3: ordered by UTF-16 code units, so that what is beyond them comes before U+FB33.
ORDERED = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]

# RFC 8785, appendix B.
NUMBERS = [
    (0.0, "0"),
    (-0.0, "0"),
    (5e-324, "5e-324"),
    (-5e-324, "-5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (-1.7976931348623157e308, "-1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (-9007199254740992.0, "-9007199254740992"),
    (295147905179352830000.0, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (1.0000000000000001e23, "1.0000000000000001e+23"),
    (999999999999999700000.0, "999999999999999700000"),
    (999999999999999900000.0, "999999999999999900000"),
    (1e21, "1e+21"),
    (9.999999999999997e-7, "9.999999999999997e-7"),
    (0.000001, "0.000001"),
    (333333333.3333332, "333333333.3333332"),
    (333333333.33333325, "333333333.33333325"),
    (333333333.3333333, "333333333.3333333"),
    (333333333.3333334, "333333333.3333334"),
    (333333333.33333343, "333333333.33333343"),
    (-0.0000033333333333333333, "-0.0000033333333333333333"),
    (1424953923781206.2, "1424953923781206.2"),
]

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_the_sample_of_the_standard_becomes_its_canonical_form() -> None:
    assert canonical(json.loads(SAMPLE)).decode() == SAMPLE_FORM


def test_members_are_in_the_order_of_their_utf_16_code_units() -> None:
    shuffled = {name: index for index, name in enumerate(sorted(ORDERED))}

    assert list(json.loads(canonical(shuffled))) == ORDERED


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_numbers_are_written_as_ecmascript_writes_them(number: float, text: str) -> None:
    assert canonical(number).decode() == text


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), 2**53, -(2**53), "\ud800", {"\ud800": 1}, ["a", {"b": ["\udc00"]}]],
)
def test_what_no_reader_could_hold_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical(value)


@given(VALUES)
def test_the_form_says_the_same_and_is_its_own_form(value: Any) -> None:
    form = canonical(value)

    read_back = json.loads(form, parse_int=float)  # there is one kind of number in JSON
    assert read_back == value
    assert canonical(read_back) == form


def test_texts_escape_only_what_they_must() -> None:
    assert canonical("\x00\x08\t\n\x0b\x0c\r\x1f\x7f\u2028</é\U0001f600").decode() == (
        '"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\x7f\u2028</é\U0001f600"'
    )
