"""What this process has in hand: each attempt once, and of a delivery only the latest.

A delivery keeps its id over all attempts at it; of two attempts the later one has the higher fence or, where no log is
involved and the fences are equal, the higher number. That is all an agent needs to know so as never to do the same
twice at a time, however the attempts come to it.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

IN_HAND: Final = "This attempt at this turn is in hand already."
SUPERSEDED: Final = "A later attempt at this turn has come."


class InHandError(Exception):
    """This attempt, or a later one, is running."""


class SupersededError(Exception):
    """A later attempt has begun, so nobody waits for this one any more."""


@dataclass(slots=True)
class _Hold:
    attempt: tuple[int, int]
    task: "asyncio.Task[Any]"
    superseded: bool = False


class Hands:
    """The deliveries that this process is working on."""

    def __init__(self) -> None:
        self._holds: dict[str, _Hold] = {}

    @contextmanager
    def taking(self, delivery: str, *, number: int, fence: int) -> Generator[None]:
        """Hold a delivery while an attempt at it runs; an earlier one is cancelled.

        Raises:
            InHandError: at once.
            SupersededError: out of what runs inside.
        """
        earlier, attempt = self._holds.get(delivery), (fence, number)
        if earlier is not None and earlier.attempt >= attempt:
            raise InHandError
        if earlier is not None:
            earlier.superseded = True
            earlier.task.cancel()
        hold = self._holds[delivery] = _Hold(attempt, cast("asyncio.Task[Any]", asyncio.current_task()))
        try:
            yield
        except asyncio.CancelledError:
            if not hold.superseded or hold.task.uncancel() > 0:
                raise
            raise SupersededError from None
        finally:
            if self._holds.get(delivery) is hold:
                del self._holds[delivery]
