"""The SQL of a claim: the heads that wait longest, taken in turns from the agents that are asked for."""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from adapters.messaging import plan
from adapters.messaging.outcomes import Delivery, Lease
from adapters.messaging.requests import MailboxKey
from adapters.messaging.sheet import Sheet
from adapters.messaging.sqlite import shapes
from adapters.messaging.sqlite.sheets import SQL
from registry.model import AgentName


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What `ConversationLog.claim` was asked for."""

    agents: Collection[AgentName]
    limit: int
    lease: Lease


def take(connection: sqlite3.Connection, claim: Claim, sheet: Sheet) -> Sequence[Delivery]:
    """Hand out heads that nobody holds; inside a transaction, after the sheet's requests were stored."""
    taken = (_take(connection, key, claim, sheet) for key in _next_heads(connection, claim, sheet.now))
    return [delivery for delivery in taken if delivery is not None]


def _next_heads(connection: sqlite3.Connection, claim: Claim, now: float) -> list[MailboxKey]:
    """The first of each agent, those that wait longest first; then the second of each, and so on."""
    waiting: list[tuple[int, float, MailboxKey]] = []
    for agent in frozenset(claim.agents):
        rows = connection.execute(SQL["claimable"], (agent, now, claim.limit))
        waiting += [(rank, ready_at, (conversation, agent)) for rank, (ready_at, conversation) in enumerate(rows)]
    waiting.sort()
    return [key for _, _, key in waiting[: claim.limit]]


def _take(connection: sqlite3.Connection, key: MailboxKey, claim: Claim, sheet: Sheet) -> Delivery | None:
    row = connection.execute(SQL["head"], key).fetchone()
    if row is None:
        return None
    turn_at, message_at = shapes.MAILBOX_WIDTH, shapes.MAILBOX_WIDTH + shapes.TURN_WIDTH
    mailbox, turn, delivery = plan.claim(
        shapes.mailbox_of(row[:turn_at]),
        shapes.turn_of(row[turn_at:message_at]),
        shapes.message_of(row[message_at:]),
        claim.lease,
        sheet,
    )
    connection.execute(SQL["put_turn"], shapes.turn_row(turn))
    connection.execute(SQL["put_mailbox"], shapes.mailbox_row(mailbox))
    return delivery
