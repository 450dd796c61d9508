"""What operators look at, read beside the writer."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.messaging.delivery import Mailbox
from adapters.messaging.messages import Kind
from adapters.messaging.overview import Envelope, RecentMark, Tally
from adapters.messaging.queries import load_queries
from adapters.messaging.sqlite import shapes
from adapters.messaging.sqlite.clock import LogClock
from adapters.messaging.sqlite.rows import Readers
from registry.model import ConversationId

SQL = load_queries(Path(__file__).with_name("overview.sql"))


class SqliteOverview:
    """See `overview.Overview`."""

    def __init__(self, readers: Readers, clock: LogClock) -> None:
        self._readers = readers
        self._clock = clock

    async def tally(self) -> Tally:
        """See `Overview.tally`."""
        return await self._readers.read(self._count)

    async def recent(self, *, behind: RecentMark | None, limit: int) -> Sequence[Envelope]:
        """See `Overview.recent`."""
        if behind is None:
            rows = await self._all("last_messages", {"limit": limit})
            return [_envelope_of(row) for row in reversed(rows)]
        wanted = {"at": behind.at, "conversation": behind.conversation, "seq": behind.seq, "limit": limit}
        return [_envelope_of(row) for row in await self._all("messages_behind", wanted)]

    async def mailboxes(self, conversation: ConversationId) -> Sequence[Mailbox]:
        """See `Overview.mailboxes`."""
        return [shapes.mailbox_of(row) for row in await self._all("mailboxes", (conversation,))]

    def _count(self, connection: sqlite3.Connection) -> Tally:
        conversations, messages = connection.execute(SQL["count_conversations"]).fetchone()
        ready, leased, oldest = connection.execute(SQL["count_waiting"]).fetchone()
        (parked,) = connection.execute(SQL["count_parked"]).fetchone()
        (dead,) = connection.execute(SQL["count_dead"]).fetchone()
        return Tally(
            conversations=conversations,
            messages=messages,
            ready=ready,
            leased=leased,
            parked=parked,
            dead=dead,
            waited=0.0 if oldest is None else max(0.0, self._clock.now() - oldest),
        )

    async def _all(self, name: str, wanted: Mapping[str, object] | tuple[object, ...]) -> list[Any]:
        return await self._readers.read(lambda connection: connection.execute(SQL[name], wanted).fetchall())


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
