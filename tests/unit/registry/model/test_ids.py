"""Ids made here are UUIDs of version 7: unique, and sorted by the time they were made."""

import uuid

from registry.model import new_call_id
from registry.model.ids import _uuid7


def test_a_call_id_is_a_uuid_of_version_7_and_the_right_variant() -> None:
    made = uuid.UUID(new_call_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_ids_sort_by_the_millisecond_they_were_made_in() -> None:
    earlier, later = _uuid7(1_000, (1 << 80) - 1), _uuid7(1_001, 0)
    assert str(earlier) < str(later)


def test_a_thousand_ids_differ() -> None:
    assert len({new_call_id() for _ in range(1_000)}) == 1_000
