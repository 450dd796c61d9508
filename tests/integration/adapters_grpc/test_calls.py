"""One call to one target: what is sent, what comes back, and how it ends."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import orjson
import pytest

from adapters.grpc.adapter import GrpcAdapter
from adapters.grpc.limits import MIB, Limits
from registry.model import (
    Binding,
    BindingKind,
    ClientOffer,
    DeadlinePassed,
    FarSideError,
    FarSideFault,
    InvalidArguments,
    Result,
    Streaming,
    TooLarge,
    nowhere,
)
from tests.integration.adapters_grpc.conftest import MakeAdapter
from tests.integration.adapters_grpc.far_side import (
    Context,
    answering,
    binding,
    failing,
    permitted,
    question,
    reply,
    serving,
)


async def test_an_answer_comes_back_as_parsed_json_and_as_the_same_json_in_text(adapter: GrpcAdapter) -> None:
    async with serving(answering(reply(text="hi", views="7", tags=["a", "b"]))) as far_side:
        result = await adapter.deliver(
            permitted(binding(far_side.target), arguments={"text": "hello", "count": 3}), nowhere
        )

    assert question(far_side.requests[0]) == {"text": "hello", "count": 3}
    assert isinstance(result.structured, dict)
    assert result.structured["text"] == "hi"
    assert result.structured["views"] == "7"
    assert result.structured["tags"] == ["a", "b"]
    assert orjson.loads(result.text) == result.structured
    assert not result.is_error


async def test_the_far_side_is_told_who_asks_and_which_call_it_is(adapter: GrpcAdapter) -> None:
    async with serving() as far_side:
        asked = permitted(binding(far_side.target))
        await adapter.deliver(asked, nowhere)

    seen = far_side.metadata[0]
    assert seen["authorization"] == "Bearer token-of-ada-for-grpc://desk"
    assert seen["ix-call"] == seen["ix-delivery"] == asked.call.id
    assert (seen["ix-attempt"], seen["ix-fence"]) == ("1", "0")
    assert "ix-answers-bin" not in seen


async def test_a_foreign_service_is_told_nothing_of_ours(adapter: GrpcAdapter) -> None:
    async with serving() as far_side:
        foreign = replace(binding(far_side.target), kind=BindingKind.FOREIGN)
        await adapter.deliver(permitted(foreign), nowhere)

    seen = far_side.metadata[0]
    assert "authorization" not in seen
    assert not [key for key in seen if key.startswith(("ix-", "trace"))]


async def test_answers_of_the_client_travel_as_metadata(adapter: GrpcAdapter) -> None:
    offer = ClientOffer(elicitation=True, answers={"name": {"action": "accept"}}, request_state=b"\x00state")
    async with serving() as far_side:
        await adapter.deliver(permitted(binding(far_side.target), offer=offer), nowhere)

    seen = far_side.metadata[0]
    assert orjson.loads(seen["ix-answers-bin"]) == {"name": {"action": "accept"}}
    assert seen["ix-request-state-bin"] == b"\x00state"


async def test_answers_that_do_not_fit_into_metadata_are_refused_before_sending(adapter: GrpcAdapter) -> None:
    offer = ClientOffer(answers={"essay": "x" * 6_000})
    async with serving() as far_side:
        with pytest.raises(TooLarge):
            await adapter.deliver(permitted(binding(far_side.target), offer=offer), nowhere)
    assert far_side.attempts == 0


async def test_arguments_that_break_the_messages_rules_are_not_sent(adapter: GrpcAdapter) -> None:
    async with serving() as far_side:
        with pytest.raises(InvalidArguments):
            await adapter.deliver(permitted(binding(far_side.target), arguments={"count": 101}), nowhere)
    assert far_side.attempts == 0


async def test_a_request_over_the_limit_is_not_sent(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(limits=Limits(request=100))
    async with serving() as far_side:
        with pytest.raises(TooLarge, match="100"):
            await adapter.deliver(permitted(binding(far_side.target), arguments={"text": "x" * 200}), nowhere)
    assert far_side.attempts == 0


@pytest.mark.parametrize("nowhere_bound", [None, binding(), Binding(kind=BindingKind.GRPC)])
async def test_an_agent_that_is_not_bound_is_named_with_the_command_that_binds_it(
    adapter: GrpcAdapter, nowhere_bound: Binding | None
) -> None:
    with pytest.raises(FarSideError, match=r"desk .*interchange registry bind") as caught:
        await adapter.deliver(permitted(nowhere_bound), nowhere)
    assert caught.value.fault is FarSideFault.UNAVAILABLE


async def test_bytes_that_are_no_answer_are_garbled(adapter: GrpcAdapter) -> None:
    async with serving(answering(b"\xff\xff\xff")) as far_side:
        with pytest.raises(FarSideError) as caught:
            await adapter.deliver(permitted(binding(far_side.target)), nowhere)
    assert caught.value.fault is FarSideFault.GARBLED


STATUSES = [
    (grpc.StatusCode.INVALID_ARGUMENT, FarSideFault.REJECTED, False, True),
    (grpc.StatusCode.OUT_OF_RANGE, FarSideFault.REJECTED, False, True),
    (grpc.StatusCode.FAILED_PRECONDITION, FarSideFault.REJECTED, False, True),
    (grpc.StatusCode.NOT_FOUND, FarSideFault.NOT_FOUND, False, True),
    (grpc.StatusCode.ALREADY_EXISTS, FarSideFault.CONFLICT, False, True),
    (grpc.StatusCode.ABORTED, FarSideFault.CONFLICT, True, True),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, FarSideFault.EXHAUSTED, True, True),
    (grpc.StatusCode.PERMISSION_DENIED, FarSideFault.REFUSED_CALLER, False, True),
    (grpc.StatusCode.UNAUTHENTICATED, FarSideFault.REFUSED_US, False, False),
    (grpc.StatusCode.UNAVAILABLE, FarSideFault.UNAVAILABLE, False, False),
    (grpc.StatusCode.UNIMPLEMENTED, FarSideFault.UNSUPPORTED, False, False),
    (grpc.StatusCode.CANCELLED, FarSideFault.UNAVAILABLE, False, False),
    (grpc.StatusCode.INTERNAL, FarSideFault.BROKEN, False, False),
    (grpc.StatusCode.UNKNOWN, FarSideFault.BROKEN, False, False),
    (grpc.StatusCode.DATA_LOSS, FarSideFault.BROKEN, False, False),
]


def test_the_table_of_statuses_here_is_complete() -> None:
    named = {code for code, *_ in STATUSES}
    assert named == set(grpc.StatusCode) - {grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED}


@pytest.mark.parametrize(("code", "fault", "retryable", "shown"), STATUSES)
async def test_a_status_is_told_in_our_words_and_its_details_only_where_they_are_the_callers_business(
    adapter: GrpcAdapter, code: grpc.StatusCode, fault: FarSideFault, retryable: bool, shown: bool
) -> None:
    async with serving(failing(code, "the \x1b[31mcolour\u202e is wrong")) as far_side:
        with pytest.raises(FarSideError) as caught:
            await adapter.deliver(permitted(binding(far_side.target)), nowhere)

    assert (caught.value.fault, caught.value.retryable) == (fault, retryable)
    assert caught.value.message.startswith("desk.ask ")
    assert ("colour" in caught.value.message) is shown
    assert caught.value.message.isprintable()
    assert far_side.attempts == 1


async def test_what_is_withheld_is_in_the_log_under_the_calls_id(
    adapter: GrpcAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(failing(grpc.StatusCode.INTERNAL, "password is hunter2")) as far_side:
        asked = permitted(binding(far_side.target))
        with caplog.at_level(logging.WARNING, "adapters.grpc"), pytest.raises(FarSideError) as caught:
            await adapter.deliver(asked, nowhere)

    assert "hunter2" not in caught.value.message
    [record] = [record for record in caplog.records if record.name.startswith("adapters.grpc")]
    assert record.__dict__["call"] == asked.call.id
    assert record.__dict__["details"] == "password is hunter2"


async def test_long_details_are_cut(adapter: GrpcAdapter) -> None:
    async with serving(failing(grpc.StatusCode.NOT_FOUND, "é" * 3_000)) as far_side:
        with pytest.raises(FarSideError) as caught:
            await adapter.deliver(permitted(binding(far_side.target)), nowhere)
    assert 900 < len(caught.value.message.encode()) < 1_200


async def test_a_method_that_is_not_there_is_unsupported(adapter: GrpcAdapter) -> None:
    async with serving() as far_side:
        with pytest.raises(FarSideError, match="out of date") as caught:
            await adapter.deliver(permitted(binding(far_side.target), method="/desk.v1.Desk/Gone"), nowhere)
    assert caught.value.fault is FarSideFault.UNSUPPORTED


@pytest.mark.parametrize(("timeout", "seconds"), [(0.2, 30.0), (30.0, 0.2)])
async def test_the_earlier_of_the_skills_and_the_calls_deadline_ends_a_call_that_hangs(
    adapter: GrpcAdapter, timeout: float, seconds: float
) -> None:
    async def hang(_request: bytes, _context: Context) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(hang) as far_side:
        with pytest.raises(DeadlinePassed):
            async with asyncio.timeout(5):
                await adapter.deliver(permitted(binding(far_side.target), timeout=timeout, seconds=seconds), nowhere)
    assert far_side.attempts == 1


async def test_a_deadline_that_has_passed_already_is_not_sent(adapter: GrpcAdapter) -> None:
    async with serving() as far_side:
        with pytest.raises(DeadlinePassed):
            await adapter.deliver(permitted(binding(far_side.target), seconds=-1), nowhere)
    assert far_side.attempts == 0


@pytest.mark.parametrize("streaming", [Streaming.UNARY, Streaming.LAST])
async def test_cancelling_the_task_cancels_the_call_on_the_far_side(adapter: GrpcAdapter, streaming: Streaming) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def ask(_request: bytes, _context: Context) -> bytes:
        await hang()
        return b""

    async def tell(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        yield reply(text="one")
        await hang()

    async with serving(ask, tell=tell) as far_side, asyncio.timeout(5):
        delivery = asyncio.ensure_future(
            adapter.deliver(permitted(binding(far_side.target), streaming=streaming), nowhere)
        )
        await begun.wait()
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        await cancelled.wait()


async def test_an_answer_of_100_mb_is_cut_off(adapter: GrpcAdapter) -> None:
    async with serving(answering(bytes(100 * MIB))) as far_side:
        with pytest.raises(TooLarge, match=str(16 * MIB)):
            await adapter.deliver(permitted(binding(far_side.target), seconds=30, timeout=30), nowhere)


async def test_one_that_is_just_under_the_limit_passes(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(limits=Limits(answer=1_000))
    async with serving(answering(reply(text="x" * 900))) as far_side:
        assert (await adapter.deliver(permitted(binding(far_side.target)), nowhere)).structured
    async with serving(answering(reply(text="x" * 1_000))) as far_side:
        with pytest.raises(TooLarge):
            await adapter.deliver(permitted(binding(far_side.target)), nowhere)


async def test_many_calls_at_once_get_their_own_answers(adapter: GrpcAdapter) -> None:
    async def echo(request: bytes, _context: Context) -> bytes:
        return reply(text=str(question(request)["text"]))

    async def one(where: Binding, number: int) -> Result:
        return await adapter.deliver(permitted(where, arguments={"text": f"n{number}"}), nowhere)

    async with serving(echo) as far_side, asyncio.TaskGroup() as group:
        where = binding(far_side.target)
        tasks = [group.create_task(one(where, number)) for number in range(100)]
        results = await asyncio.gather(*tasks)
    texts = [result.structured["text"] for result in results if isinstance(result.structured, dict)]
    assert texts == [f"n{number}" for number in range(100)]
