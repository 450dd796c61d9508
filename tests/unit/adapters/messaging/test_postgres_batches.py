"""Which requests share a transaction: the order of each conversation holds, and no conversation waits for ever."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from adapters.messaging.postgres.batches import BYTES, REQUESTS, Queue, Submitted
from adapters.messaging.requests import See
from registry.model import ConversationId

_loop = asyncio.new_event_loop()


def _submitted(conversation: str, number: int = 0, *, size: int = 0) -> Submitted:
    request = See(conversation=ConversationId(conversation), device="phone", seq=number)
    return Submitted(request, _loop.create_future(), size)


def _names(batch: Sequence[Submitted]) -> list[tuple[str, int]]:
    return [(each.request.conversation, each.request.seq) for each in batch if isinstance(each.request, See)]


def _queue(*submitted: Submitted) -> Queue:
    queue = Queue()
    for each in submitted:
        queue.add(each)
    return queue


def test_what_waits_together_goes_together() -> None:
    queue = _queue(_submitted("a", 1), _submitted("b", 1), _submitted("a", 2))
    assert _names(queue.take()) == [("a", 1), ("a", 2), ("b", 1)]
    assert queue.is_empty


def test_a_conversation_that_is_in_a_transaction_waits_for_the_next() -> None:
    queue = _queue(_submitted("a", 1))
    first = queue.take()
    queue.add(_submitted("a", 2))
    queue.add(_submitted("b", 1))
    assert _names(queue.take()) == [("b", 1)]
    assert not queue.is_ready
    assert not queue.is_empty
    queue.finished(first)
    assert _names(queue.take()) == [("a", 2)]


def test_a_busy_conversation_does_not_keep_the_others_out() -> None:
    queue = _queue(*(_submitted("a", number) for number in range(2 * REQUESTS)), _submitted("b", 1))
    first = queue.take()
    assert len(first) == REQUESTS
    assert _names(queue.take()) == [("b", 1)]
    queue.finished(first)
    assert _names(queue.take())[0] == ("a", REQUESTS)


def test_a_batch_is_not_larger_than_allowed_unless_one_request_is() -> None:
    queue = _queue(
        _submitted("a", size=BYTES + 1), _submitted("b", size=BYTES // 2), _submitted("c", size=BYTES // 2 + 1)
    )
    assert [len(queue.take()) for _ in range(3)] == [1, 1, 1]


def test_whose_caller_has_gone_is_left_out() -> None:
    gone, there, alone = _submitted("a", 1), _submitted("a", 2), _submitted("b", 1)
    gone.answer.cancel()
    alone.answer.cancel()
    queue = _queue(gone, there, alone)
    assert _names(queue.take()) == [("a", 2)]
    assert queue.is_empty


_Step = tuple[str, int]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), max_size=60))
def test_whatever_happens_all_is_taken_once_and_in_the_order_of_its_conversation(steps: list[_Step]) -> None:
    """A step submits to a conversation; then some batches begin or end."""
    queue, running, taken = Queue(), list[list[Submitted]](), list[tuple[str, int]]()
    for number, (conversation, what) in enumerate(steps):
        queue.add(_submitted(conversation, number, size=BYTES // 3))
        if what >= 2 and queue.is_ready:
            batch = queue.take()
            busy = {each.request.conversation for other in running for each in other}
            assert busy.isdisjoint(each.request.conversation for each in batch)
            running.append(batch)
            taken += _names(batch)
        if what % 2 and running:
            queue.finished(running.pop(0))
    while running or queue.is_ready:
        if running:
            queue.finished(running.pop())
        if queue.is_ready:
            running.append(queue.take())
            taken += _names(running[-1])
    assert queue.is_empty
    assert sorted(taken, key=lambda each: each[1]) == [(name, number) for number, (name, _) in enumerate(steps)]
    for conversation in "abcd":
        numbers = [number for name, number in taken if name == conversation]
        assert numbers == sorted(numbers)
