"""A call as it unfolds: in order, no faster than it is read, and over when nobody reads."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.a2a.unfolding import WAITING, unfolding
from registry.model import DeadlinePassed, Emission, Emit, Progress, Result


def step(number: int) -> Progress:
    return Progress(progress=number)


async def test_what_is_emitted_comes_in_order_and_the_result_last() -> None:
    async def work(emit: Emit) -> Result:
        for number in range(3 * WAITING):
            await emit(step(number))
        return Result(text="end")

    found: list[Emission | Result] = [one async for one in unfolding(work)]

    assert found == [*map(step, range(3 * WAITING)), Result(text="end")]


async def test_an_error_comes_after_all_that_was_emitted_before_it() -> None:
    async def work(emit: Emit) -> Result:
        await emit(step(1))
        raise DeadlinePassed("too late")

    found: list[Emission | Result] = []
    with pytest.raises(DeadlinePassed, match="too late"):
        async for one in unfolding(work):
            found += [one]

    assert found == [step(1)]


async def test_work_waits_for_its_reader() -> None:
    emitted: list[int] = []

    async def work(emit: Emit) -> Result:
        for number in range(10 * WAITING):
            await emit(step(number))
            emitted.append(number)
        return Result()

    async with aclosing(unfolding(work)) as reading:
        await anext(reading)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(emitted) <= 2 * WAITING + 1


async def test_who_stops_reading_ends_the_work() -> None:
    ended = asyncio.Event()

    async def work(emit: Emit) -> Result:
        try:
            while True:
                await emit(step(1))
        finally:
            ended.set()

    async with aclosing(unfolding(work)) as reading:
        await anext(reading)

    assert ended.is_set()
