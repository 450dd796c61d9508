"""Publishing while people work: no call to a skill that stays registered fails, and who listens is told."""

import asyncio
import itertools
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import httpx2
import pytest
from interchange.v1 import registry_pb2, registry_pb2_grpc
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.odd_service import Odd, compiled, odd_manifest, odd_service
from tests.support.served import Served, served_gateway, tools_call

SECONDS = 10
CALLS_PER_SECOND = 50
PUBLISH_EVERY = 0.1


@pytest.fixture
def odd(tmp_path: Path) -> Generator[Odd]:
    with odd_service(tmp_path) as service:
        yield service


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Served]:
    with served_gateway(tmp_path / "gateway") as served:
        yield served


def extra_manifest(folder: Path) -> str:
    folder.mkdir()
    return compiled("extra/v1/extra.proto", folder).read_text()


async def test_no_call_fails_while_revisions_come_and_go(gateway: Served, odd: Odd, tmp_path: Path) -> None:
    manifest, extra = odd_manifest(tmp_path).read_text(), extra_manifest(tmp_path / "extra")
    operator = (("authorization", f"Bearer {gateway.token('operator')}"),)
    token = gateway.token("tester")
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        registry: Any = registry_pb2_grpc.RegistryStub(channel)
        binding = registry_pb2.Binding(kind="grpc", targets=[odd.target])
        await registry.Publish(registry_pb2.PublishRequest(manifest=manifest, binding=binding), metadata=operator)

        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(publish_and_retire(registry, operator, manifest, extra))
            listening = tasks.create_task(changes_heard(gateway.mcp_url, token))
            outcomes = await calls(gateway, token)
    assert len(outcomes) == SECONDS * CALLS_PER_SECOND
    assert [outcome for outcome in outcomes if outcome != "hello"] == []
    assert publishing.result() >= SECONDS / PUBLISH_EVERY / 2, "too few changes to mean anything"
    assert listening.result() > 0


async def calls(gateway: Served, token: str) -> list[str]:
    """Call at an even pace, whatever becomes of it, and say what came back each time."""
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "odd_echo",
    }

    async def one(client: httpx.AsyncClient) -> str:
        response = await client.post(gateway.mcp_url, json=tools_call("odd_echo", {"text": "hello"}))
        try:
            return response.json()["result"]["structuredContent"]["text"]
        except KeyError:
            return response.text

    async with httpx.AsyncClient(headers=headers, timeout=30) as client, asyncio.TaskGroup() as tasks:
        loop = asyncio.get_running_loop()
        started, made = loop.time(), list[asyncio.Task[str]]()
        for number in range(SECONDS * CALLS_PER_SECOND):
            await asyncio.sleep(max(0.0, started + number / CALLS_PER_SECOND - loop.time()))
            made.append(tasks.create_task(one(client)))
    return [task.result() for task in made]


async def publish_and_retire(registry: Any, operator: tuple[tuple[str, str], ...], manifest: str, extra: str) -> int:
    """Change something every tenth of a second: an agent comes, goes, and the called one gets new revisions."""
    changes = 0
    loop = asyncio.get_running_loop()
    until = loop.time() + SECONDS
    for number in itertools.count():
        due = loop.time() + PUBLISH_EVERY
        if number % 3 == 0:
            await registry.Publish(registry_pb2.PublishRequest(manifest=extra), metadata=operator)
        elif number % 3 == 1:
            await registry.Retire(registry_pb2.RetireRequest(name="extra", reason="it goes again"), metadata=operator)
        else:
            revised = json.loads(manifest)
            for skill in revised["skills"]:
                skill["timeout"] = 20 + number
            await registry.Publish(registry_pb2.PublishRequest(manifest=json.dumps(revised)), metadata=operator)
        changes += 1
        if loop.time() > until:
            return changes
        await asyncio.sleep(max(0.0, due - loop.time()))
    return changes


async def changes_heard(url: str, token: str) -> int:
    """How many times a listening client is told that the list of tools changed."""
    heard = 0
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode="2026-07-28") as client,
        client.listen(tools_list_changed=True) as events,
    ):
        try:
            async with asyncio.timeout(SECONDS - 1):
                async for _ in events:
                    heard += 1
        except TimeoutError:
            pass
    return heard
