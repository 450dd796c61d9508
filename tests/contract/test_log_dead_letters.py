"""What every conversation log promises about deliveries that are given up: they are kept with their reason, everybody
who waits hears of it, and what they said can be said anew."""

import asyncio
from dataclasses import replace

import pytest

from adapters.messaging.errors import NotDead
from adapters.messaging.log import ConversationLog, History, Keeping, LetterMark, WhichLetters
from adapters.messaging.messages import DeadLetter, Kind, QuestionRef, TurnRef
from adapters.messaging.outcomes import Dead, Retry
from adapters.messaging.turns import TurnState
from registry.model import AgentName, ConversationId, new_turn_id
from tests.support.logs import (
    ALICE,
    ECHO,
    OPENING,
    SCOUT,
    answered,
    asks,
    claim_all,
    claim_one,
    done,
    new_conversation,
    open_turn,
    said,
    turn_of,
)

DEAD = Dead(error="no answer in 5 attempts", body=b"It could not be done.")


async def a_dead_letter(log: ConversationLog, conversation: ConversationId, text: str = "one") -> TurnRef:
    of = await open_turn(log, conversation, text)
    await log.settle(await claim_one(log, ECHO), DEAD)
    return of


async def test_a_delivery_that_is_given_up_is_kept_with_its_reason(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.settle(await claim_one(log), Retry(after=0, error="away"))
    await log.settle(await claim_one(log), DEAD)

    (letter,) = await history.dead(WhichLetters())
    assert (letter.of, letter.seq, letter.attempts) == (of, 1, 2)
    assert (letter.error, letter.redriven_as) == ("no answer in 5 attempts", 0)
    (_, failed) = await history.page(conversation)
    assert (failed.kind, failed.sender, failed.turn) == (Kind.FAILED, "service:interchange", of.turn)
    assert failed.body == b"It could not be done."
    turn = await turn_of(history, of)
    assert (turn.state, turn.error) == (TurnState.FAILED, "no answer in 5 attempts")


async def test_what_comes_after_a_dead_letter_is_delivered(log: ConversationLog, conversation: ConversationId) -> None:
    of = await open_turn(log, conversation, "one")
    await log.append(conversation, [said("two", to=ECHO)])
    held = await claim_one(log)
    assert held.of == of
    await log.settle(held, DEAD)
    assert (await claim_one(log)).message.text == "two"


async def test_a_redrive_says_it_anew_at_the_end(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await a_dead_letter(log, conversation)
    await log.append(conversation, [said("two", to=ECHO)])
    turn = new_turn_id()
    redriven = await log.redrive(conversation, ECHO, 1, turn=turn)

    assert (redriven.seq, redriven.placed[0].turn) == (4, turn)
    *_, anew = await history.page(conversation)
    assert (anew.body, anew.text, anew.sender, anew.to) == (b"one", "one", ALICE, (ECHO,))
    assert (await turn_of(history, of)).state is TurnState.FAILED, "what has ended stays as it ended"

    for text in ("two", "one"):
        held = await claim_one(log)
        assert (held.message.text, held.attempt) == (text, 1)
        await log.settle(held, done("ok"))
    assert (await turn_of(history, replace(of, turn=turn))).state is TurnState.COMPLETED


async def test_what_is_redriven_has_the_authority_it_had(log: ConversationLog, conversation: ConversationId) -> None:
    await a_dead_letter(log, conversation)
    await log.redrive(conversation, ECHO, 1, turn=new_turn_id())
    assert (await claim_one(log)).authority == b"sealed"


async def test_a_dead_letter_is_redriven_once(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await a_dead_letter(log, conversation)
    turn = new_turn_id()
    await log.redrive(conversation, ECHO, 1, turn=turn)

    assert (await log.redrive(conversation, ECHO, 1, turn=turn)).duplicate, "to repeat is always safe"
    with pytest.raises(NotDead, match="redriven before, as message 3"):
        await log.redrive(conversation, ECHO, 1, turn=new_turn_id())
    assert len(await claim_all(log)) == 1
    assert await history.dead(WhichLetters()) == []
    (letter,) = await history.dead(WhichLetters(redriven=True))
    assert letter.redriven_as == 3


async def test_of_many_who_redrive_at_once_one_does(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await a_dead_letter(log, conversation)
    attempts = [log.redrive(conversation, ECHO, 1, turn=new_turn_id()) for _ in range(10)]
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(answer, NotDead) for answer in answers) == 9
    assert len(await history.page(conversation)) == 3


async def test_what_is_redriven_can_die_again(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await a_dead_letter(log, conversation)
    await log.redrive(conversation, ECHO, 1, turn=new_turn_id())
    await log.settle(await claim_one(log), DEAD)
    await log.redrive(conversation, ECHO, 3, turn=new_turn_id())
    await log.settle(await claim_one(log), done("at last"))
    assert [letter.seq for letter in await history.dead(WhichLetters(redriven=True))] == [1, 3]
    assert [message.body for message in await history.page(conversation)][4:] == [b"one", b"at last"]


async def test_what_is_not_dead_is_not_redriven(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("alive", to=(ECHO, SCOUT))], opening=OPENING)
    await log.settle(await claim_one(log, SCOUT), DEAD)
    held = await claim_one(log, ECHO)
    for agent, seq in ((ECHO, 1), (SCOUT, 2), (SCOUT, 7), (AgentName("nobody"), 1), (SCOUT, 0)):
        with pytest.raises(NotDead, match="not a dead letter"):
            await log.redrive(conversation, agent, seq, turn=new_turn_id())

    await log.settle(held, done("ok"))
    with pytest.raises(NotDead):
        await log.redrive(conversation, ECHO, 1, turn=new_turn_id())
    assert len(await history.page(conversation)) == 3


async def test_what_was_erased_is_not_redriven(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    await a_dead_letter(log, conversation)
    await keeping.erase(conversation, id="e", by=ALICE, reason="asked to be forgotten")
    with pytest.raises(NotDead, match="erased"):
        await log.redrive(conversation, ECHO, 1, turn=new_turn_id())
    assert await claim_all(log) == []


async def test_an_erasure_and_a_redrive_at_once_leave_nothing_to_be_read(
    log: ConversationLog, history: History, keeping: Keeping
) -> None:
    for _ in range(10):
        conversation = new_conversation()
        await a_dead_letter(log, conversation, "secret")
        await asyncio.gather(
            keeping.erase(conversation, id="e", by=ALICE, reason="asked", up_to=1),
            log.redrive(conversation, ECHO, 1, turn=new_turn_id()),
            return_exceptions=True,
        )
        erased_at = next(m.seq for m in await history.page(conversation) if m.kind is Kind.ERASED)
        later = [m.body for m in await history.page(conversation, after=erased_at)]
        assert b"secret" not in later


async def test_an_answer_that_died_is_said_anew_as_a_turn_of_its_own(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.settle(await claim_one(log), asks("which?"))
    await log.append(conversation, [answered("red", QuestionRef(of=of, question="q1"))])
    await log.settle(await claim_one(log), DEAD)
    turn = new_turn_id()
    await log.redrive(conversation, ECHO, 3, turn=turn)
    held = await claim_one(log)
    assert (held.turn, held.message.text, held.message.kind) == (turn, "red", Kind.SAID)


async def test_a_sender_cannot_prevent_a_redrive_by_the_ids_of_messages(
    log: ConversationLog, conversation: ConversationId
) -> None:
    await a_dead_letter(log, conversation)
    for taken in (f"redrive:{ECHO}:1", "redriven", "1:redriven"):
        await log.append(conversation, [said("mine", id=taken)])
    assert (await log.redrive(conversation, ECHO, 1, turn=new_turn_id())).placed[0].seq == 6


async def test_dead_letters_are_listed_the_oldest_first_and_page_by_page(
    log: ConversationLog, history: History
) -> None:
    dead = [await a_dead_letter(log, new_conversation()) for _ in range(5)]
    listed: list[DeadLetter] = []
    mark: LetterMark | None = None
    while page := await history.dead(WhichLetters(), after=mark, limit=2):
        assert len(page) <= 2
        listed += page
        mark = LetterMark.behind(page[-1])
    assert sorted(letter.of.conversation for letter in listed) == sorted(of.conversation for of in dead)
    assert [letter.at for letter in listed] == sorted(letter.at for letter in listed)


async def test_the_letters_of_one_message_are_paged_without_loss(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("x", to=(ECHO, SCOUT))], opening=OPENING)
    await asyncio.gather(*(log.settle(held, DEAD) for held in await claim_all(log)))
    (first,) = await history.dead(WhichLetters(), limit=1)
    (second,) = await history.dead(WhichLetters(), after=LetterMark.behind(first), limit=1)
    assert {first.of.agent, second.of.agent} == {ECHO, SCOUT}
    assert await history.dead(WhichLetters(), after=LetterMark.behind(second)) == []


async def test_dead_letters_are_listed_by_conversation_and_agent(log: ConversationLog, history: History) -> None:
    one, other = new_conversation(), new_conversation()
    for conversation in (one, other):
        await log.append(conversation, [said("x", to=(ECHO, SCOUT))], opening=OPENING)
    for held in await claim_all(log):
        await log.settle(held, DEAD)

    assert len(await history.dead(WhichLetters())) == 4
    assert {letter.of.agent for letter in await history.dead(WhichLetters(conversation=one))} == {ECHO, SCOUT}
    assert {letter.of.conversation for letter in await history.dead(WhichLetters(agent=ECHO))} == {one, other}
    (letter,) = await history.dead(WhichLetters(conversation=one, agent=SCOUT))
    assert (letter.of.conversation, letter.of.agent) == (one, SCOUT)
