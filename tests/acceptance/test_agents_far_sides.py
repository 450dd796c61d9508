"""Agents that do everything wrong, behind a gateway process: what their callers hear, and that the gateway lives.

They speak the bytes themselves, so nothing keeps them from being garbage; one is a process, so that it can be killed.
"""

import asyncio
import json
import resource
import socket
from collections.abc import Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.agents import (
    Audit,
    Door,
    end_of,
    params,
    publish_as_operator,
    result_of,
    state_of,
    text,
    told_of,
    words_of,
)
from tests.support.odd_agent import GARBAGE, SECRET, STATUSES, OddAgent, eventually, odd_agent, odd_process
from tests.support.office import office
from tests.support.served import Served

ANSWER = 512 * 1024
PER_PRINCIPAL = 64
SUBMITTED, WORKING, COMPLETED, FAILED, REJECTED, CANCELED = [
    f"TASK_STATE_{state}" for state in ("SUBMITTED", "WORKING", "COMPLETED", "FAILED", "REJECTED", "CANCELED")
]

# What an agent says with these is for whoever asked; what it says with others may be anything.
TOLD = {
    "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED", "OUT_OF_RANGE",
}  # fmt: skip


@pytest.fixture(scope="module")
def odd() -> Generator[OddAgent]:
    with odd_agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def gateway(odd: OddAgent, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with office(tmp_path_factory.mktemp("gateway"), settings=f"[limits]\nresult_bytes = {ANSWER}\n") as served:
        publish_as_operator(served, {"name": "oddity", "domain": "office", "timeout": 50.0}, odd.target)
        publish_as_operator(served, {"name": "hasty", "domain": "office", "timeout": 1.0}, odd.target)
        yield served
        assert "Traceback" not in served.log(), served.log()


@pytest.fixture(scope="module")
def door(gateway: Served) -> Door:
    return Door(gateway.url, gateway.token("ada"))


@pytest.fixture(autouse=True)
def in_health(odd: OddAgent, door: Door, gateway: Served) -> Generator[None]:
    """After whatever an agent does, the gateway goes on, and so does the agent's next turn."""
    odd.forget()
    yield
    assert gateway.process.poll() is None
    assert words_of(door.send("oddity", text("still there"))) == "still there"


TRIED_AGAIN = {f"status {name}" for name in ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED")}
LEAVING = {"configuration": {"returnImmediately": True}}

# Answers that are none


@pytest.mark.parametrize("way", GARBAGE)
def test_an_answer_that_is_none_is_a_failed_task_that_says_so(door: Door, way: str) -> None:
    for response in (door.send("oddity", text(way)), door.rest("oddity", text(way))):
        state, code, said = state_of(result_of(response))
        assert (state, code) == (FAILED, "far_side")
        assert said.startswith("oddity answered with what cannot be read: ")


@pytest.mark.parametrize("way", GARBAGE)
def test_a_stream_that_goes_wrong_ends_as_failed(door: Door, way: str) -> None:
    assert end_of(door.stream("oddity", text(way)))[:2] == (FAILED, "far_side")


def test_what_was_told_before_the_garbage_stays_told(door: Door) -> None:
    task, update, end = door.stream("oddity", text("garbage after a piece"))
    assert task["task"]["status"]["state"] == WORKING
    assert update["artifactUpdate"]["artifact"]["parts"] == [{"text": "…"}]
    assert end["statusUpdate"]["status"]["state"] == FAILED
    assert end["statusUpdate"]["taskId"] == task["task"]["id"]


# Failures


@pytest.mark.parametrize("way", STATUSES.keys() - TRIED_AGAIN)
def test_every_status_is_a_failed_task_without_secrets(door: Door, way: str) -> None:
    told = way.removeprefix("status ") in TOLD
    response = door.send("oddity", text(way))
    state, code, said = state_of(result_of(response))
    assert state == FAILED
    assert code == ("deadline_passed" if way == "status DEADLINE_EXCEEDED" else "far_side")
    assert said.startswith("oddity ")
    assert (SECRET in response.text) is told

    events = door.stream("oddity", text(way))
    assert end_of(events)[:2] == (FAILED, code)
    assert (SECRET in json.dumps(events)) is told


@pytest.mark.parametrize("way", sorted(TRIED_AGAIN))
def test_an_agent_that_is_not_there_or_has_no_time_is_asked_again(door: Door, odd: OddAgent, way: str) -> None:
    task = result_of(door.rpc("oddity", "SendMessage", params(text(way)) | LEAVING))
    eventually(lambda: len(odd.turns) > 1, "it is not tried again")
    first, second = odd.turns[:2]
    assert (first.delivery_id, first.attempt, second.attempt) == (second.delivery_id, 1, 2)
    assert door.task("oddity", task["id"])["status"]["state"] in {SUBMITTED, WORKING}
    assert state_of(door.cancel("oddity", task["id"]))[0] == CANCELED


@pytest.mark.parametrize("way", ["secret", "late secret"])
def test_the_text_of_an_agents_exception_stays_there(door: Door, gateway: Served, way: str) -> None:
    answers = [door.send("oddity", text(way)), door.rest("oddity", text(way))]
    answers.append(gateway.call("oddity", {"message": way}, token=door.token or ""))
    assert [response.status_code for response in answers] == [200] * 3
    assert [response.text for response in answers if SECRET in response.text or "hunter2" in response.text] == []
    events = door.stream("oddity", text(way))
    assert end_of(events)[:2] == (FAILED, "far_side")
    assert "hunter2" not in json.dumps(events)


def test_what_an_agent_had_begun_that_is_killed_is_done_by_the_one_that_takes_its_place(
    door: Door, odd: OddAgent, gateway: Served
) -> None:
    with odd_process() as (process, target):
        publish_as_operator(gateway, {"name": "clerk", "domain": "office"}, target)
        with door.streaming("clerk", text("tick")) as events:
            first = events.first()["task"]
            process.kill()
            publish_as_operator(gateway, {"name": "clerk", "domain": "office"}, odd.target)
            assert odd.begun.acquire(timeout=20)
            assert odd.turns[0].attempt > 1
            door.cancel("clerk", first["id"])
            told = [{"task": first}, *events]
    assert first["status"]["state"] == WORKING
    assert end_of(told)[0] == CANCELED
    assert told_of(told)["answer"] == [text("tick")]


# Answers without end


def test_an_agent_that_says_nothing_is_given_up_at_its_deadline(door: Door, odd: OddAgent) -> None:
    assert state_of(result_of(door.send("hasty", text("hang"))))[:2] == (FAILED, "deadline_passed")
    assert odd.cancelled.acquire(timeout=10)
    assert end_of(door.stream("hasty", text("hang")))[:2] == (FAILED, "deadline_passed")
    assert odd.cancelled.acquire(timeout=10)


def test_an_agent_that_speaks_for_ever_is_given_up_at_its_deadline(door: Door, odd: OddAgent) -> None:
    events = door.stream("hasty", text("for ever"))
    assert end_of(events)[:2] == (FAILED, "deadline_passed")
    assert len(events) > 3
    assert odd.cancelled.acquire(timeout=10)


def test_a_hundred_megabytes_are_cut_off(door: Door, odd: OddAgent) -> None:
    events = door.stream("oddity", text("flood"))
    assert end_of(events)[:2] == (FAILED, "too_large")
    assert odd.cancelled.acquire(timeout=10)
    assert state_of(result_of(door.send("oddity", text("flood"))))[:2] == (FAILED, "too_large")
    assert odd.cancelled.acquire(timeout=10)


def test_a_hundred_thousand_tiny_pieces_are_cut_off(door: Door) -> None:
    events = door.stream("oddity", text("drizzle"))
    assert end_of(events)[:2] == (FAILED, "too_large")
    assert state_of(result_of(door.send("oddity", text("drizzle"))))[:2] == (FAILED, "too_large")


# Clients that leave


@pytest.mark.parametrize("way", ["hang", "tick"])
@pytest.mark.parametrize("path", ["", "/message:send", "/message:stream"])
def test_a_client_that_leaves_leaves_the_turn_to_itself(
    door: Door, odd: OddAgent, *, path: str, way: str, gateway: Served
) -> None:
    audit = Audit(gateway.state)
    message = params(text(way))
    body = message if path else {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": message}
    with socket.create_connection(("127.0.0.1", port(gateway))) as client:
        client.sendall(posted(f"/agents/oddity{path}", body, door))
        assert odd.begun.acquire(timeout=10)
    (sent,) = audit.decisions(until=1, action="message", target="agent:oddity")
    assert audit.outcome(sent["call"]) == "cancelled"
    assert not odd.cancelled.acquire(blocking=False)

    (task,) = door.tasks("oddity", status=WORKING)
    assert task["history"][0]["messageId"] == message["message"]["messageId"]
    assert state_of(door.cancel("oddity", task["id"]))[0] == CANCELED
    assert odd.cancelled.acquire(timeout=10), "the agent works for nobody"


def test_a_client_of_mcp_that_leaves_ends_the_turn_too(door: Door, odd: OddAgent, gateway: Served) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(gateway.mcp_url, **mcp_call("oddity", {"message": "hang"}, door), timeout=1.0)
    assert odd.begun.acquire(timeout=10)
    assert odd.cancelled.acquire(timeout=10)


def mcp_call(tool: str, arguments: dict[str, Any], door: Door) -> dict[str, Any]:
    """A tools/call as httpx takes it."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    }
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta},
    }
    headers = {
        "authorization": f"Bearer {door.token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": tool,
    }
    return {"json": body, "headers": headers}


def port(served: Served) -> int:
    return int(served.url.rpartition(":")[2])


def posted(path: str, body: object, door: Door) -> bytes:
    """A POST as it goes over the wire."""
    content = json.dumps(body).encode()
    headers = {**door.sent(), "host": "127.0.0.1", "content-length": str(len(content))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + content


# A client that reads slowly, and one that asks for too much


def test_a_client_that_does_not_read_holds_nobody_up(odd: OddAgent, tmp_path: Path) -> None:
    with office(tmp_path) as served:
        publish_as_operator(served, {"name": "oddity", "domain": "office"}, odd.target)
        door = Door(served.url, served.token("ada"))
        assert words_of(door.send("oddity", text("warm"))) == "warm"
        before = resident(served)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            client.connect(("127.0.0.1", port(served)))
            client.sendall(posted("/agents/oddity/message:stream", params(text("flood")), door))
            assert odd.cancelled.acquire(timeout=20), "the agent was held up"
            assert words_of(door.send("oddity", text("others"))) == "others"
            eventually(lambda: len(door.tasks("oddity", status=FAILED)) == 1, "the flood has no end")
            assert resident(served) - before < 150_000_000


def resident(served: Served) -> int:
    """Bytes of memory that the process has."""
    pages = Path(f"/proc/{served.process.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


async def test_who_asks_for_too_much_at_once_is_told_so_and_nobody_else_notices(
    door: Door, odd: OddAgent, gateway: Served
) -> None:
    open_streams: list[object] = []  # what reads a stream closes it when it is forgotten

    async def opened(client: httpx.AsyncClient, stack: AsyncExitStack) -> dict[str, Any]:
        url = f"{door.of('oddity')}/message:stream"
        response = await stack.enter_async_context(
            client.stream("POST", url, json=params(text("tick")), headers=door.sent())
        )
        lines = response.aiter_lines()
        open_streams.append(lines)
        async for line in lines:
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))["task"]
        raise AssertionError("a stream without events")

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client, AsyncExitStack() as stack:
        tasks = await asyncio.gather(*(opened(client, stack) for _ in range(200)))
        states = [task["status"]["state"] for task in tasks]
        assert (states.count(WORKING), states.count(REJECTED)) == (PER_PRINCIPAL, 200 - PER_PRINCIPAL)
        assert {state_of(task)[1] for task in tasks if task["status"]["state"] == REJECTED} == {"overloaded"}

        bob = Door(gateway.url, gateway.token("bob"))
        assert words_of(await asyncio.to_thread(bob.send, "oddity", text("me too"))) == "me too"
        refused = await asyncio.to_thread(door.send, "oddity", text("one more"))
        assert state_of(result_of(refused))[:2] == (REJECTED, "overloaded")
    eventually(lambda: is_answered(door), "the places of those who left are not free")
    assert await asyncio.to_thread(door.cancel_all, "oddity") == PER_PRINCIPAL
    for _ in range(PER_PRINCIPAL):
        assert await asyncio.to_thread(odd.cancelled.acquire, timeout=10)


def is_answered(door: Door) -> bool:
    return state_of(result_of(door.send("oddity", text("again"))))[0] == COMPLETED
