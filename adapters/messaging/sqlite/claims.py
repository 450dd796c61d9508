"""The SQL of a claim: the heads that wait longest, taken in turns from the agents that are asked for."""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from adapters.messaging import plan
from adapters.messaging.delivery import Mailbox
from adapters.messaging.outcomes import Delivery, Lease
from adapters.messaging.requests import MailboxKey
from adapters.messaging.sheet import Sheet
from adapters.messaging.sqlite import shapes
from adapters.messaging.sqlite.sheets import SQL, found, put
from adapters.messaging.turns import Turn
from registry.model import AgentName

LOOKED_UP = 8
"""How many heads are looked up at once."""

BYTES = 16 << 20
"""How many bytes of bodies one claim hands out, more or less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What `ConversationLog.claim` was asked for."""

    agents: Collection[AgentName]
    limit: int
    lease: Lease


def take(connection: sqlite3.Connection, claim: Claim, sheet: Sheet) -> Sequence[Delivery]:
    """Hand out heads that nobody holds; inside a transaction, after the sheet's requests were stored."""
    keys = _next_heads(connection, claim, sheet.now)
    taken: list[tuple[Mailbox, Turn, Delivery]] = []
    size = 0
    for begin in range(0, len(keys), LOOKED_UP):
        some = keys[begin : begin + LOOKED_UP]
        heads = {row[:2]: row for row in found(connection, "find_heads", some)}
        taken += [_taken(heads[key], claim.lease, sheet) for key in some if key in heads]
        size += sum(len(delivery.message.body) for _, _, delivery in taken[begin:])
        if size > BYTES:  # enough for now: what is left is had with the next claim
            break
    put(connection, "put_turn", [shapes.turn_row(turn) for _, turn, _ in taken])
    put(connection, "put_mailbox", [shapes.mailbox_row(mailbox) for mailbox, _, _ in taken])
    return [delivery for _, _, delivery in taken]


def _next_heads(connection: sqlite3.Connection, claim: Claim, now: float) -> list[MailboxKey]:
    """The first of each agent, those that wait longest first; then the second of each, and so on."""
    waiting: list[tuple[int, float, MailboxKey]] = []
    for agent in frozenset(claim.agents):
        rows = connection.execute(SQL["claimable"], (agent, now, claim.limit))
        waiting += [(rank, ready_at, (conversation, agent)) for rank, (ready_at, conversation) in enumerate(rows)]
    waiting.sort()
    return [key for _, _, key in waiting[: claim.limit]]


def _taken(row: shapes.Row, lease: Lease, sheet: Sheet) -> tuple[Mailbox, Turn, Delivery]:
    turn_at, message_at = shapes.MAILBOX_WIDTH, shapes.MAILBOX_WIDTH + shapes.TURN_WIDTH
    mailbox, turn = shapes.mailbox_of(row[:turn_at]), shapes.turn_of(row[turn_at:message_at])
    return plan.claim(mailbox, turn, shapes.message_of(row[message_at:]), lease, sheet)
