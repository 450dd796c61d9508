"""The client library in conversations: what gets lost on the way is said once, and followed once and in order."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import respx
from google.protobuf.message import Message
from interchange.v1 import agent_pb2
from interchange_client import conversations, doors
from interchange_client.agent import (
    AgentCredentials,
    BoundGateway,
    Conversation,
    DeferredTurn,
    GatewayError,
    HttpGateway,
    TurnInHand,
    artifact,
    part,
    question,
    text_of,
)
from interchange_client.doors import Door

from adapters.messaging.bodies import read_body, write_body
from adapters.messaging.outcomes import Delivery, Done, Reply
from adapters.messaging.turns import TurnState
from gateway import conversation_desk
from registry.model import Denied, Item, Part
from tests.support.held_turns import Room, opened_door, opened_room
from tests.support.until import PATIENCE, until

URL = "http://127.0.0.1:8420"
PLACE = f"{URL}/.well-known/interchange.json"
Said = TypeVar("Said", bound=Message)


class Known(AgentCredentials):
    """A credential whose tokens are the agent's name."""

    def __init__(self) -> None:
        super().__init__(URL, "scribe", "secret")

    async def token(self) -> str:
        return "scribe"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "PAUSES", (0.01, 0.05))


@pytest.fixture
async def gateway(room: Room) -> AsyncGenerator[HttpGateway]:
    async with opened_door(room) as port, HttpGateway(Known(), door=f"127.0.0.1:{port}") as gateway:
        yield gateway


def in_hand(room: Room, held: Delivery, gateway: HttpGateway, *, seconds: float = 60.0) -> TurnInHand:
    """The turn as the agent's code has it."""
    turn = agent_pb2.Turn(
        turn_id=held.turn, conversation_id=held.conversation, agent=held.agent, turn_token=room.token(held)
    )
    ends_at = asyncio.get_running_loop().time() + seconds
    return TurnInHand(turn=turn, gateway=BoundGateway(gateway=gateway, turn_token=turn.turn_token, ends_at=ends_at))


async def settle(room: Room, held: Delivery, text: str) -> None:
    await room.opened.log.settle(held, Done(replies=(Reply(body=write_body([Part(text=text)]), text=text),)))


@dataclass
class Follower:
    """Somebody who follows a turn: what they have got, and whether it has ended."""

    conversation: Conversation
    after: int = 0
    got: list[agent_pb2.Message] = field(default_factory=list[agent_pb2.Message])

    async def follow(self) -> None:
        async for message in self.conversation.follow(after=self.after):
            self.got.append(message)

    @property
    def seqs(self) -> list[int]:
        return [message.seq for message in self.got]

    @property
    def texts(self) -> list[str]:
        return [text_of(message.parts) for message in self.got]


# ---- a turn in hand


async def test_a_turn_says_replaces_reads_and_follows(room: Room, gateway: HttpGateway) -> None:
    held = await room.ask("Write the report.")
    turn = in_hand(room, held, gateway)

    said = await turn.say("10 %", {"pages": 3})
    await turn.update(said, "20 %")
    page = await turn.read(after=1)
    following = turn.follow(after=1)
    first = await anext(following)
    await turn.say("more", id="more")
    await turn.say("more", id="more")
    rest = [await anext(following), await anext(following)]
    await settle(room, held, "done")

    assert [message.seq for message in page] == [2, 3]
    assert page[1].updates == said.id == page[0].id
    assert [each.seq for each in (first, *rest)] == [2, 3, 4]
    assert [text_of(each.parts) async for each in following] == ["done"], "and then it ends"
    assert await room.texts(held.conversation) == ["Write the report.", "10 %|", "20 %", "more", "done"]


async def test_a_turn_that_is_over_is_said_to_be(room: Room, gateway: HttpGateway) -> None:
    held = await room.ask("Write the report.")
    turn = in_hand(room, held, gateway)
    await settle(room, held, "done")

    for attempt in (turn.say("late"), turn.read(), anext(turn.follow())):
        with pytest.raises(GatewayError) as caught:
            await attempt
        assert caught.value.code == "unauthenticated"


async def test_the_gateways_reason_is_told(room: Room, gateway: HttpGateway) -> None:
    held = await room.ask("Write the report.")
    turn = in_hand(room, held, gateway)
    await turn.say("one", id="1")
    with pytest.raises(GatewayError, match="something else was said") as caught:
        await turn.say("two", id="1")
    assert (caught.value.code, caught.value.retryable) == ("refused", False)
    with pytest.raises(GatewayError, match="not one that this agent"):
        await turn.update(agent_pb2.Message(seq=1), "mine")


async def test_a_turn_without_time_does_nothing_more(room: Room, gateway: HttpGateway) -> None:
    held = await room.ask("Write the report.")
    turn = in_hand(room, held, gateway, seconds=0)
    for attempt in (turn.say("late"), anext(turn.follow())):
        with pytest.raises(GatewayError) as caught:
            await attempt
        assert caught.value.code == "deadline_passed"
    short = in_hand(room, held, gateway, seconds=0.3)
    with pytest.raises(GatewayError) as caught:
        async for _ in short.follow():
            pass
    assert caught.value.code == "deadline_passed"


# ---- what gets lost


@dataclass
class Lossy:
    """A door whose first answers to a method are lost on the way back."""

    door: Door
    lost: int = 1

    async def ask(self, method: str, request: Message, response: type[Said], **how: Any) -> Said:
        answer = await self.door.ask(method, request, response, **how)
        if self.lost:
            self.lost -= 1
            raise GatewayError("The connection was lost.", "unavailable")
        return answer

    def stream(self, method: str, request: Message, response: type[Said], **how: Any) -> AsyncGenerator[Said]:
        return self.door.stream(method, request, response, **how)


async def test_what_gets_no_answer_is_said_once_all_the_same(room: Room) -> None:
    held = await room.ask("Write the report.")
    async with opened_door(room) as port:
        door = Door(Known(), address=f"127.0.0.1:{port}")
        conversation = Conversation(Lossy(door, lost=3), turn_token=room.token(held))
        said = await conversation.say("I have begun.")
        await door.close()
    assert said.seq == 2
    assert await room.texts(held.conversation) == ["Write the report.", "I have begun."]


@pytest.mark.parametrize("end", ["finish", "fail", "ask"])
async def test_an_end_whose_answer_is_lost_is_an_end(room: Room, end: str) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    ends: dict[str, Callable[[Conversation], Any]] = {
        "finish": lambda conversation: conversation.finish("Here it is."),
        "fail": lambda conversation: conversation.fail("No paper."),
        "ask": lambda conversation: conversation.ask(question("Which?").question),
    }
    async with opened_door(room) as port:
        door = Door(Known(), address=f"127.0.0.1:{port}")
        lossy = Conversation(Lossy(door), turn_token=room.token(held))
        await ends[end](lossy)
        with pytest.raises(GatewayError) as caught:
            await ends[end](lossy)
        await door.close()
    assert caught.value.code == "unauthenticated", "nothing was lost this time"
    assert len(await room.messages(held.conversation)) == 2


async def test_nobody_at_the_door_is_told_after_a_while(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "SECONDS", 0.5)
    held = await room.ask("Write the report.")
    async with HttpGateway(Known(), door="127.0.0.1:1") as gateway:
        with pytest.raises(GatewayError) as caught:
            await in_hand(room, held, gateway).say("Hello?")
    assert caught.value.retryable


@dataclass
class Replicas:
    """Gateways on one log, and the address that they have in common, which leads to one of them."""

    path: Path
    port: int = 0

    def where(self, _: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"grpc": f"127.0.0.1:{self.port}"}) if self.port else httpx.Response(503)


async def test_whoever_follows_goes_on_at_another_gateway(room: Room, tmp_path: Path) -> None:
    """Gateways end abruptly, again and again, while much is said; nothing is missed, doubled or out of order."""
    replicas = Replicas(tmp_path / "log.db")
    held = await room.put_off(await room.ask("Write the report."))
    total, ended = 120, list[int]()

    async def say_much() -> None:
        for number in range(total):
            await room.do(held, "Say", id=str(number), parts=[{"text": str(number)}])
            await asyncio.sleep(0.01)

    async def end_gateways(follower: Follower) -> None:
        while True:
            async with opened_room(replicas.path) as other, opened_door(other) as replicas.port:
                enough = len(follower.got) + 10
                while len(follower.got) < enough or len(follower.got) > total - 20:  # the last one stays
                    await asyncio.sleep(0.01)
                ended.append(replicas.port)

    with respx.mock(assert_all_called=False) as net:
        net.get(PLACE).mock(side_effect=replicas.where)
        async with HttpGateway(Known()) as gateway:
            follower = Follower(gateway.conversation(turn_token=room.token(held)))
            ending, following = asyncio.create_task(end_gateways(follower)), asyncio.create_task(follower.follow())
            await say_much()
            await until(lambda: len(follower.got) > total)
            await room.do(held, "Finish", finished={"parts": [{"text": "the end"}]})
            async with asyncio.timeout(PATIENCE):
                await following
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)

    assert follower.seqs == [*range(1, total + 3)]
    assert follower.texts[1:] == [*(str(number) for number in range(total)), "the end"]
    assert len(ended) >= 4


async def test_streams_end_with_their_tokens_and_following_does_not(room: Room) -> None:
    brief = replace(room, bearer_seconds=1.6)
    held = await room.put_off(await room.ask("Write the report."))
    async with opened_door(brief) as port, HttpGateway(Known(), door=f"127.0.0.1:{port}") as gateway:
        follower = Follower(gateway.conversation(turn_token=room.token(held)))
        following = asyncio.create_task(follower.follow())
        for number in range(8):
            await room.do(held, "Say", id=str(number), parts=[{"text": str(number)}])
            await asyncio.sleep(0.3)
        await room.do(held, "Finish", finished={"parts": [{"text": "the end"}]})
        async with asyncio.timeout(PATIENCE):
            await following
    assert follower.seqs[:9] == [*range(1, 10)]
    assert len(follower.seqs) in {9, 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent(Room):
    """A gateway whose first streams say that they live, and then nothing, as behind a cable that was pulled."""

    streams: list[str]

    async def handle(self, call: Any, emit: Any) -> Any:
        if self.streams:
            self.streams.pop()
            await emit(Item({"mark": "0"}))
            await asyncio.Event().wait()
        return await Room.handle(self, call, emit)


async def test_a_stream_that_went_silent_is_left(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "SILENCE", 0.3)
    monkeypatch.setattr(conversation_desk, "BEAT", 0.1)
    held = await room.ask("Write the report.")
    silent = Silent(opened=room.opened, desk=room.desk, tokens=room.tokens, streams=["first", "second"])
    async with opened_door(silent) as port, HttpGateway(Known(), door=f"127.0.0.1:{port}") as gateway:
        follower = Follower(in_hand(room, held, gateway).gateway.conversation())
        following = asyncio.create_task(follower.follow())
        await until(lambda: bool(follower.got))
        assert silent.streams == []
        await room.do(held, "Say", id="1", parts=[{"text": "one"}])
        await asyncio.sleep(1)  # a stream that says that it lives is not left
        await until(lambda: len(follower.got) == 2)
        await settle(room, held, "done")
        async with asyncio.timeout(PATIENCE):
            await following
    assert follower.texts == ["Write the report.", "one", "done"]


async def test_a_refusal_ends_what_is_followed_with_its_reason(room: Room) -> None:
    held = await room.ask("Write the report.")

    class Guarded(Room):
        async def handle(self, call: Any, emit: Any) -> Any:
            if was_told.is_set():
                raise Denied("No policy permits it any more.")

            async def told(item: Any) -> None:
                await emit(item)
                if "message" in item.content:
                    was_told.set()

            handling = asyncio.create_task(room.handle(call, told))
            await was_told.wait()
            handling.cancel()
            raise Denied("It was ended, because it is no longer allowed.")

    was_told = asyncio.Event()
    guarded = Guarded(opened=room.opened, desk=room.desk, tokens=room.tokens)
    async with opened_door(guarded) as port, HttpGateway(Known(), door=f"127.0.0.1:{port}") as gateway:
        follower = Follower(in_hand(room, held, gateway).gateway.conversation())
        with pytest.raises(GatewayError, match="No policy permits it any more") as caught:
            await follower.follow()
    assert (caught.value.code, follower.texts) == ("denied", ["Write the report."])


async def test_what_is_under_way_when_the_gateway_is_closed_ends(room: Room) -> None:
    held = await room.ask("Write the report.")
    async with opened_door(room) as port:
        gateway = HttpGateway(Known(), door=f"127.0.0.1:{port}")
        follower = Follower(in_hand(room, held, gateway).gateway.conversation())
        following = asyncio.create_task(follower.follow())
        await until(lambda: bool(follower.got))
        await gateway.close()
        with pytest.raises(GatewayError, match="closed"):
            await following
        with pytest.raises(GatewayError, match="closed"):
            await in_hand(room, held, gateway).say("late")


# ---- turns that are put off


async def test_a_turn_that_is_put_off_is_finished_from_another_process(room: Room, gateway: HttpGateway) -> None:
    held = await room.ask("Write the report.")
    later = in_hand(room, held, gateway).put_off(hours=2, reason="It takes a while.")
    kept = later.write()
    await room.put_off(held)

    there = DeferredTurn.read(kept)
    report = artifact("# Report", id="report").artifact
    await there.at(gateway).say("Half of it.")
    await there.at(gateway).finish("Here it is.", artifacts=[report], metadata={"pages": 3})

    assert there == later
    assert later.token not in repr(later)
    assert (later.event.deferred.reason, later.event.deferred.until.seconds) == ("It takes a while.", int(later.until))
    assert (await room.turn(held.of)).state is TurnState.COMPLETED
    body = read_body((await room.messages(held.conversation))[-1].body)
    assert (body.parts[0].text, body.artifacts[0].id, body.metadata) == ("Here it is.", "report", {"pages": 3})


async def test_a_turn_that_is_put_off_hears_that_it_was_cancelled(room: Room, gateway: HttpGateway) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    follower = Follower(gateway.conversation(turn_token=room.token(held)), after=1)
    following = asyncio.create_task(follower.follow())
    await asyncio.sleep(0.2)
    await room.opened.log.revoke(held.of, by="person:alice")
    async with asyncio.timeout(PATIENCE):
        await following
    assert [message.kind for message in follower.got] == [agent_pb2.Message.CANCELLED]
    with pytest.raises(GatewayError):
        await gateway.conversation(turn_token=room.token(held)).finish("late")


async def test_a_turn_that_is_put_off_asks_or_fails(room: Room, gateway: HttpGateway) -> None:
    asking, failing = [await room.put_off(await room.ask(text)) for text in ("one", "two")]
    asked = question("Which colour?", schema={"type": "string"}, context=["red", "blue"])
    await gateway.conversation(turn_token=room.token(asking)).ask(asked.question)
    await gateway.conversation(turn_token=room.token(failing)).fail("No paper.", code="no_paper")
    assert (await room.turn(asking.of)).state is TurnState.WAITING
    assert (await room.turn(failing.of)).state is TurnState.FAILED
    assert part("red") in asked.question.context


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"turn": "t"}'])
def test_what_is_no_deferred_turn_is_not_read(text: str) -> None:
    with pytest.raises(ValueError):
        DeferredTurn.read(text)
