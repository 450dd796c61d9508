"""Two gateways that share a log, a NATS and their keys, agents that work for both, and clients that move between them.

Everything is a process of its own and can be stopped, killed and started again at the same address. Clients are those
of the A2A SDK; each knows one gateway.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast
from uuid import uuid4

import grpc
import grpc.aio
import httpx
from a2a.client import Client, ClientCallContext, ClientConfig, ClientFactory
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
)
from google.protobuf.json_format import ParseDict

from policies.identity.dev_issuer.secret import agent_credentials
from tests.support.agents import publish_as_operator
from tests.support.errand_agent import Journal
from tests.support.nats import NatsServer, running_nats
from tests.support.served import Served

READY_SECONDS = 60.0
STOP_SECONDS = 15.0

PEOPLE = """
[persons.ada]
groups = ["users"]
domain = "office"
[persons.bob]
groups = ["users"]
domain = "office"
[persons.operator]
groups = ["operators"]
domain = "office"

[agents.called]
client_ids = ["called"]
groups = ["clerks"]
domain = "office"
[agents.fetching]
client_ids = ["fetching"]
groups = ["clerks"]
domain = "office"
"""

POLICIES = """
@id("users.office") permit (principal in Group::"users", action in Action::"use", resource in Domain::"office");
@id("clerks.office") permit (principal in Group::"clerks", action in Action::"use", resource in Domain::"office");
@id("operators.see") permit (principal in Group::"operators", action == Action::"list", resource);
@id("operators.publish")
permit (principal in Group::"operators", action in [Action::"publish", Action::"pin"], resource is Catalog);
@id("operators.log") permit (principal in Group::"operators", action == Action::"read_conversation", resource);
"""

BINDINGS = ("JSONRPC", "HTTP+JSON", "GRPC")
"""The bindings of A2A, by the names that cards have for them."""

CALLED = "called"
"""The agent that gateways call at its address."""

FETCHING = "fetching"
"""The agent without an address, which attaches to both gateways."""


class Process:
    """A program that can be started again and again; what it says goes into files."""

    def __init__(self, command: Sequence[str], folder: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self._command = [sys.executable, "-m", *command]
        self._errors = folder / "errors"
        self._environment = {**os.environ, **(environment or {})}
        self.running: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        self.begin()
        self.ready()

    def begin(self) -> None:
        """Start it."""
        with self._errors.open("a") as errors:
            self.running = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=errors, text=True, env=self._environment
            )

    def ready(self) -> str:
        """The next line that it says."""
        process = self._process()
        timer = threading.Timer(READY_SECONDS, process.kill)
        timer.start()
        try:
            line = cast("IO[str]", process.stdout).readline()
        finally:
            timer.cancel()
        assert line, self.log()
        return line

    def log(self) -> str:
        """What it complained of."""
        return self._errors.read_text()

    def terminate(self) -> None:
        """Tell it to stop."""
        self._process().send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        process = self._process()
        code = process.wait(STOP_SECONDS)
        cast("IO[str]", process.stdout).close()
        self.running = None
        return code

    def freeze(self) -> None:
        """Have it stand still."""
        self._process().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._process().send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut would, at once."""
        self._process().kill()
        self.ended()

    def stop(self) -> None:
        """See that it does not run any more."""
        if self.running is not None:
            self.terminate()
            try:
                self.ended()
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def _process(self) -> "subprocess.Popen[str]":
        assert self.running is not None, "it does not run"
        return self.running


@dataclass(slots=True)
class Replica:
    """One of the gateways."""

    folder: Path
    url: str
    grpc_address: str
    process: Process

    @property
    def served(self) -> Served:
        """As other support knows a gateway."""
        return Served(
            mcp_url=f"{self.url}/mcp",
            grpc_address=self.grpc_address,
            issuer=f"{self.url}/issuer",
            state=self.folder / "state",
            process=cast("Any", self.process.running),
            errors=cast("Any", None),
        )


@dataclass(slots=True)
class Replicas:
    """Gateway `a`, by whose URL both are known, gateway `b`, and who works for them."""

    a: Replica
    b: Replica
    nats: NatsServer
    agents: Mapping[str, Process]
    journals: Mapping[str, Journal]
    tokens: Mapping[str, str] = field(default_factory=dict[str, str])

    def messages(self, *words: str) -> str:
        """What `interchange messages …` says at gateway `b`, as the operator."""
        command = [sys.executable, "-m", "gateway.cli", "messages", *words, "--gateway", self.b.grpc_address]
        command += ["--token", self.tokens["operator"]]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0, said.stderr
        return said.stdout


@contextmanager
def replicas(folder: Path, log: str) -> Generator[Replicas]:
    """Both gateways on the log at a PostgreSQL URL whose database is empty, and both agents."""
    a, b = (replica_in(folder / name) for name in "ab")
    with ExitStack() as opened:
        nats = opened.enter_context(running_nats())
        for replica, other in ((a, b), (b, a)):
            _configure(replica, public=a.url, other=other, log=log, nats=nats.url)
        upgrade = ["db", "upgrade", "--state", str(a.folder / "state"), "--config", str(_config(a))]
        subprocess.run([sys.executable, "-m", "gateway.cli", *upgrade], check=True, capture_output=True, timeout=60)
        opened.callback(a.process.stop)
        a.process.start()
        share_keys(a, b)
        opened.callback(b.process.stop)
        b.process.begin()
        agents, journals = dict[str, Process](), dict[str, Journal]()
        called = f"127.0.0.1:{free_port()}"
        for name, where in ((CALLED, ["--listen", called]), (FETCHING, ["--gateway", b.url])):
            journals[name] = Journal(folder / f"{name}.jsonl")
            agents[name] = _agent(name, where, a=a, folder=folder, journal=journals[name])
            opened.callback(agents[name].stop)
            agents[name].begin()
        for process in (b.process, agents[FETCHING], agents[CALLED]):
            process.ready()
        assert agents[CALLED].ready() == f"published {CALLED}\n"
        publish_as_operator(b.served, {"name": CALLED, "domain": "office"}, called)
        tokens = {name: a.served.token(name) for name in ("ada", "bob", "operator")}
        wait_until(lambda: all(knows(replica, FETCHING, tokens["ada"]) for replica in (a, b)))
        yield Replicas(a=a, b=b, nats=nats, agents=agents, journals=journals, tokens=tokens)


def replica_in(folder: Path, *, program: str = "gateway.cli", environment: Mapping[str, str] | None = None) -> Replica:
    """A gateway that has not been started. `program` is the module to run; another one may be it with a fault."""
    folder.mkdir(parents=True)
    url, grpc = f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    command = [program, "serve", "--json", "--config", str(folder / "interchange.toml")]
    process = Process([*command, "--state", str(folder / "state")], folder, environment=environment)
    return Replica(folder, url, grpc, process)


def _config(replica: Replica) -> Path:
    return replica.folder / "interchange.toml"


def _configure(replica: Replica, *, public: str, other: Replica, log: str, nats: str) -> None:
    (replica.folder / "policies").mkdir()
    (replica.folder / "policies" / "tests.cedar").write_text(POLICIES)
    (replica.folder / "directory.toml").write_text(PEOPLE)
    hosts = [each.url.removeprefix("http://") for each in (replica, other)]
    lines = [
        'directory = "directory.toml"',
        'policies = "policies"',
        f'public_url = "{public}"',
        f'listen = {{ http = "{hosts[0]}", grpc = "{replica.grpc_address}" }}',
        f"web = {{ allowed_hosts = {json.dumps(hosts)} }}",
        f'log = {{ url = "{log}" }}',
        f'fabric = {{ nats = "{nats}" }}',
        "limits = { calls_per_principal = 1000 }",  # of one person there are more at a time here than anywhere else
    ]
    _config(replica).write_text("\n".join(lines) + "\n")


def share_keys(a: Replica, b: Replica) -> None:
    """Have gateway `b`, which has not been started, sign and seal with the keys of gateway `a`."""
    state = b.folder / "state"
    state.mkdir(mode=0o700)
    shutil.copytree(a.folder / "state" / "keys", state / "keys")
    shutil.copy2(a.folder / "state" / "dev-secret", state / "dev-secret")


def _agent(name: str, where: Sequence[str], *, a: Replica, folder: Path, journal: Journal) -> Process:
    own = folder / name
    own.mkdir()
    command = ["tests.support.errand_agent", name, "--journal", str(journal.path), "--gateway", a.url, *where]
    return Process(command, own, environment=agent_credentials(a.folder / "state", name))


def knows(replica: Replica, agent: str, token: str) -> bool:
    """Whether a gateway has an agent in its catalog."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(_card_url(replica.url, agent), headers=headers, trust_env=False).status_code == 200


def _card_url(url: str, agent: str) -> str:
    return f"{url}/agents/{agent}/.well-known/agent-card.json"


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for processes; not for ever."""
    deadline = time.monotonic() + READY_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.02)


# ---- clients


@dataclass(frozen=True, slots=True)
class Caller:
    """One person's clients of one agent at one gateway: one that streams, and one that does not."""

    streaming: Client
    plain: Client
    who: ClientCallContext

    async def send(self, text: str, *, wait: bool = True, message: str = "") -> Task:
        """SendMessage: the task that came of it."""
        request = _request(text, message)
        request.configuration.return_immediately = not wait
        return [event.task async for event in self.plain.send_message(request, context=self.who)][-1]

    def stream(self, text: str, *, message: str = "") -> AsyncIterator[StreamResponse]:
        """SendStreamingMessage: its events."""
        return _events(self.streaming.send_message(_request(text, message), context=self.who))

    def subscribe(self, task: str) -> AsyncIterator[StreamResponse]:
        """SubscribeToTask: its events."""
        return _events(self.streaming.subscribe(SubscribeToTaskRequest(id=task), context=self.who))

    async def task(self, task: str) -> Task:
        """GetTask, with all messages."""
        return await self.plain.get_task(GetTaskRequest(id=task), context=self.who)

    async def cancel(self, task: str) -> Task:
        """CancelTask."""
        return await self.plain.cancel_task(CancelTaskRequest(id=task), context=self.who)


@asynccontextmanager
async def caller(replica: Replica, agent: str, token: str, *, binding: str = "JSONRPC") -> AsyncGenerator[Caller]:
    """Clients of an agent at one gateway, whatever its card says of where it is."""
    who = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=200), trust_env=False) as http:
        found = await http.get(_card_url(replica.url, agent) + "?interfaces=all", headers=who)
        card = ParseDict(found.json(), AgentCard(), ignore_unknown_fields=True)
        for interface in card.supported_interfaces:
            here = replica.grpc_address if interface.protocol_binding == "GRPC" else f"{replica.url}/agents/{agent}"
            interface.url = here
        streaming, plain = (
            ClientFactory(
                ClientConfig(
                    httpx_client=http,
                    streaming=streams,
                    supported_protocol_bindings=[binding],
                    grpc_channel_factory=cast("Any", grpc.aio).insecure_channel,
                )
            ).create(card)
            for streams in (True, False)
        )
        try:
            yield Caller(streaming, plain, ClientCallContext(service_parameters=who))
        finally:
            await streaming.close()
            await plain.close()


def _request(text: str, message: str) -> SendMessageRequest:
    said = Message(message_id=message or str(uuid4()), role=Role.ROLE_USER, parts=[Part(text=text)])
    return SendMessageRequest(message=said)


async def _events(stream: object) -> AsyncIterator[StreamResponse]:
    """What the SDK says it returns, and what it does return."""
    async with aclosing(cast("AsyncGenerator[StreamResponse]", stream)) as events:
        async for event in events:
            yield event
