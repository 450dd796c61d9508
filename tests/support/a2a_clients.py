"""Six real A2A clients behind one shape: fetch the card, verify it, send and stream, and say what came of it.

`A2A_CLIENTS` is the whole table: the official SDK of two languages, each over its three bindings. What came is in the
protocol's own JSON, so that one test can say what all of them must see.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from uuid import uuid4

import grpc.aio
import httpx
from a2a.client import AgentCardResolutionError, Client, ClientCallContext, ClientConfig, ClientFactory
from a2a.types import AgentCard, GetTaskRequest, Message, Role, SendMessageRequest, StreamResponse
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH, VERSION_HEADER
from a2a.utils.errors import A2AError
from a2a.utils.signing import SignatureVerificationError, create_signature_verifier
from google.protobuf.json_format import MessageToDict, ParseDict
from jwt import PyJWKClient
from jwt.api_jwk import PyJWK

from tests.support.node import run_a2a_client

Json = Mapping[str, Any]
Binding = Literal["JSONRPC", "HTTP+JSON", "GRPC"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to do with an agent. `version` is announced where it is not the client's own."""

    does: Literal["send", "stream", "get"]
    parts: tuple[Json, ...] = ()
    task: str = ""
    version: str = ""


def send(*parts: Json, version: str = "") -> Step:
    return Step(does="send", parts=parts, version=version)


def stream(*parts: Json, version: str = "") -> Step:
    return Step(does="stream", parts=parts, version=version)


def get(task: str) -> Step:
    return Step(does="get", task=task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of a step: events, and what the client raised."""

    events: tuple[Json, ...] = ()
    error: str = ""
    message: str = ""

    @property
    def kinds(self) -> list[str]:
        return [next(iter(event)) for event in self.events]

    @property
    def statuses(self) -> list[Json]:
        """Every status that the task had."""
        told = [event.get("task") or event.get("statusUpdate") for event in self.events]
        return [one["status"] for one in told if one]

    @property
    def states(self) -> list[str]:
        return [status["state"] for status in self.statuses]

    @property
    def parts(self) -> list[Json]:
        """The answer: the parts of the one message, or those of all artifacts, put together as the protocol says; where
        there are none, what the task says at its end."""
        artifacts: dict[str, list[Json]] = {}
        for event in self.events:
            if message := event.get("message"):
                return list(message["parts"])
            for artifact in event.get("task", {}).get("artifacts", ()):
                artifacts[artifact["artifactId"]] = list(artifact["parts"])
            if update := event.get("artifactUpdate"):
                before = artifacts.get(update["artifact"]["artifactId"], []) if update.get("append") else []
                artifacts[update["artifact"]["artifactId"]] = [*before, *update["artifact"]["parts"]]
        return [part for parts in artifacts.values() for part in parts]

    @property
    def text(self) -> str:
        return "".join(part.get("text", "") for part in self.parts)

    @property
    def data(self) -> Any:
        return next(part["data"] for part in self.parts if "data" in part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one client saw of one agent; nothing but `refused` where there is no card for it."""

    card: Json = field(default_factory=dict[str, Any])
    verified: bool = False
    speaks: str = ""
    answers: tuple[Told, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The agent, by its one URL, and as whom to talk to it."""

    url: str
    token: str


Run = Callable[[Session, tuple[Step, ...]], Awaitable[Report]]


def python_client(binding: Binding) -> Run:
    async def run(session: Session, steps: tuple[Step, ...]) -> Report:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {session.token}"}, timeout=30) as http:
            verdict = _Verdict()
            try:
                sending = await _factory(http, binding, streaming=False).create_from_url(
                    session.url, relative_card_path=_card_path(binding), signature_verifier=verdict
                )
            except AgentCardResolutionError as error:
                return Report(refused=f"HTTP {error.status_code}")
            card = verdict.cards[0]
            streaming = _factory(http, binding, streaming=True).create(card)
            bearer = {"authorization": f"Bearer {session.token}"} if binding == "GRPC" else {}
            answers = [
                await _python_answer(streaming if step.does == "stream" else sending, step, bearer) for step in steps
            ]
            return Report(card=MessageToDict(card), verified=verdict.holds, speaks=binding, answers=tuple(answers))

    return run


def _factory(http: httpx.AsyncClient, binding: Binding, *, streaming: bool) -> ClientFactory:
    return ClientFactory(
        ClientConfig(
            httpx_client=http,
            streaming=streaming,
            supported_protocol_bindings=[str(binding)],
            grpc_channel_factory=cast("Any", grpc.aio).insecure_channel,
        )
    )


def _card_path(binding: Binding) -> str:
    """Where a card is with an interface of this binding."""
    return f"{AGENT_CARD_WELL_KNOWN_PATH}{'?interfaces=all' if binding == 'GRPC' else ''}"


class _Verdict:
    """The SDK's own verifier with the key that the card points to, which remembers instead of refusing."""

    def __init__(self) -> None:
        self.cards: list[AgentCard] = []
        self.holds = False
        self._verify = create_signature_verifier(_published_key, ["ES256"])

    def __call__(self, card: AgentCard) -> None:
        self.cards.append(card)
        try:
            self._verify(card)
            self.holds = True
        except SignatureVerificationError:
            self.holds = False


def _published_key(kid: str | None, jku: str | None) -> PyJWK:
    return PyJWKClient(str(jku)).get_signing_key(str(kid))


async def _python_answer(client: Client, step: Step, bearer: dict[str, str]) -> Told:
    events: list[Json] = []
    try:
        async for event in _take(client, step, bearer):
            events.append(MessageToDict(event))  # noqa: PERF401 - what came before an error came
    except A2AError as error:
        return Told(events=tuple(events), error=type(error).__name__, message=error.message)
    return Told(events=tuple(events))


async def _take(client: Client, step: Step, bearer: dict[str, str]) -> AsyncIterator[StreamResponse]:
    version = {VERSION_HEADER: step.version} if step.version else {}
    context = ClientCallContext(service_parameters={**bearer, **version})
    if step.does == "get":
        yield StreamResponse(task=await client.get_task(GetTaskRequest(id=step.task), context=context))
        return
    message = Message(message_id=str(uuid4()), role=Role.ROLE_USER)
    ParseDict({"parts": [dict(part) for part in step.parts]}, message)
    async for event in client.send_message(SendMessageRequest(message=message), context=context):
        yield event


def javascript_client(binding: Binding) -> Run:
    async def run(session: Session, steps: tuple[Step, ...]) -> Report:
        taken = [{"does": step.does, "parts": step.parts, "task": step.task, "version": step.version} for step in steps]
        plan = {"binding": binding, "steps": taken}
        words = (f"{session.url}/", session.token, json.dumps(plan))
        report = await asyncio.to_thread(run_a2a_client, "client.mjs", *words)
        if "error" in report:
            return Report(refused=report["error"]["message"])
        answers = tuple(map(_javascript_answer, cast("list[Json]", report["answers"])))
        return Report(card=report["card"], verified=report["verified"], speaks=report["speaks"], answers=answers)

    return run


def _javascript_answer(answer: Json) -> Told:
    error = answer.get("error", {"name": "", "message": ""})
    name: str = error["name"]
    return Told(events=tuple(answer["events"]), error=THEIR_NAMES.get(name, name), message=error["message"])


THEIR_NAMES = {"RequestMalformedError": "InvalidParamsError"}
"""What the JavaScript SDK calls otherwise than the Python SDK."""

A2A_CLIENTS: Mapping[str, Run] = {
    "python JSON-RPC": python_client("JSONRPC"),
    "python REST": python_client("HTTP+JSON"),
    "python gRPC": python_client("GRPC"),
    "javascript JSON-RPC": javascript_client("JSONRPC"),
    "javascript REST": javascript_client("HTTP+JSON"),
    "javascript gRPC": javascript_client("GRPC"),
}
