"""A writer: one sender's messages, one after the other; what is not acknowledged is said again, under the same id."""

import asyncio
from collections.abc import Sequence

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.messages import New, Opening, To
from adapters.messaging.outcomes import Lease
from adapters.messaging.plan import Appended
from registry.model import ConversationId, InterchangeError, TurnId
from tests.crash.role import PATIENCE, Part, noted
from tests.crash.setting import SENDERS, agents_of, body_of, goes_with_next, id_of, sha
from tests.crash.work import work_on


async def write(part: Part) -> None:
    """Speak for one sender in each conversation; the other one is another writer's."""
    acknowledged: dict[tuple[str, str], int] = {}
    for line in noted(part.path):
        if line["k"] == "ack":
            acknowledged[line["c"], line["s"]] = line["n"]
    writers = part.setting.roles["writer"]
    async with asyncio.TaskGroup() as tasks:
        for number in range(part.setting.conversations):
            conversation = part.setting.conversation(number)
            for which, sender in enumerate(SENDERS):
                if (number + which) % writers == part.number:
                    tasks.create_task(_speak(part, conversation, sender, acknowledged.get((conversation, sender), 0)))


async def _speak(part: Part, conversation: ConversationId, sender: str, last: int) -> None:
    while part.is_running:
        await asyncio.sleep(part.dice.random() * 2 * part.setting.pace)
        last = await _say(part, conversation, sender, last + 1)


async def _say(part: Part, conversation: ConversationId, sender: str, number: int) -> int:
    """Say the message of this number until it is acknowledged; sometimes together with the next. The last number."""
    numbers = [number, number + 1] if goes_with_next(number) else [number]
    claim = part.lease if len(numbers) == 1 and part.dice.random() < 0.2 else None
    appended = await _append(part, conversation, sender, numbers, claim)
    if appended is not None and appended.delivery is not None:
        await work_on(part, appended.delivery)
    return numbers[-1]


async def _append(
    part: Part, conversation: ConversationId, sender: str, numbers: Sequence[int], claim: Lease | None
) -> Appended | None:
    while not part.is_over:
        messages = [_message(part, conversation, sender, number) for number in numbers]
        single = claim if len(messages[0].to) == 1 else None
        try:
            async with asyncio.timeout(PATIENCE):
                appended = await part.opened.log.append(
                    conversation, messages, opening=Opening(started_by=sender), claim=single
                )
        except (LogUnavailable, TimeoutError):
            await asyncio.sleep(0.05)
            continue
        except InterchangeError as error:
            part.notes.note({"k": "refused", "c": conversation, "s": sender, "n": numbers[-1], "why": repr(error)})
            return None
        part.notes.note(
            *(
                {"k": "ack", "c": conversation, "s": sender, "id": new.id, "n": number, "d": sha(new.body)}
                | {"seq": at.seq, "again": at.duplicate}
                for number, new, at in zip(numbers, messages, appended.placed, strict=True)
            )
        )
        return appended
    return None


def _message(part: Part, conversation: ConversationId, sender: str, number: int) -> New:
    """A message, for turns that are new each time it is said."""
    turn = f"{sender.removeprefix('person:')}-{number}-{part.dice.getrandbits(32):08x}"
    return New(
        id=id_of(number),
        sender=sender,
        body=body_of(conversation, sender, number),
        text=f"number {number}",
        to=tuple(To(agent=agent, turn=TurnId(f"{turn}-{agent}")) for agent in agents_of(conversation, number)),
    )
