"""A turn as an agent's code sees it, and what it can say while it answers.

An agent is one function: it takes the turn in hand and yields what it says. Text it yields is its answer, piece by
piece; `artifact`, `status`, `message` and `delta` make everything else.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from interchange.v1 import agent_pb2

from interchange_client.gateway import BoundGateway
from interchange_client.parts import Content, data_of, part, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnInHand:
    """One attempt at one turn.

    `turn` is all that the gateway said (`interchange.v1.Turn`); the rest reads it. `gateway` calls skills and other
    agents for whoever this turn is for, and only while it lasts. `call` is the gateway's name for the call, as in its
    audit log.
    """

    turn: agent_pb2.Turn = field(repr=False)  # INVARIANT: the turn's token does not print
    gateway: BoundGateway
    call: str = ""

    @property
    def parts(self) -> Sequence[agent_pb2.Part]:
        """What the agent is to answer: the parts of all input messages, in order."""
        return [each for message in self.turn.input for each in message.parts]

    @property
    def text(self) -> str:
        """What the agent is to answer, as far as it was said in words."""
        return text_of(self.parts)

    @property
    def data(self) -> Any:
        """The first JSON value among what the agent is to answer; None if there is none."""
        return data_of(self.parts)

    @property
    def history(self) -> Sequence[agent_pb2.Message]:
        """What was said in this conversation before, the oldest first."""
        return self.turn.history

    @property
    def chain(self) -> Sequence[agent_pb2.Principal]:
        """For whom the agent works: the person first, whoever called this agent last. Verified."""
        return self.turn.chain

    @property
    def caller(self) -> agent_pb2.Principal:
        """Who called this agent."""
        return self.turn.chain[-1]

    @property
    def person(self) -> agent_pb2.Principal | None:
        """The person at the head of the chain, if it began with one."""
        head = self.turn.chain[0]
        return head if head.kind == agent_pb2.Principal.PERSON else None

    @property
    def conversation(self) -> str:
        """The id of the conversation that this turn belongs to."""
        return self.turn.conversation_id

    @property
    def extensions(self) -> Sequence[str]:
        """URIs of the A2A extensions that the caller activated and this agent has declared."""
        return self.turn.extensions

    def remaining(self) -> float:
        """Seconds until the turn must have ended."""
        return self.gateway.remaining()


Answer: TypeAlias = Callable[[TurnInHand], AsyncIterator[str | agent_pb2.TurnEvent]]
"""An agent: an async generator function. A `str` is a piece of the answer; the end says all of it again, by itself."""


def delta(content: Content, *, artifact: str = "") -> agent_pb2.TurnEvent:
    """A piece of the answer that is not text, or a piece of an artifact that is being made."""
    return agent_pb2.TurnEvent(delta=agent_pb2.Delta(artifact_id=artifact, part=part(content)))


def artifact(
    *content: Content,
    id: str,  # noqa: A002 - its name on the wire
    name: str = "",
    description: str = "",
    append: bool = False,
    last: bool = True,
) -> agent_pb2.TurnEvent:
    """Something made: a report, a file, a table. The same `id` again replaces it, or adds to it with `append`."""
    return agent_pb2.TurnEvent(
        artifact=agent_pb2.Artifact(
            id=id, name=name, description=description, parts=map(part, content), append=append, last=last
        )
    )


def status(text: str, *, progress: float = 0.0, total: float = 0.0) -> agent_pb2.TurnEvent:
    """How far the agent is; `total` 0 where nobody knows."""
    return agent_pb2.TurnEvent(status=agent_pb2.Status(text=text, progress=progress, total=total))


def message(*content: Content) -> agent_pb2.TurnEvent:
    """A whole message, said before the end."""
    said = agent_pb2.Message(kind=agent_pb2.Message.SAID, parts=map(part, content))
    return agent_pb2.TurnEvent(message=said)


def done(*content: Content, metadata: Mapping[str, Any] | None = None) -> agent_pb2.TurnEvent:
    """The end, where it should say something else than all pieces together, or carry metadata."""
    ended = agent_pb2.Done(parts=map(part, content))
    ended.metadata.update(dict(metadata or {}))
    return agent_pb2.TurnEvent(done=ended)
