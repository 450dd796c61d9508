"""What every conversation log promises about drafts: the newest of each turn is kept, none outlives its turn for long,
and what is erased is not left in one."""

import asyncio
from dataclasses import replace

import pytest

from adapters.messaging.checks import BODY
from adapters.messaging.drafts import Draft, Drafts
from adapters.messaging.log import ConversationLog, Keeping
from adapters.messaging.messages import TurnRef
from adapters.messaging.outcomes import Deferred, Delivery, Retry
from registry.model import AgentName, BadRequest, ConversationId, TooLarge, TurnId
from tests.support.logs import (
    ALICE,
    BOB,
    ECHO,
    OPENING,
    SCOUT,
    OpenedLog,
    asks,
    claim_all,
    claim_one,
    done,
    new_conversation,
    open_turn,
    said,
)


@pytest.fixture
def drafts(opened: OpenedLog) -> Drafts:
    return opened.drafts


def draft_of(delivery: Delivery, text: str, *, number: int = 1) -> Draft:
    return Draft(
        conversation=delivery.conversation,
        turn=delivery.turn,
        fence=delivery.fence,
        number=number,
        body=text.encode(),
    )


async def taken(
    log: ConversationLog, conversation: ConversationId | None = None, *, agent: AgentName = ECHO
) -> Delivery:
    """A turn that an agent works on."""
    await open_turn(log, conversation or new_conversation(), "do it", to=agent)
    return await claim_one(log, agent)


async def body_of(drafts: Drafts, of: Delivery | TurnRef) -> bytes | None:
    found = await drafts.of(of.conversation, of.turn)
    return None if found is None else found.body


async def test_a_draft_is_kept_as_it_is(log: ConversationLog, drafts: Drafts) -> None:
    delivery = await taken(log)
    assert await drafts.of(delivery.conversation, delivery.turn) is None
    draft = replace(draft_of(delivery, "so far"), body=bytes(range(256)))
    await drafts.keep([draft])
    found = await drafts.of(delivery.conversation, delivery.turn)
    assert found is not None
    assert replace(found, at=0.0) == draft
    assert found.at > 0


async def test_the_neighbour_reads_it(log: ConversationLog, drafts: Drafts, neighbour: OpenedLog) -> None:
    delivery = await taken(log)
    await drafts.keep([draft_of(delivery, "so far")])
    assert await body_of(neighbour.drafts, delivery) == b"so far"


async def test_only_what_is_newer_takes_its_place(log: ConversationLog, drafts: Drafts) -> None:
    first = await taken(log)
    for number, expected in ((2, b"2"), (1, b"2"), (2, b"2"), (10, b"10"), (9, b"10")):
        await drafts.keep([draft_of(first, f"{number}", number=number)])
        assert await body_of(drafts, first) == expected

    await log.settle(first, Retry(after=0, error="broke"))
    second = await claim_one(log)
    await drafts.keep([draft_of(second, "again", number=1)])
    assert await body_of(drafts, second) == b"again", "another attempt begins from the start"
    await drafts.keep([draft_of(first, "late", number=99)])
    assert await body_of(drafts, second) == b"again", "and whoever had the first says nothing any more"


async def test_many_are_kept_together_and_of_each_turn_the_newest(log: ConversationLog, drafts: Drafts) -> None:
    conversations = [new_conversation() for _ in range(20)]
    for conversation in conversations:
        await open_turn(log, conversation, "do it")
    deliveries = await claim_all(log)
    together = [draft_of(each, f"{each.turn} {number}", number=number) for each in deliveries for number in (2, 3, 1)]
    await drafts.keep(together)
    assert [await body_of(drafts, each) for each in deliveries] == [f"{each.turn} 3".encode() for each in deliveries]


async def test_very_long_ones_are_kept_as_well(log: ConversationLog, drafts: Drafts) -> None:
    deliveries = [await taken(log) for _ in range(6)]
    bodies = [bytes([number]) * BODY for number in range(6)]  # more than one request may bring
    await drafts.keep([replace(draft_of(each, ""), body=body) for each, body in zip(deliveries, bodies, strict=True)])
    assert [await body_of(drafts, each) for each in deliveries] == bodies


async def test_drafts_that_meet_leave_the_newest(log: ConversationLog, drafts: Drafts, neighbour: OpenedLog) -> None:
    deliveries = [await taken(log) for _ in range(5)]
    numbers = range(1, 31)
    await asyncio.gather(
        *(
            keep(
                [
                    draft_of(each, f"{number}", number=number)
                    for each in (deliveries if number % 4 else deliveries[::-1])
                ]
            )
            for number in numbers
            for keep in (drafts.keep, neighbour.drafts.keep)
        )
    )
    assert {await body_of(drafts, each) for each in deliveries} == {b"30"}


async def test_a_turn_that_has_ended_or_is_none_has_no_draft(log: ConversationLog, drafts: Drafts) -> None:
    delivery = await taken(log)
    await log.settle(delivery, done("that is all"))
    nowhere = replace(draft_of(delivery, "x"), turn=TurnId("none"))
    await drafts.keep([draft_of(delivery, "late"), nowhere])
    assert await body_of(drafts, delivery) is None
    assert await drafts.of(delivery.conversation, TurnId("none")) is None


async def test_a_turn_that_waits_keeps_its_draft(log: ConversationLog, keeping: Keeping, drafts: Drafts) -> None:
    asking, deferred = await taken(log), await taken(log)
    await drafts.keep([draft_of(asking, "hm"), draft_of(deferred, "later")])
    await log.settle(asking, asks("which?"))
    await log.settle(deferred, Deferred(within=100))
    assert await keeping.tidy(limit=100) == 0
    await drafts.keep([draft_of(deferred, "soon", number=2)])
    assert (await body_of(drafts, asking), await body_of(drafts, deferred)) == (b"hm", b"soon")


async def test_a_draft_can_be_dropped(log: ConversationLog, drafts: Drafts) -> None:
    deliveries = [await taken(log) for _ in range(3)]
    await drafts.keep([draft_of(each, "so far") for each in deliveries])
    first, second, third = ((each.conversation, each.turn) for each in deliveries)
    await drafts.drop([first, second, first, (third[0], TurnId("none"))])
    assert [await body_of(drafts, each) for each in deliveries] == [None, None, b"so far"]
    await drafts.drop([first])
    await drafts.drop([])
    await drafts.keep([])


async def test_tidying_deletes_those_of_turns_that_have_ended(
    log: ConversationLog, keeping: Keeping, drafts: Drafts
) -> None:
    deliveries = [await taken(log) for _ in range(6)]
    await drafts.keep([draft_of(each, "so far") for each in deliveries])
    for delivery in deliveries[:3]:
        await log.settle(delivery, done("all"))
    await log.revoke(deliveries[3].of, by=BOB)
    assert await body_of(drafts, deliveries[0]) == b"so far"

    assert [await keeping.tidy(limit=3), await keeping.tidy(limit=3), await keeping.tidy(limit=3)] == [3, 1, 0]
    assert await keeping.tidy(limit=0) == 0
    assert [await body_of(drafts, each) for each in deliveries] == [None] * 4 + [b"so far"] * 2


@pytest.mark.parametrize(
    ("sender", "left"),
    [("", (None, None)), ("agent:echo", (None, b"scout's")), (ALICE, (b"echo's", b"scout's"))],
    ids=["of all", "of an agent", "of a person"],
)
async def test_erasure_leaves_no_draft_of_what_it_erases(
    log: ConversationLog,
    keeping: Keeping,
    drafts: Drafts,
    conversation: ConversationId,
    sender: str,
    left: tuple[bytes | None, bytes | None],
) -> None:
    await log.append(conversation, [said("do it", to=[ECHO, SCOUT])], opening=OPENING)
    echo, scout = await claim_one(log, ECHO), await claim_one(log, SCOUT)
    other = await taken(log)
    await drafts.keep([draft_of(echo, "echo's"), draft_of(scout, "scout's"), draft_of(other, "another's")])
    await keeping.erase(conversation, id="erasure", by=BOB, reason="asked", sender=sender)
    assert (await body_of(drafts, echo), await body_of(drafts, scout)) == left
    assert await body_of(drafts, other) == b"another's"


async def test_a_draft_that_is_malformed_is_refused_and_none_is_kept(log: ConversationLog, drafts: Drafts) -> None:
    delivery = await taken(log)
    good = draft_of(delivery, "so far")
    for bad, error in (
        (replace(good, fence=-1), BadRequest),
        (replace(good, number=2**63), BadRequest),
        (replace(good, conversation=ConversationId("")), BadRequest),
        (replace(good, turn=TurnId("\0")), BadRequest),
        (replace(good, body=bytes(BODY + 1)), TooLarge),
    ):
        with pytest.raises(error):
            await drafts.keep([good, bad])
    assert await body_of(drafts, delivery) is None
    with pytest.raises(BadRequest):
        await drafts.of(delivery.conversation, TurnId(""))
    with pytest.raises(BadRequest):
        await drafts.drop([(ConversationId("\ud800"), delivery.turn)])
