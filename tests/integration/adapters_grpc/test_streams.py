"""Server streams: progress, the result, and the bounds of both."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from adapters.grpc.adapter import GrpcAdapter
from adapters.grpc.limits import MIB, Limits
from registry.model import DeadlinePassed, Emission, FarSideError, FarSideFault, Progress, Streaming, TooLarge, nowhere
from tests.integration.adapters_grpc.conftest import MakeAdapter
from tests.integration.adapters_grpc.far_side import Context, binding, permitted, reply, serving, telling


async def test_the_last_message_is_the_result_and_the_earlier_ones_are_progress(adapter: GrpcAdapter) -> None:
    heard: list[Progress] = []

    async def emit(emission: Emission) -> None:
        assert isinstance(emission, Progress)
        heard.append(emission)

    async with serving(tell=telling(reply(text="one"), reply(text="é" * 1_000), reply(text="three"))) as far_side:
        result = await adapter.deliver(permitted(binding(far_side.target), streaming=Streaming.LAST), emit)

    assert isinstance(result.structured, dict)
    assert result.structured["text"] == "three"
    assert [progress.progress for progress in heard] == [1, 2]
    assert orjson.loads(heard[0].text)["text"] == "one"
    assert 1_000 < len(heard[1].text.encode()) <= 1_024


async def test_one_message_is_the_result_and_no_progress(adapter: GrpcAdapter) -> None:
    async def emit(_emission: Emission) -> None:
        raise AssertionError("nothing is progress here")

    async with serving(tell=telling(reply(text="only"))) as far_side:
        result = await adapter.deliver(permitted(binding(far_side.target), streaming=Streaming.LAST), emit)
    assert orjson.loads(result.text)["text"] == "only"


async def test_a_stream_without_messages_has_no_result(adapter: GrpcAdapter) -> None:
    async with serving(tell=telling()) as far_side:
        with pytest.raises(FarSideError) as caught:
            await adapter.deliver(permitted(binding(far_side.target), streaming=Streaming.LAST), nowhere)
    assert caught.value.fault is FarSideFault.GARBLED


async def test_collected_messages_are_items_in_order(adapter: GrpcAdapter) -> None:
    async with serving(tell=telling(*(reply(text=f"n{number}") for number in range(5)))) as far_side:
        result = await adapter.deliver(permitted(binding(far_side.target), streaming=Streaming.COLLECT), nowhere)
    assert result.structured == orjson.loads(result.text)
    assert [item["text"] for item in orjson.loads(result.text)["items"]] == [f"n{number}" for number in range(5)]


async def test_collecting_nothing_is_an_empty_list(adapter: GrpcAdapter) -> None:
    async with serving(tell=telling()) as far_side:
        result = await adapter.deliver(permitted(binding(far_side.target), streaming=Streaming.COLLECT), nowhere)
    assert result.structured == {"items": []}


async def _forever(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
    while True:
        yield reply(text="x" * 1_000)


@pytest.mark.parametrize(
    ("limits", "bound"),
    [(Limits(items=10), "10 items"), (Limits(answer=20_000), "20000 bytes"), (Limits(), "1000 items")],
)
async def test_collecting_more_than_is_allowed_ends_the_call(
    make_adapter: MakeAdapter, limits: Limits, bound: str
) -> None:
    adapter = make_adapter(limits=limits)
    async with serving(tell=_forever) as far_side:
        with pytest.raises(TooLarge, match=bound):
            await adapter.deliver(permitted(binding(far_side.target), streaming=Streaming.COLLECT), nowhere)


async def test_a_single_message_over_the_limit_ends_the_stream(adapter: GrpcAdapter) -> None:
    async with serving(tell=telling(reply(text="small"), reply(text="x" * (20 * MIB)))) as far_side:
        with pytest.raises(TooLarge):
            await adapter.deliver(permitted(binding(far_side.target), streaming=Streaming.LAST), nowhere)


async def test_a_client_that_reads_slowly_slows_the_far_side_down(adapter: GrpcAdapter) -> None:
    sent = 0
    may_go_on, emitted = asyncio.Event(), asyncio.Event()

    async def tell(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 1
            yield reply(text="x" * 100_000)

    async def emit(_emission: Emission) -> None:
        emitted.set()
        await may_go_on.wait()

    async with serving(tell=tell) as far_side, asyncio.TaskGroup() as group:
        where = binding(far_side.target)
        group.create_task(adapter.deliver(permitted(where, streaming=Streaming.LAST, timeout=30, seconds=30), emit))
        await emitted.wait()
        before = -1
        while before != sent:  # until other calls to the same service come and go, and the stream stands still
            before = sent
            for _ in range(20):
                await adapter.deliver(permitted(where), nowhere)
        assert sent < 200
        may_go_on.set()
    assert sent == 400


async def test_the_deadline_ends_a_stream_that_goes_on_for_ever(adapter: GrpcAdapter) -> None:
    async with serving(tell=_forever) as far_side:
        with pytest.raises(DeadlinePassed):
            await adapter.deliver(permitted(binding(far_side.target), streaming=Streaming.LAST, timeout=0.3), nowhere)


async def test_the_deadline_ends_a_stream_whose_reader_is_stuck(adapter: GrpcAdapter) -> None:
    async def emit(_emission: Emission) -> None:
        await asyncio.Event().wait()

    async with serving(tell=_forever) as far_side:
        with pytest.raises(DeadlinePassed):
            await adapter.deliver(permitted(binding(far_side.target), streaming=Streaming.LAST, timeout=0.3), emit)
