"""Real clients of A2A on one tour: every operation that they have, with one agent, and a report of what they saw.

The agent is told what to do by what is said to it: `say X` is answered with X, in pieces; `hold X` goes on until
somebody else says `go X`. So a client of any language walks the whole tour by itself: it sends and streams; holds a
task, has a webhook told of it, listens, and lets it go; holds another, listens, and cancels it; then it reads tasks by
id and page by page. `TOURS` is the table of clients. What they report is the protocol's own JSON: that of 0.3 is put
into the words of 1.0 here, so that one test can say what all of them must see.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import uuid4

import grpc.aio
import httpx
from a2a.client import A2ACardResolver, Client, ClientCallContext, ClientConfig, ClientFactory
from a2a.types import (
    AuthenticationInfo,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH
from a2a.utils.errors import A2AError
from google.protobuf.json_format import MessageToDict
from interchange_client.agent import Answer, TurnInHand

from tests.clients import run as environments
from tests.support.node import run_a2a_client

Json = Mapping[str, Any]
SECONDS: Final = 60.0
PAGE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Where the tour goes, as whom, and the webhook that is to be told."""

    url: str
    token: str
    hook: str
    context: str


Tour = Callable[[Visit], Awaitable[Json]]


def guide() -> Answer:
    """The agent that the tour is with."""
    gates: dict[str, asyncio.Event] = {}

    async def answer(turn: TurnInHand) -> AsyncIterator[str]:
        verb, _, word = turn.text.partition(" ")
        gate = gates.setdefault(word, asyncio.Event())
        if verb == "go":
            gate.set()
        if verb == "hold":
            await gate.wait()
            gates.pop(word, None)
        for piece in (word[:2], word[2:]):
            yield piece

    return answer


# ---- a2a-sdk 1.3, in here


def python_tour(binding: str) -> Tour:
    async def walk(visit: Visit) -> Json:
        bearer = {"Authorization": f"Bearer {visit.token}"}
        async with httpx.AsyncClient(headers=bearer, timeout=SECONDS, trust_env=False) as http:
            path = f"{AGENT_CARD_WELL_KNOWN_PATH}?interfaces=all"
            card = await A2ACardResolver(http, visit.url, path).get_agent_card()

            def client(*, streaming: bool) -> Client:
                return ClientFactory(
                    ClientConfig(
                        httpx_client=http,
                        streaming=streaming,
                        supported_protocol_bindings=[binding],
                        grpc_channel_factory=cast("Any", grpc.aio).insecure_channel,
                    )
                ).create(card)

            plain, streaming = client(streaming=False), client(streaming=True)
            try:
                return {"speaks": binding, **await _PythonTour(visit, plain, streaming).walk()}
            finally:
                await plain.close()
                await streaming.close()

    return walk


class _PythonTour:
    def __init__(self, visit: Visit, plain: Client, streaming: Client) -> None:
        self._visit = visit
        self._plain = plain
        self._streaming = streaming
        self._as = ClientCallContext(service_parameters={"authorization": f"Bearer {visit.token}"})

    async def walk(self) -> Json:
        here = self._visit.context
        sent = await self._send("say hello", context=here)
        hello = SendMessageRequest(message=_message("say hello", context=here))
        streamed = await _told(self._streaming.send_message(hello, context=self._as))
        for number in (1, 2, 3):
            await self._send(f"say {number}", context=here)
        first = await self._held("first")
        configs = await self._configs(first.id)
        followed = await _told(self._following(first.id), lambda: self._send("go first"))
        second = await self._held("second")
        cancelled: list[Task] = []

        async def cancel() -> None:
            cancelled.append(await self._plain.cancel_task(CancelTaskRequest(id=second.id), context=self._as))

        ended = await _told(self._following(second.id), cancel)
        return {
            "sent": MessageToDict(sent),
            "streamed": streamed,
            "got": MessageToDict(await self._plain.get_task(GetTaskRequest(id=sent.id), context=self._as)),
            "held": MessageToDict(first),
            "configs": configs,
            "followed": followed,
            "second": MessageToDict(second),
            "cancelled": MessageToDict(cancelled[0]),
            "ended": ended,
            "pages": [page async for page in self._pages()],
            "card": (await self._plain.get_extended_agent_card(GetExtendedAgentCardRequest(), context=self._as)).name,
            "errors": {
                "unknown": await _failure(self._plain.get_task(GetTaskRequest(id="no-such-task"), context=self._as)),
                "over": await _failure(self._plain.cancel_task(CancelTaskRequest(id=sent.id), context=self._as)),
                "ended": await _failure(_told(self._following(sent.id))),
            },
        }

    async def _send(self, text: str, *, context: str = "", leave: bool = False) -> Task:
        configuration = SendMessageConfiguration(return_immediately=leave)
        request = SendMessageRequest(message=_message(text, context=context), configuration=configuration)
        (event,) = [event async for event in self._plain.send_message(request, context=self._as)]
        return event.task

    async def _held(self, word: str) -> Task:
        return await self._send(f"hold {word}", leave=True)

    def _following(self, task: str) -> AsyncIterator[StreamResponse]:
        return self._streaming.subscribe(SubscribeToTaskRequest(id=task), context=self._as)

    async def _configs(self, task: str) -> Json:
        client, by = self._plain, {"context": self._as}
        created = await client.create_task_push_notification_config(self._config(task, "kept"), **by)
        await client.create_task_push_notification_config(self._config(task, "dropped"), **by)
        asked = GetTaskPushNotificationConfigRequest(task_id=task, id="kept")
        got = await client.get_task_push_notification_config(asked, **by)
        listed = await self._config_ids(task)
        dropped = DeleteTaskPushNotificationConfigRequest(task_id=task, id="dropped")
        await client.delete_task_push_notification_config(dropped, **by)
        left = await self._config_ids(task)
        return {"created": MessageToDict(created), "got": MessageToDict(got), "listed": listed, "left": left}

    def _config(self, task: str, name: str) -> TaskPushNotificationConfig:
        return TaskPushNotificationConfig(
            task_id=task,
            id=name,
            url=self._visit.hook,
            token="hook-token",
            authentication=AuthenticationInfo(scheme="Bearer", credentials="hook-secret"),
        )

    async def _config_ids(self, task: str) -> Sequence[str]:
        asked = ListTaskPushNotificationConfigsRequest(task_id=task)
        found = await self._plain.list_task_push_notification_configs(asked, context=self._as)
        return [config.id for config in found.configs]

    async def _pages(self) -> AsyncIterator[Json]:
        token, more = "", True
        while more:
            asked = ListTasksRequest(
                context_id=self._visit.context,
                page_size=PAGE,
                page_token=token,
                status=TaskState.TASK_STATE_COMPLETED,
            )
            page = await self._plain.list_tasks(asked, context=self._as)
            yield MessageToDict(page)
            token, more = page.next_page_token, bool(page.next_page_token)


def _message(text: str, *, context: str = "") -> Message:
    return Message(message_id=str(uuid4()), role=Role.ROLE_USER, parts=[Part(text=text)], context_id=context)


async def _told(
    events: AsyncIterator[StreamResponse], on_first: Callable[[], Awaitable[object]] | None = None
) -> Sequence[Json]:
    found: list[Json] = []
    async for event in events:
        found.append(MessageToDict(event))
        if on_first is not None and len(found) == 1:
            await on_first()
    return found


async def _failure(work: Awaitable[object]) -> str:
    try:
        await work
    except A2AError as error:
        return type(error).__name__
    return ""


# ---- @a2a-js/sdk, as a process


def javascript_tour(binding: str) -> Tour:
    async def walk(visit: Visit) -> Json:
        plan = json.dumps({"binding": binding, "hook": visit.hook, "context": visit.context})
        return await asyncio.to_thread(run_a2a_client, "tour.mjs", f"{visit.url}/", visit.token, plan)

    return walk


# ---- a2a-sdk 0.3, as a process with an environment of its own

OLD: Final = "a2a_old"
_KINDS: Final = {"status-update": "statusUpdate", "artifact-update": "artifactUpdate"}


def older_tour(binding: str) -> Tour:
    async def walk(visit: Visit) -> Json:
        return _in_newer_words(await asyncio.to_thread(_walk_older, binding, visit))

    return walk


def _walk_older(binding: str, visit: Visit) -> Json:
    script = environments.HERE / OLD / "tour.py"
    words = (visit.url, visit.token, json.dumps({"binding": binding, "hook": visit.hook}))
    command = [str(environments.installed(OLD)), str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _in_newer_words(report: Json) -> Json:
    """A report in the words of 1.0: of states, events and configurations."""
    tasks = {name: _newer(report[name]) for name in ("sent", "got", "held", "second", "cancelled")}
    streams = {name: [_event(each) for each in report[name]] for name in ("streamed", "followed", "ended")}
    configs = {name: _config(each) for name, each in report["configs"].items()}
    return {**report, **tasks, **streams, "configs": configs}


def _event(event: Json) -> Json:
    kind: str = event["kind"]
    return {_KINDS.get(kind, kind): _newer(event)}


def _newer(found: Json) -> Json:
    if "status" not in found:
        return found
    state = found["status"]["state"].upper().replace("-", "_")
    return {**found, "status": {**found["status"], "state": f"TASK_STATE_{state}"}}


def _config(config: Json) -> Json:
    inner = config["pushNotificationConfig"]
    scheme = inner["authentication"]["schemes"][0]
    authentication = {**inner["authentication"], "scheme": scheme}
    return {**inner, "taskId": config["taskId"], "authentication": authentication}


TOURS: Final[Mapping[str, Tour]] = {
    "python JSON-RPC": python_tour("JSONRPC"),
    "python REST": python_tour("HTTP+JSON"),
    "python gRPC": python_tour("GRPC"),
    "javascript JSON-RPC": javascript_tour("JSONRPC"),
    "javascript REST": javascript_tour("HTTP+JSON"),
    "javascript gRPC": javascript_tour("GRPC"),
    "python 0.3 JSON-RPC": older_tour("JSONRPC"),
    "python 0.3 REST": older_tour("HTTP+JSON"),
}
OLDER: Final = frozenset(name for name in TOURS if " 0.3 " in name)
