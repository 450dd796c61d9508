"""Views: a turn as whoever may read it sees it, as it stands and as it goes on.

What is logged is seen once and in order, whatever the fabric loses; between the logged messages come the pieces of what
is being said (see `feeds`). A view is always read from the log: nothing of a turn is kept only in memory.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from adapters.lifecycle.feeds import Drafted, Feeds, Hearing, Lane, Notice, Piece
from adapters.lifecycle.grants import Grant, open_grant
from adapters.messaging.bodies import Body, read_body
from adapters.messaging.log import WhichTurns
from adapters.messaging.messages import Message, TurnRef
from adapters.messaging.opening import OpenLog
from adapters.messaging.turns import ENDED, Turn, TurnState
from adapters.sealing import Seal
from registry.model import Artifact, InterchangeError, TurnId

MESSAGES: Final = 1_000
"""Messages of one turn that are read at once."""

BYTES: Final = 32 << 20
"""Bytes of bodies that a view holds, or a little more. Of a turn that says more, its begin and its end are seen."""

PAGE: Final = 1 << 20
"""Bytes of bodies below which what was read at once was all there is: see `History.of_turn`."""

LOOKING: Final = 1.0
"""Seconds after which one who follows, and hears nothing, looks for a draft."""

SELDOM: Final = 8.0
"""Seconds between two looks at the most: as long as nothing is found, each takes twice as long as the one before."""

NOTHING_DRAFTED: Final = Drafted(fence=0, number=0)

PAUSED: Final = frozenset({TurnState.WAITING, TurnState.REVIEW})
"""States in which a turn waits for its starter, who then says something new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnView:
    """A turn as it stood at one moment: its row, what its starter granted, its messages in their order, and while it is
    worked on the `draft` of what is being said, as artifacts; the answer itself is the one without an id."""

    turn: Turn
    grant: Grant
    messages: tuple[Message, ...]
    draft: tuple[Artifact, ...] = ()
    drafted: Drafted = NOTHING_DRAFTED

    @property
    def seen(self) -> int:
        """The number of the last message in here."""
        return self.messages[-1].seq if self.messages else self.turn.opened - 1

    def end(self) -> Body | None:
        """What the turn ended with, or what it asks: the body of its last message that is not its starter's."""
        if self.turn.state not in ENDED | PAUSED or not self.messages:
            return None
        return read_body(self.messages[-1].body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Where the telling of a turn begins."""

    view: TurnView


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Something is being said. An artifact with `append` goes on with what was told of it; any other replaces that."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A message of the turn was logged; `turn` as it is since then, or since a little later."""

    message: Message
    turn: Turn


News: TypeAlias = Snapshot | Pieces | Logged


def is_over(turn: Turn) -> bool:
    """Whether nothing more comes of a turn unless its starter says something."""
    return turn.state in ENDED or turn.state in PAUSED


class Views:
    """Reads turns."""

    def __init__(self, opened: OpenLog, *, feeds: Feeds, seal: Seal) -> None:
        self._history = opened.history
        self._drafts = opened.drafts
        self._feeds = feeds
        self._seal = seal

    async def row(self, turn: TurnId) -> Turn | None:
        """The row of a turn; None where there is none."""
        found = await self._history.turns(WhichTurns(turns=(turn,)), limit=1)
        return found[0] if found else None

    async def view(self, row: Turn) -> TurnView:
        """A turn as it stands, and not older than `row`."""
        while True:
            messages = await self._messages(row)
            now = row if row.state in ENDED else await self.row(row.id) or row
            if now.changed_at == row.changed_at:  # so these are the messages of that state
                break
            row = now
        draft, drafted = await self._draft_of(row.of) if row.state is TurnState.WORKING else ((), NOTHING_DRAFTED)
        return TurnView(turn=row, grant=self.grant_of(row), messages=tuple(messages), draft=draft, drafted=drafted)

    async def _messages(self, row: Turn) -> Sequence[Message]:
        """The messages of a turn: all of them, or the one that opened it and the last ones, up to `BYTES`."""
        found: deque[Message] = deque()
        size, after = 0, row.opened - 1
        while page := await self._history.of_turn(row.conversation, row.id, after=after, limit=MESSAGES):
            after = page[-1].seq
            found += page
            size += sum(len(message.body) for message in page)
            while size > BYTES and len(found) > 2:
                size -= len(found[1].body)
                del found[1]
            if sum(len(message.body) for message in page) < PAGE and len(page) < MESSAGES:
                break
        return found

    def grant_of(self, row: Turn) -> Grant:
        """What the starter of a turn granted.

        Raises:
            InterchangeError: it cannot be read here.
        """
        return open_grant(row.authority, self._seal, place=row.conversation)

    async def news(self, turn: TurnId, hearing: Hearing, *, known: TurnView | None = None) -> AsyncGenerator[News]:
        """A turn as it stands, and then as it goes on, until it is over. Hear of it before this begins, so that what is
        said in between is not missed. `known` spares a look where it was known a moment ago.

        Raises:
            InterchangeError: the log cannot be read.
        """
        view = known
        if view is None:
            row = await self.row(turn)
            if row is None:
                return
            view = await self.view(row)
        yield Snapshot(view=view)
        if not is_over(view.turn):
            async with aclosing(self._following(view, hearing)) as following:
                async for news in following:
                    yield news

    async def ended(self, of: TurnRef, *, after: int) -> Turn:
        """Wait until a turn is over, whatever is said meanwhile; what is behind message `after` is looked at."""
        row = await self.row(of.turn)
        following = self._history.follow(of.conversation, after=after)
        while row is None or not is_over(row):
            message = await anext(following)
            if message.turn == of.turn:
                row = await self.row(of.turn)
        return row

    async def _following(self, view: TurnView, hearing: Hearing) -> AsyncGenerator[News]:
        lane = Lane(fence=view.drafted.fence, number=view.drafted.number)
        messages = self._history.follow(view.turn.conversation, after=view.seen)
        coming = asyncio.ensure_future(anext(messages))
        hearing_some: asyncio.Future[None] = asyncio.ensure_future(hearing.some())
        patience = LOOKING
        try:
            while True:
                both: set[asyncio.Future[object]] = {cast("asyncio.Future[object]", coming)}
                both.add(cast("asyncio.Future[object]", hearing_some))
                done, _ = await asyncio.wait(both, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                patience = LOOKING if done else min(2 * patience, SELDOM)
                has_come = coming.done()  # INVARIANT: looked at before pieces are read: those told first come first
                if pieces := await self._heard(view.turn.of, lane, hearing.read(), look=not done):
                    patience = LOOKING
                    yield Pieces(pieces=pieces)
                if hearing_some.done():
                    hearing_some = asyncio.ensure_future(hearing.some())
                if has_come:
                    message = coming.result()
                    if message.turn == view.turn.id:
                        row = await self.row(message.turn) or view.turn
                        yield Logged(message=message, turn=row)
                        if is_over(row) and not await self._has_more(row, message):
                            return
                    coming = asyncio.ensure_future(anext(messages))
        finally:
            coming.cancel()
            hearing_some.cancel()

    async def _has_more(self, row: Turn, message: Message) -> bool:
        """Whether the turn has messages behind this one, so that the one that ended it is still to come."""
        return bool(await self._history.of_turn(row.conversation, row.id, after=message.seq, limit=1))

    async def _heard(self, of: TurnRef, lane: Lane, notices: Sequence[Notice], *, look: bool) -> tuple[Piece, ...]:
        """What can be handed on, in order. The draft is looked at where something is missing, or nothing was heard."""
        pieces: list[Piece] = []
        for notice in notices:
            if isinstance(notice, Drafted):
                look = look or (lane.is_short and lane.is_behind(notice))
            else:
                pieces += lane.hear(notice)
        if look:
            draft, drafted = await self._draft_of(of)
            pieces += lane.restart(drafted, draft)
        return tuple(pieces)

    async def _draft_of(self, of: TurnRef) -> tuple[tuple[Artifact, ...], Drafted]:
        draft = await self._drafts.of(of.conversation, of.turn)
        if draft is None:
            return (), NOTHING_DRAFTED
        try:
            return read_body(draft.body).artifacts, Drafted(fence=draft.fence, number=draft.number)
        except InterchangeError:
            return (), NOTHING_DRAFTED
