"""The agents' door to conversations, by real gRPC: who comes in, and how what they may not do is answered."""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from google.protobuf.struct_pb2 import Struct, Value
from interchange.v1 import agent_pb2, conversations_pb2_grpc
from interchange.v1 import conversations_pb2 as wire

from adapters.messaging.outcomes import Delivery
from adapters.messaging.turns import TurnState
from tests.support.held_turns import CLERK, Room, opened_door

METHODS = ("Append", "Update", "Read", "Follow", "Ask", "Finish")


@dataclass(frozen=True, slots=True)
class Caller:
    """An agent at the door."""

    room: Room
    channel: Any

    def __call__(self, method: str, held: Delivery, request: Any = None, *, metadata: Any = None) -> Any:
        asked = request or getattr(wire, f"{method}Request")()
        stub = cast("Any", conversations_pb2_grpc).ConversationsStub(self.channel)
        known = metadata if metadata is not None else self.metadata(held)
        return getattr(stub, method)(asked, metadata=known, timeout=20)

    def metadata(self, held: Delivery, by: str = "") -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {by or held.agent}"), ("ix-turn-token", self.room.token(held)))

    async def refused(
        self, method: str, held: Delivery, request: Any = None, *, metadata: Any = None
    ) -> tuple[Any, str]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            call = self(method, held, request, metadata=metadata)
            await (call.read() if method == "Follow" else call)
        return caught.value.code(), caught.value.details() or ""


@pytest.fixture
async def door(room: Room) -> AsyncGenerator[Caller]:
    async with (
        opened_door(room) as port,
        cast("Any", grpc.aio).insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Caller(room, channel)


def part(text: str) -> agent_pb2.Part:
    return agent_pb2.Part(text=text)


async def test_a_turn_in_hand_is_spoken_in_read_and_followed(room: Room, door: Caller) -> None:
    held = await room.ask("Write the report.")

    said = await door("Append", held, wire.AppendRequest(id="1", parts=[part("I have begun.")]))
    replaced = await door("Update", held, wire.UpdateRequest(id="2", seq=said.message.seq, parts=[part("Half of it.")]))
    again = await door("Append", held, wire.AppendRequest(id="1", parts=[part("I have begun.")]))
    page = await door("Read", held)
    stream = door("Follow", held, wire.FollowRequest(after=1))
    followed = [await stream.read() for _ in range(3)]
    stream.cancel()

    assert (said.message.seq, said.message.kind, said.repeated) == (2, agent_pb2.Message.SAID, False)
    assert (again.message, again.repeated) == (said.message, True)
    assert replaced.message.updates == said.message.id
    assert [message.parts[0].text for message in page.messages] == ["Write the report.", "I have begun.", "Half of it."]
    assert (page.tail, page.messages[0].sender.name, page.messages[0].sender.kind) == (3, "alice", 1)
    assert [each.message.seq for each in followed] == [0, 2, 3]
    assert [each.mark for each in followed] == ["1", "2", "3"]


async def test_a_turn_that_was_put_off_is_finished_once_and_its_token_is_then_worth_nothing(
    room: Room, door: Caller
) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    metadata = Struct()
    metadata.update({"pages": 3})
    finish = wire.FinishRequest(finished=wire.Finished(parts=[part("Here it is.")], metadata=metadata))

    ended = await door("Finish", held, finish)

    assert (await room.turn(held.of)).state is TurnState.COMPLETED
    assert ended.message.seq == 2
    for method in METHODS:
        code, sentence = await door.refused(method, held)
        assert (code, sentence) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "The turn token is invalid or has expired.",
        ), method


async def test_a_turn_that_was_put_off_asks(room: Room, door: Caller) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    question = agent_pb2.Question(id="q", text="Which colour?")
    assert not (await door("Ask", held, wire.AskRequest(question=question))).repeated
    assert (await room.turn(held.of)).state is TurnState.WAITING
    assert (await door.refused("Finish", held))[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_nobody_comes_in_without_a_turn_or_with_anothers(room: Room, door: Caller) -> None:
    held, other = await room.ask("Write the report."), await room.ask("Clerk?", of=CLERK)
    bearer = (("authorization", "Bearer scribe"),)
    attempts: list[tuple[Any, grpc.StatusCode, str]] = [
        ((), grpc.StatusCode.UNAUTHENTICATED, "access token"),
        (bearer, grpc.StatusCode.UNAUTHENTICATED, "ix-turn-token"),
        ((("ix-turn-token", room.token(held)),), grpc.StatusCode.UNAUTHENTICATED, "access token"),
        ((*bearer, ("ix-turn-token", "x")), grpc.StatusCode.UNAUTHENTICATED, "turn token is invalid"),
        ((*bearer, ("ix-turn-token", room.token(other))), grpc.StatusCode.UNAUTHENTICATED, "turn token is invalid"),
        (door.metadata(held, by="clerk"), grpc.StatusCode.UNAUTHENTICATED, "turn token is invalid"),
        ((*door.metadata(held), ("ix-turn-token", room.token(held))), grpc.StatusCode.INVALID_ARGUMENT, "one token"),
        ((*door.metadata(held), ("ix-chain", "alice")), grpc.StatusCode.INVALID_ARGUMENT, "gateway's own"),
    ]
    for method in METHODS:
        for metadata, code, sentence in attempts:
            refused = await door.refused(method, held, metadata=metadata)
            assert (refused[0], sentence in refused[1]) == (code, True), (method, refused)
    assert await room.texts(held.conversation) == ["Write the report."]


async def test_what_a_superseded_attempt_asks_is_refused(room: Room, door: Caller) -> None:
    lost = await room.ask("Write the report.", seconds=0.01)
    held = await room.again()
    request = wire.AppendRequest(id="1", parts=[part("late")])
    assert (await door.refused("Append", lost, request))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert (await door("Append", held, request)).message.seq == 2


async def test_bad_input_is_named(room: Room, door: Caller) -> None:
    held = await room.ask("Write the report.")
    nan = agent_pb2.Part(data=Value(number_value=float("nan")))
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    attempts: list[tuple[str, Any, grpc.StatusCode, str]] = [
        ("Append", None, invalid, "id:"),
        ("Append", wire.AppendRequest(id="1"), invalid, "says something"),
        ("Append", wire.AppendRequest(id="1", parts=[agent_pb2.Part()]), invalid, "without content"),
        ("Append", wire.AppendRequest(id="1", parts=[nan]), invalid, "number"),
        ("Append", wire.AppendRequest(id="1", conversation_id="c", parts=[part("x")]), invalid, "another conversation"),
        (
            "Append",
            wire.AppendRequest(id="1", parts=[part("x" * (5 << 20))]),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "bytes",
        ),
        ("Update", wire.UpdateRequest(id="1", seq=1, parts=[part("x")]), invalid, "seq:"),
        ("Read", wire.ReadRequest(limit=5_000), invalid, "limit:"),
        ("Follow", wire.FollowRequest(mark="x"), invalid, "mark:"),
        ("Finish", None, invalid, "end:"),
    ]
    for method, request, code, sentence in attempts:
        refused = await door.refused(method, held, request)
        assert (refused[0], sentence in refused[1]) == (code, True), (method, refused)
    said = await door("Append", held, wire.AppendRequest(id="1", parts=[part("x" * (3 << 20))]))
    assert said.message.seq == 2
    code, sentence = await door.refused("Append", held, wire.AppendRequest(id="1", parts=[part("y")]))
    assert (code, "something else" in sentence) == (grpc.StatusCode.FAILED_PRECONDITION, True)


async def test_what_is_too_finely_divided_is_refused_before_it_is_translated(room: Room, door: Caller) -> None:
    held = await room.ask("Write the report.")
    grains = Value()
    grains.list_value.values.extend([Value(bool_value=True)] * 200_000)
    struct = Struct(fields={"x": grains})
    empty = [agent_pb2.Part()] * 400_000
    artifact = agent_pb2.Artifact(id="a", parts=empty)
    attempts: list[tuple[str, Any, str]] = [
        ("Append", wire.AppendRequest(id="1", parts=empty), "parts"),
        ("Append", wire.AppendRequest(id="1", artifacts=[agent_pb2.Artifact()] * 400_000), "parts"),
        ("Update", wire.UpdateRequest(id="1", seq=1, artifacts=[artifact]), "parts"),
        ("Append", wire.AppendRequest(id="1", parts=[agent_pb2.Part(data=grains)]), "data"),
        ("Append", wire.AppendRequest(id="1", parts=[agent_pb2.Part(text="x", metadata=struct)]), "data"),
        ("Finish", wire.FinishRequest(finished=wire.Finished(metadata=struct)), "data"),
        ("Ask", wire.AskRequest(question=agent_pb2.Question(id="q", answer_schema=struct)), "data"),
    ]
    began = time.monotonic()
    for method, request, sentence in attempts:
        code, details = await door.refused(method, held, request)
        assert (code, sentence in details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True), (method, details)
    assert time.monotonic() - began < 10
    most = [part("x")] * 1_000
    assert (await door("Append", held, wire.AppendRequest(id="1", parts=most))).message.seq == 2


async def test_whatever_json_can_say_comes_back_as_it_was(room: Room, door: Caller) -> None:
    held = await room.ask("Write the report.")
    data: Any = {"deep": "x", "n": 1.5, "big": 2**60, "none": None, "list": [1, True], "text": "é\U0001f600\u2028"}
    for _ in range(27):
        data = {"in": data}
    value = Value()
    value.struct_value.update(data)
    parts = [agent_pb2.Part(data=value), agent_pb2.Part(raw=b"\0\xff", filename="x.bin"), agent_pb2.Part(text="")]
    artifact = agent_pb2.Artifact(id="a", name="A", parts=parts, last=True)

    await door("Append", held, wire.AppendRequest(id="1", parts=parts, artifacts=[artifact]))
    (said,) = (await door("Read", held, wire.ReadRequest(after=1))).messages

    assert list(said.parts) == parts
    assert list(said.artifacts) == [artifact]
