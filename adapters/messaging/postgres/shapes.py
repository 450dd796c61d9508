"""A row as a dataclass, and dataclasses as columns: one function each, for columns in the order of the queries.

What is written is given to the database as one array per column.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

from adapters.messaging.delivery import Mailbox
from adapters.messaging.messages import Conversation, DeadLetter, Kind, Message, TurnRef
from adapters.messaging.sheet import HeldCall, Known, Question
from adapters.messaging.turns import Turn, TurnState

Row: TypeAlias = Sequence[Any]
Columns: TypeAlias = Sequence[Sequence[Any]]

_KINDS = {kind.value: kind for kind in Kind}
_STATES = {state.value: state for state in TurnState}


def columns(rows: Iterable[Row], width: int) -> Columns:
    """Rows as columns, `width` of them also where there is no row."""
    return tuple(zip(*rows, strict=True)) or ((),) * width


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
    seq, digest, turn = row
    return Known(seq, digest, turn)


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
    attempts, grant, expires, question, error, authority = rest
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


def _row_of(*names: str) -> Callable[[Any], Row]:
    return attrgetter(*names)


_CONVERSATION = ("id", "tail", "domain", "started_by", "started_by_issuer", "opened_at", "hold")
_MAILBOX = (
    "conversation", "agent", "cursor", "head", "attempts", "ready_at", "fence", "settled", "owner", "parked",
)  # fmt: skip
_TURN = (
    "conversation", "agent", "id", "opened", "state", "started_by", "opened_at", "changed_at", "due", "urgent",
    "attempts", "grant", "expires", "question", "error", "authority",
)  # fmt: skip
_QUESTION = ("conversation", "turn", "id", "agent", "seq", "state", "asked_at", "expires")
_LETTER = ("of.conversation", "of.agent", "seq", "of.turn", "attempts", "error", "at", "redriven_as")
_HELD_CALL = ("id", "sealed", "expires", "ended")

_conversation_row, _mailbox_row, _turn_row = _row_of(*_CONVERSATION), _row_of(*_MAILBOX), _row_of(*_TURN)
_question_row, _letter_row, _held_call_row = _row_of(*_QUESTION), _row_of(*_LETTER), _row_of(*_HELD_CALL)


def conversation_columns(rows: Iterable[Conversation]) -> Columns:
    return columns(map(_conversation_row, rows), len(_CONVERSATION))


def message_columns(rows: Iterable[Message]) -> Columns:
    return columns(map(_message_row, rows), 14)


def _message_row(row: Message) -> Row:
    """A new message: it is not erased."""
    return (
        row.conversation,
        row.seq,
        row.id,
        row.sender,
        row.issuer,
        row.kind,
        row.turn,
        " ".join(row.to),
        row.answers,
        row.updates,
        row.body,
        row.text,
        row.digest,
        row.at,
    )


def mailbox_columns(rows: Iterable[Mailbox]) -> Columns:
    return columns(map(_mailbox_row, rows), len(_MAILBOX))


def turn_columns(rows: Iterable[Turn]) -> Columns:
    return columns(map(_turn_row, rows), len(_TURN))


def question_columns(rows: Iterable[Question]) -> Columns:
    return columns(map(_question_row, rows), len(_QUESTION))


def letter_columns(rows: Iterable[DeadLetter]) -> Columns:
    return columns(map(_letter_row, rows), len(_LETTER))


def held_call_columns(rows: Iterable[HeldCall]) -> Columns:
    return columns(map(_held_call_row, rows), len(_HELD_CALL))
