"""All of it: an agent before a real gateway that says more than its answer, and goes on when its attempt is over."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from interchange.v1 import agent_pb2
from interchange_client.agent import (
    AgentCredentials,
    DeferredTurn,
    GatewayError,
    HttpGateway,
    TurnInHand,
    question,
    serve,
    text_of,
)

from policies.identity.dev_issuer.secret import agent_credentials
from tests.support.served import PEOPLE, POLICIES, Served, served_gateway
from tests.support.until import PATIENCE

AGENTS = """
[agents.scribe]
client_ids = ["scribe-client"]
domain = "tests"
"""
USES = """
@id("testers-talk-to-the-scribe")
permit(principal in Group::"testers", action == Action::"message", resource == Agent::"scribe");
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served_gateway(tmp_path_factory.mktemp("gateway"), people=PEOPLE + AGENTS, policies=POLICIES + USES) as served:
        yield served


@dataclass
class Scribe:
    """An agent that does as it is told, and what it kept and saw."""

    kept: asyncio.Queue[DeferredTurn] = field(default_factory=asyncio.Queue[DeferredTurn])
    followed: list[str] = field(default_factory=list[str])
    answers: list[object] = field(default_factory=list[object])

    async def answer(self, turn: TurnInHand) -> AsyncIterator[str | agent_pb2.TurnEvent]:
        self.answers += turn.answers.values()
        match turn.text:
            case "say":
                said = await turn.say("10 %", id="progress")
                await turn.update(said, "20 %")
                page = await turn.read()
                async for message in turn.follow(after=1):
                    self.followed.append(text_of(message.parts))
                    if len(self.followed) == 2:
                        break
                yield " ".join(text_of(message.parts) for message in page)
            case "later":
                later = turn.put_off(hours=1, reason="It takes a while.")
                await self.kept.put(later)
                yield later.event
            case _:
                yield f"You said: {turn.text}"


@dataclass(frozen=True, slots=True)
class Writer:
    """Somebody who writes to the scribe by A2A."""

    http: httpx.AsyncClient

    async def send(self, text: str, *, task: str = "", leave: bool = False) -> dict[str, Any]:
        message: dict[str, Any] = {"messageId": str(uuid4()), "role": "ROLE_USER", "parts": [{"text": text}]}
        if task:
            message["taskId"] = task
        body = {"message": message, "configuration": {"returnImmediately": leave}}
        reply = await self.http.post("/message:send", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["task"]

    async def task(self, name: str) -> dict[str, Any]:
        reply = await self.http.get(f"/tasks/{name}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def becomes(self, name: str, state: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while (task := await self.task(name))["status"]["state"] != state:
                await asyncio.sleep(0.05)
        return task


@dataclass(frozen=True, slots=True)
class Stage:
    """The scribe at work, somebody who writes to it, and the scribe's own way to the gateway."""

    scribe: Scribe
    tester: Writer
    outward: HttpGateway


@asynccontextmanager
async def at_work(gateway: Served) -> AsyncGenerator[Stage]:
    known = agent_credentials(gateway.state, "scribe-client")
    credentials = AgentCredentials(gateway.url, known["INTERCHANGE_CLIENT_ID"], known["INTERCHANGE_CLIENT_SECRET"])
    scribe = Scribe()
    serving = asyncio.create_task(
        serve(scribe.answer, name="scribe", domain="tests", gateway=gateway.url, credentials=credentials)
    )
    headers = {"authorization": f"Bearer {gateway.token('tester')}", "a2a-version": "1.0"}
    url = f"{gateway.url}/agents/scribe"
    try:
        async with (
            httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as http,
            HttpGateway(credentials) as outward,
        ):
            await _until_it_answers(lambda: http.get("/.well-known/agent-card.json"))
            yield Stage(scribe, Writer(http), outward)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _until_it_answers(ask: Callable[[], Awaitable[httpx.Response]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await ask()).status_code != 200:
            await asyncio.sleep(0.05)


async def test_an_agent_says_more_than_its_answer(gateway: Served) -> None:
    async with at_work(gateway) as stage:
        task = await stage.tester.send("say")
        assert task["status"]["state"] == "TASK_STATE_COMPLETED", task
        assert "say 10 % 20 %" in str(task)
        assert stage.scribe.followed == ["10 %", "20 %"]


async def test_a_turn_goes_on_when_its_attempt_is_over(gateway: Served) -> None:
    async with at_work(gateway) as stage:
        task = await stage.tester.send("later", leave=True)
        async with asyncio.timeout(PATIENCE):
            later = DeferredTurn.read((await stage.scribe.kept.get()).write())
        conversation = later.at(stage.outward)
        await conversation.say("Half of it.")
        skills = await stage.outward.skills(turn_token=later.token)
        await conversation.finish("Here it is.", metadata={"pages": 3})
        ended = await stage.tester.becomes(task["id"], "TASK_STATE_COMPLETED")

        assert "Here it is." in str(ended)
        assert isinstance(skills, tuple), "it still acts for the person"
        with pytest.raises(GatewayError) as caught:
            await conversation.say("late")
        assert caught.value.code == "unauthenticated"
        with pytest.raises(GatewayError):
            await stage.outward.skills(turn_token=later.token)


async def test_a_turn_that_was_put_off_asks_and_is_answered_and_hears_of_its_end(gateway: Served) -> None:
    async with at_work(gateway) as stage:
        task = await stage.tester.send("later", leave=True)
        async with asyncio.timeout(PATIENCE):
            later = await stage.scribe.kept.get()
        await later.at(stage.outward).ask(question("Which colour?").question)
        asking = await stage.tester.becomes(task["id"], "TASK_STATE_INPUT_REQUIRED")
        assert "Which colour?" in str(asking["status"])
        await stage.tester.send("red", task=task["id"])
        ended = await stage.tester.becomes(task["id"], "TASK_STATE_COMPLETED")
        assert "red" in str(ended), ended
        assert stage.scribe.answers == ["red"]


async def test_a_turn_that_was_put_off_hears_that_it_is_cancelled(gateway: Served) -> None:
    async with at_work(gateway) as stage:
        task = await stage.tester.send("later", leave=True)
        async with asyncio.timeout(PATIENCE):
            later = await stage.scribe.kept.get()
        heard: list[int] = []

        async def follow() -> None:
            async for message in later.at(stage.outward).follow(after=1):
                heard.append(message.kind)  # noqa: PERF401 - what came before it is cancelled counts

        following = asyncio.create_task(follow())
        await later.at(stage.outward).say("Half of it.")
        cancelled = await stage.tester.http.post(f"/tasks/{task['id']}:cancel", json={})
        assert cancelled.status_code == 200, cancelled.text
        async with asyncio.timeout(PATIENCE):
            await following
        assert heard[0] == agent_pb2.Message.SAID
        assert heard[-1] in {agent_pb2.Message.SAID, agent_pb2.Message.CANCELLED}
        with pytest.raises(GatewayError):
            await later.at(stage.outward).finish("late")
