"""The store of channels: which webhooks are told of which turn, and who is at it.

Several gateways share it. A claim is a row's `holder`, and the fence rises with it: whoever lost a channel, because the
lease ended or somebody replaced the webhook, can settle no more. Claims are fair between owners and between places, so
that many webhooks of one owner, or at one slow place, do not stand in front of everybody else's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import sqlalchemy as sa

from adapters.messaging.errors import Fenced
from adapters.push.channels import CHANNELS_PER_TURN, LEASE_SECONDS, Channel, InHand, Shares, admitted
from adapters.push.database import Database
from adapters.push.tables import conversation, push_channel
from registry.model import AgentName, ConversationId, Refused, TurnId

LOOKED_AFTER = 3600.0
"""Seconds after which a channel is looked at although nothing was said: its turn may have ended without a word."""

_with_tail = push_channel.outerjoin(conversation, conversation.c.id == push_channel.c.conversation)
_COLUMNS = tuple(column.name for column in fields(Channel))
_SETTLED = ("cursor", "attempts", "ready_at", "looked_at", "failing_since", "error", "holder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who claims, when, and how much: `in_hand` is what this gateway has already. `among` restricts the claim to these
    conversations (None: all of them)."""

    holder: str
    now: float
    in_hand: InHand
    shares: Shares = field(default_factory=Shares)
    among: Collection[ConversationId] | None = None


class ChannelStore:
    """Channels in the log's database. Every operation raises `LogUnavailable` where that does not serve."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, channel: Channel) -> Channel:
        """Keep a channel. One of the same turn and id is replaced, and fenced; what it was told it is not told again.

        Raises:
            Refused: the turn has as many channels as it may have.
        """

        def work(connection: sa.Connection) -> Channel:
            _lock_turn(connection, channel.turn)
            found = [_read(row) for row in connection.execute(_of_turn(channel.turn))]
            before = next((other for other in found if other.id == channel.id), None)
            if before is None:
                if len(found) >= CHANNELS_PER_TURN:
                    raise Refused(f"A turn has at most {CHANNELS_PER_TURN} webhooks.")
                connection.execute(sa.insert(push_channel).values(_written(channel)))
                return channel
            new = replace(channel, cursor=max(channel.cursor, before.cursor), fence=before.fence + 1)
            connection.execute(sa.update(push_channel).where(*_is(channel)).values(_written(new)))
            return new

        return await self._database.write(work)

    async def get(self, turn: TurnId, id: str) -> Channel | None:  # noqa: A002  the word of the field
        """The channel of this turn with this id."""
        return next((channel for channel in await self.of_turn(turn) if channel.id == id), None)

    async def of_turn(self, turn: TurnId) -> Sequence[Channel]:
        """All channels of a turn, the oldest first."""
        return await self._database.read(lambda connection: [_read(row) for row in connection.execute(_of_turn(turn))])

    async def delete(self, turn: TurnId, id: str) -> None:  # noqa: A002  the word of the field
        """See that there is no such channel. An attempt that is in hand may still reach the webhook."""
        which = (push_channel.c.turn == turn, push_channel.c.id == id)
        await self._database.write(lambda connection: connection.execute(sa.delete(push_channel).where(*which)))

    async def claim(self, claim: Claim) -> Sequence[Channel]:
        """Take channels behind whose cursor their conversations go on, for a lease from now."""
        is_due = sa.select(sa.literal(1)).select_from(_with_tail).where(*_is_due(claim)).limit(1)
        if (await self._database.read(lambda connection: connection.execute(is_due).first())) is None:
            return []  # nearly always, and nobody who writes was kept waiting for it

        def work(connection: sa.Connection) -> Sequence[Channel]:
            due = _due(claim).with_for_update(of=push_channel, skip_locked=True)
            candidates = [_read(row) for row in connection.execute(due)]
            return [_take(connection, channel, claim) for channel in admitted(candidates, claim.in_hand, claim.shares)]

        return await self._database.write(work)

    async def settle(self, held: Channel, after: Channel | None) -> None:
        """End or go on with a claim: what the channel is from now on; None deletes it.

        Raises:
            Fenced: it is not this holder's any more, and nothing was done.
        """

        def work(connection: sa.Connection) -> int:
            which = (*_is(held), push_channel.c.holder == held.holder, push_channel.c.fence == held.fence)
            if after is None:
                return connection.execute(sa.delete(push_channel).where(*which)).rowcount
            values = {name: getattr(after, name) for name in _SETTLED}
            return connection.execute(sa.update(push_channel).where(*which).values(values)).rowcount

        if not await self._database.write(work):
            raise Fenced(f"The channel {held.id[:100]!r} is held by somebody else, replaced or deleted.")

    async def release(self, holder: str, *, now: float) -> None:
        """Give back whatever a holder has: it may be claimed at once."""
        released = sa.update(push_channel).where(push_channel.c.holder == holder).values(holder="", ready_at=now)
        await self._database.write(lambda connection: connection.execute(released))


def _due(claim: Claim) -> sa.Select[Any]:
    """Channels that may be claimed now: the first of each owner, then the second of each, and so on; and of those at
    one place no more than its share, chosen in that order."""
    waits_longest = (push_channel.c.ready_at, push_channel.c.turn, push_channel.c.id)
    fair = sa.func.row_number().over(partition_by=push_channel.c.owner, order_by=waits_longest)
    by_owner = (
        sa.select(*(push_channel.c[name] for name in ("turn", "id", "place", "ready_at")), fair.label("of_owner"))
        .select_from(_with_tail)
        .where(*_is_due(claim))
        .subquery()
    )
    in_order = (by_owner.c.of_owner, by_owner.c.ready_at, by_owner.c.turn, by_owner.c.id)
    crowd = sa.func.row_number().over(partition_by=by_owner.c.place, order_by=in_order)
    ranked = sa.select(by_owner, crowd.label("at_place")).where(by_owner.c.of_owner <= claim.shares.owner).subquery()
    return (
        sa.select(push_channel)
        .join(ranked, sa.and_(ranked.c.turn == push_channel.c.turn, ranked.c.id == push_channel.c.id))
        .where(
            ranked.c.at_place <= claim.shares.place,
            push_channel.c.ready_at <= claim.now,  # PostgreSQL asks this again of a row that was locked meanwhile
        )
        .order_by(ranked.c.of_owner, *waits_longest)
        .limit(claim.shares.total)
    )


def _is_due(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    """Which channels may be claimed; none at places and of owners that have their share in hand."""
    full_places = [place for place, count in claim.in_hand.places.items() if count >= claim.shares.place]
    full_owners = [owner for owner, count in claim.in_hand.owners.items() if count >= claim.shares.owner]
    was_said_more = conversation.c.tail > push_channel.c.cursor
    due = (
        push_channel.c.ready_at <= claim.now,
        sa.or_(was_said_more, push_channel.c.looked_at <= claim.now - LOOKED_AFTER),
        push_channel.c.place.not_in(full_places),
        push_channel.c.owner.not_in(full_owners),
    )
    return due if claim.among is None else (*due, push_channel.c.conversation.in_(claim.among))


def _take(connection: sa.Connection, channel: Channel, claim: Claim) -> Channel:
    taken = replace(channel, holder=claim.holder, fence=channel.fence + 1, ready_at=claim.now + LEASE_SECONDS)
    values = {"holder": taken.holder, "fence": taken.fence, "ready_at": taken.ready_at}
    connection.execute(sa.update(push_channel).where(*_is(channel)).values(values))
    return taken


def _lock_turn(connection: sa.Connection, turn: TurnId) -> None:
    """Let nobody else put a channel of this turn meanwhile: otherwise there could be more than there may be."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(turn, 0x1C_115))))


def _of_turn(turn: TurnId) -> sa.Select[Any]:
    order = (push_channel.c.created_at, push_channel.c.id)
    return sa.select(push_channel).where(push_channel.c.turn == turn).order_by(*order)


def _is(channel: Channel) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return push_channel.c.turn == channel.turn, push_channel.c.id == channel.id


def _written(channel: Channel) -> dict[str, Any]:
    return {name: getattr(channel, name) for name in _COLUMNS}


def _read(row: sa.Row[Any]) -> Channel:
    """A row as a channel; the only place that knows how."""
    values = {name: getattr(row, name) for name in _COLUMNS}
    values.update(turn=TurnId(row.turn), conversation=ConversationId(row.conversation), agent=AgentName(row.agent))
    return Channel(**values)
