"""Turns in hand without a gateway, and a gateway that only remembers what was asked of it."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.protobuf.message import Message
from interchange.v1 import agent_pb2
from interchange_client.agent import (
    AgentAnswer,
    BoundGateway,
    Content,
    Conversation,
    Skill,
    SkillAnswer,
    TurnInHand,
    part,
)

Said = TypeVar("Said", bound=Message)

PERSON = agent_pb2.Principal(kind="PERSON", issuer="https://login.example.com", subject="alice", name="alice")
ASSISTANT = agent_pb2.Principal(kind="AGENT", issuer="https://login.example.com", subject="a1", name="assistant")


@dataclass
class QuietGateway:
    """Answers every call alike; `asked` are (operation, of whom, with what, in which turn)."""

    answer: SkillAnswer = field(default_factory=SkillAnswer)
    asked: list[tuple[str, str, object, str]] = field(default_factory=list[tuple[str, str, object, str]])
    seconds: list[float] = field(default_factory=list[float])

    async def skills(self, *, turn_token: str = "", seconds: float = 60.0) -> tuple[Skill, ...]:
        self.note("skills", "", None, turn_token, seconds)
        return ()

    async def call(
        self, skill: str, arguments: Mapping[str, Any], *, turn_token: str = "", seconds: float = 60.0
    ) -> SkillAnswer:
        self.note("call", skill, arguments, turn_token, seconds)
        return self.answer

    async def ask(
        self,
        agent: str,
        content: Content | Sequence[agent_pb2.Part],
        *,
        conversation: str = "",
        turn_token: str = "",
        seconds: float = 60.0,
    ) -> AgentAnswer:
        self.note("ask", agent, content, turn_token, seconds)
        return AgentAnswer(text="")

    def conversation(self, *, turn_token: str, remaining: Callable[[], float] | None = None) -> Conversation:
        return Conversation(QuietCarrier(self), turn_token=turn_token, remaining=remaining)

    async def headers(self, *, turn_token: str = "") -> Mapping[str, str]:
        return {"ix-turn-token": turn_token}

    def note(self, operation: str, name: str, content: object, turn_token: str, seconds: float) -> None:
        self.asked.append((operation, name, content, turn_token))
        self.seconds.append(seconds)


@dataclass(frozen=True, slots=True)
class QuietCarrier:
    """Notes what is asked in conversations, and answers with nothing."""

    gateway: QuietGateway

    async def ask(
        self, method: str, request: Message, response: type[Said], *, turn_token: str, seconds: float | None
    ) -> Said:
        self.gateway.note(method, "", request, turn_token, seconds or 0.0)
        return response()

    async def stream(
        self, method: str, request: Message, response: type[Said], *, turn_token: str, seconds: float | None
    ) -> AsyncGenerator[Said]:
        self.gateway.note(method, "", request, turn_token, seconds or 0.0)
        over = response()
        over.over = True  # pyright: ignore[reportAttributeAccessIssue]
        yield over


def turn_of(*content: Content, **changes: Any) -> agent_pb2.Turn:
    """A turn of a person who says something to `greeter`."""
    said = agent_pb2.Message(kind="SAID", sender=PERSON, parts=map(part, content))
    given: dict[str, Any] = {
        "turn_id": "t-1",
        "conversation_id": "c-1",
        "agent": "greeter",
        "delivery_id": "t-1",
        "attempt": 1,
        "chain": [PERSON],
        "input": [said],
        "turn_token": "token-of-the-turn",
    }
    return agent_pb2.Turn(**{**given, **changes})


def in_hand(turn: agent_pb2.Turn, *, gateway: QuietGateway | None = None, ends_at: float = 1e12) -> TurnInHand:
    """A turn as an agent's code gets it."""
    outward = BoundGateway(gateway=gateway or QuietGateway(), turn_token=turn.turn_token, ends_at=ends_at)
    return TurnInHand(turn=turn, gateway=outward, call="call-1")
