"""The gateway as a graph in its process reaches it: the corridor itself, without a network between.

It is the same corridor and the same decision: the chain is that of the turn, and the agent. What differs from a process
of its own is that nothing has to be proved, since it is the gateway itself that runs the agent. A turn that is over
reaches nothing any more.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeVar, cast

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from interchange.v1 import agent_pb2 as wire
from interchange_client.agent_calls import AgentAnswer
from interchange_client.conversations import SECONDS, Conversation
from interchange_client.errors import GatewayError
from interchange_client.parts import Content, part, text_of
from interchange_client.skill_calls import Skill, SkillAnswer

from adapters.base import OpenTurn
from adapters.parts import read_part, write_part
from registry.catalog import Catalog, SkillEntry
from registry.model import (
    CATALOG,
    Action,
    Call,
    Deadline,
    FarSideError,
    FarSideFault,
    InterchangeError,
    JsonObject,
    Part,
    Principal,
    Result,
    Target,
    TargetKind,
    new_call_id,
)

Deliver = Callable[[Call], Awaitable[Result]]
"""Carries a call through the corridor. `gateway.app` hands it in."""

T = TypeVar("T")
Said = TypeVar("Said", bound=Message)
_PAGE: Final = 1_000
_OPERATIONS: Final = MappingProxyType({"Append": "Say"})
"""What methods of `interchange.v1.Conversations` are called among all operations on turns, if it is something else."""
_NO_ANSWER: Final = frozenset({"bad_request", "unauthenticated", "audit_unavailable", "internal"})
"""Codes of errors that are no answer to a call; all others are, and a model reads them."""


@dataclass(slots=True, kw_only=True)
class Inward:
    """`interchange_client.gateway.Gateway` for one turn: made in the gateway's loop, called from the graph's thread."""

    open_turn: OpenTurn
    agent: Principal
    deliver: Deliver
    catalog: Callable[[], Catalog]
    _home: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop, init=False)
    _at_work: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]], init=False)
    _is_over: bool = field(default=False, init=False)

    def end(self) -> None:
        """In the gateway's loop: the turn is over, and so is what it asked for."""
        self._is_over = True
        for task in self._at_work:
            task.cancel()

    async def skills(self, *, turn_token: str = "", seconds: float = 0.0) -> tuple[Skill, ...]:  # noqa: ARG002 - it is for this turn alone
        """See `Gateway`."""
        names: list[str] = []
        while True:
            content: JsonObject = {"operation": "Tools", "after": names[-1] if names else "", "limit": _PAGE}
            page = cast("Mapping[str, Any]", (await self._ask(Action.LIST, CATALOG, content, seconds)).structured)
            names += page["names"]
            if not page["more"]:
                return tuple(map(_write_skill, _entries(self.catalog(), names)))

    async def call(
        self,
        skill: str,
        arguments: Mapping[str, Any],
        *,
        turn_token: str = "",  # noqa: ARG002
        seconds: float = 0.0,
    ) -> SkillAnswer:
        """See `Gateway`."""
        target = Target(TargetKind.SKILL, skill)
        try:
            result = await self._ask(Action.INVOKE, target, cast("JsonObject", arguments), seconds)
        except InterchangeError as error:
            if error.code in _NO_ANSWER or _is_broken(error):
                raise GatewayError(error.message, error.code) from None
            return SkillAnswer(text=error.message, is_error=True, code=error.code)
        if result.input_requests:
            raise GatewayError(
                "The skill asks its caller something first, which an agent cannot be asked.", "unsupported"
            )
        return SkillAnswer(
            text=result.text or "\n".join(each.text for each in result.parts if each.text is not None),
            structured=result.structured,
            is_error=result.is_error,
        )

    async def ask(
        self,
        agent: str,
        content: Content | Sequence[wire.Part],
        *,
        conversation: str = "",
        turn_token: str = "",  # noqa: ARG002
        seconds: float = 0.0,
    ) -> AgentAnswer:
        """See `Gateway`."""
        said: JsonObject = {"conversation": conversation} if conversation else {}
        try:
            result = await self._ask(
                Action.MESSAGE, Target(TargetKind.AGENT, agent), said, seconds, parts=_parts(content)
            )
        except InterchangeError as error:
            if error.code in _NO_ANSWER:
                raise GatewayError(error.message, error.code) from None
            state = "failed" if error.code in {"far_side", "deadline_passed", "too_large"} else "rejected"
            return AgentAnswer(text=error.message, conversation=conversation, state=state, code=error.code)
        parts = tuple(map(write_part, result.parts))
        artifacts = tuple(
            wire.Artifact(
                id=made.id, name=made.name, description=made.description, parts=map(write_part, made.parts), last=True
            )
            for made in result.artifacts
        )
        text = text_of(parts) or text_of(each for made in artifacts for each in made.parts)
        return AgentAnswer(text=text, parts=parts, artifacts=artifacts, conversation=conversation)

    def conversation(self, *, turn_token: str, remaining: Callable[[], float] | None = None) -> Conversation:
        """See `Gateway`."""
        return Conversation(_Inside(self), turn_token=turn_token, remaining=remaining)

    async def say(self, operation: str, request: Message, seconds: float) -> JsonObject:
        """Ask something in the turn's conversation, and return the answer as proto3 JSON.

        Raises:
            GatewayError: there is none.
        """
        turn = self.open_turn.turn
        content = {**MessageToDict(request), "operation": operation, "turn": turn.id, "attempt": turn.attempt}
        action = Action.READ_CONVERSATION if operation == "Read" else Action.TAKE_PART
        try:
            result = await self._ask(
                action, Target(TargetKind.CONVERSATION, turn.id), content, seconds, door="conversations"
            )
        except InterchangeError as error:
            raise GatewayError(error.message, error.code) from None
        return cast("JsonObject", result.structured)

    async def headers(self, *, turn_token: str = "") -> NoReturn:  # noqa: ARG002
        """See `Gateway`: in here, there are no tokens to show."""
        raise GatewayError(
            "A graph in the gateway's own process has no credential: use skills, call and ask.", "unsupported"
        )

    async def _ask(
        self,
        action: Action,
        target: Target,
        content: JsonObject,
        seconds: float,
        *,
        parts: tuple[Part, ...] = (),
        door: str = "process",
    ) -> Result:
        behind = self.open_turn.call
        groups = behind.groups_before or (frozenset[str](),) * (behind.chain.depth - 1)
        call = Call(
            id=new_call_id(),
            chain=behind.chain.then(self.agent),
            action=action,
            target=target,
            content=content,
            deadline=Deadline.after(seconds),
            groups_before=(*groups, behind.groups),
            turn=self.open_turn.turn.id,
            fence=self.open_turn.turn.fence,
            parts=parts,
            door=door,
        )
        return await self._at_home(self._delivered(call))

    async def _delivered(self, call: Call) -> Result:
        if self._is_over:
            raise GatewayError("The turn is over.", "unauthenticated")
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._at_work.add(task)
        try:
            return await self.deliver(call)
        finally:
            self._at_work.discard(task)

    async def _at_home(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._home))


@dataclass(frozen=True, slots=True)
class _Inside:
    """`interchange_client.doors.Carrier` within the gateway's own process."""

    inward: Inward

    async def ask(
        self,
        method: str,
        request: Message,
        response: type[Said],
        *,
        turn_token: str,  # noqa: ARG002 - it is for this turn alone
        seconds: float | None,
    ) -> Said:
        """See `Carrier`."""
        answer = await self.inward.say(_OPERATIONS.get(method, method), request, seconds or SECONDS)
        return ParseDict(cast("dict[str, Any]", answer), response())

    async def stream(
        self,
        method: str,  # noqa: ARG002
        request: Message,  # noqa: ARG002
        response: type[Said],
        *,
        turn_token: str,  # noqa: ARG002
        seconds: float | None,  # noqa: ARG002
    ) -> AsyncGenerator[Said]:
        """See `Carrier`: what is followed comes to processes of their own."""
        raise GatewayError(
            "A graph in the gateway's own process cannot follow its conversation: it can read it.", "unsupported"
        )
        yield response()


def _entries(catalog: Catalog, names: Sequence[str]) -> list[SkillEntry]:
    """The skills among what may be listed; agents that converse are there to be asked."""
    return [entry for name in names if (entry := catalog.skill(name)) is not None]


def _write_skill(entry: SkillEntry) -> Skill:
    skill = entry.skill
    return Skill(
        name=skill.tool_name,
        id=skill.id,
        title=skill.title,
        description=skill.description,
        input_schema=skill.input_schema,
        output_schema=skill.output_schema,
        read_only=skill.hints.read_only,
        destructive=skill.hints.destructive,
    )


def _parts(content: Content | Sequence[wire.Part]) -> tuple[Part, ...]:
    given = cast("Sequence[object]", content) if isinstance(content, list | tuple) else ()
    if given and all(isinstance(each, wire.Part) for each in given):
        return tuple(map(read_part, cast("Sequence[wire.Part]", given)))
    return (read_part(part(cast("Content", content))),)


def _is_broken(error: InterchangeError) -> bool:
    return isinstance(error, FarSideError) and error.fault is FarSideFault.BROKEN
