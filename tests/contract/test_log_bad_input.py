"""What every conversation log refuses: with what is wrong, with nothing half done, and to nobody else's harm."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from adapters.messaging.errors import Fenced, IdConflict
from adapters.messaging.log import ConversationLog, History, Keeping
from adapters.messaging.messages import LOG, Kind, New, Opening, QuestionRef, To, TurnRef
from adapters.messaging.outcomes import (
    ChangeTurn,
    Dead,
    Done,
    Effect,
    EndHold,
    HoldCall,
    Lease,
    Outcome,
    Push,
    Rejected,
    Reply,
    Retry,
)
from adapters.messaging.turns import TurnChange, TurnState
from registry.model import (
    AgentName,
    BadRequest,
    ConversationId,
    InterchangeError,
    TooLarge,
    TurnId,
    Unknown,
    new_turn_id,
)
from tests.support.logs import (
    ALICE,
    BOB,
    ECHO,
    LEASE,
    OPENING,
    OpenedLog,
    asks,
    claim_all,
    claim_one,
    done,
    open_turn,
    said,
    texts,
    turn_of,
)
from tests.support.paper import PaperEngine

MIB = 1 << 20
UNFIT = ("\0", "a\0b", "\ud800", "ü\udfff")  # what no database keeps as it is


def with_(**changes: Any) -> New:
    return replace(said("one"), **changes)


# ---- messages

OF = TurnRef(conversation=ConversationId("c"), agent=ECHO, turn=TurnId("t"))
QUESTION = QuestionRef(of=OF, question="q")
TO = To(agent=ECHO, turn=TurnId("t"))
MALFORMED: Sequence[tuple[New, type[InterchangeError], str]] = [
    (with_(id=""), BadRequest, "id has 0 bytes"),
    (with_(id="x" * 257), BadRequest, "id has 257 bytes"),
    (with_(id="ü" * 129), BadRequest, "id has 258 bytes"),
    (with_(id="a\0b"), BadRequest, "NUL"),
    (with_(sender=""), BadRequest, "sender has 0"),
    (with_(sender="person:\udc00"), BadRequest, "surrogate"),
    (with_(text="half \ud83d a pair"), BadRequest, "surrogate"),
    (with_(issuer="\0"), BadRequest, "NUL"),
    (with_(updates="\0"), BadRequest, "NUL"),
    (with_(turn="\0"), BadRequest, "NUL"),
    (with_(to=(replace(TO, turn=TurnId("")),)), BadRequest, "turn"),
    (with_(to=(replace(TO, turn=TurnId("a:b")),)), BadRequest, "colon"),
    (with_(to=(replace(TO, agent=AgentName("")),)), BadRequest, "agent"),
    (with_(to=(replace(TO, agent=AgentName("\0")),)), BadRequest, "NUL"),
    (with_(to=(replace(TO, agent=AgentName("a b")),)), BadRequest, "white space"),
    (with_(to=(TO, replace(TO, turn=TurnId("u")))), BadRequest, "to each once"),
    (with_(to=tuple(To(agent=AgentName(f"a{n}"), turn=TurnId(f"{n}")) for n in range(51))), BadRequest, "50"),
    (with_(to=(TO,), answers=QUESTION, kind=Kind.ANSWERED), BadRequest, "nobody else"),
    (with_(answers=replace(QUESTION, question="\0"), kind=Kind.ANSWERED), BadRequest, "NUL"),
    (with_(sender=LOG), BadRequest, "nobody but the log itself"),
    (with_(kind=Kind.CANCELLED), BadRequest, "nobody but the log itself"),
    (with_(kind=Kind.ERASED), BadRequest, "nobody but the log itself"),
    (with_(body=bytes(4 * MIB + 1)), TooLarge, "4,194,305 bytes; 4,194,304 are allowed"),
    (with_(text="x" * (4 * MIB + 1)), TooLarge, "search text"),
    (with_(text="ü" * (2 * MIB + 1)), TooLarge, "search text"),
    (with_(to=(replace(TO, authority=bytes(4 * MIB)),)), TooLarge, "authority"),
]


async def test_a_malformed_message_is_refused_with_what_is_wrong(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    for new, error, what in MALFORMED:
        with pytest.raises(error, match=what):
            await log.append(conversation, [new], opening=OPENING)
    assert await history.conversations() == []


async def test_a_conversation_is_named_and_opened_in_words_that_can_be_kept(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    for bad in ("", "x" * 257, *UNFIT):
        with pytest.raises(BadRequest, match="conversation"):
            await log.append(ConversationId(bad), [said("one")], opening=OPENING)
    for bad in UNFIT:
        for opening in (Opening(domain=bad), Opening(started_by=bad), Opening(started_by_issuer=bad)):
            with pytest.raises(BadRequest, match="opening"):
                await log.append(conversation, [said("one")], opening=opening)
    assert await history.conversations() == []


async def test_an_append_has_some_messages_and_not_too_many(log: ConversationLog, conversation: ConversationId) -> None:
    with pytest.raises(BadRequest, match="1 to 100 messages, and not 0"):
        await log.append(conversation, [], opening=OPENING)
    with pytest.raises(BadRequest, match="1 to 100 messages, and not 101"):
        await log.append(conversation, [said("x") for _ in range(101)], opening=OPENING)
    with pytest.raises(BadRequest, match="message 2: its id"):
        await log.append(conversation, [said("x"), with_(id="")], opening=OPENING)
    with pytest.raises(TooLarge, match="in all"):
        await log.append(conversation, [with_(id=f"{n}", body=bytes(4 * MIB)) for n in range(5)], opening=OPENING)
    assert (await log.append(conversation, [said("x") for _ in range(100)], opening=OPENING)).tail == 100


async def test_the_longest_ids_and_the_largest_body_are_kept(log: ConversationLog, history: History) -> None:
    conversation, agent = ConversationId("🙂" * 64), AgentName("a" * 256)
    new = New(
        id="💥" * 64,
        sender="🦊" * 64,
        body=b"x" * (4 * MIB),
        to=(To(agent=agent, turn=TurnId("🌍" * 64)),),
    )
    await log.append(conversation, [new], opening=OPENING)
    assert (await log.append(conversation, [new])).duplicate
    (message,) = await history.page(conversation)
    assert (message.id, len(message.body)) == (new.id, 4 * MIB)

    await log.settle(await claim_one(log, agent), asks("which?", id="❓" * 85))
    of = TurnRef(conversation=conversation, agent=agent, turn=new.to[0].turn)
    await log.revoke(of, by="🦊" * 64)
    assert (await turn_of(history, of)).state is TurnState.CANCELLED


# ---- deliveries


async def test_a_lease_is_somebodys_and_lasts_for_a_while(log: ConversationLog, conversation: ConversationId) -> None:
    for lease in (
        *(replace(LEASE, seconds=seconds) for seconds in (0, -1, float("nan"), float("inf"))),
        *(replace(LEASE, owner=owner) for owner in ("", *UNFIT)),
    ):
        with pytest.raises(BadRequest, match="lease"):
            await log.append(conversation, [said("one", to=ECHO)], opening=OPENING, claim=lease)
        with pytest.raises(BadRequest, match="lease"):
            await log.claim([ECHO], limit=1, lease=lease)


async def test_mail_is_claimed_for_agents_that_can_be(log: ConversationLog) -> None:
    for bad in ("", "a b", "x" * 257, *UNFIT):
        with pytest.raises(BadRequest, match="agent"):
            await log.claim([ECHO, AgentName(bad)], limit=1, lease=Lease(owner="here", seconds=1))


UNKEPT: Sequence[Outcome] = [
    Retry(after=-1, error="e"),
    Retry(after=float("nan"), error="e"),
    Retry(after=1, error="\0"),
    Dead(error="\ud800"),
    Dead(error="e", body=bytes(4 * MIB + 1)),
    Rejected(reason="\0"),
    done("\0"),
    Done(replies=(Reply(body=bytes(4 * MIB + 1)),)),
    Done(replies=(Reply(body=b"", kind=Kind.CANCELLED),)),
    Done(review_within=-1),
    asks("which?", id=""),
    asks("which?", id="\0"),
    asks("which?", expires_in=float("inf")),
]


async def test_an_outcome_that_cannot_be_kept_is_refused_and_the_delivery_goes_on(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    held = await claim_one(log)
    for outcome in UNKEPT:
        with pytest.raises((BadRequest, TooLarge)):
            await log.settle(held, outcome)
    await log.settle(held, done("ok"))
    assert await texts(history, conversation) == ["one", "ok"]


async def test_a_delivery_that_never_was_settles_nothing(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    held = await claim_one(log)
    for forged in (
        replace(held, fence=held.fence + 1),
        replace(held, fence=0),
        replace(held, message=replace(held.message, seq=7)),
        replace(held, of=replace(of, agent=AgentName("nobody"))),
    ):
        with pytest.raises(Fenced):
            await log.settle(forged, done("forged"))
        with pytest.raises(Fenced):
            await log.settle(forged, Retry(after=0, error="forged"))
    assert await texts(history, conversation) == ["one"]
    assert (await turn_of(history, of)).state is TurnState.WORKING


# ---- effects

CALL = HoldCall(id="call 1", sealed=b"", expires_in=1)
PUSH = Push(id="push 1", channel="c", body=b"")
FINISH = ChangeTurn(of=OF, change=TurnChange.FINISHED)
IMPOSSIBLE: Sequence[Effect] = [
    replace(CALL, id=""),
    replace(CALL, id="\0"),
    replace(CALL, sealed=bytes(4 * MIB + 1)),
    replace(CALL, expires_in=float("nan")),
    EndHold(id="call 1", how=""),
    EndHold(id="call 1", how="\0"),
    replace(PUSH, id="x" * 257),
    replace(PUSH, channel="\ud800"),
    replace(PUSH, body=bytes(4 * MIB + 1)),
    replace(FINISH, of=replace(OF, turn=TurnId("\0"))),
    replace(FINISH, of=replace(OF, conversation=ConversationId("\0"))),
    replace(FINISH, of=replace(OF, agent=AgentName("\0"))),
]


async def test_an_effect_that_cannot_be_kept_is_refused(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    for effect in IMPOSSIBLE:
        with pytest.raises((BadRequest, TooLarge)):
            await log.append(conversation, [said("x")], opening=OPENING, effects=[effect])
    assert await history.conversations() == []


# ---- what people and operators ask for


async def test_whoever_cancels_and_what_is_cancelled_has_a_name(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    for by in ("", "x" * 257, *UNFIT):
        with pytest.raises(BadRequest, match="who cancels"):
            await log.revoke(of, by=by)
    for bad in UNFIT:
        with pytest.raises(BadRequest):
            await log.revoke(of, by=ALICE, issuer=bad)
        with pytest.raises(BadRequest):
            await log.revoke(replace(of, turn=TurnId(bad)), by=ALICE)
    with pytest.raises(TooLarge):
        await log.revoke(of, by=ALICE, body=bytes(4 * MIB + 1))
    assert (await turn_of(history, of)).state is TurnState.QUEUED


async def test_a_redrive_names_a_new_turn_and_a_number(log: ConversationLog, conversation: ConversationId) -> None:
    await open_turn(log, conversation, "one")
    await log.settle(await claim_one(log), Dead(error="e"))
    for turn in ("", "a:b", *UNFIT):
        with pytest.raises(BadRequest):
            await log.redrive(conversation, ECHO, 1, turn=TurnId(turn))
    for seq in (-1, 2**63, 2**80):
        with pytest.raises(BadRequest):
            await log.redrive(conversation, ECHO, seq, turn=new_turn_id())
    assert await claim_all(log) == []


async def test_a_device_has_a_name_and_has_seen_only_what_was_said(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one"), said("two")], opening=OPENING)
    for device in ("", "x" * 257, *UNFIT):
        with pytest.raises(BadRequest, match="device"):
            await log.seen(conversation, device, 1)
    for seq in (3, -1, 2**63, 2**80):
        with pytest.raises(BadRequest):
            await log.seen(conversation, "phone", seq)
    assert (await history.devices(conversation)).seen == {}


async def test_an_erasure_says_who_why_and_where(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    with pytest.raises(Unknown):
        await keeping.erase(conversation, id="e", by=BOB, reason="r")
    await log.append(conversation, [said("one")], opening=OPENING)
    for id_, by, reason, sender, up_to in (
        ("", BOB, "r", "", 0),
        ("\ud800", BOB, "r", "", 0),
        ("e", "", "r", "", 0),
        ("e", LOG, "r", "", 0),
        ("e", BOB, "\0", "", 0),
        ("e", BOB, "r", "\0", 0),
        ("e", BOB, "r", "", -1),
        ("e", BOB, "r", "", 2**63),
    ):
        with pytest.raises(BadRequest):
            await keeping.erase(conversation, id=id_, by=by, reason=reason, sender=sender, up_to=up_to)
    assert await texts(history, conversation) == ["one"]


async def test_a_hold_has_a_reason_and_a_conversation(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId
) -> None:
    with pytest.raises(Unknown):
        await keeping.hold(conversation, reason="a lawsuit")
    with pytest.raises(Unknown):
        await keeping.release(conversation)
    await log.append(conversation, [said("one")], opening=OPENING)
    for reason in ("", "  ", *UNFIT):
        with pytest.raises(BadRequest):
            await keeping.hold(conversation, reason=reason)
    assert [each.hold for each in await history.conversations()] == [""]


# ---- searches

SYNTAX = (
    *('"', "red AND", "red OR blue", "NOT red", "red*", "red^2", "text:red", "(red", "NEAR(red house)", "'; --"),
    *("-red", "red & !blue", "<->", "red:*", "\\", "{red}", "+", "😀", "'red'", "$1", "%s", ":words", "?"),
)


async def test_nothing_that_is_looked_for_is_syntax(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("a blue car"), said("a red house")], opening=OPENING)
    for words in SYNTAX:
        assert "a blue car" not in [each.message.text for each in await history.search(words)], words


async def test_what_nobody_looks_for_is_refused_or_not_found(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("a blue car"), said("a red house")], opening=OPENING)
    for words in (*UNFIT, "x" * 10_000, "many " * 10_000):
        try:
            assert await history.search(words) == []
        except BadRequest:
            assert len(await history.search("red")) == 1, "and the next search goes on"


async def test_a_search_has_few_words_and_each_counts_once(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("a blue car")], opening=OPENING)
    assert len(await history.search("blue " * 1000)) <= 1
    with pytest.raises(BadRequest, match="at most 32 different words"):
        await history.search(" ".join(f"word{number}" for number in range(33)))


@pytest.mark.parametrize("seconds", [float("nan"), float("-inf"), -1.0])
async def test_retention_by_no_time_at_all_blanks_nothing(
    log: ConversationLog, history: History, keeping: Keeping, conversation: ConversationId, seconds: float
) -> None:
    await log.append(conversation, [said("kept")], opening=OPENING)
    with pytest.raises(BadRequest, match="Retention"):
        await keeping.retain(seconds=seconds, limit=100)
    assert [message.text for message in await history.page(conversation)] == ["kept"]


# ---- and the others


async def test_one_who_is_refused_does_not_disturb_the_others(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    """All of these are on their way at the same time, so an engine may well write them together."""
    await log.append(conversation, [said("zero", id="m")], opening=OPENING)
    good = [log.append(conversation, [said(f"good {n}")]) for n in range(20)]
    bad = [log.append(conversation, [said(f"bad {n}", id="m")]) for n in range(10)]
    lost = [log.append(ConversationId(f"nowhere {n}"), [said("x")]) for n in range(10)]
    mixed = [each for three in zip(good, bad, lost, strict=False) for each in three] + good[10:]

    answers = await asyncio.gather(*mixed, return_exceptions=True)
    assert sum(isinstance(answer, IdConflict) for answer in answers) == 10
    assert sum(isinstance(answer, Unknown) for answer in answers) == 10
    assert [message.seq for message in await history.page(conversation)] == list(range(1, 22))


NOT_BYTES: Any = [1, 2, 3]


@pytest.mark.parametrize(
    "poison",
    [with_(body=NOT_BYTES), with_(to=(replace(TO, authority=NOT_BYTES),))],
    ids=["the plan stumbles", "the database stumbles"],
)
async def test_one_that_cannot_be_written_does_not_disturb_the_others(
    opened: OpenedLog, log: ConversationLog, history: History, conversation: ConversationId, poison: New
) -> None:
    """No caller of ours does this; but if one ever does, its neighbours must not pay for it."""
    await log.append(conversation, [said("zero")], opening=OPENING)
    good = [log.append(conversation, [said(f"good {n}")]) for n in range(10)]
    *kept, refused = await asyncio.gather(*good, log.append(conversation, [poison]), return_exceptions=True)

    assert isinstance(refused, Exception) or isinstance(opened.engine, PaperEngine), "paper keeps nearly everything"
    assert not any(isinstance(answer, BaseException) for answer in kept)
    assert set(await texts(history, conversation)) >= {"zero", *(f"good {n}" for n in range(10))}
    assert (await log.append(conversation, [said("and so on")])).tail == len(await history.page(conversation))
