"""A row as a dataclass, and a dataclass as a row or as the fields of a JSON object: one function each.

Rows have their columns in the order of the queries.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from adapters.messaging.delivery import Mailbox
from adapters.messaging.drafts import Draft
from adapters.messaging.messages import Conversation, DeadLetter, Kind, Message, TurnRef
from adapters.messaging.sheet import HeldCall, Known, Question
from adapters.messaging.turns import Turn, TurnState

Row: TypeAlias = Sequence[Any]
Columns: TypeAlias = Sequence[Sequence[Any]]
Fields: TypeAlias = Mapping[str, Any]

TURN_WIDTH = 18

_KINDS = {kind.value: kind for kind in Kind}
_STATES = {state.value: state for state in TurnState}


def columns(rows: Iterable[Row], width: int) -> Columns:
    """Rows as columns, `width` of them also where there is no row."""
    return tuple(zip(*rows, strict=True)) or ((),) * width


def in_json(rows: Iterable[Fields]) -> str:
    """Rows as a JSON array of objects."""
    return orjson.dumps(list(rows)).decode()


def conversation_of(row: Row) -> Conversation:
    id_, tail, domain, started_by, issuer, opened_at, hold = row
    return Conversation(
        id=id_,
        tail=tail,
        domain=domain,
        started_by=started_by,
        started_by_issuer=issuer,
        opened_at=opened_at,
        hold=hold,
    )


def known_of(row: Row) -> Known:
    """Of the row behind its key."""
    seq, digest, turn, at = row
    return Known(seq, digest, turn, at)


def message_of(row: Row) -> Message:
    conversation, seq, id_, sender, issuer, kind, turn, to, answers, updates, body, text, digest, at, erased = row
    return Message(
        conversation=conversation,
        seq=seq,
        id=id_,
        sender=sender,
        issuer=issuer,
        kind=_KINDS[kind],
        turn=turn,
        to=tuple(to.split()),
        answers=answers,
        updates=updates,
        body=body,
        text=text,
        digest=digest,
        at=at,
        erased=erased,
    )


def mailbox_of(row: Row) -> Mailbox:
    conversation, agent, cursor, head, attempts, ready_at, fence, settled, owner, parked = row
    return Mailbox(
        conversation=conversation,
        agent=agent,
        cursor=cursor,
        head=head,
        attempts=attempts,
        ready_at=ready_at,
        fence=fence,
        settled=settled,
        owner=owner,
        parked=parked,
    )


def turn_of(row: Row) -> Turn:
    conversation, agent, id_, opened, state, started_by, opened_at, changed_at, due, urgent, *rest = row
    attempts, grant, expires, question, error, authority, owner, root = rest
    return Turn(
        conversation=conversation,
        agent=agent,
        id=id_,
        opened=opened,
        state=_STATES[state],
        started_by=started_by,
        opened_at=opened_at,
        changed_at=changed_at,
        due=due,
        urgent=urgent,
        attempts=attempts,
        grant=grant,
        expires=expires,
        question=question,
        error=error,
        authority=authority,
        owner=owner,
        root=root,
    )


def letter_of(row: Row) -> DeadLetter:
    conversation, agent, seq, turn, attempts, error, at, redriven_as = row
    return DeadLetter(
        of=TurnRef(conversation=conversation, agent=agent, turn=turn),
        seq=seq,
        attempts=attempts,
        error=error,
        at=at,
        redriven_as=redriven_as,
    )


def held_call_of(row: Row) -> HeldCall:
    id_, sealed, expires, ended = row
    return HeldCall(id=id_, sealed=sealed, expires=expires, ended=ended)


def conversation_fields(row: Conversation) -> Fields:
    return {
        "id": row.id,
        "tail": row.tail,
        "domain": row.domain,
        "started_by": row.started_by,
        "started_by_issuer": row.started_by_issuer,
        "opened_at": row.opened_at,
        "hold": row.hold,
    }


def message_fields(row: Message) -> Fields:
    """All but the body."""
    return {
        "conversation": row.conversation,
        "seq": row.seq,
        "id": row.id,
        "sender": row.sender,
        "issuer": row.issuer,
        "kind": row.kind,
        "turn": row.turn,
        "recipients": " ".join(row.to),
        "answers": row.answers,
        "updates": row.updates,
        "text": row.text,
        "digest": _hex(row.digest),
        "at": row.at,
    }


def mailbox_fields(row: Mailbox) -> Fields:
    return {
        "conversation": row.conversation,
        "agent": row.agent,
        "cursor": row.cursor,
        "head": row.head,
        "attempts": row.attempts,
        "ready_at": row.ready_at,
        "fence": row.fence,
        "settled": row.settled,
        "owner": row.owner,
        "parked": row.parked,
    }


def turn_fields(row: Turn) -> Fields:
    return {
        "conversation": row.conversation,
        "agent": row.agent,
        "id": row.id,
        "opened": row.opened,
        "state": row.state,
        "started_by": row.started_by,
        "opened_at": row.opened_at,
        "changed_at": row.changed_at,
        "due": row.due,
        "urgent": row.urgent,
        "attempts": row.attempts,
        "grant_number": row.grant,
        "expires": row.expires,
        "question": row.question,
        "error": row.error,
        "authority": _hex(row.authority),
        "owner": row.owner,
        "root": row.root,
    }


def draft_of(row: Row) -> Draft:
    conversation, turn, fence, number, body, at = row
    return Draft(conversation=conversation, turn=turn, fence=fence, number=number, body=body, at=at)


def draft_row(row: Draft) -> Row:
    return (row.conversation, row.turn, row.fence, row.number, row.body)


def question_row(row: Question) -> Row:
    return (row.conversation, row.turn, row.id, row.agent, row.seq, row.state, row.asked_at, row.expires)


def letter_row(row: DeadLetter) -> Row:
    of = row.of
    return (of.conversation, of.agent, row.seq, of.turn, row.attempts, row.error, row.at, row.redriven_as)


def held_call_row(row: HeldCall) -> Row:
    return (row.id, row.sealed, row.expires, row.ended)


def _hex(content: bytes) -> str:
    """Bytes as PostgreSQL reads them from text."""
    return "\\x" + content.hex()
