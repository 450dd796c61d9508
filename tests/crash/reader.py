"""A reader: follows conversations, goes on where its last life ended, and shows what it has seen to the log."""

import asyncio

from adapters.messaging.errors import LogUnavailable
from registry.model import ConversationId, Unknown
from tests.crash.role import Part, noted


async def read(part: Part) -> None:
    """Follow every conversation until the run is over."""
    ends: dict[str, int] = {}
    for line in noted(part.path):
        if line["k"] == "read":
            ends[line["c"]] = line["seq"]
    async with asyncio.TaskGroup() as tasks:
        following = [
            tasks.create_task(_follow(part, conversation, ends.get(conversation, 0)))
            for conversation in map(part.setting.conversation, range(part.setting.conversations))
        ]
        while not part.is_over:
            await asyncio.sleep(0.05)
        for task in following:
            task.cancel()


async def _follow(part: Part, conversation: ConversationId, after: int) -> None:
    while True:
        try:
            async for message in part.opened.history.follow(conversation, after=after):
                part.notes.note(
                    {"k": "read", "c": conversation, "seq": message.seq, "id": message.id, "s": message.sender}
                )
                after = message.seq
                if after % 50 == 0:
                    await _show(part, conversation, after)
        except (LogUnavailable, Unknown):  # it does not answer now, or nothing has been said yet
            await asyncio.sleep(0.1)


async def _show(part: Part, conversation: ConversationId, seq: int) -> None:
    seen = await part.opened.log.seen(conversation, f"device{part.number}", seq)
    part.notes.note({"k": "seen", "c": conversation, "device": f"device{part.number}", "asked": seq, "seq": seen})
