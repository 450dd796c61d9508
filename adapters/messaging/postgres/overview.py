"""What operators look at, each in one statement."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from adapters.messaging.delivery import Mailbox
from adapters.messaging.messages import Kind
from adapters.messaging.overview import Envelope, RecentMark, Tally
from adapters.messaging.postgres import shapes
from adapters.messaging.postgres.rows import PostgresRows
from adapters.messaging.queries import load_queries
from registry.model import ConversationId

SQL = load_queries(Path(__file__).with_name("overview.sql"))


class PostgresOverview:
    """See `overview.Overview`."""

    def __init__(self, rows: PostgresRows, shift: Callable[[], float]) -> None:
        self._rows = rows
        self._shift = shift

    async def tally(self) -> Tally:
        """See `Overview.tally`."""
        [(conversations, messages, ready, leased, parked, dead, waited)] = await self._rows.fetch(
            SQL["tally"], self._shift()
        )
        return Tally(
            conversations=conversations,
            messages=messages,
            ready=ready,
            leased=leased,
            parked=parked,
            dead=dead,
            waited=max(0.0, waited or 0.0),
        )

    async def recent(self, *, behind: RecentMark | None, limit: int) -> Sequence[Envelope]:
        """See `Overview.recent`."""
        if behind is None:
            return [_envelope_of(row) for row in reversed(await self._rows.fetch(SQL["last_messages"], limit))]
        rows = await self._rows.fetch(SQL["messages_behind"], behind.at, behind.conversation, behind.seq, limit)
        return [_envelope_of(row) for row in rows]

    async def mailboxes(self, conversation: ConversationId) -> Sequence[Mailbox]:
        """See `Overview.mailboxes`."""
        return [shapes.mailbox_of(row) for row in await self._rows.fetch(SQL["mailboxes"], conversation)]


def _envelope_of(row: Sequence[Any]) -> Envelope:
    conversation, seq, id_, sender, issuer, kind, turn, recipients, at, size = row
    return Envelope(
        conversation=conversation,
        seq=seq,
        id=id_,
        sender=sender,
        issuer=issuer,
        kind=Kind(kind),
        turn=turn,
        to=tuple(recipients.split()),
        at=at,
        size=size,
    )
