"""Targets: dead, restarted, several, hanging; and what each may take from the others."""

import asyncio
import socket
import time

import grpc
import pytest
from grpc.aio import Metadata, UsageError

from adapters.grpc.adapter import GrpcAdapter
from adapters.grpc.breaker import BreakerRule
from adapters.grpc.channels import Channels
from adapters.grpc.limits import Limits
from registry.model import DeadlinePassed, FarSideError, FarSideFault, Overloaded, nowhere
from tests.integration.adapters_grpc.conftest import FakeClock, MakeAdapter, token_for
from tests.integration.adapters_grpc.far_side import (
    READS,
    Context,
    binding,
    failing,
    permitted,
    reply,
    serving,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def hang(_request: bytes, _context: Context) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_dead_target_is_unavailable_at_once(adapter: GrpcAdapter) -> None:
    began = time.monotonic()
    with pytest.raises(FarSideError) as caught:
        await adapter.deliver(permitted(binding(f"127.0.0.1:{free_port()}")), nowhere)
    assert (caught.value.fault, caught.value.retryable) == (FarSideFault.UNAVAILABLE, True)
    assert "127.0.0.1" not in caught.value.message
    assert time.monotonic() - began < 10


async def test_a_restarted_target_is_reached_again() -> None:
    channels = Channels()
    adapter = GrpcAdapter(channels, token_for)
    async with serving() as far_side:
        call = permitted(binding(far_side.target), seconds=60)
        await adapter.deliver(call, nowhere)
    for _ in range(10):  # enough to open the breaker
        with pytest.raises(FarSideError):
            await adapter.deliver(call, nowhere)
    async with (
        serving(port=far_side.port) as again,
        asyncio.timeout(30),
    ):  # not how fast it is, but that it does not hang
        while again.attempts == 0:
            try:
                await adapter.deliver(call, nowhere)
            except FarSideError:
                await asyncio.sleep(0)
    await channels.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_calls_go_to_equal_targets_in_turn(adapter: GrpcAdapter, host: str) -> None:
    async with serving() as one, serving() as other:
        where = binding(f"{host}:{one.port}", f"{host}:{other.port}")
        for _ in range(10):
            await adapter.deliver(permitted(where), nowhere)
    assert one.attempts + other.attempts == 10
    assert min(one.attempts, other.attempts) >= 4  # the second one may still connect while the first call goes out


@pytest.mark.parametrize("first", ["dead", "alive"])
async def test_of_two_targets_one_may_be_down_without_a_call_failing(adapter: GrpcAdapter, first: str) -> None:
    async with serving() as alive:
        dead = f"127.0.0.1:{free_port()}"
        where = binding(*((dead, alive.target) if first == "dead" else (alive.target, dead)))
        for _ in range(6):
            await adapter.deliver(permitted(where), nowhere)  # not repeatable, so none was sent twice
    assert alive.attempts == 6


async def test_all_targets_down_is_unavailable(adapter: GrpcAdapter) -> None:
    where = binding(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    with pytest.raises(FarSideError) as caught:
        await adapter.deliver(permitted(where), nowhere)
    assert caught.value.fault is FarSideFault.UNAVAILABLE


async def test_a_target_that_hangs_is_left_alone_after_a_while_and_tried_again_later(
    make_adapter: MakeAdapter, clock: FakeClock
) -> None:
    adapter = make_adapter(breaker=BreakerRule(failures=3, window=60, cool_down=5))
    hangs = True

    async def sometimes(request: bytes, context: Context) -> bytes:
        return await hang(request, context) if hangs else reply(text="back")

    async with serving(sometimes) as far_side:
        call = permitted(binding(far_side.target), timeout=0.1)
        for _ in range(3):
            with pytest.raises(DeadlinePassed):
                await adapter.deliver(call, nowhere)

        with pytest.raises(FarSideError, match=r"^desk\.ask did not answer .* nothing was sent") as caught:
            await adapter.deliver(call, nowhere)
        assert caught.value.fault is FarSideFault.UNAVAILABLE
        assert far_side.attempts == 3

        clock.now += 5
        with pytest.raises(DeadlinePassed):
            await adapter.deliver(call, nowhere)
        with pytest.raises(FarSideError):
            await adapter.deliver(call, nowhere)
        assert far_side.attempts == 4

        clock.now += 5
        hangs = False
        await adapter.deliver(call, nowhere)
        await adapter.deliver(call, nowhere)
    assert far_side.attempts == 6


async def test_an_impatient_caller_does_not_close_a_target_for_others(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(breaker=BreakerRule(failures=2))
    async with serving(hang) as far_side:
        for _ in range(4):
            with pytest.raises(DeadlinePassed):
                await adapter.deliver(permitted(binding(far_side.target), timeout=30, seconds=0.1), nowhere)
    assert far_side.attempts == 4


async def test_errors_of_the_service_itself_do_not_open_the_breaker(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(breaker=BreakerRule(failures=2))
    async with serving(failing(grpc.StatusCode.INTERNAL)) as far_side:
        for _ in range(4):
            with pytest.raises(FarSideError, match="failed"):
                await adapter.deliver(permitted(binding(far_side.target)), nowhere)
    assert far_side.attempts == 4


async def test_of_two_targets_the_one_that_hangs_is_passed_over(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(breaker=BreakerRule(failures=2))
    async with serving(hang) as hanging, serving() as healthy:
        where = binding(hanging.target, healthy.target)
        while hanging.attempts < 2:
            try:
                await adapter.deliver(permitted(where, timeout=0.2), nowhere)
            except DeadlinePassed:
                continue
        before = healthy.attempts
        for _ in range(6):
            await adapter.deliver(permitted(where, timeout=0.2), nowhere)
    assert healthy.attempts - before == 6


async def test_no_more_calls_than_allowed_are_with_a_target_and_no_more_wait(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(limits=Limits(in_hand=2, waiting=1, patience=10))
    release, two_in_hand, most, now = asyncio.Event(), asyncio.Event(), 0, 0

    async def slow(_request: bytes, _context: Context) -> bytes:
        nonlocal most, now
        now += 1
        most = max(most, now)
        if now == 2:
            two_in_hand.set()
        await release.wait()
        now -= 1
        return reply(text="done")

    async with serving(slow) as far_side, asyncio.TaskGroup() as group:
        call = permitted(binding(far_side.target))
        tasks = [group.create_task(adapter.deliver(call, nowhere)) for _ in range(3)]
        await two_in_hand.wait()
        with pytest.raises(Overloaded):
            await adapter.deliver(call, nowhere)
        async with serving() as other:  # another target is not concerned
            await adapter.deliver(permitted(binding(other.target)), nowhere)
        release.set()
        await asyncio.gather(*tasks)
    assert (far_side.attempts, most) == (3, 2)


async def test_who_waits_for_a_place_too_long_is_told_so(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(limits=Limits(in_hand=1, patience=0.05))
    begun = asyncio.Event()

    async def begin(request: bytes, context: Context) -> bytes:
        begun.set()
        return await hang(request, context)

    async with serving(begin) as far_side, asyncio.TaskGroup() as group:
        call = permitted(binding(far_side.target))
        hanging = group.create_task(adapter.deliver(call, nowhere))
        await begun.wait()
        with pytest.raises(Overloaded):
            await adapter.deliver(call, nowhere)
        hanging.cancel()


async def test_a_binding_that_changed_leaves_calls_in_hand_alone_and_then_closes(clock: FakeClock) -> None:
    channels = Channels(clock=clock)
    adapter = GrpcAdapter(channels, token_for)
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(_request: bytes, _context: Context) -> bytes:
        begun.set()
        await release.wait()
        return reply(text="done")

    async with serving(slow) as old, serving() as new, asyncio.TaskGroup() as group:
        before, after = binding(old.target), binding(new.target)
        in_hand = group.create_task(adapter.deliver(permitted(before), nowhere))
        await begun.wait()
        [line] = (await channels.targets(before)).lines

        await channels.keep([after])
        await adapter.deliver(permitted(after), nowhere)
        release.set()
        assert (await in_hand).structured
        with pytest.raises(UsageError):
            line.unary("/x/Y")(b"", timeout=1, metadata=Metadata())
    await channels.close()


async def test_bindings_to_the_same_target_share_its_line(clock: FakeClock) -> None:
    channels = Channels(clock=clock)
    one = await channels.targets(binding("127.0.0.1:1", "127.0.0.1:2"))
    two = await channels.targets(binding("127.0.0.1:2"))
    assert one.lines[1] is two.lines[0]
    await channels.close()


async def test_the_least_recently_used_channels_close_when_there_are_too_many(clock: FakeClock) -> None:
    channels = Channels(limits=Limits(channels=2), clock=clock)
    first = await channels.targets(binding("127.0.0.1:1"))
    second = await channels.targets(binding("127.0.0.1:2"))
    assert await channels.targets(binding("127.0.0.1:1")) is first
    await channels.targets(binding("127.0.0.1:3"))
    assert await channels.targets(binding("127.0.0.1:1")) is first
    assert await channels.targets(binding("127.0.0.1:2")) is not second
    await channels.close()


async def test_closing_ends_calls_in_hand_as_unavailable_and_later_ones_too(clock: FakeClock) -> None:
    channels = Channels(clock=clock)
    adapter = GrpcAdapter(channels, token_for)
    begun = asyncio.Event()

    async def begin(request: bytes, context: Context) -> bytes:
        begun.set()
        return await hang(request, context)

    async with serving(begin) as far_side:
        call = permitted(binding(far_side.target), hints=READS)
        delivery = asyncio.ensure_future(adapter.deliver(call, nowhere))
        await begun.wait()
        await channels.close()
        with pytest.raises(FarSideError, match="closed") as caught:
            await delivery
        assert caught.value.fault is FarSideFault.UNAVAILABLE
        with pytest.raises(FarSideError, match="stopping"):
            await adapter.deliver(call, nowhere)
