"""The gateway as an agent sees it: skills to call and agents to ask, always as itself and for somebody.

Every call carries two things: the agent's own access token, and the turn's token, which says for whom the agent works
at the moment. The gateway makes a chain of both (person → agent) and decides for each link. `HttpGateway` speaks MCP
and A2A, so an agent that would rather use an official client only needs `headers()`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, Self
from urllib.parse import quote

from interchange.v1 import agent_pb2

from interchange_client.agent_calls import AgentAnswer, write_message
from interchange_client.agent_calls import read_answer as read_agent_answer
from interchange_client.conversations import Conversation
from interchange_client.credentials import AgentCredentials
from interchange_client.doors import Door
from interchange_client.errors import GatewayError
from interchange_client.parts import Content
from interchange_client.skill_calls import (
    HEADER_MISMATCH,
    Post,
    Skill,
    SkillAnswer,
    read_call,
    read_result,
    read_skills,
    wants_headers,
    write_call,
    write_list,
)
from interchange_client.traces import trace_headers
from interchange_client.wire import Reply, exchange, open_http

__all__ = ["AgentAnswer", "BoundGateway", "Gateway", "GatewayError", "HttpGateway", "Skill", "SkillAnswer"]

SECONDS: Final = 60.0
"""How long a call may take where no turn says so."""

ANSWER: Final = 8 << 20
"""Bytes of an answer."""

TURN_TOKEN: Final = "ix-turn-token"  # noqa: S105 - the name of a header

PAGES: Final = 1_000
"""Pages of a list of skills; a list that has more does not end."""


class Gateway(Protocol):
    """What an agent can ask of a gateway. `turn_token` says in which turn; without one the agent is alone."""

    async def skills(self, *, turn_token: str = "", seconds: float = SECONDS) -> tuple[Skill, ...]:
        """All skills that may be called here.

        Raises:
            GatewayError: there is no answer.
        """
        ...

    async def call(
        self, skill: str, arguments: Mapping[str, Any], *, turn_token: str = "", seconds: float = SECONDS
    ) -> SkillAnswer:
        """Call a skill by its id (`candidates.search`) or its tool name.

        Raises:
            GatewayError: there is no answer. What the skill or a policy has against the call is one (`is_error`), and
                so is that there is no such skill for whoever asks (`code` is `unknown`).
        """
        ...

    async def ask(
        self,
        agent: str,
        content: Content | Sequence[agent_pb2.Part],
        *,
        conversation: str = "",
        turn_token: str = "",
        seconds: float = SECONDS,
    ) -> AgentAnswer:
        """Say something to an agent and wait for its answer.

        Raises:
            GatewayError: there is no answer. That the agent failed or refused is one (`is_error`), and so is that
                there is no such agent for whoever asks (`code` is `unknown`).
        """
        ...

    async def headers(self, *, turn_token: str = "") -> Mapping[str, str]:
        """The headers that make any HTTP request one of this agent's: for official MCP and A2A clients.

        Raises:
            GatewayError: no access token can be had.
        """
        ...

    def conversation(self, *, turn_token: str, remaining: Callable[[], float] | None = None) -> Conversation:
        """The conversation of a turn, for its agent to take part in; `remaining` says how many seconds there are."""
        ...


class HttpGateway:
    """A gateway over HTTP, and conversations at its gRPC door. One for a process; close it, or use it as a context.

        async with HttpGateway(AgentCredentials.from_environment("https://gateway.example.com")) as gateway:
            found = await gateway.call("candidates.search", {"query": "rust"})

    `door` is where the gRPC door is (else the gateway is asked) and `ca` which authority's certificate that has (else
    the system's); `urls` are those of several gateways that share their work, whose doors serve alike.
    """

    def __init__(
        self,
        credentials: AgentCredentials,
        *,
        door: str = "",
        ca: Path | None = None,
        urls: Sequence[str] = (),
    ) -> None:
        self.credentials = credentials
        self.url = credentials.gateway_url
        self._http = open_http()
        self._door = Door(credentials, urls=urls, address=door, ca=ca)
        self._mirrored: dict[str, Mapping[str, Any]] = {}
        """Schemas, by each name of their skill, that want some arguments in headers as well."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._door.close()
        await self._http.aclose()

    async def skills(self, *, turn_token: str = "", seconds: float = SECONDS) -> tuple[Skill, ...]:
        """See `Gateway`. All pages of the list."""
        found: list[Skill] = []
        cursor = ""
        async with _within(seconds, self.url):
            for _ in range(PAGES):
                reply = await self._post("/mcp", write_list(cursor), turn_token)
                page, cursor = read_skills(read_result(reply))
                found += page
                if not cursor:
                    return tuple(found)
        raise GatewayError("The list of skills does not end.", "garbled")

    async def call(
        self, skill: str, arguments: Mapping[str, Any], *, turn_token: str = "", seconds: float = SECONDS
    ) -> SkillAnswer:
        """See `Gateway`."""
        async with _within(seconds, self.url):
            try:
                return await self._call(skill, arguments, turn_token)
            except GatewayError as error:
                if error.code != HEADER_MISMATCH:
                    raise
            await self._learn_headers(turn_token)
            return await self._call(skill, arguments, turn_token)

    async def ask(
        self,
        agent: str,
        content: Content | Sequence[agent_pb2.Part],
        *,
        conversation: str = "",
        turn_token: str = "",
        seconds: float = SECONDS,
    ) -> AgentAnswer:
        """See `Gateway`."""
        post = write_message(content, conversation=conversation)
        async with _within(seconds, self.url):
            return read_agent_answer(await self._post(f"/agents/{quote(agent, safe='')}", post, turn_token))

    async def headers(self, *, turn_token: str = "") -> Mapping[str, str]:
        """See `Gateway`."""
        token = await self.credentials.token()
        return {"authorization": f"Bearer {token}", **({TURN_TOKEN: turn_token} if turn_token else {})}

    def conversation(self, *, turn_token: str, remaining: Callable[[], float] | None = None) -> Conversation:
        """See `Gateway`."""
        return Conversation(self._door, turn_token=turn_token, remaining=remaining)

    async def _call(self, skill: str, arguments: Mapping[str, Any], turn_token: str) -> SkillAnswer:
        post = write_call(skill, arguments, self._mirrored.get(skill))
        return read_call(await self._post("/mcp", post, turn_token))

    async def _learn_headers(self, turn_token: str) -> None:
        """Read which arguments of which skills are to stand in headers: a call without them is refused."""
        for skill in await self.skills(turn_token=turn_token):
            if wants_headers(skill.input_schema):
                self._mirrored |= dict.fromkeys((skill.name, skill.id), skill.input_schema)

    async def _post(self, path: str, post: Post, turn_token: str) -> Reply:
        """Send it as this agent, with a fresh token where the first is not taken."""
        headers = await self.headers(turn_token=turn_token)
        reply = await self._send(path, post, headers)
        if reply.status != 401:
            return reply
        self.credentials.forget(headers["authorization"].removeprefix("Bearer "))
        return await self._send(path, post, await self.headers(turn_token=turn_token))

    async def _send(self, path: str, post: Post, headers: Mapping[str, str]) -> Reply:
        everything = {**post.headers, **trace_headers(), **headers}
        url = self.url + path
        return await exchange(
            self._http, "POST", url, headers=everything, content=post.content, seconds=None, most=ANSWER
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundGateway:
    """The gateway within one turn: every call is for whoever the turn is for, and ends when the turn must.

    `ends_at` is an instant on the running event loop's clock.
    """

    gateway: Gateway
    turn_token: str = field(repr=False)
    ends_at: float

    async def skills(self) -> tuple[Skill, ...]:
        """All skills that may be called in this turn.

        Raises:
            GatewayError: there is no answer.
        """
        return await self.gateway.skills(turn_token=self.turn_token, seconds=self.remaining())

    async def call(
        self, skill: str, arguments: Mapping[str, Any] | None = None, *, seconds: float | None = None
    ) -> SkillAnswer:
        """Call a skill by its id (`candidates.search`) or its tool name.

        Raises:
            GatewayError: there is no answer. What the skill or a policy has against the call is one (`is_error`), and
                so is that there is no such skill for whoever asks (`code` is `unknown`).
        """
        return await self.gateway.call(
            skill, arguments or {}, turn_token=self.turn_token, seconds=self.remaining(seconds)
        )

    async def ask(
        self,
        agent: str,
        content: Content | Sequence[agent_pb2.Part],
        *,
        conversation: str = "",
        seconds: float | None = None,
    ) -> AgentAnswer:
        """Say something to another agent and wait for its answer.

        Raises:
            GatewayError: there is no answer. That the agent failed or refused is one (`is_error`), and so is that
                there is no such agent for whoever asks (`code` is `unknown`).
        """
        return await self.gateway.ask(
            agent, content, conversation=conversation, turn_token=self.turn_token, seconds=self.remaining(seconds)
        )

    async def headers(self) -> Mapping[str, str]:
        """The two headers that make any HTTP request to the gateway one of this turn.

        Raises:
            GatewayError: no access token can be had.
        """
        return await self.gateway.headers(turn_token=self.turn_token)

    def conversation(self) -> Conversation:
        """The conversation of this turn."""
        return self.gateway.conversation(turn_token=self.turn_token, remaining=self.remaining)

    def remaining(self, most: float | None = None) -> float:
        """Seconds until the turn must end, or `most` where that is less; 0 once it has passed."""
        left = max(self.ends_at - asyncio.get_running_loop().time(), 0.0)
        return left if most is None else min(left, most)


@asynccontextmanager
async def _within(seconds: float, url: str) -> AsyncGenerator[None]:
    if seconds <= 0:
        raise GatewayError("The turn is over: there is no time left for a call.", "deadline_passed")
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise GatewayError(f"{url} did not answer within {seconds:.0f} s.", "deadline_passed") from None
