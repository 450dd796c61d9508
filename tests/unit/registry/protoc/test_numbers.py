import base64
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from registry.protoc.numbers import base64_pattern, decimal_pattern

WIDE = st.integers(-(2**64), 2**64)


@given(first=WIDE, second=WIDE, number=WIDE)
def test_a_pattern_matches_exactly_the_numbers_of_its_range(first: int, second: int, number: int) -> None:
    low, high = min(first, second), max(first, second)
    pattern = re.compile(decimal_pattern(low, high))
    for each in (number, low, high, low - 1, high + 1, 0):
        assert bool(pattern.match(str(each))) == (low <= each <= high)


@given(low=st.integers(-120, 120), size=st.integers(0, 120))
def test_no_member_of_a_small_range_is_missed(low: int, size: int) -> None:
    pattern = re.compile(decimal_pattern(low, low + size))
    assert [each for each in range(-300, 300) if pattern.match(str(each))] == list(range(low, low + size + 1))


@pytest.mark.parametrize("text", ["", "-", "-0", "00", "01", "+1", "1.0", "1e3", " 1"])
def test_only_canonical_decimals_match(text: str) -> None:
    assert not re.match(decimal_pattern(-(2**63), 2**63 - 1), text)


@given(data=st.binary(max_size=20), shortest=st.integers(0, 12), longest=st.none() | st.integers(0, 12))
def test_base64_of_so_many_bytes_matches(data: bytes, shortest: int, longest: int | None) -> None:
    assume(longest is None or longest >= shortest)
    pattern = base64_pattern(shortest, longest)
    fits = shortest <= len(data) and (longest is None or len(data) <= longest)
    assert bool(re.match(pattern, base64.b64encode(data).decode())) == fits
