"""A turn as its agent gets it: an `OpenTurn` written as `interchange.v1.Turn`, whatever carries it there."""

from google.protobuf.timestamp_pb2 import Timestamp
from interchange.v1 import agent_pb2 as wire

from adapters.base import OpenTurn
from adapters.parts import write_part
from registry.model import Artifact, BadRequest, Chain, Deadline, Part, Principal, PrincipalKind, Utterance

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
    turn, chain = open_turn.turn, [write_principal(link) for link in open_turn.call.chain]
    messages = turn.messages or (_alone(open_turn, now),)
    return wire.Turn(
        turn_id=turn.id,
        conversation_id=turn.conversation,
        agent=turn.agent,
        delivery_id=turn.delivery or turn.id,
        attempt=turn.attempt,
        fence=turn.fence,
        chain=chain,
        input=[_message(each, open_turn) for each in messages],
        history=[_message(each, open_turn) for each in turn.history],
        answers=[_answer(each) for each in messages if each.answers],
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
    for message in (*turn.input, *turn.history):
        message.ClearField("sender")
    for answer in turn.answers:
        answer.ClearField("by")
    return turn


def _alone(open_turn: OpenTurn, now: float) -> Utterance:
    """The one message of a turn that the log knows nothing of."""
    turn, caller = open_turn.turn, open_turn.call.chain.caller
    return Utterance(id=turn.id, sender=str(caller), issuer=caller.issuer, parts=turn.input, turn=turn.id, at=now)


def _message(said: Utterance, open_turn: OpenTurn) -> wire.Message:
    turn = open_turn.turn
    try:
        return wire.Message(
            id=said.id,
            conversation_id=turn.conversation,
            seq=said.seq,
            kind=wire.Message.Kind.Name(wire.Message.Kind.Value(said.kind.upper())),
            sender=_sender(said, open_turn.call.chain),
            parts=[write_part(part) for part in said.parts],
            turn_id=said.turn,
            answers=said.answers,
            at=_timestamp(said.at),
            artifacts=[_artifact(artifact) for artifact in said.artifacts],
        )
    except ValueError as error:
        raise BadRequest(f"The message cannot be brought to {turn.agent}: {error}.") from error


def _artifact(artifact: Artifact) -> wire.Artifact:
    return wire.Artifact(
        id=artifact.id,
        name=artifact.name,
        description=artifact.description,
        parts=[write_part(part) for part in artifact.parts],
        last=True,
    )


def _answer(said: Utterance) -> wire.Answer:
    """An answer to a question of an earlier attempt: its data where it has any, or else its words."""
    data = next((part.data for part in said.parts if part.data is not None), None)
    value = data if data is not None else "\n".join(part.text for part in said.parts if part.text is not None)
    answer = wire.Answer(question_id=said.answers, outcome=wire.Answer.GIVEN, at=_timestamp(said.at))
    answer.value.CopyFrom(write_part(Part(data=value)).data)
    answer.by.CopyFrom(_spoken(said))
    return answer


def _sender(said: Utterance, chain: Chain) -> wire.Principal:
    """Who said it: as a link of the chain has it, where it was one of them."""
    for link in reversed(chain.links):
        if str(link) == said.sender and link.issuer == said.issuer:
            return write_principal(link)
    return _spoken(said)


def _spoken(said: Utterance) -> wire.Principal:
    kind, _, name = said.sender.partition(":")
    return wire.Principal(kind=_KINDS.get(PrincipalKind(kind)), issuer=said.issuer, name=name)


def write_principal(principal: Principal) -> wire.Principal:
    """A principal for an agent."""
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
