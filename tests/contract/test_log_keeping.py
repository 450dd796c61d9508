"""What every conversation log promises about what is kept: erasure blanks and says so, a legal hold forbids it, and
retention spares what is still going on."""

from dataclasses import replace

import pytest

from adapters.messaging.errors import IdConflict, OnHold
from adapters.messaging.log import ConversationLog, History, Keeping
from adapters.messaging.messages import Kind, Message
from adapters.messaging.outcomes import ChangeTurn, Deferred, Done
from adapters.messaging.turns import TurnChange
from registry.model import ConversationId
from tests.support.logs import (
    ALICE,
    BOB,
    ECHO,
    OPENING,
    SCOUT,
    Clock,
    asks,
    claim_all,
    claim_one,
    done,
    new_conversation,
    open_turn,
    reply,
    said,
    texts,
)


async def erase(keeping: Keeping, conversation: ConversationId, *, sender: str = "", up_to: int = 0) -> int:
    erased = await keeping.erase(
        conversation, id="erasure", by=BOB, issuer="https://issuer", reason="asked", sender=sender, up_to=up_to
    )
    return erased.seq


def bare(message: Message) -> Message:
    return replace(message, body=b"", text="", erased=True)


# ---- erasure


async def test_erasure_blanks_bodies_and_says_so(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one"), said("two")], opening=OPENING)
    before = await history.page(conversation)
    assert await erase(keeping, conversation) == 3

    *blanked, notice = await history.page(conversation)
    assert blanked == [bare(message) for message in before], "numbers, ids, digests and everything else stay"
    assert (notice.kind, notice.sender, notice.issuer) == (Kind.ERASED, BOB, "https://issuer")
    assert (notice.body, notice.id, notice.erased) == (b"asked", "erasure", False)


async def test_what_was_erased_is_not_found_any_more(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("a secret word")], opening=OPENING)
    await log.append(conversation, [said("a secret too")])
    assert len(await history.search("secret")) == 2
    await log.append(conversation, [said("a secret that no search has looked for yet")])
    await erase(keeping, conversation, up_to=3)
    assert await history.search("secret") == []
    await log.append(conversation, [said("a new secret")])
    assert [each.message.seq for each in await history.search("secret")] == [5]


async def test_one_senders_messages_can_be_erased_and_up_to_a_number(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    who = (ALICE, BOB, ALICE, BOB, ALICE)
    await log.append(conversation, [said(f"{n}", by=by) for n, by in enumerate(who, 1)], opening=OPENING)
    await erase(keeping, conversation, sender=ALICE, up_to=3)
    assert await texts(history, conversation) == ["", "2", "", "4", "5", "asked"]
    assert [message.erased for message in await history.page(conversation)] == [True, False, True, False, False, False]


async def test_an_erasure_ends_where_the_conversation_does(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING)
    await erase(keeping, conversation, up_to=1_000)
    await log.append(conversation, [said("two")])
    assert await texts(history, conversation) == ["", "asked", "two"]


async def test_what_was_erased_is_still_a_repetition_and_leaves_no_gap(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    new = said("one")
    await log.append(conversation, [new], opening=OPENING)
    await erase(keeping, conversation)

    assert (await log.append(conversation, [new])).duplicate
    with pytest.raises(IdConflict):
        await log.append(conversation, [replace(new, body=b"another")])
    with pytest.raises(IdConflict):
        await log.append(conversation, [replace(new, body=b"")])
    await log.append(conversation, [said("two")])
    assert [message.seq for message in await history.page(conversation)] == [1, 2, 3]


async def test_to_erase_again_finds_it_erased(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING)
    first = await erase(keeping, conversation)
    await log.append(conversation, [said("said afterwards")])
    await keeping.hold(conversation, reason="a lawsuit")
    again = await keeping.erase(conversation, id="erasure", by=BOB, issuer="https://issuer", reason="asked")
    assert (again.seq, again.duplicate) == (first, True)
    assert await texts(history, conversation) == ["", "asked", "said afterwards"]
    with pytest.raises(IdConflict):
        await keeping.erase(conversation, id="erasure", by=BOB, reason="another reason")


async def test_what_waits_to_be_delivered_is_delivered_blank(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    await open_turn(log, conversation, "one")
    await erase(keeping, conversation)
    held = await claim_one(log)
    assert (held.message.body, held.message.text, held.message.erased) == (b"", "", True)
    await log.settle(held, done("hm?"))
    assert await texts(history, conversation) == ["", "asked", "hm?"]


# ---- legal hold


async def test_a_legal_hold_forbids_to_erase_anything_until_it_is_released(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING)
    await keeping.hold(conversation, reason="a lawsuit")
    (held,) = await history.conversations(ids=[conversation])
    assert held.hold == "a lawsuit"
    with pytest.raises(OnHold, match="a lawsuit"):
        await erase(keeping, conversation)
    assert await keeping.retain(seconds=0, limit=100) == 0
    assert await texts(history, conversation) == ["one"]

    await keeping.release(conversation)
    (released,) = await history.conversations(ids=[conversation])
    assert released.hold == ""
    await erase(keeping, conversation)
    assert await texts(history, conversation) == ["", "asked"]


async def test_a_conversation_on_hold_goes_on(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    await open_turn(log, conversation, "one")
    await keeping.hold(conversation, reason="a lawsuit")
    await log.settle(await claim_one(log), done("ok"))
    await log.append(conversation, [said("two")])
    (held,) = await history.conversations(ids=[conversation])
    assert (held.hold, held.tail) == ("a lawsuit", 3)


# ---- retention


async def test_what_is_too_old_is_blanked_and_nothing_else(
    log: ConversationLog, history: History, keeping: Keeping, clock: Clock, conversation: ConversationId
) -> None:
    new = said("old")
    await log.append(conversation, [new], opening=OPENING)
    assert await keeping.retain(seconds=3600, limit=100) == 0
    assert await texts(history, conversation) == ["old"]

    clock.pass_time(1)  # on paper, the day goes with the log's clock
    assert await keeping.retain(seconds=0, limit=100) == 1
    (message,) = await history.page(conversation)
    assert (message.body, message.text, message.erased) == (b"", "", True)
    assert await history.search("old") == []
    assert (await log.append(conversation, [new])).duplicate
    assert await keeping.retain(seconds=0, limit=100) == 0


async def test_retention_goes_step_by_step(log: ConversationLog, keeping: Keeping, clock: Clock) -> None:
    for _ in range(3):
        await log.append(new_conversation(), [said(f"{n}") for n in range(5)], opening=OPENING)
    clock.pass_time(1)
    blanked = [await keeping.retain(seconds=0, limit=6) for _ in range(4)]
    assert blanked == [6, 6, 3, 0]


async def test_retention_spares_turns_that_have_not_ended(
    log: ConversationLog, history: History, keeping: Keeping, clock: Clock
) -> None:
    async def left(conversation: ConversationId) -> list[str]:
        clock.pass_time(1)
        await keeping.retain(seconds=0, limit=1000)
        return await texts(history, conversation)

    queued, waiting, deferred, reviewed, shared = (new_conversation() for _ in range(5))
    await open_turn(log, waiting, "one")
    await log.settle(await claim_one(log), asks("which?"))
    later = await open_turn(log, deferred, "one")
    grant = (await log.settle(await claim_one(log), Deferred(within=60, replies=(reply("wait"),)))).grant
    await open_turn(log, reviewed, "one")
    await log.settle(await claim_one(log), Done(replies=(reply("a draft"),), review_within=60))
    await log.append(shared, [said("both", to=(ECHO, SCOUT))], opening=OPENING)
    await log.settle(await claim_one(log, ECHO), done("echo is done"))
    await open_turn(log, queued, "one")

    assert await left(queued) == ["one"]
    assert await left(waiting) == ["one", "which?"]
    assert await left(deferred) == ["one", "wait"]
    assert await left(reviewed) == ["one", "a draft"]
    assert await left(shared) == ["both", ""], "scout has not had it yet"

    await log.append(deferred, [said("here")], effects=[ChangeTurn(of=later, change=TurnChange.FINISHED, grant=grant)])
    assert await left(deferred) == ["", "", ""]
    held = {each.agent: each for each in await claim_all(log)}
    assert await left(queued) == ["one"]
    for each in held.values():
        await log.settle(each, done(""))
    assert await left(queued) == ["", ""]
    assert await left(shared) == ["", "", ""]


async def test_retention_keeps_off_conversations_on_hold(
    log: ConversationLog, history: History, keeping: Keeping, clock: Clock
) -> None:
    held, other = new_conversation(), new_conversation()
    for conversation in (held, other):
        await log.append(conversation, [said("old")], opening=OPENING)
    await keeping.hold(held, reason="a lawsuit")
    clock.pass_time(1)
    assert await keeping.retain(seconds=0, limit=100) == 1
    assert (await texts(history, held), await texts(history, other)) == (["old"], [""])
