"""Agents made with `interchange_client` on a gateway that is a process: they publish themselves, converse, call back.

They live in a thread with an event loop of its own. What an agent answers, each test says by putting a function into
`answers`; until then it says nothing.
"""

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
import httpx
from interchange.v1 import agent_pb2, registry_pb2, registry_pb2_grpc
from interchange.v1.agent_pb2_grpc import add_ConversingAgentServicer_to_server
from interchange_client.agent import Answer, ConversingAgent, HttpGateway, InternalTokens, TurnInHand
from interchange_client.credentials import AgentCredentials
from interchange_client.manifest import About, write_manifest
from interchange_client.publish import publish

from policies.identity.dev_issuer.secret import agent_secret, dev_secret
from tests.support.odd_agent import eventually
from tests.support.served import Served

T = TypeVar("T")
SECONDS = 30.0
ATTEMPT = "turn"
"""The door of a call that is an attempt at a turn."""
HTTP = httpx.Client(timeout=SECONDS, trust_env=False)
"""For requests whose connection is not what a test is about; to make a client takes longer than most of them."""


class Agents:
    """The agents of one gateway. What they are called is also their client id."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.answers: dict[str, Answer] = {}
        self._gateways: dict[str, HttpGateway] = {}
        self._loop = asyncio.new_event_loop()
        self._opened = AsyncExitStack()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the agents' loop and wait for it."""
        return self.start(work).result(SECONDS)

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Do something in the agents' loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def gateway(self, name: str) -> HttpGateway:
        """The gateway as an agent sees it, with its own credential."""
        return self._gateways[name]

    def token(self, name: str) -> str:
        """An agent's own access token."""
        return self.run(self._gateways[name].credentials.token())

    def join(self, name: str, *, domain: str = "office") -> None:
        """Have an agent serve, publish itself and wait for turns."""

        async def answer(turn: TurnInHand) -> AsyncGenerator[str | agent_pb2.TurnEvent]:
            if name in self.answers:
                async for said in self.answers[name](turn):
                    yield said

        self.run(self._opened.enter_async_context(self._serving(name, domain, answer)))

    @asynccontextmanager
    async def _serving(self, name: str, domain: str, answer: Answer) -> AsyncGenerator[None]:
        secret = agent_secret(dev_secret(self.served.state), name)
        credentials = AgentCredentials(self.served.url, name, secret)
        async with HttpGateway(credentials) as gateway:
            self._gateways[name] = gateway
            agent = ConversingAgent(answer, gateway=gateway, tokens=InternalTokens(self.served.url, f"grpc://{name}"))
            server = cast("Any", grpc.aio).server()
            add_ConversingAgentServicer_to_server(cast("Any", agent), server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            try:
                await publish(
                    write_manifest({"name": name, "domain": domain}),
                    credentials=credentials,
                    target=f"127.0.0.1:{port}",
                )
                yield
            finally:
                await server.stop(None)

    @contextmanager
    def alive(self) -> Generator["Agents"]:
        """Let the agents live until the context ends."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            yield self
        finally:
            self.run(self._opened.aclose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()


def saying(work: Callable[[TurnInHand], Coroutine[Any, Any, object]]) -> Answer:
    """An agent that does something and says what came of it."""

    async def answer(turn: TurnInHand) -> AsyncIterator[str]:
        yield str(await work(turn))

    return answer


@dataclass(slots=True)
class HeldTurn:
    """A turn that an agent has in hand until it is let go."""

    turn: agent_pb2.Turn
    ended: "Future[httpx.Response]"
    _loop: asyncio.AbstractEventLoop
    _go: asyncio.Event

    @property
    def token(self) -> str:
        return self.turn.turn_token

    def let_go(self) -> httpx.Response:
        """Have the agent end its turn; what its caller was answered."""
        self._loop.call_soon_threadsafe(self._go.set)
        return self.ended.result(SECONDS)


@contextmanager
def held(agents: Agents, name: str, *, token: str) -> Generator[HeldTurn]:
    """Have an agent hold a turn for whoever's token that is; what it is answered with afterwards is "held"."""
    taken: Future[HeldTurn] = Future()
    ended: Future[httpx.Response] = Future()

    async def hold(turn: TurnInHand) -> AsyncIterator[str]:
        go = asyncio.Event()
        taken.set_result(HeldTurn(turn.turn, ended, asyncio.get_running_loop(), go))
        await go.wait()
        yield "held"

    agents.answers[name] = hold
    door = Door(agents.served.url, token)
    thread = threading.Thread(target=lambda: ended.set_result(door.send(name, text("hold"))))
    thread.start()
    holding = taken.result(SECONDS)
    try:
        yield holding
    finally:
        holding.let_go()
        thread.join()


@dataclass(frozen=True, slots=True)
class Door:
    """The A2A face as one caller sees it."""

    url: str
    token: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def of(self, agent: str) -> str:
        """The URL of an agent."""
        return f"{self.url}/agents/{agent}"

    def sent(self) -> dict[str, str]:
        """The headers of a request."""
        bearer = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return {"a2a-version": "1.0", "content-type": "application/json", **bearer, **self.headers}

    def post(self, url: str, body: object) -> httpx.Response:
        """JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return HTTP.post(url, content=content, headers=self.sent())

    def rpc(self, agent: str, method: str, params: object) -> httpx.Response:
        """One request over JSON-RPC."""
        return self.post(self.of(agent), {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})

    def send(self, agent: str, *parts: Mapping[str, Any], **message: Any) -> httpx.Response:
        """SendMessage over JSON-RPC."""
        return self.rpc(agent, "SendMessage", params(*parts, **message))

    def rest(self, agent: str, *parts: Mapping[str, Any], **message: Any) -> httpx.Response:
        """SendMessage over REST."""
        return self.post(f"{self.of(agent)}/message:send", params(*parts, **message))

    @contextmanager
    def streaming(self, agent: str, *parts: Mapping[str, Any]) -> Generator["Events"]:
        """SendStreamingMessage over REST, read as it comes; the client leaves with the context."""
        content = json.dumps(params(*parts)).encode()
        url = f"{self.of(agent)}/message:stream"
        with HTTP.stream("POST", url, content=content, headers=self.sent()) as response:
            yield Events(response)

    def task(self, agent: str, task: str, **params: Any) -> dict[str, Any]:
        """GetTask over JSON-RPC."""
        return self.rpc(agent, "GetTask", {"id": task, **params}).json()["result"]

    def tasks(self, agent: str, **params: Any) -> list[dict[str, Any]]:
        """The first page of ListTasks."""
        return self.rpc(agent, "ListTasks", params).json()["result"]["tasks"]

    def cancel(self, agent: str, task: str) -> dict[str, Any]:
        """CancelTask over JSON-RPC."""
        return self.rpc(agent, "CancelTask", {"id": task}).json()["result"]

    def cancel_all(self, agent: str) -> int:
        """Cancel whatever is under way; how much that was."""
        under_way = [
            task["id"]
            for state in ("SUBMITTED", "WORKING", "INPUT_REQUIRED")
            for task in self.tasks(agent, status=f"TASK_STATE_{state}", pageSize=100)
        ]
        for task in under_way:
            self.cancel(agent, task)
        return len(under_way)

    @contextmanager
    def subscribed(self, agent: str, task: str) -> Generator["Events"]:
        """SubscribeToTask over REST, read as it comes."""
        url = f"{self.of(agent)}/tasks/{task}:subscribe"
        with HTTP.stream("POST", url, content=b"{}", headers=self.sent()) as response:
            yield Events(response)

    def stream(self, agent: str, *parts: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All events of a stream."""
        with self.streaming(agent, *parts) as events:
            return list(events)


class Events:
    """The events of a stream of A2A over REST."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def __iter__(self) -> Generator[dict[str, Any]]:
        for line in self._lines:
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))

    def first(self) -> dict[str, Any]:
        return next(iter(self))


def params(*parts: Mapping[str, Any], **message: Any) -> dict[str, Any]:
    """What SendMessage takes; a message of its own each time."""
    return {"message": {"messageId": str(uuid.uuid4()), "role": "ROLE_USER", "parts": list(parts), **message}}


def text(words: str) -> dict[str, Any]:
    """A part in words."""
    return {"text": words}


def invoking(skill: str, **arguments: Any) -> dict[str, Any]:
    """The part that invokes a skill."""
    return {"data": {"skill": skill, "arguments": arguments}}


def result_of(response: httpx.Response) -> dict[str, Any]:
    """The task that SendMessage was answered with, over either binding."""
    body = response.json()
    found = body.get("result", body)
    assert response.status_code == 200, response.text
    assert "error" not in body, body
    return found["task"]


def answer_of(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a task's answer, which is the last of its artifacts."""
    artifacts = task.get("artifacts", [])
    assert task["status"]["state"] == "TASK_STATE_COMPLETED", task["status"]
    assert [each["artifactId"] for each in artifacts[-1:]] in (["answer"], []), artifacts
    return artifacts[-1]["parts"] if artifacts else []


def words_of(response: httpx.Response) -> str:
    """What was answered."""
    return "".join(part.get("text", "") for part in answer_of(result_of(response)))


def state_of(task: Mapping[str, Any]) -> tuple[str, str, str]:
    """How a task ended: its state, our code for why, and what is said of it."""
    status = task["status"]
    said = status.get("message", {})
    code = said.get("metadata", {}).get("interchange/error", "")
    return status["state"], code, "".join(part.get("text", "") for part in said.get("parts", []))


def end_of(events: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    """How a stream ended."""
    last = events[-1]
    assert "statusUpdate" in last or "task" in last, last
    return state_of(last.get("statusUpdate") or last["task"])


def told_of(events: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The artifacts of a stream, put together as the specification says."""
    made: dict[str, list[dict[str, Any]]] = {
        each["artifactId"]: each["parts"] for each in events[0]["task"].get("artifacts", [])
    }
    for update in (event["artifactUpdate"] for event in events if "artifactUpdate" in event):
        name = update["artifact"]["artifactId"]
        before = made.get(name, []) if update.get("append") else []
        made[name] = [*before, *update["artifact"]["parts"]]
    return made


def publish_as_operator(
    served: Served, about: About, target: str, *, approve: bool = False
) -> Sequence[registry_pb2.Change]:
    """Publish a conversing agent and bind it, through the operators' door."""
    request = registry_pb2.PublishRequest(
        manifest=write_manifest(about), binding=registry_pb2.Binding(kind="grpc", targets=[target])
    )
    with operators_desk(served) as ask:
        changes = ask("Publish", request).changes
        if approve:
            ask("Approve", registry_pb2.ApproveRequest(name=about["name"]))
        return changes


@contextmanager
def operators_desk(served: Served) -> Generator[Callable[[str, Any], Any]]:
    """The gRPC door, as the operator."""
    metadata = (("authorization", f"Bearer {served.token('operator')}"),)
    with cast("Any", grpc).insecure_channel(served.grpc_address) as channel:
        stub: Any = registry_pb2_grpc.RegistryStub(channel)
        yield lambda operation, request: getattr(stub, operation)(request, metadata=metadata, timeout=20)


class Audit:
    """What a gateway puts on record of what happens from now on; it writes a little later."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "audit"
        self._since = datetime.now(UTC)

    def decisions(self, *, until: int, **fields: Any) -> list[dict[str, Any]]:
        """The decisions with these fields, once there are so many. Those of attempts, which are made for each turn
        anew, only where their door is named."""
        outside = "door" not in fields

        def found() -> list[dict[str, Any]]:
            entries = [entry for entry in self._new("decision") if fields.items() <= entry.items()]
            return [entry for entry in entries if not outside or entry["door"] != ATTEMPT]

        eventually(lambda: len(found()) >= until, f"not {until} decisions of {fields} but {found()}")
        return found()

    def outcome(self, call: str) -> str:
        """How a call ended, once it did."""

        def found() -> list[str]:
            return [entry["outcome"] for entry in self._new("outcome") if entry["call"] == call]

        eventually(lambda: bool(found()), f"call {call} has no outcome")
        return found()[0]

    def _new(self, kind: str) -> list[dict[str, Any]]:
        lines = [line for file in sorted(self._folder.glob("*.jsonl")) for line in file.read_text().splitlines(True)]
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        return [entry for entry in entries if entry["kind"] == kind and self._is_new(entry["time"])]

    def _is_new(self, time: str) -> bool:
        return datetime.fromisoformat(time) >= self._since


def chain_of(entry: Mapping[str, Any]) -> list[str]:
    """Who is in the chain of a decision."""
    return [f"{link['kind']}:{link['name']}" for link in entry["chain"]]
