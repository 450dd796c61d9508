"""What comes next for a channel after an attempt, and how many may be in hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.push.channels import (
    GIVEN_UP_AFTER,
    LEASE_SECONDS,
    Channel,
    InHand,
    Shares,
    Webhook,
    admitted,
    advanced,
    failed,
    idempotency_key,
    rested,
)
from registry.model import AgentName, ConversationId, TurnId

NOW = 1_800_000_000.0
CHANNEL = Channel(
    turn=TurnId("turn"),
    id="hook",
    conversation=ConversationId("conversation"),
    agent=AgentName("echo"),
    owner="alice",
    context="",
    place="hooks.example:443",
    sealed=b"sealed",
    cursor=3,
    created_at=NOW,
    ready_at=NOW + LEASE_SECONDS,
    holder="here",
    fence=7,
)


def test_what_was_told_moves_the_cursor_and_never_back() -> None:
    failing = replace(CHANNEL, attempts=4, failing_since=NOW - 60, error="it answered 500")
    after = advanced(failing, cursor=5, now=NOW + 1)
    assert (after.cursor, after.attempts, after.failing_since, after.error) == (5, 0, None, "")
    assert (after.holder, after.ready_at) == ("here", NOW + 1 + LEASE_SECONDS)
    assert rested(after, cursor=4, now=NOW + 2) == replace(after, holder="", ready_at=NOW + 2, looked_at=NOW + 2)


def test_a_failed_attempt_puts_off_the_next_one_longer_and_longer() -> None:
    channel, waits = CHANNEL, list[float]()
    for _ in range(16):
        after = failed(channel, error="x" * 1000, now=NOW)
        assert after is not None
        waits.append(after.ready_at - NOW)
        channel = after
    assert all(min(2.0**n, 3600) / 2 <= wait <= min(2.0**n, 3600) + 0.001 for n, wait in enumerate(waits))
    assert (channel.attempts, channel.failing_since, channel.cursor, channel.holder) == (16, NOW, 3, "")
    assert len(channel.error) == 300


def test_what_failed_together_is_not_tried_again_together() -> None:
    waits = {
        after.ready_at
        for number in range(50)
        if (after := failed(replace(CHANNEL, id=f"hook {number}", attempts=9), error="", now=NOW)) is not None
    }
    assert len(waits) == 50


def test_a_webhook_is_given_up_after_a_day() -> None:
    since = NOW - GIVEN_UP_AFTER
    assert failed(replace(CHANNEL, failing_since=since), error="", now=NOW) is None
    assert failed(replace(CHANNEL, failing_since=since + 1), error="", now=NOW) is not None


@pytest.mark.parametrize(("wait", "delay"), [(0.0, 1.0), (30.0, 30.0), (1e9, 3600.0)])
def test_a_webhook_that_wants_to_be_left_alone_is_left_alone_within_reason(wait: float, delay: float) -> None:
    after = failed(CHANNEL, error="", wait=wait, now=NOW)
    assert after is not None
    assert delay / 2 <= after.ready_at - NOW <= delay


def test_the_key_is_that_of_the_channel_and_the_message_and_of_nothing_else() -> None:
    key = idempotency_key(CHANNEL, 4)
    assert key == idempotency_key(replace(CHANNEL, attempts=3, fence=9, holder="there", cursor=0), 4)
    others = [replace(CHANNEL, id="other"), replace(CHANNEL, turn=TurnId("other")), replace(CHANNEL, id="hook\0")]
    assert len({key, idempotency_key(CHANNEL, 5), *(idempotency_key(other, 4) for other in others)}) == 5


def test_secrets_are_not_shown() -> None:
    webhook = Webhook(
        id="hook", turn=TurnId("turn"), url="https://h/secret", token="secret", scheme="Basic", credentials="secret"
    )
    assert "secret" not in repr(webhook)
    assert "sealed=" not in repr(CHANNEL)


def _channel(place: str, owner: str) -> Channel:
    return replace(CHANNEL, place=place, owner=owner)


several = st.lists(st.builds(_channel, place=st.sampled_from("pqr"), owner=st.sampled_from("abc")), max_size=30)


@given(in_hand=several, candidates=several)
def test_no_more_are_admitted_than_the_shares_allow_and_nobody_is_left_out_for_nothing(
    in_hand: list[Channel], candidates: list[Channel]
) -> None:
    shares = Shares(total=12, place=6, owner=5)
    before = InHand.of(in_hand)
    taken = admitted(candidates, before, shares)
    after = InHand.of([*in_hand, *taken])
    assert not taken or after.total <= shares.total
    for channel in taken:
        assert after.places[channel.place] <= shares.place
        assert after.owners[channel.owner] <= shares.owner
    if after.total < shares.total and len(taken) < len(candidates):
        left = [channel for channel in candidates if channel not in taken]
        assert all(
            after.places.get(channel.place, 0) >= shares.place or after.owners.get(channel.owner, 0) >= shares.owner
            for channel in left
        )
    assert shares.are_reached(before) == (
        before.total >= 12 or max(before.places.values(), default=0) >= 6 or max(before.owners.values(), default=0) >= 5
    )
