"""The way of events out of a room: in order, one at a time, and to an end."""

import asyncio

from interchange.v1 import agent_pb2 as wire

from adapters.langgraph.passage import Passage
from tests.support.turns import delta


async def test_events_come_in_order_and_end() -> None:
    passage, said = Passage(), [delta("one"), delta("two"), delta("three")]

    async def say() -> None:
        for event in said:
            await passage.give(event)
        passage.end()

    saying = asyncio.create_task(say())
    assert [event async for event in passage] == said
    await saying


async def test_the_next_event_is_taken_when_the_last_has_been_read() -> None:
    passage = Passage()
    taken: list[wire.TurnEvent] = []

    async def say() -> None:
        for event in (delta("one"), delta("two")):
            await passage.give(event)
            taken.append(event)

    saying = asyncio.create_task(say())
    await passage.give(delta("first"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert taken == []
    assert (await anext(passage)).delta.part.text == "first"
    await anext(passage)
    await anext(passage)
    await saying
    assert len(taken) == 2
