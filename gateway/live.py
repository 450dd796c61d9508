"""What is in force now: one catalog and the judge built for it, always swapped together.

A call takes the pair once and keeps it to its end, so that a publish or a new policy never changes a call in flight.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from policies.decide import Judge
from registry.catalog import Catalog


@dataclass(frozen=True, slots=True)
class InForce:
    """A catalog, and the judge that was validated against it."""

    catalog: Catalog
    judge: Judge


Changed = Callable[[], Awaitable[None]]


class Live:
    """Holds what is in force and tells whoever asked when it changes."""

    def __init__(self, first: InForce) -> None:
        self._now = first
        self._listeners: list[Changed] = []

    def current(self) -> InForce:
        return self._now

    def when_changed(self, listener: Changed) -> None:
        """Have `listener` called, on the event loop, after every swap."""
        self._listeners.append(listener)

    async def swap(self, following: InForce) -> None:
        """Put the next pair in force, unless it or a newer one already is."""
        if following is self._now or following.catalog.version < self._now.catalog.version:
            return
        self._now = following
        for listener in self._listeners:
            await listener()
