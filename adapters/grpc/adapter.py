"""The gRPC adapter: carries a permitted call to the service its agent is bound to.

A `Plan` is what is the same for every call of a revision; an `Order` is one call made ready to be sent; an attempt is
one try on one target, and only what may be repeated gets a second. The neighbours each know one thing: `sending` how an
order goes out, `channels` and `line` the targets, `metadata` what is said beside the message, `streams` and `results`
the answers, `statuses` errors. `converse` is this page for turns of agents.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Final

from grpc.aio import AioRpcError
from opentelemetry import trace
from opentelemetry.trace import Span

from adapters.base import Credentials, Permitted
from adapters.grpc import names
from adapters.grpc.channels import Channels
from adapters.grpc.metadata import Entries, write_entries
from adapters.grpc.plans import Plan, Plans
from adapters.grpc.retry import RETRY_RULE, RetryRule, may_repeat
from adapters.grpc.sending import Order, Sender, bound
from adapters.grpc.spans import Recorded
from adapters.grpc.statuses import code_of
from adapters.grpc.streams import Heard, read_all, read_last
from registry.model import Binding, BindingKind, Call, Emit, Hints, Result, Streaming, TooLarge

FAIR_CHANCE: Final = 10.0
"""Seconds. Who gave a target less than this, and less than its skill's timeout, cannot say that it hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A call's order, and what becomes of the answer."""

    order: Order
    plan: Plan
    hints: Hints
    streaming: Streaming
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
        self._sender = Sender(channels)
        self._credentials = credentials
        self._limits = channels.limits
        self._retry = retry
        self._sleep = sleep
        self._plans = Plans()
        self._tracer = trace.get_tracer(names.TRACER)

    async def deliver(self, permitted: Permitted, emit: Emit) -> Result:
        """Call the method and return its answer (`adapters.base.Adapter` says what is raised)."""
        binding = bound(permitted.entry.binding, permitted.entry.skill.agent)
        plan = self._plans.plan(permitted)
        with Recorded(self._tracer, plan.opening) as span:
            order = await self._order(permitted, binding=binding, plan=plan, span=span)
            skill = permitted.entry.skill
            errand = Errand(order=order, plan=plan, hints=skill.hints, streaming=skill.streaming, emit=emit)
            return await self._carried_out(errand)

    async def _order(self, permitted: Permitted, *, binding: Binding, plan: Plan, span: Span) -> Order:
        call, skill = permitted.call, permitted.entry.skill
        deadline = call.deadline.sooner(skill.timeout)
        request = plan.codec.encode(permitted.arguments)
        if len(request) > self._limits.request:
            raise TooLarge(f"The request is {len(request)} bytes; {skill.id} can be sent {self._limits.request}.")
        told: Entries = [] if binding.kind is BindingKind.FOREIGN else await self._entries(call, plan, span)
        return Order(
            call=call,
            asked=plan.asked,
            method=skill.method,
            binding=binding,
            request=request,
            deadline=deadline,
            fair_chance=min(skill.timeout, FAIR_CHANCE),
            entries=told,
            span=span,
        )

    async def _entries(self, call: Call, plan: Plan, span: Span) -> Entries:
        token = await self._credentials(call.chain, plan.audience)
        context = trace.set_span_in_context(span)
        delivery = call.attempt.delivery if call.attempt else call.id
        return write_entries(call, delivery=delivery, token=token, context=context, limit=self._limits.metadata)

    async def _carried_out(self, errand: Errand) -> Result:
        """Attempts, until one succeeds or no other may follow."""
        for attempt in count(1):
            try:
                return await self._attempt(errand, attempt)
            except AioRpcError as error:
                pause = self._pause_after(attempt, errand, error)
                if pause is None:
                    raise self._sender.failure(errand.order, error) from error
            await self._sleep(pause)
        raise AssertionError("attempts end by returning or raising")

    async def _attempt(self, errand: Errand, attempt: int) -> Result:
        if errand.streaming is Streaming.UNARY:
            return errand.plan.answers.result(await self._sender.ask(errand.order, attempt))
        return await self._sender.listen(errand.order, attempt, partial(self._read, errand))

    async def _read(self, errand: Errand, messages: Heard) -> Result:
        answers = errand.plan.answers
        if errand.streaming is Streaming.COLLECT:
            return await read_all(messages, answers, limits=self._limits)
        return await read_last(messages, answers, errand.emit, limits=self._limits)

    def _pause_after(self, attempt: int, errand: Errand, error: AioRpcError) -> float | None:
        """Seconds until the next attempt; None if there is to be none, or no time for it."""
        if not may_repeat(errand.hints, code_of(error)):
            return None
        pause = self._retry.pause_after(attempt, chance=random.random())  # noqa: S311 - jitter is no secret
        return pause if pause is not None and pause < errand.order.deadline.remaining() else None
