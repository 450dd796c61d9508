"""The seal: what is sealed opens for its purpose alone, and whatever was changed opens for none."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.seal import Seal, Unsealable, open_seal
from registry.model import Refused

SEAL = Seal([b"k" * 32])
PURPOSES = st.text(max_size=40)


@given(data=st.binary(max_size=2_000), purpose=PURPOSES)
def test_what_was_sealed_opens(data: bytes, purpose: str) -> None:
    assert SEAL.open(SEAL.seal(data, purpose=purpose), purpose=purpose) == data


@given(data=st.binary(max_size=100), bit=st.integers(min_value=0))
def test_one_flipped_bit_and_it_does_not_open(data: bytes, bit: int) -> None:
    sealed = bytearray(SEAL.seal(data, purpose="grant"))
    place = bit % (len(sealed) * 8)
    sealed[place // 8] ^= 1 << (place % 8)
    with pytest.raises(Unsealable):
        SEAL.open(bytes(sealed), purpose="grant")


@given(data=st.binary(max_size=100), less=st.integers(min_value=1), more=st.binary(min_size=1, max_size=20))
def test_cut_short_or_lengthened_it_does_not_open(data: bytes, less: int, more: bytes) -> None:
    sealed = SEAL.seal(data, purpose="grant")
    for changed in (sealed[: -min(less, len(sealed))], sealed + more, more):
        with pytest.raises(Unsealable):
            SEAL.open(changed, purpose="grant")


@given(data=st.binary(max_size=100), purpose=PURPOSES, other=PURPOSES)
def test_sealed_for_one_purpose_it_opens_for_no_other(data: bytes, purpose: str, other: str) -> None:
    if purpose != other:
        with pytest.raises(Unsealable, match="another purpose"):
            SEAL.open(SEAL.seal(data, purpose=purpose), purpose=other)


def test_the_same_twice_looks_different_and_shows_nothing() -> None:
    one, other = SEAL.seal(b"the same words", purpose="a"), SEAL.seal(b"the same words", purpose="a")
    assert one != other
    assert b"same" not in one
    assert len(one) == len(b"the same words") + 33


def test_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    sealed = open_seal(tmp_path).seal(b"x", purpose="a")
    assert open_seal(tmp_path).open(sealed, purpose="a") == b"x"
    [key] = (tmp_path / "keys").iterdir()
    assert (key.name, key.stat().st_mode & 0o777) == ("seal", 0o600)


def test_gateways_that_start_together_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        seals = list(threads.map(open_seal, [tmp_path] * 32))
    assert {seal.seal(b"", purpose="a")[:5] for seal in seals} == {seals[0].seal(b"", purpose="a")[:5]}
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["seal"]


def test_what_an_older_key_sealed_opens_while_that_key_is_there(tmp_path: Path) -> None:
    before = open_seal(tmp_path).seal(b"x", purpose="a")
    keys = tmp_path / "keys"
    (keys / "seal").rename(keys / "seal.2026-11")
    changed = open_seal(tmp_path)
    assert changed.open(before, purpose="a") == b"x"
    after = changed.seal(b"y", purpose="a")
    assert after[:5] != before[:5]

    (keys / "seal.2026-11").unlink()
    assert open_seal(tmp_path).open(after, purpose="a") == b"y"
    with pytest.raises(Unsealable, match=before[1:5].hex()):
        open_seal(tmp_path).open(before, purpose="a")


@pytest.mark.parametrize("content", ["", "00", "no digits", "0" * 63, "0" * 66])
def test_a_damaged_key_is_no_key(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "seal").write_text(content)
    with pytest.raises(Refused, match="seal is damaged"):
        open_seal(tmp_path)


def test_it_takes_microseconds() -> None:
    data, rounds = b"x" * 512, 20_000
    begun = time.process_time()
    for _ in range(rounds):
        SEAL.open(SEAL.seal(data, purpose="grant"), purpose="grant")
    assert (time.process_time() - begun) / rounds < 40e-6  # 5 on a quiet machine
