"""The plan: what each request to the log comes to. Every rule of the contract is here, and nothing else.

Pure but for the sheet it is given: no clock, no database, no id of its own making. Both engines carry out the same
plan, each in one transaction; so what holds on one holds on the other. `delivery` and `turns` say what a mailbox and a
turn may do; here is what that means for all of them together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from adapters.messaging import delivery as mailboxes
from adapters.messaging.delivery import Mailbox
from adapters.messaging.errors import Fenced, IdConflict, NotDead, OnHold, TailMoved, TurnOver
from adapters.messaging.messages import LOG, Conversation, DeadLetter, Kind, Message, New, Opening, To, TurnRef
from adapters.messaging.outcomes import (
    Ask,
    Asked,
    ChangeTurn,
    Dead,
    Deferred,
    Delivery,
    Done,
    EndHold,
    HoldCall,
    Lease,
    Outcome,
    Push,
    Rejected,
    Reply,
    Retry,
    delivery_id,
)
from adapters.messaging.records import record
from adapters.messaging.requests import (
    Append,
    Erase,
    Expire,
    Extend,
    Hold,
    Redrive,
    Request,
    Revoke,
    See,
    Settle,
    agent_sender,
    asked_id,
    cancelled_id,
    redriven_id,
    reply_id,
)
from adapters.messaging.sheet import Blank, Changes, HeldCall, Question, Sheet
from adapters.messaging.turns import ENDED, Turn, TurnChange, TurnState, after
from registry.model import NO_TURN, AgentName, BadRequest, ConversationId, Refused, TurnId, Unknown


@record
class Placed:
    """Where a message is. `duplicate`: it was there before, and `turn` is the one it opened then."""

    seq: int
    turn: TurnId = NO_TURN
    duplicate: bool = False


@record
class Appended:
    """What was appended, in the order it was given, and where the conversation ends now.

    `at` is the time of day at which it was, in seconds since the epoch: the `at` of its messages. `delivery` is the one
    that was claimed with it; `grant` the number that a deferred turn's finish has to present.
    """

    placed: tuple[Placed, ...] = ()
    tail: int = 0
    delivery: Delivery | None = None
    grant: int = 0
    at: float = 0.0

    @property
    def seq(self) -> int:
        """The number of the first message."""
        return self.placed[0].seq

    @property
    def duplicate(self) -> bool:
        """Whether all of it was there before, so that nothing was done."""
        return bool(self.placed) and all(each.duplicate for each in self.placed)


def perform(request: Request, sheet: Sheet) -> Any:
    """Carry out one request on a sheet; on an exception the sheet is as it was.

    Raises:
        InterchangeError: the request cannot be carried out; see `ConversationLog` for which.
    """
    conversation = sheet.conversations.get(request.conversation)
    if conversation is None:
        conversation = _opened(request, sheet)
    changes = Changes(sheet, conversation)
    result = _PLANS[type(request)](request, changes)
    changes.keep()
    return result


def claim(mailbox: Mailbox, turn: Turn, message: Message, lease: Lease, sheet: Sheet) -> tuple[Mailbox, Turn, Delivery]:
    """Hand out the head of a mailbox that `is_claimable`: the mailbox and the turn that follow, and the delivery."""
    held = mailboxes.claimed(mailbox, lease.owner, lease=lease.seconds, now=sheet.now)
    state = turn.state
    if state is TurnState.WORKING:  # whoever had it let its lease end
        state = after(state, TurnChange.ATTEMPT_LOST)
    working = replace(
        turn,
        state=after(state, TurnChange.STARTED),
        attempts=turn.attempts + 1,
        changed_at=sheet.at,
    )
    delivery = Delivery(
        id=delivery_id(turn.id, message.seq),
        of=TurnRef(conversation=mailbox.conversation, agent=mailbox.agent, turn=turn.id),
        message=message,
        attempt=held.attempts,
        fence=held.fence,
        deadline=sheet.monotonic + lease.seconds,
        authority=turn.authority,
    )
    return held, working, delivery


# ---- append


def _opened(request: Request, sheet: Sheet) -> Conversation:
    opening = request.opening if isinstance(request, Append) else None
    if opening is None:
        raise _unknown_conversation(request.conversation)
    return _fresh(request.conversation, opening, sheet)


def _unknown_conversation(conversation: ConversationId) -> Unknown:
    return Unknown(f"There is no conversation {conversation[:100]!r}.")


def _fresh(conversation: ConversationId, opening: Opening, sheet: Sheet) -> Conversation:
    return Conversation(
        id=conversation,
        tail=0,
        domain=opening.domain,
        started_by=opening.started_by,
        started_by_issuer=opening.started_by_issuer,
        opened_at=sheet.at,
    )


def _append(request: Append, changes: Changes) -> Appended:
    repeated = _repetition(request, changes)
    if repeated is not None:
        return repeated
    tail = changes.conversation.tail
    if request.expect_tail is not None and request.expect_tail != tail:
        raise TailMoved(
            f"The conversation ends at {tail}, and not at {request.expect_tail} as was expected.", tail=tail
        )
    if request.under is not None:
        _check_under(request.under, changes)
    messages = [_take(new, changes) for new in request.messages]
    for effect in request.effects:
        _apply(effect, changes, messages)
    delivery = _claimed_with(request, messages, changes)
    placed = tuple(Placed(seq=message.seq, turn=message.turn) for message in messages)
    return Appended(placed=placed, tail=changes.conversation.tail, delivery=delivery, at=changes.sheet.at)


def _check_under(delivery: Delivery, changes: Changes) -> None:
    if delivery.conversation != changes.conversation.id:
        raise BadRequest("What is appended under a delivery belongs to the conversation of that delivery.")
    mailboxes.check_held(changes.mailbox(delivery.agent), delivery.fence)


def _repetition(request: Append, changes: Changes) -> Appended | None:
    """What was answered the first time, if this is a repetition: then nothing is done."""
    found = [changes.find(new) for new in request.messages]
    known = [each for each in found if each is not None]
    if not known:
        return None
    if len(known) < len(found):
        raise IdConflict(
            "Some of these messages were appended before and some were not: repeat what was appended together."
        )
    placed = tuple(Placed(seq=each.seq, turn=each.turn, duplicate=True) for each in known)
    return Appended(placed=placed, tail=changes.conversation.tail, at=known[-1].at)


def _take(new: New, changes: Changes) -> Message:
    """Append one message, and see to it that whoever is to get it gets it."""
    message = changes.add(new)
    for to in new.to:
        _open_turn(to, message, changes)
    if new.answers is not None:
        _answer(new, message, changes)
    return message


def _open_turn(to: To, message: Message, changes: Changes) -> None:
    if changes.turn(to.turn) is not None:
        raise IdConflict(f"There is a turn {to.turn} in this conversation already; a turn is opened once.")
    at = changes.sheet.at
    turn = Turn(
        conversation=message.conversation,
        agent=to.agent,
        id=to.turn,
        opened=message.seq,
        state=TurnState.QUEUED,
        started_by=message.sender,
        opened_at=at,
        changed_at=at,
        due=message.seq,
        authority=to.authority,
        owner=to.owner,
        root=to.root,
    )
    changes.put_turn(turn)
    _arrive(turn, changes)


def _arrive(turn: Turn, changes: Changes) -> None:
    """A turn has something to be delivered: it becomes the head, or waits to be found when its time comes."""
    mailbox = changes.mailbox(turn.agent)
    if changes.is_vacated(turn.agent):
        changes.vacate(mailbox)
        return
    following = mailboxes.arrived(mailbox, turn.due, turn.id, changes.sheet.now)
    if following is not mailbox:  # one that has a head already is not written
        changes.put_mailbox(following)


def _answer(new: New, message: Message, changes: Changes) -> None:
    """The first valid answer wins: it goes to the turn that asked, past whatever waits in its mailbox."""
    ref = new.answers
    if ref is None or new.kind is not Kind.ANSWERED:
        raise BadRequest("A message that answers a question is of the kind 'answered'.")
    turn = _turn_of(ref.of, changes)
    if turn.state is not TurnState.WAITING or turn.question != ref.question:
        raise TurnOver(f"The question {ref.question!r} is not open (any more): the turn is {turn.state}.")
    changes.more.closed.append((turn.conversation, turn.id, ref.question, "answered"))
    queued = replace(
        turn, state=after(turn.state, TurnChange.ANSWERED), due=message.seq, urgent=True, expires=None, question=""
    )
    changes.put_turn(queued)
    _arrive(queued, changes)


def _claimed_with(request: Append, messages: Sequence[Message], changes: Changes) -> Delivery | None:
    """The delivery of the one message, if its mailbox was free; otherwise the queue will see to it."""
    if request.claim is None:
        return None
    recipients = [
        (agent, message) for new, message in zip(request.messages, messages, strict=True) for agent in _recipients(new)
    ]
    if len(recipients) != 1:
        raise BadRequest("Only a message to exactly one agent can be claimed as it is appended.")
    agent, message = recipients[0]
    mailbox, turn = changes.mailbox(agent), changes.turn(message.turn)
    is_next = not changes.is_vacated(agent) and mailbox.head == message.seq and not mailbox.owner
    if turn is None or not is_next:
        return None
    mailbox, turn, delivery = claim(mailbox, turn, message, request.claim, changes.sheet)
    changes.put_mailbox(mailbox)
    changes.put_turn(turn)
    return delivery


def _recipients(new: New) -> list[AgentName]:
    """The agents in whose mailboxes there is something to deliver by this message."""
    return [new.answers.of.agent] if new.answers else [to.agent for to in new.to]


# ---- deliveries


def _extend(request: Extend, changes: Changes) -> Delivery:
    mailbox = changes.mailbox(request.delivery.agent)
    mailboxes.check_held(mailbox, request.delivery.fence)
    changes.put_mailbox(mailboxes.extended(mailbox, lease=request.seconds, now=changes.sheet.now))
    return replace(request.delivery, deadline=changes.sheet.monotonic + request.seconds)


def _settle(request: Settle, changes: Changes) -> Appended:
    delivery = request.delivery
    mailbox = changes.mailbox(delivery.agent)
    mailboxes.check_held(mailbox, delivery.fence)
    turn = _turn_of(delivery.of, changes)
    if mailbox.head != delivery.message.seq or turn.due != mailbox.head:
        raise Fenced(f"This delivery is of message {delivery.message.seq}; the head is {mailbox.head}.")
    messages = _end(request.outcome, delivery, mailbox, turn, changes)
    for effect in request.effects:
        _apply(effect, changes, messages)
    placed = tuple(Placed(seq=message.seq, turn=message.turn) for message in messages)
    grant = delivery.fence if isinstance(request.outcome, Deferred) else 0
    return Appended(placed=placed, tail=changes.conversation.tail, grant=grant, at=changes.sheet.at)


def _end(outcome: Outcome, delivery: Delivery, mailbox: Mailbox, turn: Turn, changes: Changes) -> list[Message]:
    """One outcome: the turn and the mailbox that follow, and the messages that say so."""
    now = changes.sheet.now
    passes = 0 if turn.urgent else delivery.message.seq
    over = replace(turn, due=0, urgent=False, error="", changed_at=changes.sheet.at)
    match outcome:
        case Retry():
            changes.put_turn(replace(turn, state=after(turn.state, TurnChange.ATTEMPT_LOST), error=outcome.error))
            changes.put_mailbox(mailboxes.put_back(mailbox, after=outcome.after, now=now))
            return []
        case Done():
            reviewed = outcome.review_within is not None
            change = TurnChange.NEEDS_REVIEW if reviewed else TurnChange.FINISHED
            expires = now + outcome.review_within if outcome.review_within is not None else None
            changes.put_turn(replace(over, state=after(turn.state, change), expires=expires))
            changes.vacate(mailboxes.ended(mailbox, passes=passes))
            return _replies(outcome.replies, delivery, changes)
        case Deferred():
            following = replace(
                over,
                state=after(turn.state, TurnChange.PUT_OFF),
                grant=delivery.fence,
                expires=now + outcome.within,
            )
            changes.put_turn(following)
            changes.vacate(mailboxes.ended(mailbox, passes=passes))
            return _replies(outcome.replies, delivery, changes)
        case Asked():
            messages = _replies(outcome.replies, delivery, changes)
            messages.append(_ask(outcome.question, over, changes))
            changes.put_mailbox(mailboxes.parked_on(mailbox, turn.id, passes=passes))
            return messages
        case Dead():
            changes.more.letters[turn.conversation, turn.agent, delivery.message.seq] = DeadLetter(
                of=delivery.of,
                seq=delivery.message.seq,
                attempts=delivery.attempt,
                error=outcome.error,
                at=changes.sheet.at,
            )
            changes.put_turn(replace(over, state=after(turn.state, TurnChange.BROKE), error=outcome.error))
            changes.vacate(mailboxes.ended(mailbox, passes=passes))
            return [_say_failed(delivery.id, turn, outcome.body, changes)]
        case Rejected():
            changes.put_turn(replace(over, state=after(turn.state, TurnChange.REFUSED), error=outcome.reason))
            changes.vacate(mailboxes.ended(mailbox, passes=passes))
            return [_say_failed(delivery.id, turn, outcome.body, changes)]


def _replies(replies: Sequence[Reply], delivery: Delivery, changes: Changes) -> list[Message]:
    added: list[Message] = []
    for number, reply in enumerate(replies, 1):
        new = New(
            id=reply_id(delivery.id, number),
            sender=agent_sender(delivery.agent),
            kind=reply.kind,
            body=reply.body,
            text=reply.text,
            turn=delivery.turn,
        )
        if changes.find(new) is None:
            added.append(changes.add(new))
    return added


def _ask(ask: Ask, turn: Turn, changes: Changes) -> Message:
    """Ask a question; the turn waits on it."""
    new = New(
        id=asked_id(turn.id, ask.id),
        sender=agent_sender(turn.agent),
        kind=Kind.ASKED,
        body=ask.body,
        text=ask.text,
        turn=turn.id,
    )
    if changes.find(new) is not None:
        raise Refused(f"The question {ask.id!r} was asked in this turn before; another one needs another id.")
    message = changes.add(new)
    expires = None if ask.expires_in is None else changes.sheet.now + ask.expires_in
    changes.put_turn(
        replace(turn, state=after(turn.state, TurnChange.ASKED), question=ask.id, expires=expires, grant=0)
    )
    changes.more.questions.append(
        Question(
            conversation=turn.conversation,
            agent=turn.agent,
            turn=turn.id,
            id=ask.id,
            seq=message.seq,
            state="open",
            asked_at=changes.sheet.at,
            expires=expires,
        )
    )
    return message


def _say_failed(id_: str, turn: Turn, body: bytes, changes: Changes) -> Message:
    new = New(id=f"{id_}:failed", sender=LOG, kind=Kind.FAILED, body=body, turn=turn.id)
    return changes.add(new)


# ---- turns that others end


def _revoke(request: Revoke, changes: Changes) -> Appended:
    said = New(
        id=cancelled_id(request.of.turn),
        sender=request.by,
        issuer=request.issuer,
        kind=Kind.CANCELLED,
        body=request.body,
        turn=request.of.turn,
    )
    turn = _turn_of(request.of, changes)
    if turn.state is TurnState.CANCELLED and (known := changes.find(said)) is not None:
        placed = Placed(seq=known.seq, turn=turn.id, duplicate=True)
        return Appended(placed=(placed,), tail=changes.conversation.tail, at=known.at)
    state = after(turn.state, TurnChange.CANCEL)
    _put_out(turn, state, how="cancelled", changes=changes)
    return _placed(changes.add(said), changes)


def _placed(message: Message, changes: Changes) -> Appended:
    """What one message that the log itself has said comes to."""
    placed = Placed(seq=message.seq, turn=message.turn)
    return Appended(placed=(placed,), tail=changes.conversation.tail, at=message.at)


def _expire(request: Expire, changes: Changes) -> Appended | None:
    turn = _turn_of(request.of, changes)
    if turn.expires is None or turn.expires > changes.sheet.now or turn.state in ENDED:
        return None  # it went on while this request was on its way
    _put_out(replace(turn, error="expired"), after(turn.state, TurnChange.EXPIRED), how="expired", changes=changes)
    return _placed(_say_failed(turn.id, turn, request.body, changes), changes)


def _put_out(turn: Turn, state: TurnState, *, how: str, changes: Changes) -> None:
    """End a turn wherever it is: nothing of it is delivered any more, and whoever holds it is fenced."""
    mailbox = changes.mailbox(turn.agent)
    if turn.due and mailbox.head == turn.due:
        # Only what was handed out moves the cursor: whether the rest was the head already depends on the transaction.
        begun = mailbox.attempts > 0 and not turn.urgent
        changes.vacate(mailboxes.withdrawn(mailbox, passes=turn.due if begun else 0))
    elif mailbox.parked == turn.id:
        changes.vacate(mailboxes.withdrawn(mailbox, passes=0))
    if turn.question:
        changes.more.closed.append((turn.conversation, turn.id, turn.question, how))
    changes.put_turn(replace(turn, state=state, due=0, urgent=False, expires=None, question="", grant=0))


def _turn_of(of: TurnRef, changes: Changes) -> Turn:
    turn = changes.turn(of.turn) if of.conversation == changes.conversation.id else None
    if turn is None or turn.agent != of.agent:
        raise Unknown(f"There is no turn {of.turn[:100]!r} of {of.agent} in this conversation.")
    return turn


# ---- effects


def _apply(effect: ChangeTurn | HoldCall | EndHold | Push, changes: Changes, messages: Sequence[Message]) -> None:
    match effect:
        case ChangeTurn():
            _change_turn(effect, changes, messages)
        case HoldCall():
            if effect.id in changes.sheet.holds or effect.id in changes.more.holds:
                raise IdConflict(f"There is a held call {effect.id!r} already.")
            changes.more.holds[effect.id] = HeldCall(
                id=effect.id, sealed=effect.sealed, expires=changes.sheet.now + effect.expires_in
            )
        case EndHold():
            held = changes.more.holds.get(effect.id) or changes.sheet.holds.get(effect.id)
            if held is None:
                raise Unknown(f"There is no held call {effect.id!r}.")
            if held.ended:
                raise Refused(f"The held call {effect.id!r} was ended before ({held.ended}).")
            changes.more.holds[effect.id] = replace(held, sealed=b"", ended=effect.how)
        case Push():
            changes.more.pushes.append((changes.conversation.id, effect))


UNHELD: Mapping[TurnState, frozenset[TurnChange]] = MappingProxyType(
    {
        TurnState.DEFERRED: frozenset({TurnChange.FINISHED, TurnChange.BROKE, TurnChange.ASKED}),
        TurnState.REVIEW: frozenset({TurnChange.ACCEPTED, TurnChange.RETURNED}),
    }
)
"""What may happen to a turn without a delivery, by the word of whoever appends."""


def _change_turn(effect: ChangeTurn, changes: Changes, messages: Sequence[Message]) -> None:
    turn = _turn_of(effect.of, changes)
    if effect.change not in UNHELD.get(turn.state, ()):
        after(turn.state, effect.change)  # says what is possible, if this is not
        raise TurnOver(f"The turn is {turn.state}: only whoever holds its delivery can change that.")
    if turn.state is TurnState.DEFERRED and effect.grant != turn.grant:
        raise Fenced(f"The turn's grant is another one than {effect.grant}: it was deferred again, or never by this.")
    if effect.change is TurnChange.ASKED:
        if effect.question is None:
            raise BadRequest("A turn that asks needs a question.")
        _ask(effect.question, turn, changes)
        return
    state = after(turn.state, effect.change)
    following = replace(turn, state=state, expires=None, grant=0)
    if effect.change is TurnChange.RETURNED:
        if len(messages) != 1 or any(each.due == messages[0].seq for each in changes.turns.values()):
            raise BadRequest("A turn is returned with exactly one message, which says why and goes nowhere else.")
        following = replace(following, due=messages[0].seq, urgent=True)
    changes.put_turn(following)
    if following.due:
        _arrive(following, changes)


# ---- operators


def _redrive(request: Redrive, changes: Changes) -> Appended:
    key = (request.conversation, request.agent, request.seq)
    letter, original = changes.sheet.letters.get(key), changes.sheet.messages.get((request.conversation, request.seq))
    if letter is None or original is None:
        raise NotDead(f"Message {request.seq} to {request.agent} in {request.conversation} is not a dead letter.")
    repeated = changes.turn(request.turn)
    if letter.redriven_as and repeated is not None and repeated.opened == letter.redriven_as:
        placed = Placed(seq=letter.redriven_as, turn=request.turn, duplicate=True)
        return Appended(placed=(placed,), tail=changes.conversation.tail, at=repeated.opened_at)
    if letter.redriven_as:
        raise NotDead(f"This dead letter was redriven before, as message {letter.redriven_as}.")
    if original.erased:
        raise NotDead("This dead letter cannot be redriven: what it said was erased.")
    before = changes.sheet.turns.get((request.conversation, letter.of.turn))
    to = To(agent=request.agent, turn=request.turn)
    if before is not None:
        to = To(
            agent=request.agent, turn=request.turn, authority=before.authority, owner=before.owner, root=before.root
        )
    new = New(
        id=redriven_id(request.turn),
        sender=original.sender,
        issuer=original.issuer,
        body=original.body,
        text=original.text,
        to=(to,),
    )
    message = _take(new, changes)
    changes.more.letters[key] = replace(letter, redriven_as=message.seq)
    return _placed(message, changes)


def _see(request: See, changes: Changes) -> int:
    if not 0 <= request.seq <= changes.conversation.tail:
        raise BadRequest(f"The conversation ends at {changes.conversation.tail}: {request.seq} cannot have been seen.")
    key = (request.conversation, request.device)
    before = changes.sheet.seen.get(key, 0)
    if request.seq > before:
        changes.more.seen[key] = request.seq
    return max(before, request.seq)


def _hold(request: Hold, changes: Changes) -> None:
    changes.conversation = replace(changes.conversation, hold=request.reason)


def _erase(request: Erase, changes: Changes) -> Appended:
    conversation = changes.conversation
    said = New(
        id=request.id,
        sender=request.by,
        issuer=request.issuer,
        kind=Kind.ERASED,
        body=request.reason.encode(),
    )
    if (known := changes.find(said)) is not None:
        placed = Placed(seq=known.seq, duplicate=True)
        return Appended(placed=(placed,), tail=conversation.tail, at=known.at)
    if conversation.hold:
        raise OnHold(f"The conversation {conversation.id} is under legal hold ({conversation.hold}).")
    up_to = min(request.up_to or conversation.tail, conversation.tail)
    changes.more.blanks.append(Blank(conversation.id, request.sender, up_to))
    return _placed(changes.add(said), changes)


_PLANS: Mapping[type[Any], Callable[[Any, Changes], Any]] = MappingProxyType(
    {
        Append: _append,
        Extend: _extend,
        Settle: _settle,
        Revoke: _revoke,
        Expire: _expire,
        Redrive: _redrive,
        See: _see,
        Hold: _hold,
        Erase: _erase,
    }
)
