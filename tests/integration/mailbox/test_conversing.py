"""Turns of agents that are attached: who gets them, what becomes of one whose process goes, and what a process may say.

The answers themselves are in the contract of conversers; here it is about the stream that they come by.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from interchange.v1 import agent_pb2, work_pb2

from adapters.base import HandedBack
from adapters.mailbox.converse import MailboxConverser
from adapters.mailbox.limits import MailboxLimits
from registry.model import Emission, Emit, FarSideError, FarSideFault, Result, TooLarge, nowhere
from tests.support.attaching import DESK, MAILBOX, Door, Process, attaching_door
from tests.support.turns import Listener, again, delta, done, open_turn, texts, turn
from tests.support.until import until

LIMITS = MailboxLimits(window=10_000, buffered=100_000, largest=200_000, request=50_000, seats=8, untold=64)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with attaching_door(tmp_path, limits=LIMITS) as opened:
        yield opened


def asked(door: Door, *, emit: Emit = nowhere, seconds: float = 10.0) -> "asyncio.Task[Result]":
    """A turn of the desk, begun."""
    converser = MailboxConverser(door.attachments)
    return asyncio.ensure_future(converser.converse(open_turn(MAILBOX, turn(), seconds=seconds), emit))


async def test_a_turn_is_brought_with_all_that_an_agent_needs(door: Door) -> None:
    process = await door.attach()
    answer = asked(door, seconds=8.0)
    given = await process.assignment()

    assert given.turn.input[0].parts[0].text == "hello"
    assert (given.attempt.delivery_id, given.attempt.number) == (given.turn.delivery_id, given.turn.attempt)
    assert [link.name for link in given.turn.chain] == ["ada", "planner"]
    assert given.turn.turn_token == "turn-token"
    assert given.call_id
    assert 5 < given.time_left.seconds < 9

    await process.answer(given.attempt, delta("So "), done("So it is"))
    assert (await answer).parts == texts("So it is")
    await until(lambda: door.attachments.seats() == {DESK: 4})


async def test_pieces_reach_whoever_listens_while_the_turn_lasts(door: Door) -> None:
    process, listener = await door.attach(), Listener()
    answer = asked(door, emit=listener)
    given = await process.assignment()
    await process.answer(given.attempt, delta("So "), end=None)
    await until(lambda: len(listener.heard) == 1)
    assert not answer.done()
    await process.answer(given.attempt, done("So"))
    await answer


async def test_attachments_of_an_agent_share_the_work_and_keep_to_their_seats(door: Door) -> None:
    large, small = await door.attach(seats=3), await door.attach(seats=1)
    answers = [asked(door) for _ in range(4)]
    given = [(large, await large.assignment()) for _ in range(3)] + [(small, await small.assignment())]
    assert not door.attachments.seats()

    with pytest.raises(FarSideError, match="no seat free") as refused:
        await asked(door)
    assert (refused.value.fault, refused.value.retryable) == (FarSideFault.UNAVAILABLE, True)

    for process, each in given:
        await process.answer(each.attempt, done("ok"))
    await asyncio.gather(*answers)
    assert door.attachments.seats() == {DESK: 4}


async def test_equals_are_given_work_in_turn(door: Door) -> None:
    one, other = await door.attach(seats=1), await door.attach(seats=1)
    for process in (one, other, one, other):
        answer = asked(door)
        await process.answer((await process.assignment()).attempt, done("ok"))
        await answer


async def test_without_anybody_attached_it_is_to_be_tried_again(door: Door) -> None:
    with pytest.raises(FarSideError, match="desk is not attached") as refused:
        await asked(door)
    assert (refused.value.fault, refused.value.retryable) == (FarSideFault.UNAVAILABLE, True)
    assert not isinstance(refused.value, HandedBack), "nobody has had it"


async def test_a_process_that_only_has_skills_gets_no_turns(door: Door) -> None:
    await door.attach(converses=False, methods=["/test.desk/M"])
    with pytest.raises(FarSideError, match="no seat free"):
        await asked(door)


async def test_a_process_that_breaks_off_has_its_turn_handed_back_at_once(door: Door) -> None:
    process = await door.attach()
    answer = asked(door)
    given = await process.assignment()
    await process.answer(given.attempt, delta("So "), end=None)
    process.call.cancel()

    with pytest.raises(HandedBack) as handed_back:
        async with asyncio.timeout(30):
            await answer
    assert (handed_back.value.lost, handed_back.value.retryable) == (True, True)
    await until(lambda: not door.attachments.seats())


@pytest.mark.parametrize("how", ["hand back", "seats 0 and out", "seats 0 and gone", "revoked"])
async def test_whoever_goes_in_order_is_not_at_fault(door: Door, how: str) -> None:
    process = await door.attach()
    answer = asked(door)
    given = await process.assignment()
    match how:
        case "hand back":
            await process.say(hand_back=work_pb2.HandBack(attempt=given.attempt, reason="busy"))
        case "seats 0 and out":
            await process.say(seats=work_pb2.Seats(seats=0))
            await process.call.done_writing()
        case "seats 0 and gone":
            await process.say(seats=work_pb2.Seats(seats=0))
            await until(lambda: not door.attachments.seats())
            process.call.cancel()
        case _:
            await door.in_force(policies='forbid (principal == Agent::"desk", action == Action::"publish", resource);')
    with pytest.raises(HandedBack) as handed_back:
        async with asyncio.timeout(30):
            await answer
    assert not handed_back.value.lost


async def test_what_is_handed_back_frees_its_seat_and_may_come_again(door: Door) -> None:
    process = await door.attach(seats=1)
    converser, of = MailboxConverser(door.attachments), turn()
    first = asyncio.ensure_future(converser.converse(open_turn(MAILBOX, of), nowhere))
    given = await process.assignment()
    await process.say(hand_back=work_pb2.HandBack(attempt=given.attempt))
    with pytest.raises(HandedBack):
        await first

    second = asyncio.ensure_future(converser.converse(open_turn(MAILBOX, again(of, 1, 2)), nowhere))
    anew = await process.assignment()
    assert (anew.attempt.number, anew.attempt.fence) == (1, 2)
    await process.answer(given.attempt, done("late"))
    await process.answer(anew.attempt, done("in time"))
    assert (await second).parts == texts("in time"), "what is said late, in an attempt that is over, is nobody's"


async def test_cancelling_withdraws_the_turn(door: Door) -> None:
    process = await door.attach()
    answer = asked(door)
    given = await process.assignment()
    answer.cancel()
    withdrawn = (await process.next()).withdrawn
    assert (withdrawn.attempt, withdrawn.reason) == (given.attempt, "nobody waits for it any more")
    await until(lambda: door.attachments.seats() == {DESK: 4})


async def test_time_that_is_up_withdraws_the_turn_with_that_reason(door: Door) -> None:
    process = await door.attach()
    answer = asked(door, seconds=0.3)
    await process.assignment()
    assert (await process.next()).withdrawn.reason == "its time is up"
    await asyncio.wait([answer])


async def test_a_slow_listener_slows_the_agent_down_and_no_other_turn(door: Door) -> None:
    process, go, heard = await door.attach(), asyncio.Event(), list[Emission]()

    async def slow(emission: Emission) -> None:
        heard.append(emission)
        await go.wait()

    answer = asked(door, emit=slow)
    given = await process.assignment()
    piece = work_pb2.AttachRequest(piece=work_pb2.Piece(attempt=given.attempt, event=delta("x" * 900)))
    cost = piece.ByteSize() + 64
    sent = 0
    while sent < LIMITS.window:
        await process.send(piece.SerializeToString())
        sent += cost

    other = asked(door)
    beside = await process.assignment()
    await process.answer(beside.attempt, done("quick"))
    assert (await other).parts == texts("quick"), "the slow one holds up nobody else"
    assert len(heard) == 1

    go.set()
    told = 0
    while told < LIMITS.window // 2:
        told += (await process.next()).heard.bytes
    await process.answer(given.attempt, delta("y"), done("z"))
    assert (await answer).parts == texts("z")


async def test_who_does_not_wait_to_be_heard_has_said_too_much(door: Door) -> None:
    process, never = await door.attach(), asyncio.Event()

    async def deaf(_: Emission) -> None:
        await never.wait()

    flooded = asked(door, emit=deaf)
    given = await process.assignment()
    beside = asked(door)
    fine = await process.assignment()
    for _ in range(20):
        await process.answer(given.attempt, delta("x" * 900), end=None)
    await process.answer(fine.attempt, done("fine"))
    assert (await beside).parts == texts("fine"), "only that attempt is spoiled"
    never.set()
    with pytest.raises(TooLarge, match="More than 10000 bytes were sent without waiting"):
        await flooded
    assert (await process.next()).withdrawn.attempt == given.attempt


async def test_an_attachment_of_which_too_much_is_unheard_is_not_read_until_some_is(door: Door) -> None:
    process, go = await door.attach(), asyncio.Event()

    async def slow(_: Emission) -> None:
        await go.wait()

    slowly = [asked(door, emit=slow), asked(door, emit=slow)]
    for given in [await process.assignment() for _ in slowly]:
        await process.answer(given.attempt, delta("x"), delta("x" * 60_000), end=None)
    other = asked(door)
    beside = await process.assignment()
    await process.answer(beside.attempt, done("quick"))
    (attachment,) = door.attachments._attached[DESK]
    await until(lambda: attachment._buffered > LIMITS.buffered)
    await door.attach("clerk")  # which takes longer than one more message would
    assert not other.done()

    go.set()
    for heard in [(await process.next()).heard for _ in slowly]:
        await process.answer(heard.attempt, done("y"))
    assert [each.parts for each in await asyncio.gather(*slowly, other)] == [texts("y"), texts("y"), texts("quick")]


async def test_a_message_that_is_too_large_ends_the_stream(door: Door) -> None:
    process = await door.attach()
    answer = asked(door)
    given = await process.assignment()
    await process.answer(given.attempt, delta("x" * LIMITS.largest), end=None)
    assert (await process.ended())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(HandedBack) as handed_back:
        await answer
    assert handed_back.value.lost, "which counts, so it does not go on for ever"


async def test_a_turn_that_is_too_large_is_not_brought(door: Door) -> None:
    await door.attach()
    converser = MailboxConverser(door.attachments)
    of = open_turn(MAILBOX, turn(*texts("x" * LIMITS.request)))
    with pytest.raises(TooLarge, match="desk can be sent 50000"):
        await converser.converse(of, nowhere)


async def test_a_process_that_reads_nothing_is_given_no_more_than_is_told(door: Door) -> None:
    """What waits to be read is bounded: by seats, and by how many words may wait."""
    await door.attach(seats=8)
    for _ in range(3 * LIMITS.untold):
        answer = asked(door)
        await asyncio.sleep(0)
        answer.cancel()
        await asyncio.wait([answer])
        if not door.attachments.seats():
            break
    answers = [asked(door) for _ in range(12)]
    await asyncio.sleep(0)
    assert sum(not each.done() for each in answers) <= 8
    for each in answers:
        each.cancel()
    await asyncio.wait(answers)


@pytest.mark.parametrize(
    ("code", "fault", "retryable"),
    [
        (grpc.StatusCode.ABORTED, FarSideFault.CONFLICT, True),
        (grpc.StatusCode.INVALID_ARGUMENT, FarSideFault.REJECTED, False),
        (grpc.StatusCode.UNIMPLEMENTED, FarSideFault.UNSUPPORTED, False),
        (grpc.StatusCode.INTERNAL, FarSideFault.BROKEN, False),
    ],
)
async def test_an_end_means_what_it_means_over_grpc(
    door: Door, code: grpc.StatusCode, fault: FarSideFault, retryable: bool
) -> None:
    process = await door.attach()
    answer = asked(door)
    await process.answer((await process.assignment()).attempt, end=code.value[0])
    with pytest.raises(FarSideError) as failed:
        await answer
    assert (failed.value.fault, failed.value.retryable) == (fault, retryable)


async def test_an_answer_that_has_ended_stands_whatever_its_process_does_then(door: Door) -> None:
    process = await door.attach()
    answer = asked(door)
    given = await process.assignment()
    piece = work_pb2.Piece(attempt=given.attempt, event=done("It stands."), ended=work_pb2.Ended())
    await process.say(piece=piece)
    process.call.cancel()
    assert (await answer).parts == texts("It stands.")


async def test_a_message_of_a_skill_is_no_answer_to_a_turn(door: Door) -> None:
    process = await door.attach()
    answer = asked(door)
    given = await process.assignment()
    await process.say(piece=work_pb2.Piece(attempt=given.attempt, message=b"hi"))
    with pytest.raises(FarSideError) as failed:
        await answer
    assert failed.value.fault is FarSideFault.GARBLED


async def test_draining_lets_what_is_in_hand_finish(door: Door) -> None:
    old = await door.attach()
    answer = asked(door)
    given = await old.assignment()
    door.attachments.drain("the gateway is stopping")
    assert (await old.next()).draining.reason == "the gateway is stopping"
    await old.answer(given.attempt, agent_pb2.TurnEvent(done=done("Finished.").done))
    assert (await answer).parts == texts("Finished.")
    assert await old.ended() == (grpc.StatusCode.OK, "")


async def test_a_thousand_turns_at_once_by_two_processes(door: Door) -> None:
    async def work(process: Process) -> None:
        while True:
            given = await process.assignment()
            text = given.turn.input[0].parts[0].text
            await process.say(piece=work_pb2.Piece(attempt=given.attempt, event=done(text), ended=work_pb2.Ended()))

    processes = [asyncio.ensure_future(work(await door.attach(seats=8))) for _ in range(2)]
    converser, seats = MailboxConverser(door.attachments), asyncio.Semaphore(16)

    async def one(number: int) -> None:
        async with seats:
            result = await converser.converse(open_turn(MAILBOX, turn(*texts(f"n{number}"))), nowhere)
        assert result.parts == texts(f"n{number}")

    await asyncio.gather(*map(one, range(1_000)))
    for process in processes:
        process.cancel()
