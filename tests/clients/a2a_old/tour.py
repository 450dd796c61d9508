"""The official client of A2A 0.3 over one of its bindings, walking through every operation that it has with one agent:
see tests/support/a2a_tour.py for what it does there and why.

    python tour.py http://127.0.0.1:8420/agents/clerk TOKEN '{"binding": "JSONRPC", "hook": "http://…"}'
    → {"speaks": "JSONRPC", "sent": {…}, "streamed": [{…}], …}

Everything is the JSON of 0.3, and an error is its name.
"""

# This runs in an environment of its own, where the types of this SDK are others:
# pyright: basic, reportMissingImports=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import (
    GetTaskPushNotificationConfigParams,
    Message,
    MessageSendConfiguration,
    Part,
    PushNotificationAuthenticationInfo,
    PushNotificationConfig,
    Role,
    TaskIdParams,
    TaskPushNotificationConfig,
    TaskQueryParams,
    TextPart,
)

BASE, TOKEN, PLAN = sys.argv[1:]
ASKED = json.loads(PLAN)


async def main() -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, trust_env=False) as http:
        card = await A2ACardResolver(http, BASE).get_agent_card()

        def client(*, streaming: bool) -> Any:
            transports = [ASKED["binding"]]
            return ClientFactory(
                ClientConfig(httpx_client=http, streaming=streaming, supported_transports=transports)
            ).create(card)

        print(json.dumps(await Tour(client(streaming=False), client(streaming=True)).walk()))


class Tour:
    def __init__(self, plain: Any, streaming: Any) -> None:
        self._plain = plain
        self._streaming = streaming

    async def walk(self) -> dict[str, Any]:
        sent = await self._send("say hello")
        streamed = await told(self._streaming.send_message(message("say hello")))
        first = await self._held("first")
        configs = await self._configs(first.id)
        followed = await told(self._following(first.id), lambda: self._send("go first"))
        second = await self._held("second")
        cancelled: list[Any] = []

        async def cancel() -> None:
            cancelled.append(await self._plain.cancel_task(TaskIdParams(id=second.id)))

        ended = await told(self._following(second.id), cancel)
        return {
            "speaks": ASKED["binding"],
            "sent": as_json(sent),
            "streamed": streamed,
            "got": as_json(await self._plain.get_task(TaskQueryParams(id=sent.id))),
            "held": as_json(first),
            "configs": configs,
            "followed": followed,
            "second": as_json(second),
            "cancelled": as_json(cancelled[0]),
            "ended": ended,
            "card": (await self._plain.get_card()).name,
            "errors": {
                "unknown": await failure(self._plain.get_task(TaskQueryParams(id="no-such-task"))),
                "over": await failure(self._plain.cancel_task(TaskIdParams(id=sent.id))),
                "ended": await failure(told(self._following(sent.id))),
            },
        }

    async def _send(self, text: str, **configuration: Any) -> Any:
        asked = MessageSendConfiguration(**configuration)
        ((task, _),) = [event async for event in self._plain.send_message(message(text), configuration=asked)]
        return task

    async def _held(self, word: str) -> Any:
        return await self._send(f"hold {word}", blocking=False)

    def _following(self, task: str) -> AsyncIterator[Any]:
        return self._streaming.resubscribe(TaskIdParams(id=task))

    async def _configs(self, task: str) -> dict[str, Any]:
        config = PushNotificationConfig(
            id="kept",
            url=ASKED["hook"],
            token="hook-token",
            authentication=PushNotificationAuthenticationInfo(schemes=["Bearer"], credentials="hook-secret"),
        )
        wanted = TaskPushNotificationConfig(task_id=task, push_notification_config=config)
        created = await self._plain.set_task_callback(wanted)
        asked = GetTaskPushNotificationConfigParams(id=task, push_notification_config_id="kept")
        return {"created": as_json(created), "got": as_json(await self._plain.get_task_callback(asked))}


async def told(events: AsyncIterator[Any], on_first: Callable[[], Awaitable[Any]] | None = None) -> list[Any]:
    """All events of a stream: of each what is new in it."""
    found = []
    async for task, update in events:
        found.append(as_json(update or task))
        if on_first is not None and len(found) == 1:
            await on_first()
    return found


async def failure(work: Awaitable[Any]) -> str:
    """The code that an operation fails with: of JSON-RPC, or of HTTP."""
    try:
        await work
    except Exception as error:
        found = getattr(getattr(error, "error", None), "code", None) or getattr(error, "status_code", None)
        return str(found or error)
    return ""


def message(text: str) -> Message:
    return Message(message_id=str(uuid4()), role=Role.user, parts=[Part(root=TextPart(text=text))])


def as_json(found: Any) -> Any:
    return found.model_dump(mode="json", by_alias=True, exclude_none=True)


asyncio.run(main())
