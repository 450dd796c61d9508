"""A client that waits is worked for; one that left is not."""

import asyncio

import pytest
from starlette.types import Message

from gateway.a2a.presence import ClientLeft, while_waited_for


class Client:
    """A client that can leave."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.body = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive(self) -> Message:
        if self.body:
            return self.body.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}


async def test_work_for_a_client_that_waits_is_done() -> None:
    async with while_waited_for(Client().receive):
        await asyncio.sleep(0)


async def test_work_for_a_client_that_left_ends() -> None:
    client, ended = Client(), asyncio.Event()

    async def work() -> None:
        try:
            client.left.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ClientLeft):
        async with while_waited_for(client.receive):
            await work()
    assert ended.is_set()


async def test_a_timeout_of_the_works_own_is_its_own() -> None:
    with pytest.raises(TimeoutError):
        async with while_waited_for(Client().receive):
            raise TimeoutError


async def test_who_cancels_the_work_is_not_taken_for_the_client() -> None:
    async def work() -> None:
        async with while_waited_for(Client().receive):
            await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nobody_is_watched_any_longer_than_they_are_worked_for() -> None:
    before = asyncio.all_tasks()
    async with while_waited_for(Client().receive):
        assert len(asyncio.all_tasks()) == len(before) + 1
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
