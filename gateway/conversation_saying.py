"""What an agent says in a conversation on its own, as the messages that the log takes. Pure.

It is read by the rules by which a stream of events is, so that nothing can be said in here that could not be said in
one, and the end of a turn that was put off looks like any other.
"""

from collections.abc import Iterable
from typing import Final, cast

from interchange.v1 import agent_pb2
from interchange.v1 import conversations_pb2 as wire

from adapters.lifecycle.endings import Terms, after_result, failure_body
from adapters.messaging.bodies import text_of, write_body
from adapters.messaging.messages import Kind, New
from adapters.messaging.outcomes import Ask, Asked
from adapters.messaging.requests import agent_sender
from adapters.messaging.turns import Turn, TurnChange
from adapters.parts import write_part
from adapters.turn_events import Transcript
from registry.model import BadRequest, FarSideError, Part, Result, TurnId
from registry.model import Turn as Told

ID: Final = 128
"""Bytes of the id that an agent gives a message."""


def said_id(turn: TurnId, own: str) -> str:
    """The id of what an agent says in a turn under an id of its own."""
    return f"said:{turn}:{own}"


def finish_id(turn: TurnId, fence: int) -> str:
    """The id of the message that ends a turn which the attempt with this fence has put off."""
    return f"finish:{turn}:{fence}"


def message_of(row: Turn, request: wire.AppendRequest | wire.UpdateRequest, *, updates: str = "") -> New:
    """What is said on the way.

    Raises:
        BadRequest, TooLarge: it says nothing, or what cannot be kept; or it has no id.
    """
    if not request.id.isprintable() or not 1 <= len(request.id.encode()) <= ID:
        raise BadRequest(f"id: give the message an id of your own, of 1 to {ID} bytes that print.")
    if not request.parts and not request.artifacts:
        raise BadRequest("parts: a message says something.")
    said = _said(row, agent_pb2.Done(parts=request.parts), request.artifacts)
    kind = Kind.UPDATED if updates else Kind.SAID
    return _new(row, said_id(row.id, request.id), said, kind=kind, updates=updates)


def asked_by(row: Turn, question: agent_pb2.Question) -> Ask:
    """What a turn asks.

    Raises:
        BadRequest, TooLarge: it cannot be read, or nobody here can be asked that.
    """
    try:
        result = Transcript(_told(row)).end(agent_pb2.TurnEvent(question=question))
    except FarSideError as error:
        raise BadRequest(error.message) from None
    _check_parts(result.question.context if result.question else ())
    outcome = after_result(result, Terms())
    return cast("Asked", outcome).question


def end_of(row: Turn, request: wire.FinishRequest, *, fence: int) -> tuple[New, TurnChange]:
    """The last message of a turn that was put off, and what it makes of it. The same again is the same message.

    Raises:
        BadRequest, TooLarge: it cannot be read or kept, or does not say how the turn ends.
    """
    named = finish_id(row.id, fence)
    match request.WhichOneof("end"):
        case "finished":
            end = request.finished
            done = agent_pb2.Done(parts=end.parts, metadata=end.metadata if end.HasField("metadata") else None)
            return _new(row, named, _said(row, done, end.artifacts)), TurnChange.FINISHED
        case "failed":
            body = _failure(row, request.failed)
            sender = agent_sender(row.agent)
            return New(id=named, sender=sender, body=body, kind=Kind.FAILED, turn=row.id), TurnChange.BROKE
        case _:
            raise BadRequest("end: say how the turn ends, finished or failed.")


def _said(row: Turn, done: agent_pb2.Done, artifacts: Iterable[agent_pb2.Artifact]) -> Result:
    transcript = Transcript(_told(row))
    try:
        for artifact in artifacts:
            transcript.hear(agent_pb2.TurnEvent(artifact=artifact))
        said = transcript.end(agent_pb2.TurnEvent(done=done))
    except FarSideError as error:
        raise BadRequest(error.message) from None
    _check_parts(said.parts)
    for made in said.artifacts:
        _check_parts(made.parts)
    return said


def _failure(row: Turn, failed: agent_pb2.Failed) -> bytes:
    """What the log says of a turn whose agent gives up; of no single call, so that the same again is the same."""
    try:
        Transcript(_told(row)).end(agent_pb2.TurnEvent(failed=failed))
    except FarSideError as given_up:
        return failure_body(given_up, call="")
    raise RuntimeError("a failure was none")


def _new(row: Turn, named: str, said: Result, *, kind: Kind = Kind.SAID, updates: str = "") -> New:
    return New(
        id=named,
        sender=agent_sender(row.agent),
        body=write_body(said.parts, artifacts=said.artifacts, metadata=said.metadata),
        kind=kind,
        turn=row.id,
        updates=updates,
        text=text_of(said.parts, artifacts=said.artifacts),
    )


def _told(row: Turn) -> Told:
    """The turn, as far as what is said in it depends on it."""
    return Told(id=row.id, conversation=row.conversation, agent=row.agent, input=())


def _check_parts(parts: Iterable[Part]) -> None:
    """Refuse what no agent could be told later, when it is told what was said before.

    Raises:
        BadRequest: it says why.
    """
    try:
        for part in parts:
            if part.data is not None or part.metadata:
                write_part(part)
    except ValueError as error:
        raise BadRequest(f"parts: it cannot be told: {error}.") from None
