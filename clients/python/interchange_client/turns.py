"""A turn as an agent's code sees it, and what it can say while it answers.

An agent is one function: it takes the turn in hand and yields what it says. Text it yields is its answer, piece by
piece; `artifact`, `status`, `message` and `delta` make everything else. `question` and `deferred` end the attempt, and
not the turn.
"""

import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from interchange.v1 import agent_pb2

from interchange_client.deferring import DAY, DeferredTurn
from interchange_client.gateway import BoundGateway
from interchange_client.parts import Content, data_of, json_value, part, text_of


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
    def answers(self) -> Mapping[str, Any]:
        """What was answered to the questions of earlier attempts, by their ids."""
        return {each.question_id: json_value(each.value) for each in self.turn.answers}

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

    async def say(self, *content: Content, id: str = "") -> agent_pb2.Message:  # noqa: A002 - its name on the wire
        """Say something more, at once and from wherever the agent's code is; see `Conversation.say`.

        Raises:
            GatewayError: it is not said.
        """
        return await self.gateway.conversation().say(*content, id=id)

    async def update(self, said: agent_pb2.Message, *content: Content) -> agent_pb2.Message:
        """Say something instead of what was `said` before; see `Conversation.update`.

        Raises:
            GatewayError: it is not said.
        """
        return await self.gateway.conversation().update(said, *content)

    async def read(self, *, after: int = 0, before: int = 0, limit: int = 100) -> Sequence[agent_pb2.Message]:
        """Some messages of the conversation; see `Conversation.read`.

        Raises:
            GatewayError: they cannot be read.
        """
        return await self.gateway.conversation().read(after=after, before=before, limit=limit)

    def follow(self, *, after: int = 0) -> AsyncGenerator[agent_pb2.Message]:
        """Every message of the conversation behind number `after`, and those to come; see `Conversation.follow`.

        Raises:
            GatewayError: they cannot be followed (any more).
        """
        return self.gateway.conversation().follow(after=after)

    def put_off(self, *, hours: float = DAY, reason: str = "") -> DeferredTurn:
        """What is needed to finish this turn later, within so many hours: keep it, then yield its `event`."""
        return DeferredTurn(
            turn=self.turn.turn_id,
            conversation=self.turn.conversation_id,
            agent=self.turn.agent,
            until=time.time() + hours * 3600,
            token=self.turn.turn_token,
            reason=reason,
        )


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


def question(
    text: str,
    *,
    id: str = "",  # noqa: A002 - its name on the wire
    schema: Mapping[str, Any] | None = None,
    context: Sequence[Content] = (),
) -> agent_pb2.TurnEvent:
    """The end of an attempt that asks whoever started the turn; the answer comes as another attempt, as `turn.answers`.

    `schema` is a JSON Schema for the answer, `context` what to look at before answering. Another question of the same
    turn needs another `id`; without one it is made of the text.
    """
    named = id or hashlib.sha256(text.encode()).hexdigest()[:16]
    asked = agent_pb2.Question(id=named, kind="CLARIFICATION", text=text, context=map(part, context))
    if schema:
        asked.answer_schema.update(dict(schema))
    return agent_pb2.TurnEvent(question=asked)
