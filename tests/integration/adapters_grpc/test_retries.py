"""Attempts: who gets a second one, and who never does."""

from collections.abc import AsyncIterator

import grpc
import pytest

from adapters.grpc.adapter import GrpcAdapter
from registry.model import Emission, FarSideError, FarSideFault, Hints, Progress, Streaming, nowhere
from tests.integration.adapters_grpc.far_side import READS, WRITES, Answer, Context, binding, permitted, reply, serving

IDEMPOTENT = Hints(read_only=False, destructive=False, idempotent=True, open_world=False)


def unavailable(times: int, *, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> Answer:
    """Fails so often, then answers."""
    left = iter(range(times))

    async def answer(_request: bytes, context: Context) -> bytes:
        if next(left, None) is not None:
            await context.abort(code, "not now")
        return reply(text="at last")

    return answer


@pytest.mark.parametrize("hints", [READS, IDEMPOTENT])
async def test_a_repeatable_skill_is_tried_again_and_each_attempt_is_numbered(
    adapter: GrpcAdapter, hints: Hints
) -> None:
    async with serving(unavailable(2)) as far_side:
        result = await adapter.deliver(permitted(binding(far_side.target), hints=hints), nowhere)

    assert isinstance(result.structured, dict)
    assert result.structured["text"] == "at last"
    assert [seen["ix-attempt"] for seen in far_side.metadata] == ["1", "2", "3"]
    assert len({seen["ix-delivery"] for seen in far_side.metadata}) == 1


async def test_three_attempts_are_all(adapter: GrpcAdapter) -> None:
    async with serving(unavailable(10)) as far_side:
        with pytest.raises(FarSideError) as caught:
            await adapter.deliver(permitted(binding(far_side.target), hints=READS), nowhere)
    assert caught.value.fault is FarSideFault.UNAVAILABLE
    assert far_side.attempts == 3


async def test_a_skill_that_is_not_repeatable_is_sent_once_and_the_doubt_is_told(adapter: GrpcAdapter) -> None:
    async with serving(unavailable(1)) as far_side:
        with pytest.raises(FarSideError, match="may have been carried out"):
            await adapter.deliver(permitted(binding(far_side.target), hints=WRITES), nowhere)
    assert far_side.attempts == 1


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.ABORTED, grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED]
)
async def test_only_unavailable_is_tried_again(adapter: GrpcAdapter, code: grpc.StatusCode) -> None:
    async with serving(unavailable(1, code=code)) as far_side:
        with pytest.raises(FarSideError):
            await adapter.deliver(permitted(binding(far_side.target), hints=READS), nowhere)
    assert far_side.attempts == 1


async def test_no_attempt_begins_that_the_deadline_leaves_no_time_for(adapter: GrpcAdapter) -> None:
    async with serving(unavailable(10)) as far_side:
        with pytest.raises(FarSideError):
            await adapter.deliver(permitted(binding(far_side.target), hints=READS, timeout=0.02), nowhere)
    assert far_side.attempts == 1


async def test_a_stream_that_broke_after_its_first_message_is_not_begun_anew(adapter: GrpcAdapter) -> None:
    async def tell(_request: bytes, context: Context) -> AsyncIterator[bytes]:
        yield reply(text="one")
        yield reply(text="two")
        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    heard: list[Progress] = []

    async def emit(emission: Emission) -> None:
        assert isinstance(emission, Progress)
        heard.append(emission)

    async with serving(tell=tell) as far_side:
        with pytest.raises(FarSideError):
            await adapter.deliver(permitted(binding(far_side.target), hints=READS, streaming=Streaming.LAST), emit)
    assert far_side.attempts == 1
    assert len(heard) == 1


async def test_a_stream_that_broke_before_its_first_message_is(adapter: GrpcAdapter) -> None:
    left = iter(range(1))

    async def tell(_request: bytes, context: Context) -> AsyncIterator[bytes]:
        if next(left, None) is not None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        yield reply(text="one")

    async with serving(tell=tell) as far_side:
        await adapter.deliver(permitted(binding(far_side.target), hints=READS, streaming=Streaming.LAST), nowhere)
    assert far_side.attempts == 2
