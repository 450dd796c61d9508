"""A row as a dataclass, and a dataclass as a row: one function each, for the columns in the order of the queries.

Enumerations and booleans are written as the plain text or number they are: the driver looks for somebody to convert
everything else, which takes longer than to store it.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from adapters.messaging.delivery import Mailbox
from adapters.messaging.drafts import Draft
from adapters.messaging.messages import Conversation, DeadLetter, Kind, Message, TurnRef
from adapters.messaging.sheet import HeldCall, Known, Question
from adapters.messaging.turns import Turn, TurnState

Row: TypeAlias = Sequence[Any]

MAILBOX_WIDTH = 10
TURN_WIDTH = 18

_KINDS = {kind.value: kind for kind in Kind}
_STATES = {state.value: state for state in TurnState}


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


def conversation_row(row: Conversation) -> Row:
    return (row.id, row.tail, row.domain, row.started_by, row.started_by_issuer, row.opened_at, row.hold)


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
        erased=bool(erased),
    )


def message_row(row: Message) -> Row:
    return (
        row.conversation,
        row.seq,
        row.id,
        row.sender,
        row.issuer,
        str(row.kind),
        row.turn,
        " ".join(row.to),
        row.answers,
        row.updates,
        row.body,
        row.text,
        row.digest,
        row.at,
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


def mailbox_row(row: Mailbox) -> Row:
    return (
        row.conversation,
        row.agent,
        row.cursor,
        row.head,
        row.attempts,
        row.ready_at,
        row.fence,
        row.settled,
        row.owner,
        row.parked,
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
        urgent=bool(urgent),
        attempts=attempts,
        grant=grant,
        expires=expires,
        question=question,
        error=error,
        authority=authority,
        owner=owner,
        root=root,
    )


def turn_row(row: Turn) -> Row:
    return (
        row.conversation,
        row.agent,
        row.id,
        row.opened,
        str(row.state),
        row.started_by,
        row.opened_at,
        row.changed_at,
        row.due,
        int(row.urgent),
        row.attempts,
        row.grant,
        row.expires,
        row.question,
        row.error,
        row.authority,
        row.owner,
        row.root,
    )


def draft_of(row: Row) -> Draft:
    conversation, turn, fence, number, body, at = row
    return Draft(conversation=conversation, turn=turn, fence=fence, number=number, body=body, at=at)


def draft_row(row: Draft) -> Row:
    return (row.conversation, row.turn, row.fence, row.number, row.body)


def question_row(row: Question) -> Row:
    return (row.conversation, row.turn, row.id, row.agent, row.seq, row.state, row.asked_at, row.expires)


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


def letter_row(row: DeadLetter) -> Row:
    of = row.of
    return (of.conversation, of.agent, row.seq, of.turn, row.attempts, row.error, row.at, row.redriven_as)


def hold_of(row: Row) -> HeldCall:
    id_, sealed, expires, ended = row
    return HeldCall(id=id_, sealed=sealed, expires=expires, ended=ended)


def hold_row(row: HeldCall) -> Row:
    return (row.id, row.sealed, row.expires, row.ended)
