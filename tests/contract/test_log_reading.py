"""What every conversation log promises to whoever reads: pages both ways, turns, devices, and what a search finds."""

from dataclasses import replace

import pytest

from adapters.messaging.log import ConversationLog, History, TurnMark, WhichTurns
from adapters.messaging.outcomes import Dead
from adapters.messaging.turns import Turn, TurnState
from registry.model import ConversationId, TurnId, Unknown
from tests.support.logs import (
    ALICE,
    BOB,
    ECHO,
    OPENING,
    SCOUT,
    Clock,
    OpenedLog,
    asks,
    claim_all,
    claim_one,
    done,
    new_conversation,
    open_turn,
    said,
    texts_of,
)
from tests.support.paper import PaperEngine

MIB = 1 << 20


async def ten(log: ConversationLog, conversation: ConversationId) -> None:
    await log.append(conversation, [said(f"{n}") for n in range(1, 11)], opening=OPENING)


# ---- pages


async def test_a_conversation_is_paged_forward(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await ten(log, conversation)
    assert texts_of(await history.page(conversation, limit=4)) == ["1", "2", "3", "4"]
    assert texts_of(await history.page(conversation, after=4, limit=4)) == ["5", "6", "7", "8"]
    assert texts_of(await history.page(conversation, after=8, limit=4)) == ["9", "10"]
    assert await history.page(conversation, after=10) == []
    assert await history.page(conversation, after=1000) == []


async def test_a_conversation_is_paged_backward(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await ten(log, conversation)
    assert texts_of(await history.page(conversation, before=11, limit=4)) == ["7", "8", "9", "10"]
    assert texts_of(await history.page(conversation, before=7, limit=4)) == ["3", "4", "5", "6"]
    assert texts_of(await history.page(conversation, before=3, limit=4)) == ["1", "2"]
    assert await history.page(conversation, before=1) == []
    assert texts_of(await history.page(conversation, before=1000, limit=2)) == ["9", "10"]


async def test_a_page_can_lie_between_two_numbers(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await ten(log, conversation)
    assert texts_of(await history.page(conversation, after=3, before=6)) == ["4", "5"]
    assert texts_of(await history.page(conversation, after=3, before=9, limit=2)) == ["7", "8"]
    assert await history.page(conversation, after=5, before=6) == []


@pytest.mark.parametrize("after", [-1, 0, 2**63, 2**70])
async def test_a_place_beyond_both_ends_is_one_too(
    log: ConversationLog, history: History, conversation: ConversationId, after: int
) -> None:
    await ten(log, conversation)
    page = texts_of(await history.page(conversation, after=after, limit=2))
    assert page == ([] if after > 0 else ["1", "2"])
    assert len(await history.page(conversation, before=after, limit=2)) == (2 if after > 0 else 0)


async def test_a_page_is_not_much_larger_than_4_mib(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("first")], opening=OPENING)
    for _ in range(4):
        await log.append(conversation, [replace(said("big"), body=bytes(3 * MIB))])

    forward = await history.page(conversation)
    assert 2 <= len(forward) <= 3, "not many more than 4 MiB"
    assert [message.seq for message in forward] == list(range(1, len(forward) + 1))
    backward = await history.page(conversation, before=6)
    assert 1 <= len(backward) <= 2
    assert backward[-1].seq == 5

    seen: list[int] = []
    while page := await history.page(conversation, after=len(seen)):
        seen += [message.seq for message in page]
    assert seen == [1, 2, 3, 4, 5], "whoever goes on from page to page sees it all"


async def test_what_was_acknowledged_is_in_the_next_page(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("0")], opening=OPENING)
    for number in range(1, 20):
        appended = await log.append(conversation, [said(f"{number}")])
        assert (await history.page(conversation))[-1].seq == appended.seq


@pytest.mark.parametrize("bad", ["", "nowhere", "x" * 5000])
async def test_a_page_of_nothing_is_unknown(history: History, bad: str) -> None:
    with pytest.raises(Unknown):
        await history.page(ConversationId(bad))


# ---- conversations


async def test_conversations_are_listed_in_the_order_of_their_ids(log: ConversationLog, history: History) -> None:
    ids = sorted(new_conversation() for _ in range(5))
    for each in reversed(ids):
        await log.append(each, [said("x")], opening=OPENING)
    assert [each.id for each in await history.conversations(limit=2)] == ids[:2]
    assert [each.id for each in await history.conversations(after=ids[1], limit=2)] == ids[2:4]
    assert [each.id for each in await history.conversations(after=ids[3])] == ids[4:]
    assert sorted(each.id for each in await history.conversations(ids=[ids[3], ids[0], ConversationId("?")])) == [
        ids[0],
        ids[3],
    ]


# ---- turns


async def test_turns_say_how_they_are(log: ConversationLog, history: History, conversation: ConversationId) -> None:
    await log.append(conversation, [said("hm")], opening=OPENING)
    of = await open_turn(log, conversation, "one")
    (turn,) = await history.turns(WhichTurns(conversation=conversation))
    assert (turn.conversation, turn.agent, turn.id) == (conversation, ECHO, of.turn)
    assert (turn.opened, turn.due, turn.state, turn.started_by) == (2, 2, TurnState.QUEUED, ALICE)
    assert (turn.attempts, turn.grant, turn.expires, turn.authority) == (0, 0, None, b"sealed")

    await claim_one(log)
    (turn,) = await history.turns(WhichTurns(conversation=conversation))
    assert (turn.state, turn.attempts) == (TurnState.WORKING, 1)


async def test_turns_are_found_by_what_they_are(log: ConversationLog, history: History) -> None:
    one, other = new_conversation(), new_conversation()
    await log.append(one, [said("x", to=(ECHO, SCOUT), by=ALICE)], opening=OPENING)
    await log.append(other, [said("y", to=(ECHO, SCOUT), by=BOB)], opening=OPENING)
    held = {(each.conversation, each.agent): each for each in await claim_all(log)}
    await log.settle(held[one, ECHO], done("ok"))
    await log.settle(held[other, SCOUT], Dead(error="e"))

    async def found(which: WhichTurns) -> set[tuple[str, str]]:
        return {(turn.conversation, turn.agent) for turn in await history.turns(which)}

    assert len(await found(WhichTurns())) == 4
    assert await found(WhichTurns(conversation=one)) == {(one, ECHO), (one, SCOUT)}
    assert await found(WhichTurns(agents=(SCOUT,))) == {(one, SCOUT), (other, SCOUT)}
    assert await found(WhichTurns(states=(TurnState.COMPLETED, TurnState.FAILED))) == {(one, ECHO), (other, SCOUT)}
    assert await found(WhichTurns(started_by=BOB)) == {(other, ECHO), (other, SCOUT)}
    assert await found(WhichTurns(turns=(held[one, ECHO].turn, TurnId("?")))) == {(one, ECHO)}
    assert await found(WhichTurns(conversation=other, turns=(held[one, ECHO].turn,))) == set()
    assert await found(WhichTurns(agents=(ECHO,), states=(TurnState.WORKING,), started_by=BOB)) == {(other, ECHO)}


async def test_turns_that_changed_last_are_first_and_pages_are_stable_while_turns_change(
    opened: OpenedLog, log: ConversationLog, history: History, clock: Clock
) -> None:
    for number in range(6):
        await open_turn(log, new_conversation(), f"{number}")
        if isinstance(opened.engine, PaperEngine):
            clock.pass_time(1)  # its day is its clock
    listed = list(await history.turns(WhichTurns(), limit=2))
    last = (await history.turns(WhichTurns()))[-1]

    (oldest,) = (held for held in await claim_all(log) if held.turn == last.id)
    assert (await history.turns(WhichTurns(), limit=1))[0].changed_at >= listed[0].changed_at
    while page := await history.turns(WhichTurns(), behind=TurnMark(listed[-1].changed_at, listed[-1].id), limit=2):
        listed += page
    assert len({turn.id for turn in listed}) == len(listed), "nothing twice"
    assert oldest.turn not in {turn.id for turn in listed[2:]} or len(listed) == 6
    assert [turn.changed_at for turn in listed] == sorted((turn.changed_at for turn in listed), reverse=True)


async def test_turns_that_changed_at_the_same_instant_are_paged_without_loss(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said(f"{n}", to=(ECHO, SCOUT)) for n in range(5)], opening=OPENING)
    listed: list[Turn] = []
    mark = None
    while page := await history.turns(WhichTurns(), behind=mark, limit=3):
        listed += page
        mark = TurnMark(page[-1].changed_at, page[-1].id)
    assert len(listed) == len({turn.id for turn in listed}) == 10


# ---- devices


async def test_what_a_device_has_shown_never_goes_back(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await ten(log, conversation)
    assert await log.seen(conversation, "phone", 4) == 4
    assert await log.seen(conversation, "phone", 2) == 4
    assert await log.seen(conversation, "phone", 4) == 4
    assert await log.seen(conversation, "laptop", 0) == 0
    assert await log.seen(conversation, "laptop", 10) == 10
    assert (await history.devices(conversation)).seen == {"phone": 4, "laptop": 10}
    assert (await history.devices(ConversationId("nowhere"))).seen == {}


# ---- search


async def found(history: History, words: str, *conversations: ConversationId) -> list[str]:
    return [each.message.text for each in await history.search(words, conversations=conversations or None)]


async def test_a_search_finds_what_was_just_said(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("a red house"), said("a red car")], opening=OPENING)
    assert set(await found(history, "red")) == {"a red house", "a red car"}
    await log.append(conversation, [said("a blue house")])
    assert set(await found(history, "house")) == {"a red house", "a blue house"}


async def test_every_word_has_to_occur(log: ConversationLog, history: History, conversation: ConversationId) -> None:
    await log.append(conversation, [said("a red house"), said("a red car")], opening=OPENING)
    assert await found(history, "house red") == ["a red house"]
    assert await found(history, "red boat") == []
    assert await found(history, "") == []
    assert await found(history, "  \n") == []


async def test_a_search_looks_where_it_is_told_to(log: ConversationLog, history: History) -> None:
    one, other = new_conversation(), new_conversation()
    await log.append(one, [said("red here")], opening=OPENING)
    await log.append(other, [said("red there")], opening=OPENING)
    assert await found(history, "red", other) == ["red there"]
    assert set(await found(history, "red", one, other)) == {"red here", "red there"}
    assert await history.search("red", conversations=[]) == []
    assert len(await history.search("red", limit=1)) == 1


@pytest.mark.parametrize("words", ["HOUSE", "house", "Größe", "GRößE"])
async def test_case_does_not_matter(
    log: ConversationLog, history: History, conversation: ConversationId, words: str
) -> None:
    await log.append(conversation, [said("A House of this Größe")], opening=OPENING)
    assert len(await found(history, words)) == 1


async def test_accents_and_punctuation_do_not_matter(
    opened: OpenedLog, log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    if isinstance(opened.engine, PaperEngine):
        pytest.skip("Paper compares words letter by letter.")
    await log.append(conversation, [said("Zoë said: “déjà-vu!” (twice)")], opening=OPENING)
    for words in ("zoe", "Zoë", "deja", "déjà vu", "twice", "(twice)", "said: twice!"):
        assert len(await found(history, words)) == 1, words


async def test_the_best_is_found_first(
    opened: OpenedLog, log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    if isinstance(opened.engine, PaperEngine):
        pytest.skip("Paper finds what it finds.")
    long = "red " + "and then a great many other words about this and that and nothing at all " * 20
    await log.append(conversation, [said(long), said("red red red"), *(said("x") for _ in range(9))], opening=OPENING)
    results = await history.search("red")
    assert [each.message.seq for each in results] == [2, 1]
    assert results[0].rank >= results[1].rank


async def test_what_agents_say_and_ask_is_found(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await open_turn(log, conversation, "one")
    await log.settle(await claim_one(log), asks("which colour?"))
    await open_turn(log, new_conversation(), "two")
    await log.settle(await claim_one(log), done("no colour? fine"))
    assert len(await found(history, "colour?")) == 2


async def test_a_message_without_text_is_not_found(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [replace(said("x"), body=b"hidden", text="")], opening=OPENING)
    await log.append(conversation, [said("visible")])
    assert await found(history, "hidden") == []
    assert await found(history, "visible") == ["visible"]


async def test_a_very_long_text_is_found_by_how_it_begins(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    text = " ".join(["beginning", *(f"word{n}" for n in range(200_000))])
    await log.append(conversation, [replace(said("x"), text=text)], opening=OPENING)
    assert len(await found(history, "beginning word17")) == 1
