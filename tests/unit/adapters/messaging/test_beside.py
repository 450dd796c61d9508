"""A task beside a piece of work: it ends with it, and each of the two says what went wrong in its own words."""

import asyncio

import pytest

from adapters.messaging.beside import beside


async def test_it_runs_while_the_body_lasts_and_is_ended_with_it() -> None:
    story: list[str] = []

    async def running() -> None:
        story.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            story.append("ended")

    async with beside(running()):
        await asyncio.sleep(0)
        story.append("body")

    assert story == ["begun", "body", "ended"]


async def test_what_the_body_raises_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="the body"):
        async with beside(asyncio.Event().wait()):
            raise LookupError("the body")


async def test_a_body_that_is_cancelled_is_cancelled() -> None:
    async def work() -> None:
        async with beside(asyncio.Event().wait()):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_fails_ends_the_body() -> None:
    async def running() -> None:
        raise LookupError("the task")

    with pytest.raises(ExceptionGroup) as failed:
        async with beside(running()):
            await asyncio.wait_for(asyncio.Event().wait(), 5)

    assert failed.group_contains(LookupError, match="the task")
