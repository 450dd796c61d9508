"""Skills of agents that are attached: calls by hand, and an ordinary servicer that knows nothing of where it is."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import grpc as typed_grpc
import orjson
import pytest
from interchange.v1 import messages_pb2, work_pb2
from interchange.v1.messages_pb2_grpc import MessagesServicer, add_MessagesServicer_to_server
from interchange_client.agent import mailbox_skills
from interchange_client.servicing import CallContext, SkillEnded, perform

from adapters.base import HandedBack
from adapters.grpc.limits import Limits
from adapters.mailbox.adapter import MailboxAdapter
from registry.model import (
    Attempt,
    Chain,
    ConversationId,
    Emission,
    FarSideError,
    FarSideFault,
    Progress,
    Result,
    Streaming,
    TooLarge,
    TurnId,
    nowhere,
)
from tests.integration.adapters_grpc.far_side import READS, WRITES, permitted, question, reply
from tests.support.attaching import DESK, MAILBOX, Door, attaching_door
from tests.support.until import until

grpc: Any = typed_grpc
ASK, TELL = "/desk.v1.Desk/Ask", "/desk.v1.Desk/Tell"


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with attaching_door(tmp_path) as opened:
        yield opened


async def token_for(chain: Chain, audience: str) -> str:
    return f"token-of-{chain.caller.name}-for-{audience}"


def called(door: Door, emit: Any = nowhere, **how: Any) -> "asyncio.Task[Result]":
    """A call of the desk's skill, begun."""
    adapter = MailboxAdapter(door.attachments, token_for, limits=Limits(answer=50_000))
    return asyncio.ensure_future(adapter.deliver(permitted(MAILBOX, **how), emit))


def piece(given: work_pb2.Assignment, message: bytes | None = None, *, end: int | None = 0) -> dict[str, Any]:
    ended = None if end is None else work_pb2.Ended(code=end, message="words")
    return {"piece": work_pb2.Piece(attempt=given.attempt, message=message, ended=ended)}


# ---- by hand


async def test_a_call_is_brought_as_a_server_would_get_it(door: Door) -> None:
    process = await door.attach(methods=[ASK])
    answer = called(door)
    given = await process.assignment()

    assert given.call.method == ASK
    assert question(given.call.request) == {"text": "hello"}
    assert [link.name for link in given.call.chain] == ["ada"]
    told = {each.key: each.value.decode() for each in given.call.metadata}
    assert told["authorization"] == "Bearer token-of-ada-for-grpc://desk"
    assert told["ix-call"] == told["ix-delivery"] == given.call_id == given.attempt.delivery_id
    assert (told["ix-attempt"], told["ix-fence"]) == ("1", "0")
    assert 0 < given.time_left.seconds <= 5

    await process.say(**piece(given, reply(text="ok")))
    result = await answer
    assert orjson.loads(result.text)["text"] == "ok"
    await until(lambda: door.attachments.seats() == {DESK: 4})


async def test_an_attempt_of_the_log_goes_by_its_delivery_and_fence(door: Door) -> None:
    process = await door.attach(methods=[ASK])
    asked = permitted(MAILBOX)
    tried = Attempt(turn=TurnId("t"), conversation=ConversationId("c"), delivery="d-1", number=3, fence=9, input=())
    asked = replace(asked, call=replace(asked.call, attempt=tried))
    answer = asyncio.ensure_future(MailboxAdapter(door.attachments, token_for).deliver(asked, nowhere))
    given = await process.assignment()
    assert given.attempt == work_pb2.Attempt(delivery_id="d-1", number=3, fence=9)
    told = {each.key: each.value for each in given.call.metadata}
    assert (told["ix-delivery"], told["ix-attempt"], told["ix-fence"]) == (b"d-1", b"3", b"9")
    await process.say(**piece(given, reply(text="ok")))
    await answer


async def test_of_a_stream_the_last_message_is_the_result(door: Door) -> None:
    process, heard = await door.attach(methods=[TELL]), list[Emission]()

    async def emit(emission: Emission) -> None:
        heard.append(emission)

    answer = called(door, emit, streaming=Streaming.LAST)
    given = await process.assignment()
    for text in ("one", "two"):
        await process.say(**piece(given, reply(text=text), end=None))
    await process.say(**piece(given, reply(text="three")))
    assert orjson.loads((await answer).text)["text"] == "three"
    assert [each.progress for each in heard if isinstance(each, Progress)] == [1, 2]


async def test_a_stream_may_be_collected(door: Door) -> None:
    process = await door.attach(methods=[TELL])
    answer = called(door, streaming=Streaming.COLLECT)
    given = await process.assignment()
    for text in ("one", "two"):
        await process.say(**piece(given, reply(text=text), end=None))
    await process.say(**piece(given))
    assert [each["text"] for each in orjson.loads((await answer).text)["items"]] == ["one", "two"]


@pytest.mark.parametrize(("messages", "words"), [((), "none"), ((b"", b""), "several messages")])
async def test_a_method_has_exactly_one_message(door: Door, messages: tuple[bytes, ...], words: str) -> None:
    process = await door.attach(methods=[ASK])
    answer = called(door)
    given = await process.assignment()
    for message in messages:
        await process.say(**piece(given, message, end=None))
    await process.say(**piece(given))
    with pytest.raises(FarSideError, match=words) as garbled:
        await answer
    assert garbled.value.fault is FarSideFault.GARBLED


async def test_what_cannot_be_read_is_garbled_and_what_is_too_large_is_not_read(door: Door) -> None:
    process = await door.attach(methods=[ASK])
    answers = [called(door), called(door)]
    for message in (b"\xff\xff", b"x" * 60_000):
        await process.say(**piece(await process.assignment(), message))
    with pytest.raises(FarSideError) as garbled:
        await answers[0]
    assert garbled.value.fault is FarSideFault.GARBLED
    with pytest.raises(TooLarge, match="limit of 50000 bytes"):
        await answers[1]


async def test_a_call_goes_only_to_who_has_the_method(door: Door) -> None:
    await door.attach(methods=[TELL])
    with pytest.raises(FarSideError, match="no seat free"):
        await called(door)
    process = await door.attach(methods=[ASK])
    answer = called(door)
    await process.say(**piece(await process.assignment(), reply(text="ok")))
    await answer


@pytest.mark.parametrize(
    ("hints", "how", "again"),
    [(READS, "gone", True), (WRITES, "gone", False), (READS, "back", True), (WRITES, "back", True)],
)
async def test_only_what_may_be_repeated_or_was_not_begun_comes_again(
    door: Door, hints: Any, how: str, again: bool
) -> None:
    process = await door.attach(methods=[ASK])
    answer = called(door, hints=hints)
    given = await process.assignment()
    if how == "gone":
        process.call.cancel()
    else:
        await process.say(hand_back=work_pb2.HandBack(attempt=given.attempt))
    with pytest.raises(FarSideError) as failed:
        await answer
    assert (isinstance(failed.value, HandedBack), failed.value.retryable) == (again, again)
    assert again or "may have been carried out all the same" in failed.value.message


# ---- by the library


class Ledger(MessagesServicer):
    """Two methods of a service like any other, and the rest of it unimplemented."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.hanging, self.go = asyncio.Event(), asyncio.Event()

    async def Hold(self, request: Any, context: Any) -> Any:
        assert 0 < context.time_remaining() <= 5
        match request.reason:
            case "abort":
                await context.abort(grpc.StatusCode.NOT_FOUND, "there is nobody")
            case "set":
                context.set_code(grpc.StatusCode.FAILED_PRECONDITION)
                context.set_details("not today")
            case "break":
                raise RuntimeError("secret")
            case _:
                pass
        return messages_pb2.HoldResponse(conversation=messages_pb2.LoggedConversation(hold=request.reason))

    def Erase(self, request: Any, context: Any) -> Any:
        if not request.id:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "who?")
        return messages_pb2.EraseResponse(seq=7)


def ledger() -> Any:
    """One of it; what types say is abstract is there, and answers that it is not implemented."""
    return cast("Any", Ledger)()


HOLD, ERASE = "/interchange.v1.Messages/Hold", "/interchange.v1.Messages/Erase"


class Called:
    """What a method said, by itself."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    async def send(self, message: bytes) -> None:
        self.said.append(message)

    async def of(self, skills: Any, method: str, request: Any) -> list[bytes]:
        found = skills[method]
        ends_at = asyncio.get_running_loop().time() + 5
        await perform(
            found, request.SerializeToString(), CallContext(found, metadata=(), ends_at=ends_at, send=self.send)
        )
        return self.said


async def test_an_ordinary_servicer_is_collected_and_called() -> None:
    skills = mailbox_skills(add_MessagesServicer_to_server, ledger())
    assert {HOLD, ERASE} < set(skills)
    (found,) = await Called().of(skills, HOLD, messages_pb2.HoldRequest(reason="court"))
    assert messages_pb2.HoldResponse.FromString(found).conversation.hold == "court"
    (erased,) = await Called().of(skills, ERASE, messages_pb2.EraseRequest(id="e-1"))
    assert messages_pb2.EraseResponse.FromString(erased).seq == 7, "a function that is not async runs in a thread"


@pytest.mark.parametrize(
    ("method", "request_", "code", "details"),
    [
        (HOLD, messages_pb2.HoldRequest(reason="abort"), "NOT_FOUND", "there is nobody"),
        (HOLD, messages_pb2.HoldRequest(reason="set"), "FAILED_PRECONDITION", "not today"),
        (HOLD, messages_pb2.HoldRequest(reason="break"), "UNKNOWN", "The skill failed."),
        (ERASE, messages_pb2.EraseRequest(), "INVALID_ARGUMENT", "who?"),
        ("/interchange.v1.Messages/Show", messages_pb2.ShowConversationRequest(), "UNIMPLEMENTED", "not implemented"),
    ],
)
async def test_a_servicer_ends_as_it_would_on_a_server(method: str, request_: Any, code: str, details: str) -> None:
    skills = mailbox_skills(add_MessagesServicer_to_server, ledger())
    with pytest.raises(SkillEnded) as ended:
        await Called().of(skills, method, request_)
    assert ended.value.code.name == code
    assert details in ended.value.details


async def test_streams_come_in_every_way_that_servicers_have() -> None:
    async def by_yield(request: bytes, _context: Any) -> AsyncIterator[bytes]:
        yield request
        yield b"2"

    async def by_write(request: bytes, context: Any) -> None:
        await context.write(request)
        await context.write(b"2")

    def in_a_thread(request: bytes, _context: Any) -> Iterator[bytes]:
        yield request
        yield b"2"

    def register(servicer: object, server: Any) -> None:
        ways = {"Yield": by_yield, "Write": by_write, "Thread": in_a_thread}
        handlers = {name: grpc.unary_stream_rpc_method_handler(way) for name, way in ways.items()}
        handlers["Talk"] = grpc.stream_stream_rpc_method_handler(by_yield)
        server.add_registered_method_handlers("s.S", handlers)

    skills = mailbox_skills(register, object())
    assert sorted(skills) == ["/s.S/Thread", "/s.S/Write", "/s.S/Yield"], "who is sent a stream has no skill"
    for name in skills:
        assert await Called().of(skills, name, messages_pb2.ReleaseRequest(conversation="q")) == [b"\n\x01q", b"2"]


def test_what_registers_nothing_has_no_skills() -> None:
    with pytest.raises(ValueError, match="registers no method"):
        mailbox_skills(lambda _servicer, _server: None, object())


async def test_a_servicer_without_an_address_answers_calls(door: Door) -> None:
    servicer = ledger()

    async def ask(request: bytes, context: Any) -> bytes:
        servicer.told = dict(context.invocation_metadata())
        text = str(question(request)["text"])
        if text == "abort":
            context.abort(grpc.StatusCode.NOT_FOUND, "there is nobody")
        if text == "hang":
            servicer.hanging.set()
            await servicer.go.wait()
        return reply(text=text.upper() if text != "much" else "x" * 20_000_000)

    async def tell(request: bytes, _context: Any) -> AsyncIterator[bytes]:
        for number in range(3):
            yield reply(text=str(number))

    def register(_servicer: object, server: Any) -> None:
        handlers = {
            "Ask": grpc.unary_unary_rpc_method_handler(ask),
            "Tell": grpc.unary_stream_rpc_method_handler(tell),
        }
        server.add_registered_method_handlers("desk.v1.Desk", handlers)

    stream = await door.library(None, skills=mailbox_skills(register, servicer))
    run = asyncio.ensure_future(stream.run())

    assert orjson.loads((await called(door, arguments={"text": "hello"})).text)["text"] == "HELLO"
    assert servicer.told["authorization"] == "Bearer token-of-ada-for-grpc://desk"
    assert orjson.loads((await called(door, streaming=Streaming.LAST)).text)["text"] == "2"
    with pytest.raises(FarSideError, match="there is nobody") as missing:
        await called(door, arguments={"text": "abort"})
    assert missing.value.fault is FarSideFault.NOT_FOUND
    with pytest.raises(FarSideError, match="the gateway takes") as too_much:
        await called(door, arguments={"text": "much"})
    assert not too_much.value.retryable

    for hints, retryable in ((READS, True), (WRITES, False)):
        servicer.hanging.clear()
        if run.done():
            stream = await door.library(None, skills=mailbox_skills(register, servicer))
            run = asyncio.ensure_future(stream.run())
        hanging = called(door, arguments={"text": "hang"}, hints=hints)
        await servicer.hanging.wait()
        await stream.leave(0.05)
        with pytest.raises(FarSideError) as stopped:
            await hanging
        assert stopped.value.retryable is retryable, "nobody can say how far it came"
        await asyncio.wait([run])
