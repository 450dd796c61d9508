"""What every conversation log promises about what changes beside the messages: with them, or not at all."""

import asyncio
from dataclasses import replace

import pytest

from adapters.messaging.errors import Fenced, IdConflict, TurnOver
from adapters.messaging.log import ConversationLog, History, Keeping
from adapters.messaging.outcomes import ChangeTurn, Deferred, EndHold, HoldCall, Push
from adapters.messaging.turns import TurnChange, TurnState
from registry.model import ConversationId, Refused, Unknown
from tests.support.logs import (
    ALICE,
    ECHO,
    OPENING,
    OpenedLog,
    claim_one,
    done,
    new_conversation,
    open_turn,
    said,
    texts,
    turn_of,
)

CALL = HoldCall(id="call 1", sealed=b"what was to be called", expires_in=3600)
PUSH = Push(id="push 1", channel="alice's phone", body=b"something happened")


async def test_a_held_call_is_kept_until_it_is_ended(
    opened: OpenedLog, log: ConversationLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("may I?")], opening=OPENING, effects=[CALL])
    (held,) = await opened.peek("held_call")
    assert (held["id"], bytes(held["sealed"]), held["ended"]) == ("call 1", b"what was to be called", "")

    await log.append(conversation, [said("yes")], effects=[EndHold(id="call 1", how="approved")])
    (held,) = await opened.peek("held_call")
    assert (bytes(held["sealed"]), held["ended"]) == (b"", "approved")


async def test_a_held_call_is_ended_once(log: ConversationLog, history: History, conversation: ConversationId) -> None:
    await log.append(conversation, [said("may I?")], opening=OPENING, effects=[CALL])
    await log.append(conversation, [said("no")], effects=[EndHold(id="call 1", how="declined")])
    with pytest.raises(Refused, match="declined"):
        await log.append(conversation, [said("yes")], effects=[EndHold(id="call 1", how="approved")])
    assert await texts(history, conversation) == ["may I?", "no"]


async def test_of_many_who_end_a_held_call_at_once_one_does_wherever_they_are(log: ConversationLog) -> None:
    """A held call is no conversation's, so those who end it have nothing else in common."""
    conversations = [new_conversation() for _ in range(8)]
    for conversation in conversations:
        await log.append(conversation, [said("hello")], opening=OPENING)
    for number in range(5):
        call = replace(CALL, id=f"call {number}")
        await log.append(conversations[0], [said("may I?")], effects=[call])
        attempts = [
            log.append(each, [said("yes")], effects=[EndHold(id=call.id, how="approved")]) for each in conversations
        ]
        answers = await asyncio.gather(*attempts, return_exceptions=True)
        assert [type(a) for a in answers if isinstance(a, BaseException)] == [Refused] * 7


async def test_of_many_who_hold_a_call_under_one_id_one_does_wherever_they_are(
    opened: OpenedLog, log: ConversationLog
) -> None:
    attempts = [log.append(new_conversation(), [said("may I?")], opening=OPENING, effects=[CALL]) for _ in range(8)]
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert [type(a) for a in answers if isinstance(a, BaseException)] == [IdConflict] * 7
    assert len(await opened.peek("held_call")) == 1


async def test_a_held_call_that_is_not_there_cannot_be_ended(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    with pytest.raises(Unknown, match="'call 7'"):
        await log.append(conversation, [said("yes")], opening=OPENING, effects=[EndHold(id="call 7", how="approved")])
    assert await history.conversations(ids=[conversation]) == []


async def test_a_call_can_be_held_and_ended_in_one_append(
    opened: OpenedLog, log: ConversationLog, conversation: ConversationId
) -> None:
    end = EndHold(id="call 1", how="approved")
    with pytest.raises(Refused):
        await log.append(conversation, [said("x")], opening=OPENING, effects=[CALL, end, end])
    with pytest.raises(IdConflict):
        await log.append(conversation, [said("x")], opening=OPENING, effects=[CALL, CALL])
    await log.append(conversation, [said("x")], opening=OPENING, effects=[CALL, end])
    (held,) = await opened.peek("held_call")
    assert held["ended"] == "approved"


async def test_a_push_is_written_with_the_event_it_tells_of(
    opened: OpenedLog, log: ConversationLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING, effects=[PUSH])
    await log.settle(await claim_one(log), done("ok"), effects=[replace(PUSH, id="push 2", body=b"done")])
    rows = {row["id"]: row for row in await opened.peek("push")}
    assert rows.keys() == {"push 1", "push 2"}
    assert {row["conversation"] for row in rows.values()} == {conversation}
    assert (rows["push 1"]["channel"], bytes(rows["push 2"]["body"])) == ("alice's phone", b"done")


async def test_a_push_with_an_id_that_was_used_is_the_same_push(
    opened: OpenedLog, log: ConversationLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING, effects=[PUSH, PUSH])
    await log.append(conversation, [said("two")], effects=[PUSH])
    assert len(await opened.peek("push")) == 1


async def test_a_refused_append_has_no_effect(
    opened: OpenedLog, log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    grant = (await log.settle(await claim_one(log), Deferred(within=60))).grant
    finish = ChangeTurn(of=of, change=TurnChange.FINISHED, grant=grant)
    taken = said("taken")
    await log.append(conversation, [taken])

    effects = [CALL, PUSH, finish]
    with pytest.raises(IdConflict):
        await log.append(conversation, [replace(taken, body=b"x")], effects=effects)
    with pytest.raises(Unknown):
        await log.append(conversation, [said("x")], effects=[*effects, EndHold(id="?", how="approved")])
    assert await opened.peek("held_call") == []
    assert await opened.peek("push") == []
    assert (await turn_of(history, of)).state is TurnState.DEFERRED
    assert await texts(history, conversation) == ["one", "taken"]


async def test_a_repeated_append_has_its_effects_once(
    opened: OpenedLog, log: ConversationLog, conversation: ConversationId
) -> None:
    new = said("may I?")
    await log.append(conversation, [new], opening=OPENING, effects=[CALL, PUSH])
    again = await log.append(conversation, [new], effects=[CALL, PUSH, replace(PUSH, id="push 2")])
    assert again.duplicate
    assert len(await opened.peek("held_call")) == len(await opened.peek("push")) == 1


async def test_a_settlement_that_is_refused_has_no_effect_and_one_that_is_repeated_has_none_again(
    opened: OpenedLog, log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    held = await claim_one(log)
    with pytest.raises(Fenced):
        await log.settle(replace(held, fence=held.fence + 1), done("ok"), effects=[PUSH])
    with pytest.raises(Unknown):
        await log.settle(held, done("ok"), effects=[PUSH, EndHold(id="?", how="approved")])
    assert await opened.peek("push") == []

    await log.settle(held, done("ok"), effects=[PUSH])
    with pytest.raises(Fenced):
        await log.settle(held, done("ok"), effects=[replace(PUSH, id="push 2")])
    assert [row["id"] for row in await opened.peek("push")] == ["push 1"]
    assert await texts(history, conversation) == ["one", "ok"]


async def test_what_was_to_be_pushed_is_erased_with_the_conversation(
    opened: OpenedLog, log: ConversationLog, keeping: Keeping
) -> None:
    one, other = new_conversation(), new_conversation()
    await log.append(one, [said("x")], opening=OPENING, effects=[PUSH])
    await log.append(other, [said("x")], opening=OPENING, effects=[replace(PUSH, id="push 2")])
    await keeping.erase(one, id="e", by=ALICE, reason="asked")
    bodies = {row["id"]: bytes(row["body"]) for row in await opened.peek("push")}
    assert bodies == {"push 1": b"", "push 2": b"something happened"}


async def test_an_effect_on_a_turn_that_is_over_is_refused(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.settle(await claim_one(log), done("ok"))
    with pytest.raises(TurnOver):
        await log.append(conversation, [said("more")], effects=[ChangeTurn(of=of, change=TurnChange.FINISHED, grant=1)])
    assert await texts(history, conversation) == ["one", "ok"]
