"""What an agent's code yields, and what its turn says of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from interchange.v1 import agent_pb2
from interchange_client.agent import (
    AgentFailure,
    Answer,
    GatewayError,
    TurnInHand,
    artifact,
    delta,
    done,
    link,
    message,
    part,
    speak,
    status,
)

from tests.support.client_turns import in_hand, turn_of

Said = AsyncIterator[str | agent_pb2.TurnEvent]


async def events_of(answer: Answer, turn: agent_pb2.Turn | None = None) -> list[agent_pb2.TurnEvent]:
    return [event async for event in speak(answer, in_hand(turn or turn_of("hello")))]


def kinds(events: list[agent_pb2.TurnEvent]) -> list[str | None]:
    return [event.WhichOneof("event") for event in events]


async def test_pieces_of_text_are_said_whole_at_the_end() -> None:
    async def answer(turn: TurnInHand) -> Said:
        yield "You said "
        yield ""
        yield turn.text

    events = await events_of(answer)

    assert kinds(events) == ["delta", "delta", "done"], "nothing is sent for an empty piece"
    assert events[-1].done.parts == [part("You said hello")]


async def test_pieces_that_are_not_text_keep_their_place() -> None:
    async def answer(_: TurnInHand) -> Said:
        yield "Before"
        yield delta({"total": 3})
        yield "be"
        yield "hind"
        yield delta(part("# bold", media_type="text/markdown"))

    events = await events_of(answer)

    assert events[-1].done.parts == [
        part("Before"),
        part({"total": 3}),
        part("behind"),
        part("# bold", media_type="text/markdown"),
    ]


async def test_an_answer_of_ten_thousand_pieces_is_joined() -> None:
    async def answer(_: TurnInHand) -> Said:
        for number in range(10_000):
            yield f"{number} "

    (whole,) = (await events_of(answer))[-1].done.parts

    assert whole.text.split() == [str(number) for number in range(10_000)]


async def test_silence_is_an_answer() -> None:
    async def answer(_: TurnInHand) -> Said:
        return
        yield ""

    assert await events_of(answer) == [done()]


async def test_an_end_that_is_said_wins_over_the_pieces_and_nothing_comes_after_it() -> None:
    closed: list[str] = []

    async def answer(_: TurnInHand) -> Said:
        try:
            yield "draft"
            yield done("final", metadata={"model": "none"})
            yield "too late"
        finally:
            closed.append("closed")

    events = await events_of(answer)

    assert kinds(events) == ["delta", "done"]
    assert events[-1] == done("final", metadata={"model": "none"})
    assert closed == ["closed"]


async def test_an_artifact_that_came_in_pieces_is_made_whole() -> None:
    async def answer(_: TurnInHand) -> Said:
        yield delta("a,b", artifact="table")
        yield delta("\n1,2", artifact="table")
        yield delta("sum", artifact="report")
        yield artifact("summary", id="report", name="Report")

    events = await events_of(answer)

    assert kinds(events) == ["delta", "delta", "delta", "artifact", "artifact", "done"]
    assert events[-2] == artifact("a,b\n1,2", id="table")
    assert events[-1] == done(), "what is an artifact is not said again"


async def test_messages_get_ids_that_a_repeated_attempt_gives_them_again() -> None:
    async def answer(_: TurnInHand) -> Said:
        yield message("first")
        yield status("thinking", progress=1, total=2)
        yield message("second", link("https://example.com/a.pdf"))

    first, second = [await events_of(answer, turn_of("hello", attempt=attempt)) for attempt in (1, 2)]

    assert [event.message.id for event in first if event.HasField("message")] == ["t-1/1", "t-1/2"]
    assert first == second
    assert first[0].message.conversation_id == "c-1"


async def test_an_exception_ends_the_turn_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(_: TurnInHand) -> Said:
        yield "So far"
        raise RuntimeError("password is swordfish")

    events = await events_of(answer)

    assert kinds(events) == ["delta", "failed"]
    assert (events[-1].failed.code, events[-1].failed.text) == ("internal", "The agent failed.")
    assert "swordfish" in caplog.text, "the traceback is in the agent's own log"
    assert "t-1" in caplog.text


@pytest.mark.parametrize(
    "error", [GatewayError("no such skill of alice", "unknown"), asyncio.CancelledError(), KeyError("total")]
)
async def test_what_was_not_meant_for_the_caller_is_not_told(error: BaseException) -> None:
    async def answer(_: TurnInHand) -> Said:
        raise error
        yield ""

    (ended,) = await events_of(answer)

    assert ended.failed == agent_pb2.Failed(code="internal", text="The agent failed.")


async def test_a_gateway_that_is_away_may_be_back_at_the_next_attempt() -> None:
    async def answer(_: TurnInHand) -> Said:
        raise GatewayError("It cannot be reached.", "unavailable")
        yield ""

    (ended,) = await events_of(answer)

    assert (ended.failed.text, ended.failed.retryable) == ("The agent failed.", True)


async def test_a_failure_that_an_author_raises_is_told() -> None:
    async def answer(_: TurnInHand) -> Said:
        yield "Looking"
        raise AgentFailure("The index is being rebuilt.", code="busy", retryable=True)

    ended = (await events_of(answer))[-1]

    assert ended.failed == agent_pb2.Failed(code="busy", text="The index is being rebuilt.", retryable=True)


@pytest.mark.parametrize("nonsense", [None, 7, {"text": "x"}, agent_pb2.TurnEvent(), part("x")])
async def test_what_nobody_can_say_is_the_agents_failure(nonsense: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def answer(_: TurnInHand) -> Said:
        yield nonsense

    (ended,) = await events_of(answer)

    assert ended.failed.code == "internal"
    assert "yields text or a TurnEvent" in caplog.text


async def test_cancelling_reaches_the_agents_code_and_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    reached, ended = asyncio.Event(), list[str]()

    async def answer(_: TurnInHand) -> Said:
        try:
            yield "on my way"
            reached.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            ended.append("closed")

    speaking = asyncio.create_task(events_of(answer))
    await reached.wait()
    speaking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await speaking
    assert ended == ["cancelled", "closed"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
