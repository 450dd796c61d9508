"""Tailing: the last messages, then those to come, for as long as somebody reads and the call may last.

One conversation is followed as devices follow it. The whole log has no order of its own: its messages are looked for
by their times, every second, and a little behind what was seen last, since what is committed late may bear an earlier
time. So this is for eyes, and nothing should be built on it.
"""

import asyncio
from collections.abc import Coroutine, Sequence

from adapters.messaging.log import History
from adapters.messaging.messages import Conversation, Message
from adapters.messaging.overview import Envelope, Overview, RecentMark
from gateway.messages.marks import read_recent_mark, read_seq_mark, write_recent_mark
from gateway.messages.requests import read_limit
from gateway.messages.writing import write_envelope, write_message
from registry.model import Call, Deadline, Emit, Item

LAST = 10
"""Messages that there are already, where nobody says how many."""

PAGE = 500
LOOK_SECONDS = 1.0
LATE_SECONDS = 2.0
"""How much later than its time a message may be committed, to be seen in a tail of everything."""

SPARE_SECONDS = 1.0
"""The stream ends well so long before the call may last no longer: its reader knows where to go on."""


async def tail_one(history: History, conversation: Conversation, call: Call, emit: Emit) -> None:
    """The last messages of one conversation with their words, then those to come.

    Raises:
        BadRequest: the mark is none, or too much is asked for.
    """
    after = read_seq_mark(call.content)
    if after is None:
        after = max(0, conversation.tail - read_limit(call.content, "last", default=LAST))
    if call.content.get("follow"):
        await _while_it_may(_follow(history, conversation, after, emit), call.deadline)
        return
    while after < conversation.tail:
        for message in await history.page(conversation.id, after=after, limit=PAGE):
            await _emit_message(message, emit)
            after = message.seq


async def tail_all(overview: Overview, call: Call, emit: Emit) -> None:
    """The last messages of all conversations without their words, then those to come.

    Raises:
        BadRequest: the mark is none, or too much is asked for.
    """
    mark = read_recent_mark(call.content)
    last = read_limit(call.content, "last", default=LAST)
    if mark is None:
        page = await overview.recent(behind=None, limit=max(1, last))
        await _emit_envelopes(page[-last:] if last else (), emit)
        mark = page[-1].mark if page else RecentMark()
    window = _Window(mark)
    if call.content.get("follow"):
        await _while_it_may(_look_again(overview, window, emit), call.deadline)
    else:
        await _look(overview, window, emit)


class _Window:
    """What was shown lately, so that what came late is shown, and nothing twice."""

    def __init__(self, floor: RecentMark) -> None:
        self._floor = floor
        self._newest = floor
        self._shown: dict[RecentMark, None] = {}

    @property
    def begin(self) -> RecentMark:
        """From where on is looked."""
        return max(self._floor, RecentMark(self._newest.at - LATE_SECONDS))

    def fresh(self, page: Sequence[Envelope]) -> list[Envelope]:
        """What of a page was not shown before."""
        found = [envelope for envelope in page if envelope.mark not in self._shown]
        self._shown |= dict.fromkeys(envelope.mark for envelope in found)
        self._newest = max([self._newest, *(envelope.mark for envelope in found)])
        return found

    def slide(self) -> None:
        """Forget what will not be looked for again."""
        begin = self.begin
        self._shown = {mark: None for mark in self._shown if mark > begin}


async def _follow(history: History, conversation: Conversation, after: int, emit: Emit) -> None:
    async for message in history.follow(conversation.id, after=min(after, conversation.tail)):
        if message.seq > after:
            await _emit_message(message, emit)


async def _look_again(overview: Overview, window: _Window, emit: Emit) -> None:
    while True:
        await _look(overview, window, emit)
        await asyncio.sleep(LOOK_SECONDS)


async def _look(overview: Overview, window: _Window, emit: Emit) -> None:
    """Show everything that there is by now."""
    behind = window.begin
    while page := await overview.recent(behind=behind, limit=PAGE):
        await _emit_envelopes(window.fresh(page), emit)
        behind = page[-1].mark
        if len(page) < PAGE:
            break
    window.slide()


async def _emit_message(message: Message, emit: Emit) -> None:
    await emit(Item({"message": write_message(message), "mark": str(message.seq)}))


async def _emit_envelopes(envelopes: Sequence[Envelope], emit: Emit) -> None:
    for envelope in envelopes:
        await emit(Item({"message": write_envelope(envelope), "mark": write_recent_mark(envelope)}))


async def _while_it_may(endless: Coroutine[None, None, None], deadline: Deadline) -> None:
    """Let something go on for as long as the call may last, and end it well."""
    limit = asyncio.timeout(max(0.0, deadline.remaining() - SPARE_SECONDS))
    try:
        async with limit:
            await endless
    except TimeoutError:
        if not limit.expired():
            raise
