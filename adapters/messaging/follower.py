"""The follower: `History` on top of the rows of any engine, with those who follow woken as conversations grow.

Whoever follows costs a few small objects: no task, no queue, and no look at the database while nothing happens. A wake
only says that there may be more; what there is, is always read from the log, so that nothing is missed, doubled or out
of order, whatever the fabric loses. One task looks for all of them what nobody was woken for.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from adapters.messaging.beside import beside
from adapters.messaging.engine import Rows
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.fabric import Wakes, Watch
from adapters.messaging.log import Devices, Found, Keeping, LetterMark, TurnMark, WhichLetters, WhichTurns
from adapters.messaging.messages import Conversation, DeadLetter, Message, unfit_for_storage
from adapters.messaging.turns import Turn
from registry.model import BadRequest, ConversationId, InterchangeError, Overloaded, TurnId, Unknown

_PAGE = 100  # messages that are read at once for one who follows
_ASKED = 1000  # conversations that one poll asks for at once
_INDEXED = 500  # messages that are made ready to be found at once
_ROUNDS = 40
_MOST = 100_000  # of whatever is asked for at once
_WORDS = 32  # of one search
_LETTERS = 1000
_LAST = 1 << 62  # no number is higher

_log = logging.getLogger(__name__)


class Follower:
    """Reads from an engine; see `History`. `watching` has to be entered for `follow` to be complete.

    Text that no database keeps is a BadRequest everywhere; numbers that none can be are taken for the nearest that can.
    """

    def __init__(self, rows: Rows, *, keeping: Keeping, wakes: Wakes) -> None:
        self._rows = rows
        self._keeping = keeping
        self._wakes = wakes
        self._indexing = asyncio.Lock()
        self._readings: dict[tuple[ConversationId, int], _Reading] = {}
        self._away = False
        self.is_over = False

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """While this lasts, those who follow get what they were not woken for, too. Afterwards nobody follows."""
        try:
            async with beside(self._poll()):
                yield
        finally:
            self.is_over = True
            for watch in self._wakes.watches():
                watch.wake()

    async def conversations(
        self, *, ids: Sequence[ConversationId] = (), after: ConversationId | None = None, limit: int = 100
    ) -> Sequence[Conversation]:
        """See `History`."""
        _check_texts(*ids, after or "")
        return await self._rows.conversations(ids=ids, after=after, limit=_some(limit))

    async def page(
        self, conversation: ConversationId, *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> Sequence[Message]:
        """See `History`."""
        _check_texts(conversation)
        before = None if before is None else _number(before)
        page = await self._rows.page(conversation, after=_number(after), before=before, limit=_some(limit))
        if page is None:
            raise Unknown(f"There is no conversation {conversation[:100]!r}.")
        return page

    def follow(self, conversation: ConversationId, *, after: int = 0) -> "Following":
        """See `History`."""
        _check_texts(conversation)  # before it is watched: a poll that asks for it would fail for all
        return Following(self, self._wakes.watch(conversation), _number(after))

    async def turns(self, which: WhichTurns, *, behind: TurnMark | None = None, limit: int = 100) -> Sequence[Turn]:
        """See `History`."""
        _check_which(which)
        _check_texts(behind.turn if behind else "")
        return await self._rows.turns(which, behind=behind, limit=_some(limit))

    async def count_turns(self, which: WhichTurns) -> int:
        """See `History`."""
        _check_which(which)
        return await self._rows.count_turns(which)

    async def of_turn(
        self, conversation: ConversationId, turn: TurnId, *, after: int = 0, limit: int = 100
    ) -> Sequence[Message]:
        """See `History`."""
        _check_texts(conversation, turn)
        return await self._rows.of_turn(conversation, turn, after=_number(after), limit=_some(limit))

    async def search(
        self, words: str, *, conversations: Sequence[ConversationId] | None = None, limit: int = 50
    ) -> Sequence[Found]:
        """See `History`.

        Raises:
            BadRequest: it has more words than a search takes.
            Overloaded: much was said that no search has looked for yet; each try brings the next one nearer.
        """
        _check_texts(words, *(conversations or ()))
        wanted = dict.fromkeys(words.split())  # a word that is said again costs the databases much, and changes nothing
        if len(wanted) > _WORDS or sum(map(len, wanted)) > _LETTERS:
            raise BadRequest(f"A search takes at most {_WORDS} different words, of {_LETTERS:,} characters in all.")
        await self._bring_index_up_to_date()
        return await self._rows.search(" ".join(wanted), conversations=conversations, limit=_some(limit))

    async def dead(
        self, which: WhichLetters, *, after: LetterMark | None = None, limit: int = 100
    ) -> Sequence[DeadLetter]:
        """See `History`."""
        if after is not None:
            after = replace(after, seq=_number(after.seq))
            _check_texts(after.conversation, after.agent)
        _check_texts(which.conversation or "", which.agent or "")
        return await self._rows.dead(which, after=after, limit=_some(limit))

    async def devices(self, conversation: ConversationId) -> Devices:
        """See `History`."""
        _check_texts(conversation)
        return await self._rows.devices(conversation)

    async def read_on(self, watch: Watch, after: int) -> "_Reading":
        """The next messages for one who follows. Those who are at the same place get them by one look.

        Raises:
            Unknown: no such conversation.
            LogUnavailable: the log was closed.
        """
        place = (watch.conversation, after)
        while (reading := self._readings.get(place)) is not None:
            await reading.over.wait()
            if reading.is_done:
                return reading
        reading = self._readings[place] = _Reading(watch.tail)
        try:
            reading.page = await self._next_page(*place)
            reading.is_done = True
        finally:
            del self._readings[place]
            reading.over.set()
        return reading

    async def _next_page(self, conversation: ConversationId, after: int) -> Sequence[Message] | None:
        """The next messages; None while the database is away."""
        if self.is_over:
            raise LogUnavailable("The log was closed.")
        try:
            page = await self.page(conversation, after=after, limit=_PAGE)
        except LogUnavailable as unavailable:
            self._note_away(unavailable)
            return None
        self._note_back()
        return page

    async def _bring_index_up_to_date(self) -> None:
        async with self._indexing:  # one at a time is fast enough, and the second finds little left
            for _ in range(_ROUNDS):
                if await self._keeping.index(limit=_INDEXED) < _INDEXED:
                    return
        raise Overloaded("What was said last is still being made ready to be found: try again in a moment.")

    async def _poll(self) -> None:
        """Look, again and again, where the conversations end that somebody follows."""
        while True:
            await asyncio.sleep(self._wakes.poll)
            try:
                await self._look()
            except InterchangeError as error:  # whatever it is, those who follow are not left alone with it
                self._note_away(error)

    async def _look(self) -> None:
        watches = self._wakes.watches()
        for start in range(0, len(watches), _ASKED):
            asked = watches[start : start + _ASKED]
            tails = await self._rows.tails([watch.conversation for watch in asked])
            self._note_back()
            for watch in asked:
                watch.heard(tails.get(watch.conversation, 0))

    def _note_away(self, why: InterchangeError) -> None:
        if not self._away:
            self._away = True
            _log.warning("The log cannot be read; whoever follows a conversation waits.", extra={"error": str(why)})

    def _note_back(self) -> None:
        if self._away:
            self._away = False
            _log.info("The log can be read again.")


class Following:
    """One who follows a conversation: an asynchronous iterator that never ends by itself.

    A call of `anext` that is cancelled loses nothing: the next one goes on where it was. There is nothing to be
    released: one that nobody keeps is gone. `aclose` ends it, also while somebody waits for it.
    """

    __slots__ = ("_after", "_caught_up", "_closed", "_follower", "_page", "_reading", "_waiting", "_watch")

    def __init__(self, follower: Follower, watch: Watch, after: int) -> None:
        self._follower = follower
        self._watch = watch
        self._after = after
        self._page: deque[Message] | None = None
        self._caught_up = False
        self._closed = self._reading = False
        self._waiting: asyncio.Future[None] | None = None

    def __aiter__(self) -> "Following":
        return self

    async def __anext__(self) -> Message:
        if self._reading:
            raise RuntimeError("Only one at a time can wait for the next message: follow twice instead.")
        self._reading = True
        try:
            while not self._closed and not self._page:
                await self._read_on()
        finally:
            self._reading = False
        if self._closed or not self._page:
            raise StopAsyncIteration
        message = self._page.popleft()
        self._after = message.seq
        return message

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for what is not there yet."""
        return self._waiting is not None

    async def aclose(self) -> None:
        """End it: there are no more messages."""
        self._closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _read_on(self) -> None:
        """Read the next messages; where there are none yet, wait until there may be some."""
        watch = self._watch
        if self._caught_up and watch.tail <= self._after and not self._follower.is_over:
            await self._wait(self._after)
            return
        reading = await self._follower.read_on(watch, self._after)
        if reading.page is None:
            await self._wait(-1)  # whatever is heard next shows that the database may be back
        elif reading.page:
            self._page = deque(reading.page)
        else:
            self._caught_up = True
            if watch.tail == reading.heard:  # nothing was heard meanwhile: if it was ahead of the log, it was wrong
                watch.tail = min(watch.tail, self._after)

    async def _wait(self, after: int) -> None:
        self._page = None
        self._waiting = self._watch.beyond(after)
        try:
            await self._waiting
        finally:
            self._watch.leave(self._waiting)
            self._waiting = None


class _Reading:
    """A look at what comes next, for all who follow from the same place. `heard` is what was heard before it."""

    __slots__ = ("heard", "is_done", "over", "page")

    def __init__(self, heard: int) -> None:
        self.heard = heard
        self.page: Sequence[Message] | None = None
        self.is_done = False
        self.over = asyncio.Event()


def _check_texts(*texts: str) -> None:
    """Refuse to look for what cannot be there, in one way whatever the database.

    Raises:
        BadRequest: a text has what no database keeps.
    """
    if unfit_for_storage(texts) is not None:
        raise BadRequest("What is looked for has text that no database keeps (NUL, or half a surrogate pair).")


def _check_which(which: WhichTurns) -> None:
    names = (*which.turns, *which.agents, which.started_by, which.owner, which.root)
    _check_texts(which.conversation or "", *names)


def _number(number: int) -> int:
    """A number that every database takes, and that leads to the same messages."""
    return max(0, min(number, _LAST))


def _some(limit: int) -> int:
    return max(1, min(limit, _MOST))
