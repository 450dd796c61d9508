"""A turn as an agent's code reads it."""

import asyncio
import time
from typing import Any, cast

from google.protobuf.struct_pb2 import NULL_VALUE, Value
from interchange.v1 import agent_pb2
from interchange_client.agent import deferred, part, question

from tests.support.client_turns import ASSISTANT, PERSON, QuietGateway, in_hand, turn_of


def test_what_is_to_be_answered_is_read_from_all_input() -> None:
    turn = in_hand(turn_of("two", {"limit": 3}, "words"))

    assert turn.text == "two\nwords"
    assert turn.data == {"limit": 3}
    assert turn.parts == [part("two"), part({"limit": 3}), part("words")]


def test_the_chain_says_for_whom_the_agent_works() -> None:
    direct, through = in_hand(turn_of("x")), in_hand(turn_of("x", chain=[PERSON, ASSISTANT]))

    assert direct.person == direct.caller == PERSON
    assert (through.person, through.caller) == (PERSON, ASSISTANT)
    assert in_hand(turn_of("x", chain=[ASSISTANT])).person is None


async def test_calls_carry_the_turns_token_and_end_with_the_turn() -> None:
    gateway = QuietGateway()
    ends_at = asyncio.get_running_loop().time() + 20
    turn = in_hand(turn_of("x"), gateway=gateway, ends_at=ends_at)

    await turn.gateway.call("candidates.search", {"query": "rust"})
    await turn.gateway.call("candidates.search", seconds=1.5)
    await turn.gateway.ask("assistant", "hello")
    await turn.gateway.skills()

    assert gateway.asked == [
        ("call", "candidates.search", {"query": "rust"}, "token-of-the-turn"),
        ("call", "candidates.search", {}, "token-of-the-turn"),
        ("ask", "assistant", "hello", "token-of-the-turn"),
        ("skills", "", None, "token-of-the-turn"),
    ]
    assert gateway.seconds[1] == 1.5
    assert all(seconds <= 20 for seconds in gateway.seconds)
    assert await turn.gateway.headers() == {"ix-turn-token": "token-of-the-turn"}


def test_a_turn_that_is_printed_keeps_its_token() -> None:
    assert "token-of-the-turn" not in repr(in_hand(turn_of("x")))


async def test_a_turn_that_is_over_leaves_no_time() -> None:
    assert in_hand(turn_of("x"), ends_at=0.0).remaining() == 0.0


async def test_the_conversation_is_that_of_the_turn_and_ends_with_it() -> None:
    gateway = QuietGateway()
    turn = in_hand(turn_of("x"), gateway=gateway, ends_at=asyncio.get_running_loop().time() + 20)

    await turn.say("one", id="1")
    await turn.update(agent_pb2.Message(seq=7), "two")
    await turn.read(after=3)
    assert [message async for message in turn.follow(after=4)] == []

    operations, _, requests, tokens = zip(*gateway.asked, strict=True)
    assert operations == ("Append", "Update", "Read", "Follow")
    assert set(tokens) == {"token-of-the-turn"}
    assert (requests[0].id, requests[1].seq, requests[2].after, requests[3].after) == ("1", 7, 3, 4)
    assert all(0 < seconds <= 20 for seconds in gateway.seconds)


async def test_a_message_without_an_id_of_the_agents_own_is_another_each_time() -> None:
    gateway = QuietGateway()
    turn = in_hand(turn_of("x"), gateway=gateway)
    await turn.say("one")
    await turn.say("one")
    first, second = (cast("Any", asked[2]) for asked in gateway.asked)
    assert first.id != second.id


def test_questions_are_the_same_in_every_attempt() -> None:
    one, again, other = question("Which?").question, question("Which?").question, question("Who?").question
    named = question("Which?", id="q", schema={"type": "string"}, context=["red", {"n": 1}]).question

    assert one == again
    assert one.id != other.id
    assert (named.id, named.kind, dict(named.answer_schema)) == (
        "q",
        agent_pb2.Question.CLARIFICATION,
        {"type": "string"},
    )
    assert list(named.context) == [part("red"), part({"n": 1})]


def test_answers_are_read_as_json() -> None:
    values = {
        "text": Value(string_value="red"),
        "number": Value(number_value=3),
        "nothing": Value(null_value=NULL_VALUE),
    }
    answers = [agent_pb2.Answer(question_id=name, value=value) for name, value in values.items()]
    assert in_hand(turn_of("x", answers=answers)).answers == {"text": "red", "number": 3, "nothing": None}


def test_a_turn_is_put_off_until_an_instant() -> None:
    before = time.time()
    later = in_hand(turn_of("x")).put_off(hours=2, reason="busy")
    plain = deferred(hours=1).deferred

    assert 7200 <= later.until - before < 7260
    assert abs(later.event.deferred.until.ToMicroseconds() / 1e6 - later.until) < 0.001
    assert (later.event.deferred.reason, later.turn, later.conversation, later.agent) == (
        "busy",
        "t-1",
        "c-1",
        "greeter",
    )
    assert 3600 <= plain.until.ToMicroseconds() / 1e6 - before < 3660
    assert "token-of-the-turn" not in repr(later)
