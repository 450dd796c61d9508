"""What operators look at, the same on every engine that keeps it on a disk."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.messaging.delivery import MailboxState
from adapters.messaging.outcomes import Dead
from adapters.messaging.overview import Envelope, Overview, RecentMark, Tally
from registry.model import ConversationId, new_turn_id
from tests.support.logs import (
    ALICE,
    ECHO,
    LEASE,
    OPENING,
    SCOUT,
    OpenedLog,
    asks,
    claim_all,
    claim_one,
    new_conversation,
    open_turn,
    opened_log,
    said,
)


@pytest.fixture(params=["sqlite", "postgres"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[OpenedLog]:
    async with opened_log(request.param, folder=tmp_path) as log:
        yield log


@pytest.fixture
def overview(opened: OpenedLog) -> Overview:
    return cast("Any", opened.engine).overview


def places(envelopes: Sequence[Envelope]) -> list[tuple[ConversationId, int]]:
    return [(each.conversation, each.seq) for each in envelopes]


async def test_an_empty_log_has_nothing_in_it(overview: Overview) -> None:
    assert await overview.tally() == Tally()
    assert list(await overview.recent(behind=None, limit=10)) == []
    assert list(await overview.mailboxes(new_conversation())) == []


async def test_what_waits_is_counted_by_what_it_waits_for(opened: OpenedLog, overview: Overview) -> None:
    asked, given_up = [await open_turn(opened.log, new_conversation(), "hello") for _ in range(2)]
    for delivery in await claim_all(opened.log):
        await opened.log.settle(delivery, asks("Which one?") if delivery.of == asked else Dead(error="no"))
    await open_turn(opened.log, new_conversation(), "hello", to=SCOUT)
    await claim_one(opened.log, SCOUT)
    await open_turn(opened.log, new_conversation(), "hello")
    opened.clock.pass_time(10)  # less than the lease

    tally = await overview.tally()

    assert (tally.conversations, tally.messages) == (4, 6)  # two questions and answers of the log's own
    assert (tally.ready, tally.leased, tally.parked, tally.dead) == (1, 1, 1, 1)
    assert 10 <= tally.waited < 20
    assert [each.state for each in await overview.mailboxes(asked.conversation)] == [MailboxState.PARKED]

    await opened.log.redrive(given_up.conversation, ECHO, 1, turn=new_turn_id())
    assert (await overview.tally()).dead == 0


async def test_a_lease_that_ended_is_something_that_waits(opened: OpenedLog, overview: Overview) -> None:
    await open_turn(opened.log, new_conversation(), "hello")
    await claim_one(opened.log)
    assert (await overview.tally()).waited == 0
    opened.clock.pass_time(LEASE.seconds + 5)
    assert 5 <= (await overview.tally()).waited < 15


async def test_the_mailboxes_of_a_conversation_are_its_own(opened: OpenedLog, overview: Overview) -> None:
    of = await open_turn(opened.log, new_conversation(), "hello")
    await open_turn(opened.log, new_conversation(), "hello")
    await opened.log.append(of.conversation, [said("both", to=[SCOUT, ECHO])])
    held = await claim_one(opened.log, SCOUT)
    found = await overview.mailboxes(of.conversation)
    assert [(each.agent, each.head, each.state, each.fence) for each in found] == [
        (ECHO, 1, MailboxState.READY, 0),
        (SCOUT, 2, MailboxState.LEASED, held.fence),
    ]


async def test_the_last_messages_come_in_the_order_in_which_they_were_written(
    opened: OpenedLog, overview: Overview
) -> None:
    one, other = new_conversation(), new_conversation()
    written: list[tuple[ConversationId, int]] = []
    for number in range(6):
        conversation = (one, other)[number % 2]
        appended = await opened.log.append(conversation, [said(f"message {number}")], opening=OPENING)
        written.append((conversation, appended.seq))

    last = await overview.recent(behind=None, limit=4)
    assert places(last) == written[2:]
    assert places(await overview.recent(behind=last[1].mark, limit=10)) == written[4:]
    assert places(await overview.recent(behind=last[0].mark, limit=2)) == written[3:5]
    assert places(await overview.recent(behind=RecentMark(), limit=100)) == written
    assert places(await overview.recent(behind=last[-1].mark, limit=10)) == []


async def test_an_envelope_tells_who_wrote_to_whom_and_not_what(opened: OpenedLog, overview: Overview) -> None:
    of = await open_turn(opened.log, new_conversation(), "a secret")
    [envelope] = await overview.recent(behind=None, limit=10)
    assert (envelope.sender, envelope.to, envelope.turn, envelope.size) == (ALICE, (ECHO,), of.turn, len("a secret"))
    assert "secret" not in repr(envelope)


async def test_what_was_erased_is_among_the_last_messages_no_more(opened: OpenedLog, overview: Overview) -> None:
    conversation = new_conversation()
    await opened.log.append(conversation, [said("one"), said("two")], opening=OPENING)
    await opened.keeping.erase(conversation, id="erase", by=ALICE, reason="asked for", up_to=1)
    assert [seq for _, seq in places(await overview.recent(behind=None, limit=10))] == [2, 3]
