"""What is in force now: one catalog, the judge built for it, and the directory of those it judges, swapped together.

A call takes all of it once and keeps it to its end, so that a publish, a new policy or a new directory never changes a
call in flight; what lasts is decided again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from policies.decide import Judge
from policies.identity.directory import Directory
from registry.catalog import Catalog


@dataclass(frozen=True, slots=True)
class InForce:
    """A catalog, the judge that was validated against it, and the directory. `edition` counts how often policies and
    directory were replaced."""

    catalog: Catalog
    judge: Judge
    directory: Directory
    edition: int = 0

    def is_behind(self, other: "InForce") -> bool:
        """Whether the other knows of something newer, be it of a publish or of policies and a directory."""
        return self.catalog.version < other.catalog.version or self.edition < other.edition


Changed = Callable[[], Awaitable[None]]


class Live:
    """Holds what is in force and tells whoever asked when it changes."""

    def __init__(self, first: InForce) -> None:
        self._now = first
        self._listeners: list[Changed] = []

    def current(self) -> InForce:
        return self._now

    def directory(self) -> Directory:
        """The directory in force."""
        return self._now.directory

    def when_changed(self, listener: Changed) -> None:
        """Have `listener` called, on the event loop, after every swap."""
        self._listeners.append(listener)

    async def swap(self, following: InForce) -> bool:
        """Put what follows in force and tell everybody, none of them after another: who is slow, or fails, must not
        keep what is forbidden now alive elsewhere. False for what something newer has overtaken."""
        if following.is_behind(self._now):
            return False
        if following is not self._now:
            self._now = following
            told = await asyncio.gather(*(listener() for listener in self._listeners), return_exceptions=True)
            if failures := [failure for failure in told if isinstance(failure, BaseException)]:
                raise failures[0]
        return True
