"""The SQL of a claim: heads that nobody holds, those that wait longest first, taken in turns from the agents."""

import time
from collections.abc import Collection, Sequence
from typing import Any

from adapters.messaging import plan
from adapters.messaging.outcomes import Delivery, Lease
from adapters.messaging.postgres import shapes
from adapters.messaging.postgres.connections import Connection
from adapters.messaging.postgres.sheets import SQL, store
from adapters.messaging.requests import MailboxKey
from adapters.messaging.sheet import Sheet
from registry.model import AgentName


async def take(
    connection: Connection, agents: Collection[AgentName], *, limit: int, lease: Lease, shift: float
) -> Sequence[Delivery]:
    """Hand out at most `limit` heads, inside a transaction."""
    sheet = Sheet(now=0.0, at=0.0, monotonic=time.monotonic())
    await _lock(connection, agents, limit, sheet, shift)
    if not sheet.mailboxes:
        return ()
    deliveries = await _hand_out(connection, lease, sheet)
    await store(connection, sheet, frozenset())
    return deliveries


async def _lock(connection: Connection, agents: Collection[AgentName], limit: int, sheet: Sheet, shift: float) -> None:
    """Lock mailboxes: as many of each agent as of every other, and what is left over of those that have more."""
    asking: dict[AgentName, int] = dict.fromkeys(agents, 0)
    while asking and len(sheet.mailboxes) < limit:
        left = limit - len(sheet.mailboxes)
        each = max(left // len(asking), 1)
        rows = await connection.fetch(SQL["claim"], list(asking), list(asking.values()), each, left, shift)
        found: dict[AgentName, int] = dict.fromkeys(asking, 0)
        for row in rows:
            mailbox = shapes.mailbox_of(row[:10])
            sheet.mailboxes[mailbox.conversation, mailbox.agent] = mailbox
            found[mailbox.agent] += 1
            sheet.at = row[10]
        sheet.now = sheet.at + shift
        asking = {agent: asking[agent] + taken for agent, taken in found.items() if taken >= each}


async def _hand_out(connection: Connection, lease: Lease, sheet: Sheet) -> list[Delivery]:
    deliveries: list[Delivery] = []
    heads = [(mailbox.conversation, mailbox.agent, mailbox.head) for mailbox in sheet.mailboxes.values()]
    rows: dict[MailboxKey, Any] = {
        (row[0], row[1]): row for row in await connection.fetch(SQL["load_heads"], *shapes.columns(heads, 3))
    }
    for key, mailbox in sheet.mailboxes.items():
        if key not in rows:
            continue
        row = rows[key]
        turn, message = shapes.turn_of(row[: shapes.TURN_WIDTH]), shapes.message_of(row[shapes.TURN_WIDTH :])
        held, working, delivery = plan.claim(mailbox, turn, message, lease, sheet)
        sheet.written.mailboxes[key] = held
        sheet.written.turns[working.conversation, working.id] = working
        deliveries.append(delivery)
    return deliveries
