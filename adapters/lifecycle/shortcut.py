"""The shortcut: a turn as the log has it, known without a look because this process has just written all of it.

Most turns are asked, answered and over within one attempt of one gateway. Then what was appended and what was settled
is the whole turn. Where anything else had a hand in it there is no shortcut, and the log is read.
"""

from dataclasses import replace

from adapters.lifecycle.attempts import Ending
from adapters.lifecycle.grants import Grant, owner_of
from adapters.lifecycle.views import TurnView
from adapters.messaging.messages import LOG, Kind, Message
from adapters.messaging.outcomes import Dead, Delivery, Done, Rejected, Reply
from adapters.messaging.requests import agent_sender, reply_id
from adapters.messaging.turns import Turn, TurnState


def begun(delivery: Delivery, grant: Grant) -> TurnView:
    """A turn that was claimed as its message was appended."""
    message = delivery.message
    turn = Turn(
        conversation=delivery.conversation,
        agent=delivery.agent,
        id=delivery.turn,
        opened=message.seq,
        state=TurnState.WORKING,
        started_by=message.sender,
        opened_at=message.at,
        changed_at=message.at,
        due=message.seq,
        attempts=1,
        authority=delivery.authority,
        owner=owner_of(grant.chain),
        root=grant.root,
    )
    return TurnView(turn=turn, grant=grant, messages=(message,))


def ended(view: TurnView, ending: Ending, delivery: Delivery) -> TurnView | None:
    """The same turn after the attempt that ended it; None where that has to be looked up."""
    appended, outcome = ending.appended, ending.outcome
    if appended is None or ending.has_said or len(appended.placed) != 1:
        return None
    match outcome:
        case Done(replies=(reply,), review_within=None):
            state, error = TurnState.COMPLETED, ""
            said = (reply_id(delivery.id, 1), agent_sender(delivery.agent), reply)
        case Dead():
            state, error = TurnState.FAILED, outcome.error
            said = (f"{delivery.id}:failed", LOG, Reply(body=outcome.body, kind=Kind.FAILED))
        case Rejected():
            state, error = TurnState.REJECTED, outcome.reason
            said = (f"{delivery.id}:failed", LOG, Reply(body=outcome.body, kind=Kind.FAILED))
        case _:
            return None
    message = _message(delivery, *said, seq=appended.seq, at=appended.at)
    turn = replace(view.turn, state=state, error=error, due=0, changed_at=appended.at)
    return replace(view, turn=turn, messages=(*view.messages, message))


def _message(delivery: Delivery, id_: str, sender: str, reply: Reply, *, seq: int, at: float) -> Message:
    return Message(
        conversation=delivery.conversation,
        seq=seq,
        id=id_,
        sender=sender,
        issuer="",
        kind=reply.kind,
        turn=delivery.turn,
        to=(),
        answers="",
        updates="",
        body=reply.body,
        text=reply.text,
        digest=b"",
        at=at,
    )
