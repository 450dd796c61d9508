"""Hints: which conversations with channels have grown, as far as is heard here.

Whoever tells webhooks looks by himself every so often, and finds everything; a hint only makes it sooner. So only so
many conversations are listened to, those that mattered last.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection

from adapters.messaging.fabric import Wakes, Watch
from registry.model import ConversationId

LISTENED_TO = 1000


class Hints:
    """Listens to conversations, and remembers which have grown until somebody takes that."""

    def __init__(self, wakes: Wakes, *, at_most: int = LISTENED_TO) -> None:
        self._wakes = wakes
        self._at_most = at_most
        self._listening: OrderedDict[ConversationId, _Ear] = OrderedDict()
        self._grown: set[ConversationId] = set()
        self._some = asyncio.Event()

    def listen(self, conversation: ConversationId) -> None:
        """Note from now on whenever this conversation grows."""
        if conversation not in self._listening:
            self._listening[conversation] = _Ear(self._wakes.watch(conversation), self)
        self._listening.move_to_end(conversation)
        while len(self._listening) > self._at_most:
            _, ear = self._listening.popitem(last=False)
            ear.close()

    def note(self, conversation: ConversationId) -> None:
        """Have this conversation looked at soon."""
        self._grown.add(conversation)
        self._some.set()

    def take(self) -> Collection[ConversationId]:
        """Those that were noted since the last time."""
        grown, self._grown = self._grown, set()
        self._some.clear()
        return grown

    async def some(self, *, seconds: float) -> bool:
        """Wait until there are some; at most so many seconds. Says whether there are."""
        try:
            async with asyncio.timeout(seconds):
                await self._some.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Listen no more."""
        while self._listening:
            self._listening.popitem()[1].close()


class _Ear:
    """What hears of one conversation, again and again."""

    __slots__ = ("_future", "_hints", "_watch")

    def __init__(self, watch: Watch, hints: Hints) -> None:
        self._watch = watch
        self._hints = hints
        self._future = self._next()

    def close(self) -> None:
        self._watch.leave(self._future)
        self._future.cancel()

    def _next(self) -> "asyncio.Future[None]":
        future = self._watch.beyond(self._watch.tail)
        future.add_done_callback(self._heard)
        return future

    def _heard(self, future: "asyncio.Future[None]") -> None:
        self._watch.leave(future)
        if not future.cancelled():
            self._hints.note(self._watch.conversation)
            self._future = self._next()
