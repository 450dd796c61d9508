"""What every conversation log promises about whose a turn is, which turns are part of another, and what belongs to one:
it is asked by owner, by root and by time, counted, and read as one turn's own messages."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.messaging.log import ConversationLog, History, Keeping, TurnMark, WhichTurns
from adapters.messaging.messages import Message, QuestionRef, To, TurnRef
from adapters.messaging.outcomes import ChangeTurn, Dead, Done
from adapters.messaging.turns import Turn, TurnChange, TurnState
from registry.model import NO_TURN, BadRequest, ConversationId, TurnId, new_turn_id
from tests.support.logs import (
    BOB,
    ECHO,
    OPENING,
    SCOUT,
    answered,
    asks,
    claim_all,
    claim_one,
    done,
    new_conversation,
    said,
    texts_of,
    turn_of,
)

MINE, YOURS = "digest of my chain", "digest of yours"
ROOT = TurnId("the-outermost")
MIB = 1 << 20


async def open_owned(log: ConversationLog, conversation: ConversationId, text: str, owner: str = MINE) -> TurnRef:
    appended = await log.append(conversation, [said(text, to=ECHO, owner=owner)], opening=OPENING)
    return TurnRef(conversation=conversation, agent=ECHO, turn=appended.placed[0].turn)


def ids_of(turns: Sequence[Turn]) -> list[TurnId]:
    return [turn.id for turn in turns]


# ---- owners and roots


async def test_a_turn_keeps_its_owner_and_its_root(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    new = said("one", to=[ECHO, SCOUT], owner=MINE, root=ROOT)
    placed = await log.append(conversation, [new], opening=OPENING)
    for to in new.to:
        of = TurnRef(conversation=conversation, agent=to.agent, turn=to.turn)
        assert ((turn := await turn_of(history, of)).owner, turn.root) == (MINE, ROOT)

    await log.settle(await claim_one(log, ECHO), asks("which?"))
    of = TurnRef(conversation=conversation, agent=ECHO, turn=placed.placed[0].turn)
    await log.append(conversation, [answered("this", QuestionRef(of=of, question="q1"), by=BOB)])
    await log.settle(await claim_one(log, ECHO), done("so be it"))
    turn = await turn_of(history, of)
    assert (turn.state, turn.owner, turn.root) == (TurnState.COMPLETED, MINE, ROOT)


async def test_a_turn_of_which_nothing_is_said_has_neither(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_owned(log, conversation, "one", owner="")
    turn = await turn_of(history, of)
    assert (turn.owner, turn.root) == ("", NO_TURN)


async def test_a_redrive_is_the_same_owners_and_part_of_the_same(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO, owner=MINE, root=ROOT)], opening=OPENING)
    await log.settle(await claim_one(log), Dead(error="broken"))
    again = new_turn_id()
    await log.redrive(conversation, ECHO, 1, turn=again)
    turn = await turn_of(history, TurnRef(conversation=conversation, agent=ECHO, turn=again))
    assert (turn.owner, turn.root, turn.authority) == (MINE, ROOT, b"sealed")


async def test_a_repetition_changes_no_owner(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    new = said("one", to=ECHO, owner=MINE)
    of = TurnRef(conversation=conversation, agent=ECHO, turn=new.to[0].turn)
    await log.append(conversation, [new], opening=OPENING)
    other = To(agent=ECHO, turn=new_turn_id(), owner=YOURS, root=ROOT)
    assert (await log.append(conversation, [replace(new, to=(other,))])).duplicate
    assert (await turn_of(history, of)).owner == MINE
    assert await history.count_turns(WhichTurns(owner=YOURS)) == 0


@pytest.mark.parametrize("bad", ["x" * 257, "\0", "\ud800"])
@pytest.mark.parametrize("field", ["owner", "root"])
async def test_an_owner_or_a_root_that_no_database_keeps_is_refused(
    log: ConversationLog, history: History, conversation: ConversationId, field: str, bad: str
) -> None:
    new = said("one", to=ECHO)
    with pytest.raises(BadRequest):
        await log.append(conversation, [replace(new, to=(replace(new.to[0], **{field: bad}),))], opening=OPENING)
    assert await history.conversations() == []


# ---- lists


async def test_turns_are_listed_by_owner_wherever_they_are(log: ConversationLog, history: History) -> None:
    mine: list[TurnId] = []
    for number in range(6):
        of = await open_owned(log, new_conversation(), f"{number}", owner=MINE if number % 2 else YOURS)
        mine += [of.turn] if number % 2 else []
    await log.append(new_conversation(), [said("x", to=ECHO)], opening=OPENING)

    assert ids_of(await history.turns(WhichTurns(owner=MINE))) == mine[::-1], "changed last first"
    assert await history.count_turns(WhichTurns(owner=MINE)) == 3
    assert await history.turns(WhichTurns(owner="nobody")) == []
    assert await history.count_turns(WhichTurns(owner="nobody")) == 0
    assert await history.count_turns(WhichTurns()) == 7


async def test_what_else_is_asked_for_restricts_as_well(log: ConversationLog, history: History) -> None:
    here, there = new_conversation(), new_conversation()
    both = await log.append(here, [said("1", to=[ECHO, SCOUT], owner=MINE)], opening=OPENING)
    await open_owned(log, there, "2")
    await open_owned(log, here, "3", owner=YOURS)
    await log.settle(await claim_one(log, SCOUT), done())

    for restricted, expected in (
        (WhichTurns(owner=MINE), 3),
        (WhichTurns(owner=MINE, agents=(ECHO,)), 2),
        (WhichTurns(owner=MINE, agents=(ECHO, SCOUT)), 3),
        (WhichTurns(owner=MINE, conversation=here), 2),
        (WhichTurns(owner=MINE, conversation=here, agents=(ECHO,)), 1),
        (WhichTurns(owner=MINE, states=(TurnState.COMPLETED,)), 1),
        (WhichTurns(owner=MINE, states=(TurnState.COMPLETED, TurnState.QUEUED)), 3),
        (WhichTurns(owner=MINE, turns=(both.placed[0].turn,)), 1),
        (WhichTurns(owner=YOURS, turns=(both.placed[0].turn,)), 0),
        (WhichTurns(owner=MINE, started_by=BOB), 0),
    ):
        assert await history.count_turns(restricted) == expected, restricted
        assert len(await history.turns(restricted)) == expected, restricted


async def test_turns_that_are_part_of_another_are_listed_by_it(log: ConversationLog, history: History) -> None:
    first, second = new_conversation(), new_conversation()
    await log.append(first, [said("1", to=ECHO, root=ROOT, owner=YOURS)], opening=OPENING)
    await log.append(second, [said("2", to=[ECHO, SCOUT], root=ROOT, owner=MINE)], opening=OPENING)
    await log.append(second, [said("3", to=ECHO, root=TurnId("another"), owner=MINE)])
    assert await history.count_turns(WhichTurns(root=ROOT)) == 3
    assert await history.count_turns(WhichTurns(root=ROOT, owner=MINE)) == 2
    assert {turn.root for turn in await history.turns(WhichTurns(root=ROOT))} == {ROOT}


async def test_turns_are_listed_from_a_time_on(log: ConversationLog, history: History) -> None:
    early = await open_owned(log, new_conversation(), "1")
    late = await open_owned(log, new_conversation(), "2")
    at = (await turn_of(history, late)).changed_at
    assert ids_of(await history.turns(WhichTurns(owner=MINE, changed_after=at))) == [late.turn]
    assert await history.turns(WhichTurns(owner=MINE, changed_after=at + 1e-3)) == []
    assert await history.count_turns(WhichTurns(changed_after=0.0)) == 2

    await log.revoke(early, by=BOB)
    assert ids_of(await history.turns(WhichTurns(owner=MINE, changed_after=at))) == [early.turn, late.turn]


@pytest.mark.parametrize("more", [{}, {"agents": (ECHO,)}, {"agents": (ECHO, SCOUT)}, {"changed_after": 0.0}])
async def test_an_owners_turns_are_paged_and_none_is_skipped_or_doubled(
    log: ConversationLog, history: History, more: dict[str, object]
) -> None:
    conversation = new_conversation()  # turns of one append have changed at the same time
    await log.append(conversation, [said(f"{n}", to=ECHO, owner=MINE) for n in range(25)], opening=OPENING)
    which = WhichTurns(owner=MINE, **more)  # pyright: ignore[reportArgumentType]
    found: list[TurnId] = []
    behind: TurnMark | None = None
    while page := await history.turns(which, behind=behind, limit=4):
        found += ids_of(page)
        behind = TurnMark(page[-1].changed_at, page[-1].id)
    assert len(found) == len(set(found)) == 25


@pytest.mark.parametrize("field", ["owner", "root"])
async def test_nothing_is_looked_for_that_cannot_be_there(history: History, field: str) -> None:
    which = WhichTurns(**{field: "\0"})  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadRequest):
        await history.turns(which)
    with pytest.raises(BadRequest):
        await history.count_turns(which)


# ---- when it was


async def test_whoever_appends_is_told_when_it_was(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    new = said("one", to=ECHO)
    appended = await log.append(conversation, [new, said("two")], opening=OPENING)
    settled = await log.settle(await claim_one(log), done("three"))
    cancelled = await log.revoke(
        TurnRef(
            conversation=conversation,
            agent=SCOUT,
            turn=(await log.append(conversation, [said("four", to=SCOUT)])).placed[0].turn,
        ),
        by=BOB,
    )
    page = await history.page(conversation)
    assert [appended.at, appended.at, settled.at, cancelled.at] == [page[n].at for n in (0, 1, 2, 4)]


async def test_a_repetition_is_told_when_it_was_the_first_time(
    log: ConversationLog, keeping: Keeping, conversation: ConversationId
) -> None:
    new = said("one", to=ECHO)
    first = await log.append(conversation, [new], opening=OPENING)
    await log.append(conversation, [said("two")])
    assert (await log.append(conversation, [new])).at == first.at

    of = TurnRef(conversation=conversation, agent=ECHO, turn=new.to[0].turn)
    cancelled = await log.revoke(of, by=BOB)
    await log.append(conversation, [said("three")])
    assert (await log.revoke(of, by=BOB)).at == cancelled.at

    erased = await keeping.erase(conversation, id="erasure", by=BOB, reason="asked")
    assert (await keeping.erase(conversation, id="erasure", by=BOB, reason="asked")).at == erased.at > cancelled.at


# ---- what belongs to a turn


async def test_what_belongs_to_a_turn_is_read_in_order(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("before")], opening=OPENING)
    of = await open_owned(log, conversation, "do it")
    delivery = await claim_one(log)
    await log.append(conversation, [said("meanwhile"), said("another", to=SCOUT)])
    await log.append(conversation, [replace(said("on the way", by="agent:echo"), turn=of.turn)], under=delivery)
    await log.settle(delivery, asks("which?"))
    await log.append(conversation, [answered("this", QuestionRef(of=of, question="q1"), by=BOB)])
    await log.settle(await claim_one(log, ECHO), done("well", "done"))
    await log.append(conversation, [said("behind")])

    own = await history.of_turn(conversation, of.turn)
    assert texts_of(own) == ["do it", "on the way", "which?", "this", "well", "done"]
    assert texts_of(await history.of_turn(conversation, of.turn, after=own[1].seq)) == [
        "which?",
        "this",
        "well",
        "done",
    ]
    assert texts_of(await history.of_turn(conversation, of.turn, after=own[1].seq, limit=2)) == ["which?", "this"]
    assert await history.of_turn(conversation, of.turn, after=2**70) == []
    assert await history.of_turn(conversation, of.turn, after=-1) == own


async def test_how_a_turn_ended_belongs_to_it(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    cancelled, failed = await open_owned(log, conversation, "1"), await open_owned(log, conversation, "2")
    await log.revoke(cancelled, by=BOB, body=b"never mind")
    await log.settle(await claim_one(log), Dead(error="broken", body=b"It broke."))
    assert texts_of(await history.of_turn(conversation, cancelled.turn)) == ["1", "never mind"]
    assert texts_of(await history.of_turn(conversation, failed.turn)) == ["2", "It broke."]


async def test_what_opened_several_turns_belongs_to_each(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    new = said("both of you", to=[ECHO, SCOUT])
    await log.append(conversation, [new], opening=OPENING)
    for delivery in await claim_all(log):
        await log.settle(delivery, done(f"I am {delivery.agent}"))
    for to in new.to:
        assert texts_of(await history.of_turn(conversation, to.turn)) == ["both of you", f"I am {to.agent}"]


async def test_what_a_review_returned_belongs_to_the_turn(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_owned(log, conversation, "do it")
    await log.settle(await claim_one(log), Done(review_within=100))
    returned = replace(said("once more", by=BOB), turn=of.turn)
    await log.append(conversation, [returned], effects=[ChangeTurn(of=of, change=TurnChange.RETURNED)])
    assert texts_of(await history.of_turn(conversation, of.turn)) == ["do it", "once more"]


async def test_what_belongs_to_no_turn_is_nothing(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_owned(log, conversation, "do it")
    await log.append(conversation, [said("by the way")])
    for where, turn in ((conversation, NO_TURN), (conversation, "none"), ("nowhere", of.turn)):
        assert await history.of_turn(ConversationId(where), TurnId(turn)) == []
    with pytest.raises(BadRequest):
        await history.of_turn(conversation, TurnId("\0"))


async def test_what_belongs_to_a_turn_is_not_much_more_than_4_mib_at_once(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_owned(log, conversation, "do it")
    delivery = await claim_one(log)
    for number in range(4):
        big = replace(said(f"{number}"), body=bytes(3 * MIB), turn=of.turn)
        await log.append(conversation, [big, said("between")], under=delivery)
    seen: list[Message] = []
    while page := await history.of_turn(conversation, of.turn, after=seen[-1].seq if seen else 0):
        assert len(page) <= 3
        seen += page
    assert len(seen) == 5
