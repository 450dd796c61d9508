"""What every conversation log promises to whoever appends: order, once for ever, all or none, and a clear no."""

import asyncio
from dataclasses import replace

import pytest

from adapters.messaging.errors import Fenced, IdConflict, TailMoved
from adapters.messaging.log import ConversationLog, History
from adapters.messaging.messages import Kind, New, Opening, QuestionRef, TurnRef
from adapters.messaging.outcomes import Done
from registry.model import BadRequest, ConversationId, TurnId, Unknown
from tests.support.logs import (
    ALICE,
    BOB,
    ECHO,
    LEASE,
    OPENING,
    SCOUT,
    answered,
    claim_all,
    claim_one,
    done,
    new_conversation,
    open_turn,
    said,
    texts,
)

MIB = 1 << 20


# ---- order


async def test_messages_are_numbered_from_1_without_gaps(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    first = await log.append(conversation, [said("one")], opening=OPENING)
    both = await log.append(conversation, [said("two"), said("three")])

    assert (first.seq, first.tail) == (1, 1)
    assert ([placed.seq for placed in both.placed], both.tail) == ([2, 3], 3)
    assert [message.seq for message in await history.page(conversation)] == [1, 2, 3]
    assert await texts(history, conversation) == ["one", "two", "three"]


async def test_every_conversation_has_numbers_of_its_own(log: ConversationLog) -> None:
    one, other = new_conversation(), new_conversation()
    assert (await log.append(one, [said("here")], opening=OPENING)).seq == 1
    assert (await log.append(other, [said("there")], opening=OPENING)).seq == 1


async def test_a_message_is_read_as_it_was_said(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    new = New(
        id="m ü 1",
        sender="person:zoë",
        issuer="https://issuer/",
        body=bytes(range(256)),
        text="Grüße\n🙂",
        kind=Kind.UPDATED,
        updates="m0",
        turn=TurnId("some turn"),
    )
    placed = await log.append(conversation, [new], opening=OPENING)
    (message,) = await history.page(conversation)

    assert (message.conversation, message.seq, message.erased) == (conversation, placed.seq, False)
    assert (message.id, message.sender, message.issuer) == (new.id, new.sender, new.issuer)
    assert (message.body, message.text, message.kind) == (new.body, new.text, Kind.UPDATED)
    assert (message.updates, message.turn, message.to, message.answers) == ("m0", "some turn", (), "")


async def test_an_empty_message_is_one_too(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [New(id="m", sender=ALICE, body=b"")], opening=OPENING)
    (message,) = await history.page(conversation)
    assert (message.body, message.text, message.erased) == (b"", "", False)


# ---- once, for ever


async def test_a_message_that_is_said_again_is_where_it_was(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    new = said("one", to=ECHO)
    first = await log.append(conversation, [new], opening=OPENING)
    await log.append(conversation, [said("two")])
    again = await log.append(conversation, [new])

    assert (first.duplicate, again.duplicate) == (False, True)
    assert (again.seq, again.tail) == (1, 2)
    assert await texts(history, conversation) == ["one", "two"]


async def test_whoever_repeats_a_message_gets_the_turn_it_opened_the_first_time(
    log: ConversationLog, conversation: ConversationId
) -> None:
    first = await log.append(conversation, [said("one", to=ECHO, id="m")], opening=OPENING)
    again = await log.append(conversation, [said("one", to=ECHO, id="m")], opening=OPENING, claim=LEASE)

    assert again.placed[0].turn == first.placed[0].turn
    assert again.delivery is None
    assert len(await claim_all(log)) == 1, "it is delivered once"


async def test_a_repetition_is_found_whatever_has_become_of_the_conversation(
    log: ConversationLog, conversation: ConversationId
) -> None:
    new = said("one", to=ECHO)
    await log.append(conversation, [new], opening=OPENING, expect_tail=0)
    await log.settle(await claim_one(log), done("heard"))

    again = await log.append(conversation, [new], opening=OPENING, expect_tail=0)
    assert (again.seq, again.duplicate, again.tail) == (1, True, 2)
    assert await claim_all(log) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(said("one", id="m"), body=b"another body"),
        replace(said("one", id="m"), kind=Kind.UPDATED),
        replace(said("one", id="m"), updates="m0"),
        said("one", id="m", to=SCOUT),
        said("one", id="m", to=(ECHO, SCOUT)),
    ],
    ids=["body", "kind", "updates", "recipient", "recipients"],
)
async def test_an_id_means_one_message_for_ever(
    log: ConversationLog, history: History, conversation: ConversationId, other: New
) -> None:
    await log.append(conversation, [said("one", id="m")], opening=OPENING)
    with pytest.raises(IdConflict, match="'m'"):
        await log.append(conversation, [other])
    assert await texts(history, conversation) == ["one"]


async def test_two_senders_may_use_the_same_id(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("mine", id="m", by=ALICE)], opening=OPENING)
    other = await log.append(conversation, [said("mine too", id="m", by=BOB)])

    assert (other.seq, other.duplicate) == (2, False)
    assert await texts(history, conversation) == ["mine", "mine too"]


async def test_an_id_may_be_used_in_every_conversation(log: ConversationLog) -> None:
    one, other = new_conversation(), new_conversation()
    await log.append(one, [said("one", id="m")], opening=OPENING)
    assert not (await log.append(other, [said("two", id="m")], opening=OPENING)).duplicate


# ---- all or none


async def test_a_partial_repetition_is_refused_as_a_whole(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    known = said("one")
    await log.append(conversation, [known], opening=OPENING)
    with pytest.raises(IdConflict, match="repeat what was appended together"):
        await log.append(conversation, [known, said("two")])
    assert await texts(history, conversation) == ["one"]


async def test_several_messages_are_repeated_together(log: ConversationLog, conversation: ConversationId) -> None:
    both = [said("one"), said("two")]
    first = await log.append(conversation, both, opening=OPENING)
    again = await log.append(conversation, both)
    assert [placed.seq for placed in again.placed] == [placed.seq for placed in first.placed] == [1, 2]
    assert again.duplicate


async def test_one_append_uses_an_id_once(log: ConversationLog, history: History, conversation: ConversationId) -> None:
    with pytest.raises(IdConflict):
        await log.append(conversation, [said("one", id="m"), said("one", id="m")], opening=OPENING)
    assert await history.conversations(ids=[conversation]) == []


async def test_a_turn_is_opened_once(log: ConversationLog, history: History, conversation: ConversationId) -> None:
    turn = TurnId("the turn")
    await log.append(conversation, [said("one", to=ECHO, turn=turn)], opening=OPENING)
    with pytest.raises(IdConflict, match="the turn"):
        await log.append(conversation, [said("two", to=SCOUT, turn=turn)])
    with pytest.raises(IdConflict, match="other"):
        await log.append(conversation, [said("three", to=(ECHO, SCOUT), turn=TurnId("other"))])
    assert await texts(history, conversation) == ["one"]


async def test_what_is_refused_leaves_nothing_behind(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", id="m")], opening=OPENING)
    with pytest.raises(IdConflict):
        await log.append(conversation, [said("two", to=ECHO), said("not one", id="m")])

    assert await claim_all(log) == []
    assert (await log.append(conversation, [said("three")])).seq == 2
    assert await texts(history, conversation) == ["one", "three"]


# ---- where it belongs


async def test_a_conversation_begins_with_its_opening(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING)
    (opened,) = await history.conversations(ids=[conversation])
    assert (opened.id, opened.tail, opened.hold) == (conversation, 1, "")
    assert (opened.domain, opened.started_by, opened.started_by_issuer) == ("hiring", ALICE, "https://issuer")


async def test_an_opening_changes_nothing_in_a_conversation_that_exists(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING)
    await log.append(conversation, [said("two")], opening=Opening(domain="sales", started_by=BOB))
    (opened,) = await history.conversations(ids=[conversation])
    assert (opened.domain, opened.started_by, opened.tail) == ("hiring", ALICE, 2)


async def test_a_conversation_that_nobody_opened_is_unknown(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    nobody = TurnRef(conversation=conversation, agent=ECHO, turn=TurnId("t"))
    with pytest.raises(Unknown, match=conversation):
        await log.append(conversation, [said("one")])
    with pytest.raises(Unknown, match=conversation):
        await log.seen(conversation, "phone", 0)
    with pytest.raises(Unknown, match=conversation):
        await log.revoke(nobody, by=ALICE)
    with pytest.raises(Unknown, match=conversation):
        await log.redrive(conversation, ECHO, 1, turn=TurnId("t"))
    with pytest.raises(Unknown, match=conversation):
        await history.page(conversation)


async def test_a_refused_append_opens_no_conversation(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    with pytest.raises(TailMoved):
        await log.append(conversation, [said("one")], opening=OPENING, expect_tail=7)
    assert await history.conversations(ids=[conversation]) == []


async def test_whoever_expects_a_tail_appends_there_or_nowhere(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING, expect_tail=0)
    with pytest.raises(TailMoved, match="ends at 1, and not at 0") as moved:
        await log.append(conversation, [said("late")], expect_tail=0)
    assert moved.value.tail == 1

    await log.append(conversation, [said("two")], expect_tail=1)
    assert await texts(history, conversation) == ["one", "two"]


async def test_of_two_who_expect_the_same_tail_one_is_refused(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING)
    attempts = [log.append(conversation, [said(text)], expect_tail=1) for text in "abcdefgh"]
    answers = await asyncio.gather(*attempts, return_exceptions=True)

    assert sum(isinstance(answer, TailMoved) for answer in answers) == 7
    assert len(await history.page(conversation)) == 2


async def test_what_is_appended_under_a_delivery_needs_that_delivery(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    held = await claim_one(log)
    on_the_way = replace(said("on the way", by="agent:echo"), turn=held.turn)

    await log.append(conversation, [on_the_way], under=held)
    await log.settle(held, Done())
    with pytest.raises(Fenced):
        await log.append(conversation, [said("too late", by="agent:echo")], under=held)
    assert (await log.append(conversation, [on_the_way], under=held)).duplicate, "to repeat is always safe"
    assert await texts(history, conversation) == ["one", "on the way"]


async def test_a_delivery_of_one_conversation_is_none_in_another(
    log: ConversationLog, conversation: ConversationId
) -> None:
    other = new_conversation()
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    await log.append(other, [said("one", to=ECHO)], opening=OPENING)
    held = {each.conversation: each for each in await claim_all(log)}
    assert held[conversation].fence == held[other].fence

    with pytest.raises(BadRequest):
        await log.append(other, [said("from elsewhere", by="agent:echo")], under=held[conversation])


async def test_an_answer_is_said_to_be_one(log: ConversationLog, conversation: ConversationId) -> None:
    of = await open_turn(log, conversation, "one")
    answer = answered("yes", QuestionRef(of=of, question="q"))
    with pytest.raises(BadRequest, match="'answered'"):
        await log.append(conversation, [replace(answer, kind=Kind.SAID)])
