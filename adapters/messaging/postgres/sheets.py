"""The SQL of one transaction: the rows that requests want become a sheet, and what a sheet has written is stored."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from adapters.messaging.postgres import shapes
from adapters.messaging.postgres.connections import Connection
from adapters.messaging.queries import load_queries
from adapters.messaging.requests import Expire, MailboxKey, Request, Revoke, Settle, Wanted, wanted
from adapters.messaging.sheet import Sheet, Written
from registry.model import ConversationId

SQL = load_queries(Path(__file__).with_name("write.sql"))

BIGGEST = 2**63 - 1
"""What a bigint holds. What is numbered higher is not there."""

Waiting = dict[MailboxKey, tuple[bool, int]]
"""The first turn that a mailbox has waiting, beside those on the sheet: whether it is urgent, and what is due."""


async def load(connection: Connection, requests: Sequence[Request], shift: float) -> tuple[Sheet, Waiting]:
    """Lock and load what requests want, inside a transaction.

    What is in a conversation that was not there to be locked is not looked for, though somebody may be opening it: who
    has locked rows of a conversation without having it may wait for its owner, and its owner for them.
    """
    monotonic = time.monotonic()
    keys = wanted(requests)
    conversations = await connection.fetch(SQL["lock_conversations"], list(keys.conversations))
    sheet = Sheet(now=0.0, at=0.0, monotonic=monotonic)
    for row in conversations:
        sheet.conversations[row[0]] = shapes.conversation_of(row)
    if len(sheet.conversations) < len(keys.conversations):
        keys.narrow(sheet.conversations)
    if keys.letters:
        await _load_letters(connection, keys, sheet)
    row = await connection.fetchrow(
        SQL["load"],
        *shapes.columns(keys.known, 3),
        *shapes.columns(sorted(keys.mailboxes), 2),
        *shapes.columns(keys.turns, 2),
        *shapes.columns(_may_be_vacated(requests) & keys.mailboxes, 2),
    )
    mailboxes, turns, known, first_waiting, sheet.at = row
    sheet.now = sheet.at + shift
    for each in mailboxes:
        sheet.mailboxes[each[0], each[1]] = shapes.mailbox_of(each)
    for each in turns:
        sheet.turns[each[0], each[2]] = shapes.turn_of(each)
    for each in known:
        sheet.known[each[0], each[1], each[2]] = shapes.known_of(each[3:])
    await _load_rare(connection, keys, sheet)
    return sheet, {(each[0], each[1]): (each[2], each[3]) for each in first_waiting}


async def _load_letters(connection: Connection, keys: Wanted, sheet: Sheet) -> None:
    """Dead letters, whose turns are wanted as well."""
    found = [key for key in keys.letters if 0 <= key[2] <= BIGGEST]
    for row in await connection.fetch(SQL["load_letters"], *shapes.columns(found, 3)):
        letter = sheet.letters[row[0], row[1], row[2]] = shapes.letter_of(row)
        keys.turns.add((letter.of.conversation, letter.of.turn))


async def _load_rare(connection: Connection, keys: Wanted, sheet: Sheet) -> None:
    """What most requests do not want."""
    if keys.messages:
        found = [key for key in keys.messages if 0 <= key[1] <= BIGGEST]
        for row in await connection.fetch(SQL["load_messages"], *shapes.columns(found, 2)):
            sheet.messages[row[0], row[1]] = shapes.message_of(row)
    if keys.seen:
        for row in await connection.fetch(SQL["load_seen"], *shapes.columns(keys.seen, 2)):
            sheet.seen[row[0], row[1]] = row[2]
    if keys.holds:
        for row in await connection.fetch(SQL["load_held_calls"], list(keys.holds)):
            sheet.holds[row[0]] = shapes.held_call_of(row)


def _may_be_vacated(requests: Sequence[Request]) -> set[MailboxKey]:
    """Mailboxes whose delivery may end, so that what they have waiting has to be known."""
    keys: set[MailboxKey] = set()
    for request in requests:
        match request:
            case Settle():
                keys.add((request.conversation, request.delivery.agent))
            case Revoke() | Expire():
                keys.add((request.conversation, request.of.agent))
            case _:
                pass
    return keys


def promote(sheet: Sheet, waiting: Waiting) -> None:
    """Find what the vacated mailboxes of a sheet deliver next: of the turns on the sheet, or the one that waits."""
    vacated = sheet.written.vacated
    if not vacated:
        return
    first: dict[MailboxKey, tuple[bool, int]] = {key: waiting[key] for key in vacated if key in waiting}
    for turn in sheet.turns.values():
        key = turn.conversation, turn.agent
        if turn.due and key in vacated:
            parked = sheet.mailboxes[key].parked
            if not parked or parked == turn.id:
                first[key] = min(first.get(key, _LAST), (turn.urgent, turn.due), key=_rank)
    sheet.promote([(key, first[key][1] if key in first else 0) for key in vacated])


_LAST = (False, BIGGEST)


def _rank(waiting: tuple[bool, int]) -> tuple[bool, int]:
    """What was promised an answer comes before what was not begun."""
    urgent, due = waiting
    return not urgent, due


async def store(connection: Connection, sheet: Sheet, before: frozenset[ConversationId]) -> None:
    """Write what a sheet has written; `before` are the conversations that there were."""
    written = sheet.written
    if written.conversations or written.messages or written.turns or written.mailboxes:
        opened = [each for id_, each in sorted(written.conversations.items()) if id_ not in before]
        continued = [each for id_, each in written.conversations.items() if id_ in before]
        await connection.execute(
            SQL["write"],
            shapes.in_json(map(shapes.conversation_fields, opened)),
            shapes.in_json({"id": each.id, "tail": each.tail, "hold": each.hold} for each in continued),
            shapes.in_json(map(shapes.message_fields, written.messages)),
            [message.body for message in written.messages],
            shapes.in_json(map(shapes.turn_fields, written.turns.values())),
            shapes.in_json(shapes.mailbox_fields(mailbox) for _, mailbox in sorted(written.mailboxes.items())),
        )
    if written.seen:
        seen = [(*key, seq) for key, seq in sorted(written.seen.items())]
        await connection.execute(SQL["put_seen"], *shapes.columns(seen, 3))
    await _store_rare(connection, written, sheet.at)


async def _store_rare(connection: Connection, written: Written, at: float) -> None:
    """What most transactions do not touch."""
    if written.questions:
        await connection.execute(SQL["add_questions"], *shapes.columns(map(shapes.question_row, written.questions), 8))
    if written.closed:
        await connection.execute(SQL["close_questions"], *_latest(written.closed))
    if written.letters:
        letters = shapes.columns(map(shapes.letter_row, written.letters.values()), 8)
        await connection.execute(SQL["put_letters"], *letters)
    if written.holds:
        held = [shapes.held_call_row(written.holds[id_]) for id_ in sorted(written.holds)]
        await connection.execute(SQL["put_held_calls"], *shapes.columns(held, 4))
    for blank in written.blanks:
        await connection.execute(SQL["blank_messages"], blank.conversation, blank.up_to, blank.sender)
        await connection.execute(SQL["forget_words"], blank.conversation, blank.up_to)
        await connection.execute(SQL["blank_pushes"], blank.conversation)
        await connection.execute(SQL["drop_drafts_of"], blank.conversation, blank.sender)
    if written.pushes:  # behind what is blanked: one that is still on the sheet with its body was made after that
        pushes = {push.id: (push.id, of, push.channel, push.body) for of, push in reversed(written.pushes)}
        await connection.execute(SQL["add_pushes"], *shapes.columns([pushes[id_] for id_ in sorted(pushes)], 4), at)


def _latest(closed: Iterable[tuple[Any, ...]]) -> shapes.Columns:
    """What closes questions, each once."""
    return shapes.columns([(*key, state) for key, state in {each[:3]: each[3] for each in closed}.items()], 4)
