"""Attached by the library: turns and skills of an ordinary agent, without an address, through a real door."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from interchange.v1 import agent_pb2
from interchange_client.agent import AgentFailure, GatewayError, TurnInHand
from interchange_client.attaching import Stream, Work, attach
from interchange_client.mailbox import Entrance, Mailbox

from adapters.base import HandedBack
from adapters.mailbox.converse import MailboxConverser
from adapters.mailbox.limits import MailboxLimits
from registry.model import DeadlinePassed, Delta, FarSideError, FarSideFault, Result, nowhere
from tests.support.attaching import DESK, MAILBOX, Door, attaching_door
from tests.support.client_turns import QuietGateway
from tests.support.turns import Listener, again, open_turn, texts, turn
from tests.support.until import until

LIMITS = MailboxLimits(window=2_000, largest=20_000)
Said = AsyncIterator[str | agent_pb2.TurnEvent]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with attaching_door(tmp_path, limits=LIMITS) as opened:
        yield opened


class Agent:
    """Says one word, waits until it may go on, and notes what becomes of its turns."""

    def __init__(self) -> None:
        self.begun = asyncio.Queue[tuple[int, int]]()
        self.cancelled = asyncio.Queue[int]()
        self.go = asyncio.Event()

    async def answer(self, turn: TurnInHand) -> Said:
        try:
            yield "Wait"
            self.begun.put_nowait((turn.turn.attempt, turn.turn.fence))
            await self.go.wait()
            yield "ed"
        except asyncio.CancelledError:
            self.cancelled.put_nowait(turn.turn.attempt)
            raise


def running(stream: Stream) -> "asyncio.Task[None]":
    return asyncio.ensure_future(stream.run())


def asked(door: Door, of: Any = None, **more: Any) -> "asyncio.Task[Result]":
    converser = MailboxConverser(door.attachments)
    emit = more.pop("emit", nowhere)
    return asyncio.ensure_future(converser.converse(open_turn(MAILBOX, of or turn(), **more), emit))


async def test_a_function_answers_turns_as_it_would_over_grpc(door: Door) -> None:
    async def answer(turn: TurnInHand) -> Said:
        yield f"Hello {turn.person.name if turn.person else 'you'}, "
        yield f"you said {turn.text}; {turn.remaining():.0f} s are left."

    stream = running(await door.library(answer))
    listener = Listener()
    result = await asked(door, emit=listener, seconds=8.0)

    assert result.parts == texts("Hello ada, you said hello; 8 s are left.")
    assert [type(each) for each in listener.heard] == [Delta, Delta]
    stream.cancel()


async def test_what_an_agent_says_of_its_failure_arrives(door: Door) -> None:
    async def answer(turn: TurnInHand) -> Said:
        if turn.text == "on purpose":
            raise AgentFailure("Not today.", code="closed")
        yield "I "
        raise RuntimeError("secret")

    stream = running(await door.library(answer))
    with pytest.raises(FarSideError, match=r"desk gave up \(closed\): Not today\."):
        await asked(door, turn(*texts("on purpose")))
    with pytest.raises(FarSideError) as untold:
        await asked(door)
    assert "secret" not in untold.value.message
    stream.cancel()


async def test_an_agent_that_says_much_waits_until_it_is_heard(door: Door) -> None:
    said: list[int] = []
    go, heard = asyncio.Event(), asyncio.Event()

    async def answer(turn: TurnInHand) -> Said:
        for number in range(150):
            said.append(number)
            yield "x" * 100

    async def slow(_: object) -> None:
        heard.set()
        await go.wait()

    attached = await door.library(answer)
    stream = running(attached)
    result = asked(door, emit=slow)
    await heard.wait()
    (attempt,) = attached._attempts.values()
    await until(lambda: attempt.credit._unheard >= LIMITS.window)
    assert len(said) < 20, "2,000 bytes are the window"
    go.set()
    assert (await result).parts == texts("x" * 15_000)
    stream.cancel()


async def test_what_is_too_large_to_be_said_fails_that_turn_only(door: Door) -> None:
    async def answer(turn: TurnInHand) -> Said:
        yield "y" * (1 if turn.text == "little" else 30_000)

    stream = running(await door.library(answer))
    with pytest.raises(FarSideError, match=r"too_large.*the gateway takes 20000") as failed:
        await asked(door)
    assert not failed.value.retryable
    assert (await asked(door, turn(*texts("little")))).parts == texts("y")
    stream.cancel()


async def test_a_turn_that_nobody_waits_for_is_cancelled_at_the_agent(door: Door) -> None:
    agent = Agent()
    stream = running(await door.library(agent.answer, seats=1))
    answer = asked(door)
    await agent.begun.get()
    answer.cancel()
    assert await agent.cancelled.get() == 1

    late = asked(door, seconds=0.3)
    await agent.begun.get()
    with pytest.raises(DeadlinePassed):
        await late
    assert await agent.cancelled.get() == 1
    agent.go.set()
    assert (await asked(door)).parts == texts("Waited"), "and its seat is free again"
    stream.cancel()


async def test_a_later_attempt_ends_the_earlier_one_by_whichever_stream_it_comes(door: Door) -> None:
    agent, of = Agent(), turn()
    work = Work(name="desk", answer=agent.answer, skills={}, gateway=QuietGateway(), seats=2)
    streams = [running(await attach(door.channel(), work, "agent:desk")) for _ in range(2)]
    first = asked(door, of)
    assert await agent.begun.get() == (1, 0)
    second = asked(door, again(of, 1, 7))
    assert await agent.begun.get() == (1, 7), "the fence says which is later"
    with pytest.raises(FarSideError) as superseded:
        await first
    assert superseded.value.fault is FarSideFault.CONFLICT
    agent.go.set()
    assert (await second).parts == texts("Waited")
    for stream in streams:
        stream.cancel()


async def test_all_streams_together_have_the_seats_of_the_process(door: Door) -> None:
    agent = Agent()
    work = Work(name="desk", answer=agent.answer, skills={}, gateway=QuietGateway(), seats=2)
    streams = [running(await attach(door.channel(), work, "agent:desk")) for _ in range(2)]
    answers = [asked(door) for _ in range(4)]
    await agent.begun.get()
    await agent.begun.get()
    await asyncio.sleep(0)
    assert agent.begun.empty(), "two more wait, although the gateway sees four seats"
    agent.go.set()
    assert [each.parts for each in await asyncio.gather(*answers)] == [texts("Waited")] * 4
    for stream in streams:
        stream.cancel()


async def test_leaving_finishes_what_is_in_hand_and_hands_back_what_has_not_begun(door: Door) -> None:
    agent = Agent()
    work = Work(name="desk", answer=agent.answer, skills={}, gateway=QuietGateway(), seats=1)
    streams = [await attach(door.channel(), work, "agent:desk") for _ in range(2)]
    runs = [running(stream) for stream in streams]
    one, waiting = asked(door), asked(door)
    await agent.begun.get()
    leaving = [asyncio.ensure_future(stream.leave(10.0)) for stream in streams]

    done, _ = await asyncio.wait((one, waiting), return_when=asyncio.FIRST_COMPLETED)
    (handed_back,) = done
    error = handed_back.exception()
    assert isinstance(error, HandedBack)
    assert not error.lost
    assert not door.attachments.seats()
    agent.go.set()
    (finished,) = {one, waiting} - done
    assert (await finished).parts == texts("Waited")
    await asyncio.gather(*leaving)
    await asyncio.wait(runs)


async def test_leaving_hands_back_what_takes_too_long(door: Door) -> None:
    agent = Agent()
    stream = await door.library(agent.answer)
    run = running(stream)
    answer = asked(door)
    await agent.begun.get()
    await stream.leave(0.05)
    with pytest.raises(HandedBack) as handed_back:
        await answer
    assert not handed_back.value.lost
    assert await agent.cancelled.get() == 1
    await asyncio.wait([run])


async def test_a_gateway_that_is_gone_cancels_what_is_in_hand(door: Door) -> None:
    agent = Agent()
    stream = await door.library(agent.answer)
    run = running(stream)
    answer = asked(door)
    await agent.begun.get()
    await door.in_force(policies='forbid (principal == Agent::"desk", action == Action::"publish", resource);')
    assert await agent.cancelled.get() == 1
    with pytest.raises(HandedBack):
        await answer
    with pytest.raises(GatewayError, match="no longer allowed") as ended:
        await run
    assert ended.value.code == "denied"


async def test_a_refusal_is_told_in_the_gateways_words(door: Door) -> None:
    work = Work(name="clerk", answer=Agent().answer, skills={}, gateway=QuietGateway(), seats=1)
    with pytest.raises(GatewayError, match="nobody attaches with it") as refused:
        await attach(door.channel(), work, "agent:desk")
    assert refused.value.code == "denied"
    with pytest.raises(GatewayError) as unknown:
        await attach(door.channel(), work, "nonsense")
    assert unknown.value.code == "unauthenticated"


class Credentials:
    """Tokens of the desk; notes which were forgotten."""

    gateway_url = "http://127.0.0.1:1"

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.forgotten: list[str] = []

    async def token(self) -> str:
        return self.tokens[0]

    def forget(self, token: str) -> None:
        self.forgotten.append(token)
        self.tokens.remove(token)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interchange_client.mailbox.PAUSES", (0.01, 0.05))


async def unpublished(_: object, _url: str) -> None:
    """The agents of these tests are registered already."""


def mailbox_of(door: Door, agent: Agent, *tokens: str, addresses: int = 1) -> tuple[Mailbox, Credentials]:
    credentials: Any = Credentials(*(tokens or ("agent:desk",)))
    work = Work(name="desk", answer=agent.answer, skills={}, gateway=QuietGateway(), seats=2)
    entrances = [Entrance(url="http://127.0.0.1:1", door=door.address)] * addresses
    return Mailbox("", work, credentials=credentials, entrances=entrances), credentials


@pytest.mark.usefixtures("quick")
async def test_a_drained_attachment_is_replaced_at_once_and_finishes(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = Agent()
    mailbox, _ = mailbox_of(door, agent)
    keeping = asyncio.ensure_future(mailbox.keep(unpublished))
    await until(lambda: door.attachments.seats() == {DESK: 2})
    answer = asked(door)
    await agent.begun.get()
    (attachment,) = door.attachments._attached[DESK]
    attachment.drain("it is old")
    await until(lambda: len(door.attachments._attached[DESK]) == 2 and bool(door.attachments.seats()))
    agent.go.set()
    assert (await answer).parts == texts("Waited")
    await until(lambda: len(door.attachments._attached[DESK]) == 1)
    keeping.cancel()
    await asyncio.wait([keeping])
    await mailbox.leave(1.0)
    assert capsys.readouterr().out == "attached desk\n"


@pytest.mark.usefixtures("quick")
async def test_an_attachment_that_is_ended_is_tried_again_and_that_is_said_once(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    mailbox, _ = mailbox_of(door, Agent())
    keeping = asyncio.ensure_future(mailbox.keep(unpublished))
    await until(lambda: bool(door.attachments.seats()))
    await door.in_force(policies='forbid (principal == Agent::"desk", action == Action::"publish", resource);')
    known = door.known
    await until(lambda: door.known > known + 3)
    assert not door.attachments.seats()
    await door.in_force()
    await until(lambda: bool(door.attachments.seats()))
    keeping.cancel()
    await asyncio.wait([keeping])
    await mailbox.leave(1.0)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(set(said)) == 2
    assert all(line.startswith("desk is not attached to http://127.0.0.1:1: ") for line in said)


async def test_a_token_that_is_refused_is_renewed_once(door: Door) -> None:
    mailbox, credentials = mailbox_of(door, Agent(), "stale", "agent:desk")
    keeping = asyncio.ensure_future(mailbox.keep(unpublished))
    await until(lambda: bool(door.attachments.seats()))
    assert credentials.forgotten == ["stale"]
    keeping.cancel()
    await asyncio.wait([keeping])
    await mailbox.leave(1.0)


async def test_a_process_attaches_at_every_gateway(door: Door, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with attaching_door(tmp_path / "other") as other:
        agent = Agent()
        agent.go.set()
        credentials: Any = Credentials("agent:desk")
        work = Work(name="desk", answer=agent.answer, skills={}, gateway=QuietGateway(), seats=2)
        entrances = [Entrance(url=f"http://127.0.0.1:{n}", door=at.address) for n, at in ((1, door), (2, other))]
        mailbox = Mailbox("", work, credentials=credentials, entrances=entrances)
        keeping = asyncio.ensure_future(mailbox.keep(unpublished))
        for each in (door, other):
            await until(lambda each=each: bool(each.attachments.seats()))
            assert (await asked(each)).parts == texts("Waited")
        keeping.cancel()
        await asyncio.wait([keeping])
        await mailbox.leave(1.0)


@pytest.mark.usefixtures("quick")
async def test_a_gateway_that_comes_back_is_attached_to_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = Agent()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    async with attaching_door(tmp_path / "first") as first:
        mailbox, _ = mailbox_of(first, agent)
        keeping = asyncio.ensure_future(mailbox.keep(unpublished))
        await until(lambda: bool(first.attachments.seats()))
        lost = asked(first)
        await agent.begun.get()
    with pytest.raises(HandedBack):
        await lost
    assert await agent.cancelled.get() == 1
    port = int(first.address.rpartition(":")[2])
    async with attaching_door(tmp_path / "second", port=port) as second:
        await until(lambda: bool(second.attachments.seats()))
        agent.go.set()
        assert (await asked(second)).parts == texts("Waited")
        keeping.cancel()
        await asyncio.wait([keeping])
        await mailbox.leave(1.0)
    assert "desk is not attached to http://127.0.0.1:1: " in capsys.readouterr().err
