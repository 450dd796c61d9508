"""A bounded memory whose entries also end by time: what has not been used for longest goes first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most `capacity` values, each until its own instant. The caller says what time it is."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K, now: float) -> V | None:
        """The value kept under this key, if its time is not over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= now:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, until: float) -> None:
        """Keep a value until an instant, at the cost of the least recently used one when full."""
        self._entries[key] = (value, until)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def take(self, key: K, now: float) -> V | None:
        """Like `get`, and forget it: nobody gets it a second time."""
        entry = self._entries.pop(key, None)
        return entry[0] if entry is not None and entry[1] > now else None

    def clear(self) -> None:
        self._entries.clear()
