"""What may be given to an engine, at its limits; the contract's tests have what each call refuses."""

from dataclasses import replace

import pytest

from adapters.messaging.checks import (
    BODY,
    ID,
    RECIPIENTS,
    TOGETHER,
    check_effects,
    check_id,
    check_lease,
    check_messages,
    check_number,
    check_outcome,
    check_seconds,
    check_text,
    check_turn,
)
from adapters.messaging.messages import New, To, TurnRef
from adapters.messaging.outcomes import Ask, Asked, Deferred, Done, HoldCall, Lease, Push, Reply
from registry.model import AgentName, BadRequest, ConversationId, TooLarge, TurnId

C = ConversationId("c")
NEW = New(id="m", sender="person:alice", body=b"hello", text="hello")
TO = To(agent=AgentName("echo"), turn=TurnId("t"))


def test_what_is_just_within_every_limit_is_let_through() -> None:
    everything = New(
        id="ü" * (ID // 2),
        sender="x" * ID,
        body=bytes(BODY),
        text="x" * BODY,
        to=tuple(To(agent=AgentName(f"a{n}"), turn=TurnId(f"t{n}")) for n in range(RECIPIENTS)),
    )
    check_messages(ConversationId("x" * ID), [everything])
    check_messages(C, [replace(NEW, id=f"{n}") for n in range(TOGETHER)])


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (replace(NEW, id=""), "the message: its id has 0 bytes; 1 to 256 are allowed"),
        (replace(NEW, sender="ü" * 129), "the message: its sender has 258 bytes; 1 to 256 are allowed"),
        (replace(NEW, text="\0"), "the message has text that no database keeps"),
        (replace(NEW, to=(TO, replace(TO, turn=TurnId("t2")))), "the message: it goes to at most 50 agents, to each"),
        (replace(NEW, to=(replace(TO, turn=TurnId("")),)), "The id of the turn has 0 bytes; 1 to 256 are allowed"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(new: New, says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        check_messages(C, [new])
    assert refused.value.message.startswith(says)


def test_of_several_messages_the_wrong_one_is_named() -> None:
    with pytest.raises(TooLarge, match="The body of message 2 has 4,194,305 bytes; 4,194,304 are allowed"):
        check_messages(C, [NEW, replace(NEW, id="m2", body=bytes(BODY + 1))])


@pytest.mark.parametrize("text", ["a\0b", "\0", "\ud800", "a\udfffb", "ü\0"])
def test_text_that_no_database_keeps_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="The reason has text that no database keeps"):
        check_text("The reason", "fine", text)
    with pytest.raises(BadRequest, match="The id of the device"):
        check_id("device", text)


@pytest.mark.parametrize("text", ["", "plain", "Grüße", "🙂", "\x01\x7f\n", "\U0010ffff", "\ufffe"])
def test_all_other_text_is_let_through(text: str) -> None:
    check_text("The reason", text)


@pytest.mark.parametrize("seconds", [-1.0, -0.001, float("nan"), float("inf"), float("-inf")])
def test_a_time_is_finite_and_not_over(seconds: float) -> None:
    with pytest.raises(BadRequest, match="A delay takes a number of seconds, and not"):
        check_seconds("A delay", seconds)
    with pytest.raises(BadRequest):
        check_lease(Lease(owner="here", seconds=seconds))


def test_no_time_at_all_is_one_for_a_delay_and_none_for_a_lease() -> None:
    check_seconds("A delay", 0)
    check_seconds("A question", None)
    with pytest.raises(BadRequest, match="0 seconds is none"):
        check_lease(Lease(owner="here", seconds=0))


@pytest.mark.parametrize("seq", [-1, 2**63, 2**100])
def test_a_number_is_one_that_a_database_keeps(seq: int) -> None:
    with pytest.raises(BadRequest, match="is a sequence number, and not"):
        check_number("What was seen", seq)


def test_numbers_that_a_database_keeps_are_let_through() -> None:
    check_number("What was seen", 0)
    check_number("What was seen", 2**63 - 1)


@pytest.mark.parametrize("part", ["conversation", "agent", "turn"])
def test_a_turn_is_named_in_full(part: str) -> None:
    of = TurnRef(conversation=C, agent=AgentName("echo"), turn=TurnId("t"))
    check_turn(of)
    for bad in ("", "\0", "x" * 257):
        with pytest.raises(BadRequest, match=f"The id of the {part}"):
            check_turn(replace(of, **{part: bad}))


GOOD, LONG, UNFIT = Reply(body=b"x", text="x"), Reply(body=bytes(BODY + 1)), Reply(body=b"", text="\0")


@pytest.mark.parametrize("replying", [Done(), Deferred(within=1), Asked(question=Ask(id="q", body=b""))])
def test_the_wrong_reply_is_named_by_its_number(replying: Done | Deferred | Asked) -> None:
    check_outcome(replace(replying, replies=(GOOD, GOOD)))
    with pytest.raises(TooLarge, match="The body of reply 2"):
        check_outcome(replace(replying, replies=(GOOD, LONG)))
    with pytest.raises(BadRequest, match="Reply 1"):
        check_outcome(replace(replying, replies=(UNFIT, GOOD)))


def test_effects_are_let_through_up_to_their_limits() -> None:
    check_effects(
        [HoldCall(id="x" * ID, sealed=bytes(BODY), expires_in=0), Push(id="p", channel="c" * ID, body=bytes(BODY))]
    )
