"""Hearing: what comes of one attempt that an attached process has in hand, in its order.

Whoever reads slowly is sent no more than the window: the process is told what was dealt with, and waits for that. One
that does not wait has its attempt ended, and costs no more than the window and one message.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Self

from interchange.v1 import work_pb2 as wire

from registry.model import InterchangeError, TooLarge


class AttemptKey(NamedTuple):
    """Which attempt, for whoever looks one up."""

    delivery: str
    number: int
    fence: int


def key_of(attempt: wire.Attempt) -> AttemptKey:
    return AttemptKey(attempt.delivery_id, attempt.number, attempt.fence)


class Hearing:
    """The pieces of one attempt as they come: iterate over them once.

    `dealt_with` is given the bytes of each that was dealt with, and of how many the process is to be told.

    `waiting` are the bytes that nobody has read yet. `ended` says whether the last piece has come, `handed_back`
    whether the process has put the attempt back.
    """

    def __init__(self, key: AttemptKey, *, window: int, dealt_with: Callable[["Hearing", int, int], None]) -> None:
        self.key = key
        self.ended = False
        self.handed_back = False
        self.waiting = 0
        self._window = window
        self._dealt_with = dealt_with
        self._pieces: deque[tuple[wire.Piece, int]] = deque()
        self._unheard = 0
        self._untold = 0
        self._failure: InterchangeError | None = None
        self._news = asyncio.Event()

    def hear(self, piece: wire.Piece, cost: int) -> None:
        """Take in one piece, which counts as so many bytes."""
        if self.ended or self._failure is not None:
            return
        if self._unheard >= self._window:
            self.fail(TooLarge(f"More than {self._window} bytes were sent without waiting until they are heard."))
            return
        self._unheard += cost
        self.waiting += cost
        self._pieces.append((piece, cost))
        self.ended = piece.HasField("ended")
        self._news.set()

    def fail(self, error: InterchangeError) -> None:
        """Have the attempt end with an error, unless its end has come."""
        if not self.ended and self._failure is None:
            self._failure = error
            self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> wire.Piece:
        while True:
            if self._failure is not None:
                raise self._failure
            if self._pieces:
                piece, cost = self._pieces.popleft()
                self._deal_with(cost)
                return piece
            if self.ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()

    def _deal_with(self, cost: int) -> None:
        """Tell the process, though not of every word: while a quarter of the window is untold it can go on sending."""
        self.waiting -= cost
        self._untold += cost
        told = self._untold if self._untold >= self._window // 4 and not self.ended else 0
        self._untold -= told
        self._unheard -= told
        self._dealt_with(self, cost, told)
