"""The contract of `adapters.base.Converser`, run on every implementation: what an agent is told and how its answer, its
silence and its end reach the caller.

An implementation joins with a row in `HOSTS`: something that has `speak` answer turns, and reaches it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc as typed_grpc
import grpc.aio as typed_aio
import pytest
from interchange.v1 import agent_pb2 as wire
from interchange.v1 import work_pb2

from adapters.base import Converser
from adapters.grpc.channels import Channels
from adapters.grpc.converse import GrpcConverser
from adapters.grpc.limits import Limits
from adapters.mailbox.converse import MailboxConverser
from adapters.turn_events import TurnLimits
from registry.model import (
    Artifact,
    BadRequest,
    Binding,
    BindingKind,
    Chain,
    DeadlinePassed,
    Delta,
    Emission,
    FarSideError,
    FarSideFault,
    JsonValue,
    Part,
    Progress,
    Said,
    TooLarge,
    nowhere,
)
from tests.support.attaching import MAILBOX, Process, attaching_door
from tests.support.turns import (
    ADA,
    CONVERSE,
    PLANNER,
    Listener,
    artifact,
    delta,
    done,
    failed,
    message,
    open_turn,
    status,
    texts,
    turn,
)

# Both come without types worth having.
grpc: Any = typed_grpc
aio: Any = typed_aio

ANSWER_LIMIT = 100_000
Speak = Callable[[wire.Turn], AsyncIterator[wire.TurnEvent]]


@dataclass(frozen=True)
class Hosted:
    """An agent that answers turns: how it is reached, and where it is bound."""

    converser: Converser
    binding: Binding


Host = Callable[[Speak], AbstractAsyncContextManager[Hosted]]


async def _token_for(chain: Chain, audience: str) -> str:
    return f"token-of-{chain.caller.name}-for-{audience}"


@asynccontextmanager
async def _over_grpc(speak: Speak) -> AsyncGenerator[Hosted, None]:
    """The agent in a server of its own."""

    async def converse(request: wire.Turn, _context: object) -> AsyncIterator[wire.TurnEvent]:
        async for event in speak(request):
            yield event

    method = grpc.unary_stream_rpc_method_handler(
        converse, request_deserializer=wire.Turn.FromString, response_serializer=wire.TurnEvent.SerializeToString
    )
    service, name = CONVERSE.removeprefix("/").split("/")
    server = aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channels = Channels(limits=Limits(answer=ANSWER_LIMIT))
    try:
        binding = Binding(kind=BindingKind.GRPC, targets=(f"127.0.0.1:{port}",))
        yield Hosted(GrpcConverser(channels, _token_for), binding)
    finally:
        await channels.close()
        await server.stop(None)


@asynccontextmanager
async def _over_mailbox(speak: Speak) -> AsyncGenerator[Hosted, None]:
    """The agent in a process that has attached, which says no more than `speak` does, and how that ended."""
    with TemporaryDirectory() as folder:
        async with attaching_door(Path(folder)) as door:
            process = await door.attach("desk", seats=100)
            working = asyncio.ensure_future(_working(process, speak))
            try:
                yield Hosted(MailboxConverser(door.attachments, limits=TurnLimits(answer=ANSWER_LIMIT)), MAILBOX)
            finally:
                working.cancel()
                await asyncio.wait([working])


async def _working(process: Process, speak: Speak) -> None:
    tasks: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        while True:
            response = await process.next()
            match response.WhichOneof("response"):
                case "assignment":
                    given = response.assignment
                    tasks[given.attempt.delivery_id] = group.create_task(_answering(process, given, speak))
                case "withdrawn":
                    tasks[response.withdrawn.attempt.delivery_id].cancel()
                case _:
                    pass  # it does not wait until it is heard, which costs it too much that it says


async def _answering(process: Process, given: work_pb2.Assignment, speak: Speak) -> None:
    try:
        async for event in speak(given.turn):
            await process.answer(given.attempt, event, end=None)
        await process.answer(given.attempt)
    except RuntimeError as error:
        ended = work_pb2.Ended(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
        await process.say(piece=work_pb2.Piece(attempt=given.attempt, ended=ended))


HOSTS: dict[str, Host] = {"grpc": _over_grpc, "mailbox": _over_mailbox}


@pytest.fixture(params=list(HOSTS.values()), ids=list(HOSTS))
def host(request: pytest.FixtureRequest) -> Host:
    return request.param


def saying(*events: wire.TurnEvent) -> Speak:
    """Answers with those events."""

    async def speak(_turn: wire.Turn) -> AsyncIterator[wire.TurnEvent]:
        for event in events:
            yield event

    return speak


async def refused(host: Host, speak: Speak) -> FarSideError:
    async with host(speak) as agent:
        with pytest.raises(FarSideError) as caught:
            await agent.converser.converse(open_turn(agent.binding), nowhere)
    return caught.value


async def test_an_answer_comes_back_whole_and_what_led_to_it_on_the_way(host: Host) -> None:
    events = [
        status("Looking", 1, 2),
        message("Found two."),
        artifact("list", "ann\n", title="Names"),
        artifact("list", "bob\n", append=True, last=True),
        delta("Ann "),
        delta("first."),
        done("Ann first.", model="m"),
    ]
    listener = Listener()
    async with host(saying(*events)) as agent:
        of = turn()
        result = await agent.converser.converse(open_turn(agent.binding, of), listener)

    assert listener.heard == [
        Progress(progress=1, total=2, text="Looking"),
        Said(parts=texts("Found two.")),
        Artifact(id="list", parts=texts("ann\n"), name="Names"),
        Artifact(id="list", parts=texts("bob\n"), append=True, last=True),
        Delta(part=Part(text="Ann ")),
        Delta(part=Part(text="first.")),
    ]
    assert result.parts == texts("Found two.", "Ann first.")
    assert result.artifacts == (Artifact(id="list", parts=texts("ann\n", "bob\n"), name="Names", last=True),)
    assert result.metadata == {"model": "m"}
    assert (result.turn, result.conversation) == (of.id, of.conversation)


async def test_the_agent_is_told_who_asks_what_in_which_turn_and_by_when(host: Host) -> None:
    told: list[wire.Turn] = []

    async def speak(asked: wire.Turn) -> AsyncIterator[wire.TurnEvent]:
        told.append(asked)
        yield done("ok")

    of = turn(Part(text="hello"), Part(data={"n": 1, "nested": [{"a": None}]}), Part(raw=b"\x00", filename="x"))
    of = replace(of, extensions=("https://example.com/ext/v1",))
    async with host(speak) as agent:
        before = datetime.now(UTC)
        await agent.converser.converse(open_turn(agent.binding, of, timeout=60, seconds=100), nowhere)

    [seen] = told
    assert (seen.turn_id, seen.delivery_id) == (of.id, of.id)
    assert (seen.conversation_id, seen.agent) == (of.conversation, "desk")
    assert (seen.attempt, seen.fence, seen.turn_token) == (1, 0, "turn-token")
    assert [(link.kind, link.name) for link in seen.chain] == [
        (wire.Principal.PERSON, "ada"),
        (wire.Principal.AGENT, "planner"),
    ]
    assert (seen.chain[0].issuer, seen.chain[0].subject, seen.chain[0].domain) == (ADA.issuer, ADA.subject, "office")
    [asked] = seen.input
    assert (asked.kind, asked.sender.name) == (wire.Message.SAID, PLANNER.name)
    assert (asked.id, asked.turn_id, asked.conversation_id) == (of.id, of.id, of.conversation)
    assert asked.parts[0].text == "hello"
    assert (
        asked.parts[1]
        .data.struct_value.fields["nested"]
        .list_value.values[0]
        .struct_value.fields["a"]
        .HasField("null_value")
    )
    assert (asked.parts[2].raw, asked.parts[2].filename) == (b"\x00", "x")
    assert not seen.history
    assert list(seen.extensions) == ["https://example.com/ext/v1"]
    at, deadline = (stamp.ToDatetime(UTC) for stamp in (asked.at, seen.deadline))
    assert abs((at - before).total_seconds()) < 30
    assert 30 < (deadline - before).total_seconds() <= 90


async def test_data_that_protobuf_cannot_hold_is_the_callers_to_mend(host: Host) -> None:
    deep: JsonValue = 1
    for _ in range(40):
        deep = [deep]
    async with host(saying(done("never"))) as agent:
        for data in (deep, 10**400):
            with pytest.raises(BadRequest, match="cannot be brought to desk"):
                await agent.converser.converse(open_turn(agent.binding, turn(Part(data=data))), nowhere)


async def test_an_agent_that_gives_up_is_quoted(host: Host) -> None:
    error = await refused(host, saying(failed("Nobody fits.", "none", retryable=True)))
    assert (error.fault, error.retryable) == (FarSideFault.REJECTED, True)
    assert error.message == "desk gave up (none): Nobody fits."


@pytest.mark.parametrize(
    "events",
    [(), (message("a"),), (done("a"), done("b")), (done("a"), failed()), (wire.TurnEvent(), done())],
    ids=["nothing", "no end", "two ends", "failed after the end", "an event of nothing"],
)
async def test_what_is_no_answer_is_garbled(host: Host, events: tuple[wire.TurnEvent, ...]) -> None:
    assert (await refused(host, saying(*events))).fault is FarSideFault.GARBLED


async def test_a_question_ends_a_turn_as_far_as_there_is_somebody_to_be_asked(host: Host) -> None:
    async with host(saying(wire.TurnEvent(question=wire.Question(id="q", text="Which?")))) as agent:
        result = await agent.converser.converse(open_turn(agent.binding), nowhere)
    assert result.question is not None
    assert (result.question.id, result.question.text) == ("q", "Which?")

    error = await refused(host, saying(wire.TurnEvent(question=wire.Question(id="q", kind="APPROVAL", text="May I?"))))
    assert error.fault is FarSideFault.UNSUPPORTED


async def test_an_agent_that_breaks_says_nothing_of_itself(host: Host) -> None:
    async def speak(_turn: wire.Turn) -> AsyncIterator[wire.TurnEvent]:
        yield message("Wait.")
        raise RuntimeError("password is hunter2")

    error = await refused(host, speak)
    assert error.fault is FarSideFault.BROKEN
    assert error.message.startswith("desk ")
    assert "hunter2" not in error.message


async def test_an_answer_without_end_is_cut_off(host: Host) -> None:
    async def speak(_turn: wire.Turn) -> AsyncIterator[wire.TurnEvent]:
        while True:
            yield delta("x" * 1_000)
            await asyncio.sleep(0)

    async with host(speak) as agent:
        with pytest.raises(TooLarge, match=str(ANSWER_LIMIT)):
            await agent.converser.converse(open_turn(agent.binding), nowhere)


@pytest.mark.parametrize(("timeout", "seconds"), [(0.2, 30.0), (30.0, 0.2)])
async def test_the_earlier_of_the_agents_and_the_calls_deadline_ends_a_turn(
    host: Host, timeout: float, seconds: float
) -> None:
    async def speak(_turn: wire.Turn) -> AsyncIterator[wire.TurnEvent]:
        yield delta("Well, ")
        await asyncio.Event().wait()

    async with host(speak) as agent, asyncio.timeout(10):
        with pytest.raises(DeadlinePassed, match="desk did not answer in time"):
            await agent.converser.converse(open_turn(agent.binding, timeout=timeout, seconds=seconds), nowhere)


async def test_a_deadline_that_has_passed_already_is_not_begun(host: Host) -> None:
    begun = False

    async def speak(_turn: wire.Turn) -> AsyncIterator[wire.TurnEvent]:
        nonlocal begun
        begun = True
        yield done()

    async with host(speak) as agent:
        with pytest.raises(DeadlinePassed):
            await agent.converser.converse(open_turn(agent.binding, seconds=-1), nowhere)
    assert not begun


async def test_cancelling_the_task_cancels_the_turn_at_the_agent(host: Host) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def speak(_turn: wire.Turn) -> AsyncIterator[wire.TurnEvent]:
        yield delta("Well, ")
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with host(speak) as agent, asyncio.timeout(10):
        turn_in_hand = asyncio.ensure_future(agent.converser.converse(open_turn(agent.binding), nowhere))
        await begun.wait()
        turn_in_hand.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn_in_hand
        await cancelled.wait()


async def test_a_listener_that_fails_ends_the_turn_at_the_agent(host: Host) -> None:
    ended = asyncio.Event()

    async def speak(_turn: wire.Turn) -> AsyncIterator[wire.TurnEvent]:
        try:
            yield delta("Well, ")
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def emit(_emission: Emission) -> None:
        raise ConnectionResetError

    async with host(speak) as agent, asyncio.timeout(10):
        with pytest.raises(ConnectionResetError):
            await agent.converser.converse(open_turn(agent.binding), emit)
        await ended.wait()


async def test_turns_at_once_get_their_own_answers(host: Host) -> None:
    async def speak(asked: wire.Turn) -> AsyncIterator[wire.TurnEvent]:
        text = asked.input[0].parts[0].text
        yield delta(text)
        await asyncio.sleep(0)
        yield done(text)

    async with host(speak) as agent:
        results = await asyncio.gather(
            *(
                agent.converser.converse(open_turn(agent.binding, turn(Part(text=f"n{number}"))), nowhere)
                for number in range(50)
            )
        )
    assert [result.parts for result in results] == [texts(f"n{number}") for number in range(50)]
