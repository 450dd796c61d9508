"""Who may attach, and for how long: the work face with real policies behind it, and processes that do as they like."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from interchange.v1 import work_pb2

from adapters.mailbox.limits import MailboxLimits
from gateway.platform import work
from tests.support.attaching import CAST, DESK, ELSEWHERE, Door, Process, attaching_door
from tests.support.until import until

PERMISSION = grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with attaching_door(tmp_path) as opened:
        yield opened


async def test_an_agent_attaches_and_its_seats_are_there_until_it_leaves(door: Door) -> None:
    changes: list[int] = []
    door.attachments.when_changed(lambda: changes.append(door.attachments.seats().get(DESK, 0)))

    process = await door.attach(seats=3)
    assert door.attachments.seats() == {DESK: 3}

    await process.call.done_writing()
    assert await process.ended() == (grpc.StatusCode.OK, "")
    await until(lambda: not door.attachments.seats())
    assert (changes[0], changes[-1]) == (3, 0)


async def test_a_process_may_take_more_or_less_at_a_time(door: Door) -> None:
    process = await door.attach(seats=3)
    for seats in (5, 0, 1):
        await process.say(seats=work_pb2.Seats(seats=seats))
        await until(lambda seats=seats: door.attachments.seats().get(DESK, 0) == seats)


async def test_seats_are_bounded_and_the_process_is_told(door: Door) -> None:
    process = await Process.calling(door, "agent:desk")
    await process.hello("desk", seats=4_000_000_000)
    welcome = (await process.next()).welcome
    assert welcome.seats == MailboxLimits().seats == door.attachments.seats()[DESK]
    assert (welcome.window, welcome.largest) == (MailboxLimits().window, MailboxLimits().largest)


@pytest.mark.parametrize(
    ("token", "agent", "code", "words"),
    [
        ("agent:desk", "clerk", PERMISSION, "agent desk's, and nobody attaches with it for 'clerk'"),
        ("person:desk", "desk", PERMISSION, "Agents attach"),
        ("service:desk", "desk", PERMISSION, "Agents attach"),
        ("agent:stranger", "stranger", PERMISSION, "No policy permits"),
        ("agent:caller", "caller", grpc.StatusCode.FAILED_PRECONDITION, "caller is bound by grpc"),
        ("expired", "desk", grpc.StatusCode.UNAUTHENTICATED, "invalid or has expired"),
        ("", "desk", grpc.StatusCode.UNAUTHENTICATED, "Send one access token"),
    ],
)
async def test_whoever_is_not_this_agent_does_not_attach(
    door: Door, token: str, agent: str, code: grpc.StatusCode, words: str
) -> None:
    process = await Process.calling(door, token)
    with_hello = asyncio.ensure_future(process.hello(agent))
    ended, said = await process.ended()
    await asyncio.wait([with_hello])
    assert ended is code, said
    assert words in said
    assert not door.attachments.seats()


async def test_an_agent_does_not_attach_in_somebodys_name(door: Door) -> None:
    process = await Process.calling(door, "agent:desk", ("ix-turn-token", "a-token"))
    assert (await process.ended())[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_a_policy_that_forbids_it_ends_what_is_open(door: Door) -> None:
    process, other = await door.attach(), await door.attach("clerk")

    await door.in_force(policies='forbid (principal == Agent::"desk", action == Action::"publish", resource);')

    code, said = await process.ended()
    assert code is PERMISSION
    assert "no longer allowed" in said
    assert list(door.attachments.seats()) == ["clerk"]
    other.call.cancel()


async def test_an_agent_that_is_bound_elsewhere_or_retired_is_attached_no_more(door: Door) -> None:
    desk, clerk = await door.attach(), await door.attach("clerk")

    await door.in_force(bound={**CAST, "desk": ELSEWHERE})
    assert await desk.ended() == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "desk is bound by grpc, and only who has a binding of kind mailbox attaches.",
    )
    await door.in_force(bound={"desk": ELSEWHERE})
    assert (await clerk.ended())[0] is PERMISSION


async def test_a_token_that_nears_its_end_drains_the_attachment(door: Door) -> None:
    door.token_seconds = 1.5
    process = await door.attach()
    drained = await process.next()
    assert drained.draining.reason == "its token nears its end"
    assert await process.ended() == (grpc.StatusCode.OK, "")
    assert not door.attachments.seats()


async def test_an_old_attachment_is_drained(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "AGE_SECONDS", 0.1)
    process = await door.attach()
    assert (await process.next()).draining.reason == "it is old"


async def test_a_gateway_that_stops_drains_and_takes_nobody_in(door: Door) -> None:
    process = await door.attach()

    door.attachments.drain("the gateway is stopping")

    assert (await process.next()).draining.reason == "the gateway is stopping"
    assert (await process.ended())[0] is grpc.StatusCode.OK
    late = await Process.calling(door, "agent:desk")
    await late.hello("desk")
    assert await late.ended() == (grpc.StatusCode.UNAVAILABLE, "the gateway is stopping")


async def test_so_many_attachments_one_agent_has_and_no_more(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(work.AT_A_TIME):
        await door.attach()
    one_more = await Process.calling(door, "agent:desk")
    assert (await one_more.ended())[0] is grpc.StatusCode.UNAVAILABLE
    await door.attach("clerk")


async def test_who_says_nothing_is_not_waited_for(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "HELLO_SECONDS", 0.1)
    process = await Process.calling(door, "agent:desk")
    assert (await process.ended())[0] is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_who_goes_before_saying_hello_is_told_that_this_is_no_way(door: Door) -> None:
    process = await Process.calling(door, "agent:desk")
    await process.call.done_writing()
    assert await process.ended() == (grpc.StatusCode.INVALID_ARGUMENT, "The stream ended before Hello.")


async def test_what_is_no_message_ends_the_stream(door: Door) -> None:
    first = await Process.calling(door, "agent:desk")
    await first.send(b"\xff\xff\xff")
    assert (await first.ended())[0] is grpc.StatusCode.INVALID_ARGUMENT

    impolite = await Process.calling(door, "agent:desk")
    await impolite.say(seats=work_pb2.Seats(seats=1))
    assert await impolite.ended() == (grpc.StatusCode.INVALID_ARGUMENT, "Say Hello first.")

    later = await door.attach()
    await later.send(b"\xff\xff\xff")
    assert (await later.ended())[0] is grpc.StatusCode.INVALID_ARGUMENT

    twice = await door.attach()
    await twice.hello("desk")
    assert await twice.ended() == (grpc.StatusCode.INVALID_ARGUMENT, "Hello is said first, and once.")


async def test_hello_is_small(door: Door) -> None:
    process = await Process.calling(door, "agent:desk")
    await process.hello("desk", methods=["/x" * work.HELLO])
    assert (await process.ended())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    other = await Process.calling(door, "agent:desk")
    await other.hello("desk", methods=[f"/{number}" for number in range(MailboxLimits().methods + 1)])
    assert (await other.ended())[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_a_later_revision_might_say_is_passed_over(door: Door) -> None:
    process = await door.attach()
    await process.send(b"")  # nothing that is known
    await process.send(b"\xfa\x07\x02hi")  # a field 127
    await process.say(piece=work_pb2.Piece(attempt=work_pb2.Attempt(delivery_id="nobody's")))
    await process.say(hand_back=work_pb2.HandBack(attempt=work_pb2.Attempt(delivery_id="nobody's")))
    await process.say(seats=work_pb2.Seats(seats=7))
    await until(lambda: door.attachments.seats().get(DESK) == 7)
