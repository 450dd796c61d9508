"""A turn as an agent's code reads it."""

import asyncio

from interchange_client.agent import part

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
