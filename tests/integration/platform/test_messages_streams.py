"""Following conversations through the operators' door: what arrives, how it goes on, and what ends it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from google.protobuf.json_format import MessageToDict

from gateway.platform import operations, rpc
from tests.integration.platform.conftest import Office
from tests.support.conversations import POLICIES

EOF = cast("Any", grpc.aio).EOF


async def taken(stream: Any, count: int, seconds: float = 10) -> list[dict[str, Any]]:
    """So many pieces of a stream that does not end."""
    async with asyncio.timeout(seconds):
        return [MessageToDict(await stream.read()) for _ in range(count)]


async def ended(stream: Any, seconds: float = 10) -> tuple[grpc.StatusCode, str]:
    """How a stream ends, whatever is still in it."""
    async with asyncio.timeout(seconds):
        try:
            while await stream.read() is not EOF:
                pass
        except grpc.aio.AioRpcError as error:
            return error.code(), str(error.details())
        return await stream.code(), str(await stream.details())


async def eventually(holds: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


def seqs(pieces: list[dict[str, Any]]) -> list[int]:
    return [int(piece["message"]["seq"]) for piece in pieces]


def outcomes(office: Office) -> list[str]:
    return [str(entry["outcome"]) for entry in office.audit() if entry["kind"] == "outcome"]


async def test_the_last_messages_come_first_and_then_those_that_others_write(office: Office) -> None:
    await office.writer.say("c-1", *(f"message {number}" for number in range(1, 21)))
    stream = office.stream("manager", "Tail", conversation="c-1", last=3, follow=True)
    assert seqs(await taken(stream, 3)) == [18, 19, 20]
    await office.writer.say("c-1", "message 21")
    [piece] = await taken(stream, 1)
    assert (piece["mark"], "message 21" in piece["message"]["body"]) == ("21", True)
    stream.cancel()
    await eventually(lambda: outcomes(office) == ["cancelled"])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [({}, [*range(11, 21)]), ({"last": 0}, []), ({"last": 2}, [19, 20]), ({"last": 1000}, [*range(1, 21)])],
)
async def test_without_following_it_ends_where_the_conversation_does(
    office: Office, asked: dict[str, Any], expected: list[int]
) -> None:
    await office.writer.say("c-1", *(f"message {number}" for number in range(1, 21)))
    assert seqs(await office.all("manager", "Tail", conversation="c-1", **asked)) == expected
    assert seqs(await office.all("operator", "Tail", **asked)) == expected


async def test_a_stream_goes_on_from_its_mark_without_gap_or_repetition(office: Office) -> None:
    await office.writer.say("c-1", *(f"message {number}" for number in range(1, 6)))
    whole: dict[str, dict[str, Any]] = {"manager": {"conversation": "c-1"}, "operator": {}}
    for who, asked in whole.items():
        first = await office.all(who, "Tail", last=2, **asked)
        await office.writer.say("c-1", "another", "and another")
        tail = int(first[-1]["message"]["seq"])
        second = await office.all(who, "Tail", mark=first[-1]["mark"], **asked)
        assert seqs(second) == [tail + 1, tail + 2]
        assert await office.all(who, "Tail", mark=second[-1]["mark"], **asked) == []
        stream = office.stream(who, "Tail", mark=first[-1]["mark"], follow=True, **asked)
        assert seqs(await taken(stream, 2)) == [tail + 1, tail + 2]
        stream.cancel()


async def test_all_conversations_are_followed_together_each_message_once(office: Office) -> None:
    await office.writer.say("c-0", "before")
    stream = office.stream("operator", "Tail", last=1, follow=True)
    await taken(stream, 1)
    expected: set[tuple[str, int]] = set()
    pieces: list[dict[str, Any]] = []
    for number in range(1, 4):
        for conversation in ("c-0", "c-1", "c-2"):
            expected.add((conversation, await office.writer.say(conversation, f"message {number}")))
        pieces += await taken(stream, 3)
    assert {(piece["message"]["conversation"], int(piece["message"]["seq"])) for piece in pieces} == expected
    stream.cancel()


async def test_a_stream_ends_with_the_reason_once_it_is_not_allowed_any_more(office: Office) -> None:
    await office.writer.say("c-1", "hello")
    one = office.stream("manager", "Tail", conversation="c-1", follow=True)
    all_ = office.stream("operator", "Tail", follow=True)
    await taken(one, 1)
    await taken(all_, 1)
    await office.policies(POLICIES.replace("managers.read", "managers.still-read"))
    await office.writer.say("c-1", "still there")
    await taken(one, 1)
    await office.policies(POLICIES.replace('"managers"', '"nobody"'))
    status, sentence = await ended(one)
    assert (status, "no longer allowed" in sentence) == (grpc.StatusCode.PERMISSION_DENIED, True)
    await taken(all_, 1)
    await office.policies("")
    assert (await ended(all_))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_a_gateway_that_stops_says_so(office: Office) -> None:
    await office.writer.say("c-1", "hello")
    stream = office.stream("manager", "Tail", conversation="c-1", follow=True)
    await taken(stream, 1)
    office.gateway.drain(0)
    status, sentence = await ended(stream)
    assert (status, "is stopping" in sentence) == (grpc.StatusCode.UNAVAILABLE, True)


@pytest.mark.parametrize("conversation", ["c-1", ""])
async def test_a_stream_ends_with_its_token_and_ends_well(office: Office, conversation: str) -> None:
    await office.writer.say("c-1", "hello")
    office.token_seconds = 1.5
    stream = office.stream("manager" if conversation else "operator", "Tail", conversation=conversation, follow=True)
    await taken(stream, 1)
    assert await ended(stream, 5) == (grpc.StatusCode.OK, "")
    await eventually(lambda: outcomes(office) == ["ok"])


async def test_who_does_not_read_is_sent_no_more(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "WRITING_SECONDS", 0.3)
    for _ in range(8):
        await office.writer.say("c-1", "x" * (2 << 20))
    streams = [office.stream("manager", "Tail", conversation="c-1", follow=True) for _ in range(2)]
    for stream in streams:
        await stream.wait_for_connection()
    await eventually(lambda: outcomes(office) == ["deadline_passed"] * 2)
    status, sentence = await ended(streams[0])
    assert (status, "was read for 0.3 s" in sentence) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)


async def test_a_principal_has_so_many_streams_and_gets_the_places_back(office: Office) -> None:
    await office.writer.say("c-1", "hello")
    streams = [office.stream("manager", "Tail", conversation="c-1", follow=True) for _ in range(operations.AT_A_TIME)]
    for stream in streams:
        await taken(stream, 1)
    assert (await office.refused("manager", "Tail", conversation="c-1"))[0] is grpc.StatusCode.UNAVAILABLE
    assert await office.ask("manager", "Show", conversation="c-1")  # which has places of its own
    assert len(await office.all("operator", "Tail")) == 1
    streams[0].cancel()
    await eventually(lambda: "cancelled" in outcomes(office))
    assert len(await office.all("manager", "Tail", conversation="c-1")) == 1
    for stream in streams:
        stream.cancel()


async def test_a_conversation_is_followed_across_a_log_that_is_gone_for_a_while(office: Office) -> None:
    await office.writer.say("c-1", "hello")
    stream = office.stream("manager", "Tail", conversation="c-1", follow=True)
    await taken(stream, 1)
    away = office.log.with_name("away")
    away.mkdir()
    for file in office.log.parent.glob("log.db*"):
        file.rename(away / file.name)
    await asyncio.sleep(1.5)  # longer than it takes to look
    for file in away.iterdir():
        file.rename(office.log.parent / file.name)
    await office.writer.say("c-1", "again")
    assert seqs(await taken(stream, 1)) == [2]
    stream.cancel()
