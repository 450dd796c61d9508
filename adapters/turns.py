"""A turn as its agent gets it: an `OpenTurn` written as `interchange.v1.Turn`, whatever carries it there.

As long as no conversation is logged, the turn is its one message: it has no history and no sequence number, and the
message and the delivery go by the id of the turn.
"""

from google.protobuf.timestamp_pb2 import Timestamp
from interchange.v1 import agent_pb2 as wire

from adapters.base import OpenTurn
from adapters.parts import write_part
from registry.model import BadRequest, Deadline, Principal, PrincipalKind

_KINDS = {
    PrincipalKind.PERSON: wire.Principal.PERSON,
    PrincipalKind.AGENT: wire.Principal.AGENT,
    PrincipalKind.SERVICE: wire.Principal.SERVICE,
}


def deadline_of(open_turn: OpenTurn) -> Deadline:
    """When the answer is due: the caller's deadline, or the agent's own if that is earlier."""
    return open_turn.call.deadline.sooner(open_turn.entry.agent.turns.timeout)


def write_turn(open_turn: OpenTurn, deadline: Deadline, *, now: float) -> wire.Turn:
    """The turn for an agent of ours. `now` is the time in seconds since 1970.

    Raises:
        BadRequest: the message holds data that protobuf cannot.
    """
    turn, chain = open_turn.turn, [_principal(link) for link in open_turn.call.chain]
    return wire.Turn(
        turn_id=turn.id,
        conversation_id=turn.conversation,
        agent=turn.agent,
        delivery_id=turn.id,
        attempt=turn.attempt,
        fence=turn.fence,
        chain=chain,
        input=[_message(open_turn, sender=chain[-1], now=now)],
        turn_token=turn.token,
        deadline=_timestamp(now + deadline.remaining()),
        extensions=turn.extensions,
    )


def write_foreign_turn(open_turn: OpenTurn, deadline: Deadline, *, now: float) -> wire.Turn:
    """The turn for an agent that is not ours, which is told neither who asks nor the turn's token.

    Raises:
        BadRequest: the message holds data that protobuf cannot.
    """
    turn = write_turn(open_turn, deadline, now=now)
    for field in ("chain", "turn_token"):
        turn.ClearField(field)
    for message in turn.input:
        message.ClearField("sender")
    return turn


def _message(open_turn: OpenTurn, *, sender: wire.Principal, now: float) -> wire.Message:
    turn = open_turn.turn
    try:
        parts = [write_part(part) for part in turn.input]
    except ValueError as error:
        raise BadRequest(f"The message cannot be brought to {turn.agent}: {error}.") from error
    return wire.Message(
        id=turn.id,
        conversation_id=turn.conversation,
        kind=wire.Message.SAID,
        sender=sender,
        parts=parts,
        turn_id=turn.id,
        at=_timestamp(now),
    )


def _principal(principal: Principal) -> wire.Principal:
    return wire.Principal(
        kind=_KINDS[principal.kind],
        issuer=principal.issuer,
        subject=principal.subject,
        name=principal.name,
        domain=principal.domain,
    )


def _timestamp(seconds: float) -> Timestamp:
    whole = int(seconds)
    return Timestamp(seconds=whole, nanos=int((seconds - whole) * 1e9))
