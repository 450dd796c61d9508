"""The gRPC adapter: carries a permitted call to the service its agent is bound to.

A `Plan` is what is the same for every call of a revision; an `Order` is one call made ready to be sent; an attempt is
one try on one target, and only what may be repeated gets a second. The neighbours each know one thing: `channels` and
`line` the targets, `metadata` what is said beside the message, `streams` and `results` the answers, `statuses` errors.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Final

from grpc import StatusCode
from grpc.aio import AioRpcError, BaseError
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from adapters.base import Credentials, Permitted
from adapters.grpc import names, spans
from adapters.grpc.channels import Channels
from adapters.grpc.line import Line, Seat
from adapters.grpc.metadata import Entries, write_entries, write_metadata
from adapters.grpc.plans import Plan, Plans
from adapters.grpc.retry import RETRY_RULE, RetryRule, may_repeat
from adapters.grpc.statuses import SILENCE, code_of, read_status
from adapters.grpc.streams import Heard, read_all, read_last
from registry.catalog import SkillEntry
from registry.model import (
    Binding,
    BindingKind,
    Call,
    Deadline,
    DeadlinePassed,
    Emit,
    FarSideError,
    FarSideFault,
    InterchangeError,
    Result,
    Skill,
    Streaming,
    TooLarge,
)

FAIR_CHANCE: Final = 10.0
"""Seconds. Who gave a target less than this, and less than its skill's timeout, cannot say that it hangs."""

GRACE: Final = 0.25
"""Seconds by which gRPC may notice a stream's deadline before we do, so that its status is the one we see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One call, ready to be sent."""

    call: Call
    skill: Skill
    binding: Binding
    plan: Plan
    request: bytes
    deadline: Deadline
    entries: Entries
    span: Span
    emit: Emit


class GrpcAdapter:
    """Reaches gRPC services. One for the process; `channels` are closed by whoever made them."""

    def __init__(
        self,
        channels: Channels,
        credentials: Credentials,
        *,
        retry: RetryRule = RETRY_RULE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._channels = channels
        self._credentials = credentials
        self._limits = channels.limits
        self._retry = retry
        self._sleep = sleep
        self._plans = Plans()
        self._tracer = trace.get_tracer(names.TRACER)

    async def deliver(self, permitted: Permitted, emit: Emit) -> Result:
        """Call the method and return its answer (`adapters.base.Adapter` says what is raised)."""
        binding = _binding(permitted.entry)
        plan = self._plans.plan(permitted)
        span = self._tracer.start_span(plan.span_name, kind=SpanKind.CLIENT, attributes=plan.span_attributes)
        try:
            order = await self._order(permitted, binding=binding, plan=plan, span=span, emit=emit)
            result = await self._carried_out(order)
        except BaseException as error:
            spans.failed(span, error)
            raise
        else:
            spans.succeeded(span)
            return result
        finally:
            span.end()

    async def _order(self, permitted: Permitted, *, binding: Binding, plan: Plan, span: Span, emit: Emit) -> Order:
        call, skill = permitted.call, permitted.entry.skill
        deadline = call.deadline.sooner(skill.timeout)
        request = plan.codec.encode(permitted.arguments)
        if len(request) > self._limits.request:
            raise TooLarge(f"The request is {len(request)} bytes; {skill.id} can be sent {self._limits.request}.")
        told: Entries = [] if binding.kind is BindingKind.FOREIGN else await self._entries(call, plan, span)
        return Order(
            call=call,
            skill=skill,
            binding=binding,
            plan=plan,
            request=request,
            deadline=deadline,
            entries=told,
            span=span,
            emit=emit,
        )

    async def _entries(self, call: Call, plan: Plan, span: Span) -> Entries:
        token = await self._credentials(call.chain, plan.audience)
        context = trace.set_span_in_context(span)
        return write_entries(call, token=token, context=context, limit=self._limits.metadata)

    async def _carried_out(self, order: Order) -> Result:
        """Attempts, until one succeeds or no other may follow."""
        for attempt in count(1):
            try:
                return await self._attempt(order, attempt)
            except AioRpcError as error:
                pause = self._pause_after(attempt, order, error)
                if pause is None:
                    raise self._failure(order, error) from error
            await self._sleep(pause)
        raise AssertionError("attempts end by returning or raising")

    async def _attempt(self, order: Order, attempt: int) -> Result:
        """One try on the next target.

        Raises:
            AioRpcError: it failed before anything was answered.
        """
        targets = await self._channels.targets(order.binding)
        line = await targets.next_line()
        spans.went_to(order.span, line)
        async with line.seat(min(self._limits.patience, _time_left(order))) as seat:
            try:
                if order.skill.streaming is Streaming.UNARY:
                    return await self._unary(order, attempt, line=line, seat=seat)
                return await self._stream(order, attempt, line=line, seat=seat)
            except asyncio.CancelledError:
                if _cancelled():
                    raise
                raise _closed() from None
            except BaseError as error:  # grpc refuses to call at all: the channel was closed under us
                raise _closed() from error

    async def _unary(self, order: Order, attempt: int, *, line: Line, seat: Seat) -> Result:
        given = _time_left(order)
        metadata = write_metadata(order.entries, attempt=attempt)
        try:
            data = await line.unary(order.skill.method)(order.request, timeout=given, metadata=metadata)
        except AioRpcError as error:
            _report(seat, error, order, given)
            raise
        seat.answered()
        return order.plan.answers.result(data)

    async def _stream(self, order: Order, attempt: int, *, line: Line, seat: Seat) -> Result:
        given = _time_left(order)
        metadata = write_metadata(order.entries, attempt=attempt)
        answering = line.stream(order.skill.method)(order.request, timeout=given, metadata=metadata)
        messages = Heard(answering, seat.answered)
        patience = asyncio.timeout(given + GRACE)
        try:
            async with patience:
                return await self._read(order, messages)
        except AioRpcError as error:
            if messages.any:  # part of it has been passed on, so it is not begun anew
                raise self._failure(order, error) from error
            _report(seat, error, order, given)
            raise
        except TimeoutError:
            if patience.expired():
                raise _too_late(order.skill) from None
            raise
        finally:
            answering.cancel()
            await messages.aclose()

    async def _read(self, order: Order, messages: Heard) -> Result:
        answers = order.plan.answers
        if order.skill.streaming is Streaming.COLLECT:
            return await read_all(messages, answers, limits=self._limits)
        return await read_last(messages, answers, order.emit, limits=self._limits)

    def _pause_after(self, attempt: int, order: Order, error: AioRpcError) -> float | None:
        """Seconds until the next attempt; None if there is to be none, or no time for it."""
        if not may_repeat(order.skill.hints, code_of(error)):
            return None
        pause = self._retry.pause_after(attempt, chance=random.random())  # noqa: S311 - jitter is no secret
        return pause if pause is not None and pause < order.deadline.remaining() else None

    def _failure(self, order: Order, error: AioRpcError) -> InterchangeError:
        return read_status(error, call=order.call, skill=order.skill, limit=self._limits.answer)


def _binding(entry: SkillEntry) -> Binding:
    if entry.binding is not None and entry.binding.targets:
        return entry.binding
    agent = entry.skill.agent
    message = f"The agent {agent} is not bound to an address; an operator does that with `interchange registry bind`."
    raise FarSideError(message, fault=FarSideFault.UNAVAILABLE)


def _time_left(order: Order) -> float:
    """Seconds until the order's deadline, more than none."""
    left = order.deadline.remaining()
    if left <= 0:
        raise _too_late(order.skill)
    return left


def _too_late(skill: Skill) -> DeadlinePassed:
    return DeadlinePassed(f"{skill.id} did not answer in time.")


def _report(seat: Seat, error: AioRpcError, order: Order, given: float) -> None:
    """Tell the breaker what an error says about the target; an impatient caller's deadline says nothing."""
    code = code_of(error)
    if code is StatusCode.DEADLINE_EXCEEDED and given < 0.9 * min(order.skill.timeout, FAIR_CHANCE):
        return
    if code in SILENCE:
        seat.failed()
    else:
        seat.answered()


def _cancelled() -> bool:
    """Whether this task was cancelled. If not, a CancelledError is gRPC's own: a channel closed under the call."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _closed() -> FarSideError:
    message = "The connection was closed, because the gateway is stopping or the agent was bound elsewhere."
    return FarSideError(message, fault=FarSideFault.UNAVAILABLE, retryable=True)
