"""Turns over gRPC: what is said beside them, how they are lost, and what their targets may take from others.

What holds of every `Converser` is in `tests/contract/test_converser.py`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import pytest
from interchange.v1 import agent_pb2 as wire
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from adapters.base import OpenTurn
from adapters.grpc.adapter import GrpcAdapter
from adapters.grpc.breaker import BreakerRule
from adapters.grpc.channels import Channels
from adapters.grpc.converse import GrpcConverser
from adapters.grpc.limits import MIB, Limits
from registry.model import (
    Binding,
    BindingKind,
    DeadlinePassed,
    Delta,
    Emission,
    FarSideError,
    FarSideFault,
    Overloaded,
    Part,
    Tls,
    TooLarge,
    Turn,
    nowhere,
)
from tests.integration.adapters_grpc.certificates import Authority
from tests.integration.adapters_grpc.conftest import FakeClock, token_for
from tests.integration.adapters_grpc.far_side import Context, Telling, binding, permitted, serving, telling
from tests.support import turns
from tests.support.turns import Listener, again, delta, done, message, texts, turn


@pytest.fixture
async def channels(clock: FakeClock) -> AsyncGenerator[Channels, None]:
    channels = Channels(breaker=BreakerRule(failures=2), clock=clock)
    yield channels
    await channels.close()


@pytest.fixture
def converser(channels: Channels) -> GrpcConverser:
    return GrpcConverser(channels, token_for)


def open_turn(
    where: Binding | None,
    of: Turn | None = None,
    *,
    method: str = "Tell",
    timeout: float = 10.0,
    seconds: float = 10.0,
) -> OpenTurn:
    """A turn of the desk, whose service converses by that method."""
    return turns.open_turn(where, of, converse=f"/desk.v1.Desk/{method}", timeout=timeout, seconds=seconds)


def saying(*events: wire.TurnEvent) -> Telling:
    return telling(*(event.SerializeToString() for event in events))


def aborting(code: grpc.StatusCode, details: str = "", *, after: tuple[wire.TurnEvent, ...] = ()) -> Telling:
    """Says that much, then ends with a status."""

    async def tell(_request: bytes, context: Context) -> AsyncIterator[bytes]:
        for event in after:
            yield event.SerializeToString()
        await context.abort(code, details)

    return tell


async def forever(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
    while True:
        yield delta("x" * 1_000).SerializeToString()


async def hang(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def refused(converser: GrpcConverser, tell: Telling) -> FarSideError:
    """What becomes of a turn that is answered like that. It was sent once."""
    async with serving(tell=tell) as far_side:
        with pytest.raises(FarSideError) as caught:
            await converser.converse(open_turn(binding(far_side.target)), nowhere)
    assert far_side.attempts == 1
    return caught.value


# --- what goes along


async def test_the_agent_is_told_which_turn_and_attempt_it_is_and_by_whose_leave(converser: GrpcConverser) -> None:
    async with serving(tell=saying(done("ok"))) as far_side:
        asked = open_turn(binding(far_side.target), again(turn(), attempt=3, fence=7))
        await converser.converse(asked, nowhere)

    seen, sent = far_side.metadata[0], wire.Turn.FromString(far_side.requests[0])
    assert seen["authorization"] == "Bearer token-of-planner-for-grpc://desk"
    assert (seen["ix-call"], seen["ix-delivery"]) == (asked.call.id, asked.turn.id)
    assert (seen["ix-attempt"], seen["ix-fence"]) == ("3", "7")
    assert (sent.delivery_id, sent.attempt, sent.fence) == (asked.turn.id, 3, 7)
    assert sent.turn_token == "turn-token"


async def test_a_foreign_agent_is_told_the_message_and_nothing_of_ours(converser: GrpcConverser) -> None:
    async with serving(tell=saying(done("ok"))) as far_side:
        foreign = replace(binding(far_side.target), kind=BindingKind.FOREIGN)
        await converser.converse(open_turn(foreign), nowhere)

    seen, sent = far_side.metadata[0], wire.Turn.FromString(far_side.requests[0])
    assert "authorization" not in seen
    assert not [key for key in seen if key.startswith(("ix-", "trace"))]
    assert not sent.turn_token
    assert not sent.chain
    assert not sent.input[0].HasField("sender")
    assert sent.input[0].parts[0].text == "hello"


async def test_a_turn_is_one_client_span_and_the_agent_is_its_child(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    converser = GrpcConverser(channels, token_for)
    async with serving(tell=saying(delta("secret"), done("secret"))) as far_side:
        await converser.converse(open_turn(binding(far_side.target)), nowhere)
        with pytest.raises(FarSideError):
            await converser.converse(open_turn(binding(far_side.target), method="Gone"), nowhere)

    good, bad = exporter.get_finished_spans()
    assert (good.name, good.kind) == ("desk.v1.Desk/Tell", SpanKind.CLIENT)
    assert dict(good.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "desk.v1.Desk",
        "rpc.method": "Tell",
        "rpc.grpc.status_code": 0,
        "server.address": "127.0.0.1",
        "server.port": far_side.port,
    }
    assert good.context is not None
    assert f"{good.context.span_id:016x}" in str(far_side.metadata[0]["traceparent"])
    assert (bad.attributes or {})["error.type"] == "UNIMPLEMENTED"
    provider.shutdown()


# --- how it fails


@pytest.mark.parametrize("nowhere_bound", [None, binding(), Binding(kind=BindingKind.GRPC)])
async def test_an_agent_that_is_not_bound_is_named_with_the_command_that_binds_it(
    converser: GrpcConverser, nowhere_bound: Binding | None
) -> None:
    with pytest.raises(FarSideError, match=r"desk .*interchange registry bind") as caught:
        await converser.converse(open_turn(nowhere_bound), nowhere)
    assert caught.value.fault is FarSideFault.UNAVAILABLE


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff", b"\x0a\x7fxx", b"\x22\x04\x32\x02\x0a\x7f", b"\x22\x04\x32\x02\x0a\xff"]
)
async def test_bytes_that_are_no_event_are_garbled(converser: GrpcConverser, data: bytes) -> None:
    error = await refused(converser, telling(data, done("fine").SerializeToString()))
    assert (error.fault, error.retryable) == (FarSideFault.GARBLED, False)


@pytest.mark.parametrize(
    ("code", "fault", "shown"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, FarSideFault.REFUSED_US, False),
        (grpc.StatusCode.PERMISSION_DENIED, FarSideFault.REFUSED_CALLER, True),
        (grpc.StatusCode.INVALID_ARGUMENT, FarSideFault.REJECTED, True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, FarSideFault.EXHAUSTED, True),
        (grpc.StatusCode.INTERNAL, FarSideFault.BROKEN, False),
        (grpc.StatusCode.UNIMPLEMENTED, FarSideFault.UNSUPPORTED, False),
        (grpc.StatusCode.UNAVAILABLE, FarSideFault.UNAVAILABLE, False),
    ],
)
async def test_a_status_is_told_of_the_agent_in_our_words(
    converser: GrpcConverser, code: grpc.StatusCode, fault: FarSideFault, shown: bool
) -> None:
    error = await refused(converser, aborting(code, "the colour is wrong"))
    assert error.fault is fault
    assert error.message.startswith("desk ")
    assert ("colour" in error.message) is shown


async def test_an_agent_that_breaks_off_has_not_answered(converser: GrpcConverser) -> None:
    listener = Listener()
    async with serving(tell=aborting(grpc.StatusCode.INTERNAL, after=(delta("Well, "), message("a")))) as far_side:
        with pytest.raises(FarSideError) as caught:
            await converser.converse(open_turn(binding(far_side.target)), listener)
    assert caught.value.fault is FarSideFault.BROKEN
    assert len(listener.heard) == 2


async def test_what_an_agent_does_after_its_end_is_for_the_log(
    converser: GrpcConverser, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tell=aborting(grpc.StatusCode.INTERNAL, after=(done("42"),))) as far_side:
        with caplog.at_level(logging.WARNING, "adapters.grpc"):
            asked = open_turn(binding(far_side.target))
            result = await converser.converse(asked, nowhere)
    assert result.parts == texts("42")
    [record] = [record for record in caplog.records if record.name.startswith("adapters.grpc")]
    assert (record.__dict__["call"], record.__dict__["status"]) == (asked.call.id, "INTERNAL")


@dataclass
class Wire:
    """A connection that can be cut."""

    port: int = 0
    ends: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])

    def cut(self) -> None:
        for end in self.ends:
            end.transport.abort()


@asynccontextmanager
async def wire_to(port: int) -> AsyncGenerator[Wire, None]:
    """A wire to that port."""
    wire_ = Wire()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        wire_.ends += (writer, far_writer)
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    server = await asyncio.start_server(joined, "127.0.0.1", 0)
    wire_.port = server.sockets[0].getsockname()[1]
    try:
        yield wire_
    finally:
        server.close()
        wire_.cut()


@pytest.mark.parametrize("words", [(), (delta("Well, "),)], ids=["before it spoke", "while it spoke"])
async def test_an_agent_that_is_lost_is_not_asked_again_and_the_doubt_is_told(
    converser: GrpcConverser, words: tuple[wire.TurnEvent, ...]
) -> None:
    begun = asyncio.Event()

    async def tell(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        for event in words:
            yield event.SerializeToString()
        begun.set()
        await asyncio.Event().wait()

    async with serving(tell=tell) as far_side, wire_to(far_side.port) as wire_, asyncio.timeout(20):
        where = binding(f"127.0.0.1:{wire_.port}")
        in_hand = asyncio.ensure_future(converser.converse(open_turn(where), nowhere))
        await begun.wait()
        wire_.cut()
        with pytest.raises(FarSideError, match="may have been carried out") as caught:
            await in_hand
    assert (caught.value.fault, caught.value.retryable) == (FarSideFault.UNAVAILABLE, False)
    assert far_side.attempts == 1


async def test_of_an_agent_that_cannot_be_reached_it_is_known_that_nothing_was_sent(converser: GrpcConverser) -> None:
    with pytest.raises(FarSideError) as caught:
        await converser.converse(open_turn(binding("127.0.0.1:1")), nowhere)
    assert caught.value.message == "desk cannot be reached; nothing was sent; try again later."
    assert (caught.value.fault, caught.value.retryable) == (FarSideFault.UNAVAILABLE, True)


async def test_an_agent_that_says_so_of_somebody_else_leaves_the_doubt(converser: GrpcConverser) -> None:
    error = await refused(converser, aborting(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses"))
    assert error.message == "desk is not available; what was asked may have been carried out all the same."
    assert not error.retryable


async def test_unavailable_is_not_asked_again_nor_are_its_equals(converser: GrpcConverser) -> None:
    tell = aborting(grpc.StatusCode.UNAVAILABLE)
    async with serving(tell=tell) as one, serving(tell=tell) as other:
        with pytest.raises(FarSideError):
            await converser.converse(open_turn(binding(one.target, other.target)), nowhere)
    assert one.attempts + other.attempts == 1


async def test_of_two_targets_the_one_that_is_down_gets_no_turn(converser: GrpcConverser) -> None:
    async with serving(tell=saying(done("ok"))) as alive:
        where = binding("127.0.0.1:1", alive.target)
        for _ in range(4):
            assert (await converser.converse(open_turn(where), nowhere)).parts == texts("ok")


async def test_a_single_event_over_the_limit_ends_the_turn(converser: GrpcConverser) -> None:
    async with serving(tell=saying(delta("small"), done("x" * (20 * MIB)))) as far_side:
        with pytest.raises(TooLarge):
            await converser.converse(open_turn(binding(far_side.target), seconds=30, timeout=30), nowhere)


async def test_a_message_over_the_limit_is_not_sent(clock: FakeClock) -> None:
    channels = Channels(limits=Limits(request=1_000), clock=clock)
    async with serving(tell=saying(done())) as far_side:
        with pytest.raises(TooLarge, match="desk can be sent 1000"):
            asked = open_turn(binding(far_side.target), turn(Part(text="x" * 2_000)))
            await GrpcConverser(channels, token_for).converse(asked, nowhere)
    assert far_side.attempts == 0
    await channels.close()


async def test_closing_the_channels_ends_turns_in_hand_as_unavailable(channels: Channels) -> None:
    begun = asyncio.Event()

    async def tell(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        begun.set()
        await asyncio.Event().wait()
        yield b""

    async with serving(tell=tell) as far_side, asyncio.timeout(20):
        asked = open_turn(binding(far_side.target))
        in_hand = asyncio.ensure_future(GrpcConverser(channels, token_for).converse(asked, nowhere))
        await begun.wait()
        await channels.close()
        with pytest.raises(FarSideError, match="closed") as caught:
            await in_hand
    assert caught.value.fault is FarSideFault.UNAVAILABLE


# --- time


async def test_the_deadline_ends_an_answer_that_goes_on_for_ever(converser: GrpcConverser) -> None:
    async with serving(tell=forever) as far_side, asyncio.timeout(20):
        with pytest.raises(DeadlinePassed, match="desk"):
            await converser.converse(open_turn(binding(far_side.target), timeout=0.3), nowhere)


async def test_the_deadline_ends_a_turn_whose_listener_is_stuck(converser: GrpcConverser) -> None:
    async def emit(_emission: Emission) -> None:
        await asyncio.Event().wait()

    async with serving(tell=forever) as far_side, asyncio.timeout(20):
        with pytest.raises(DeadlinePassed):
            await converser.converse(open_turn(binding(far_side.target), timeout=0.3), emit)


async def test_who_listens_slowly_slows_the_agent_down(channels: Channels) -> None:
    converser, adapter = GrpcConverser(channels, token_for), GrpcAdapter(channels, token_for)
    sent = 0
    may_go_on, emitted = asyncio.Event(), asyncio.Event()

    async def tell(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(150):
            sent += 1
            yield delta("x" * 100_000).SerializeToString()
        yield done("all").SerializeToString()

    async def emit(emission: Emission) -> None:
        assert isinstance(emission, Delta)
        emitted.set()
        await may_go_on.wait()

    async with serving(tell=tell) as far_side, asyncio.TaskGroup() as group:
        where = binding(far_side.target)
        in_hand = group.create_task(converser.converse(open_turn(where, timeout=60, seconds=60), emit))
        await emitted.wait()
        before = -1
        while before != sent:  # until other calls to the same service come and go, and the stream stands still
            before = sent
            for _ in range(20):
                await adapter.deliver(permitted(where), nowhere)
        assert sent < 100
        may_go_on.set()
    assert sent == 150
    assert in_hand.result().parts == texts("all")


# --- targets


async def test_a_target_that_is_gone_gets_no_turns_for_a_moment(converser: GrpcConverser, clock: FakeClock) -> None:
    async with serving(tell=aborting(grpc.StatusCode.UNAVAILABLE)) as far_side:
        where = binding(far_side.target)
        for _ in range(2):
            with pytest.raises(FarSideError, match="not available"):
                await converser.converse(open_turn(where), nowhere)
        with pytest.raises(FarSideError, match="nothing was sent"):
            await converser.converse(open_turn(where), nowhere)
        assert far_side.attempts == 2
        clock.now += 1.5
        with pytest.raises(FarSideError, match="not available"):
            await converser.converse(open_turn(where), nowhere)
    assert far_side.attempts == 3


async def test_a_deadline_of_the_callers_says_nothing_of_an_agent_that_may_take_longer(
    converser: GrpcConverser,
) -> None:
    async with serving(tell=hang) as far_side:
        for _ in range(3):  # two would open the breaker
            with pytest.raises(DeadlinePassed):
                await converser.converse(open_turn(binding(far_side.target), timeout=10, seconds=0.2), nowhere)


async def test_an_agent_that_lets_its_own_time_pass_is_taken_to_hang(converser: GrpcConverser) -> None:
    async with serving(tell=hang) as far_side, asyncio.timeout(20):
        with pytest.raises(FarSideError, match="nothing was sent"):
            while True:
                with suppress(DeadlinePassed):
                    await converser.converse(open_turn(binding(far_side.target), timeout=0.2), nowhere)


async def test_turns_take_no_places_from_calls_and_have_their_own_number(clock: FakeClock) -> None:
    channels = Channels(limits=Limits(in_hand=1, turns=2, waiting=0), clock=clock)
    converser, adapter = GrpcConverser(channels, token_for), GrpcAdapter(channels, token_for)
    begun = asyncio.Semaphore(0)

    async def tell(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        begun.release()
        await asyncio.Event().wait()
        yield b""

    async with serving(tell=tell) as far_side, asyncio.timeout(20):
        where = binding(far_side.target)
        in_hand = [asyncio.ensure_future(converser.converse(open_turn(where), nowhere)) for _ in range(2)]
        for _ in in_hand:
            await begun.acquire()
        with pytest.raises(Overloaded):
            await converser.converse(open_turn(where), nowhere)
        assert (await adapter.deliver(permitted(where), nowhere)).structured
        for one in in_hand:
            one.cancel()
        await asyncio.gather(*in_hand, return_exceptions=True)
    await channels.close()


async def test_an_agent_behind_tls_is_reached(converser: GrpcConverser, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    pair = authority.sign("server", "127.0.0.1")
    credentials = grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.certificate.read_bytes())])
    async with serving(tell=saying(done("ok")), credentials=credentials) as far_side:
        trusted = binding(far_side.target, tls=Tls(ca=str(authority.certificate)))
        assert (await converser.converse(open_turn(trusted), nowhere)).parts == texts("ok")
        with pytest.raises(FarSideError):
            await converser.converse(open_turn(binding(far_side.target)), nowhere)
    assert far_side.attempts == 1
