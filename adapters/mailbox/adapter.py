"""The mailbox adapter: carries a permitted call of a skill to a process of its agent that has attached.

What is sent and what it means are the same as over gRPC: the same codecs, metadata, statuses and ways to read a stream
(`adapters.grpc`). Only the way there is another, and nothing is sent twice here: attempts are the log's.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from interchange.v1 import work_pb2 as wire
from opentelemetry import trace
from opentelemetry.trace import Span

from adapters.base import Credentials, HandedBack, Permitted
from adapters.grpc import names
from adapters.grpc.limits import LIMITS, Limits
from adapters.grpc.metadata import Entries, write_entries, write_trace
from adapters.grpc.plans import Plan, Plans
from adapters.grpc.spans import Recorded
from adapters.grpc.statuses import DOUBT
from adapters.grpc.streams import read_all, read_last
from adapters.mailbox.attachments import Attachment, Attachments
from adapters.mailbox.bringing import Errand, bring, messages_of
from adapters.mailbox.hearing import Hearing
from adapters.turns import write_principal
from registry.model import Emit, FarSideError, FarSideFault, Result, Streaming


class MailboxAdapter:
    """Reaches skills of agents that are attached. One for the process."""

    def __init__(self, attachments: Attachments, credentials: Credentials, *, limits: Limits = LIMITS) -> None:
        self._attachments = attachments
        self._credentials = credentials
        self._limits = limits
        self._plans = Plans()
        self._tracer = trace.get_tracer(names.TRACER)

    async def deliver(self, permitted: Permitted, emit: Emit) -> Result:
        """Call the method and return its answer (`adapters.base.Adapter` says what is raised).

        Raises:
            HandedBack: the process that had the call put it back; or is gone, and the skill may be repeated.
        """
        plan = self._plans.plan(permitted)
        with Recorded(self._tracer, plan.opening) as span:
            errand = await self._errand(permitted, plan, span)
            held: list[Hearing] = []

            async def read(hearing: Hearing) -> Result:
                held.append(hearing)
                return await self._read(hearing, errand, permitted=permitted, plan=plan, emit=emit)

            try:
                return await bring(errand, self._attachments, read)
            except HandedBack as error:
                if plan.asked.repeatable or held[0].handed_back:
                    raise
                message = f"The process of {errand.agent} that had {plan.asked.name} has gone{DOUBT}"
                raise FarSideError(message, fault=FarSideFault.UNAVAILABLE) from error

    async def _errand(self, permitted: Permitted, plan: Plan, span: Span) -> Errand:
        call, skill = permitted.call, permitted.entry.skill
        tried = call.attempt
        attempt = wire.Attempt(
            delivery_id=tried.delivery if tried else call.id,
            number=tried.number if tried else 1,
            fence=tried.fence if tried else 0,
        )
        context = trace.set_span_in_context(span)
        token = await self._credentials(call.chain, plan.audience)
        entries = write_entries(
            call, delivery=attempt.delivery_id, token=token, context=context, limit=self._limits.metadata
        )
        order = wire.SkillCall(
            method=skill.method,
            request=plan.codec.encode(permitted.arguments),
            chain=map(write_principal, call.chain),
            metadata=_metadata(entries, attempt),
        )
        return Errand(
            call=call,
            asked=plan.asked,
            agent=skill.agent,
            assignment=wire.Assignment(attempt=attempt, call=order, call_id=call.id, trace=write_trace(context)),
            deadline=call.deadline.sooner(skill.timeout),
            suits=partial(_answers, skill.method),
        )

    async def _read(self, hearing: Hearing, errand: Errand, *, permitted: Permitted, plan: Plan, emit: Emit) -> Result:
        async with aclosing(messages_of(hearing, errand, limit=self._limits.answer)) as messages:
            match permitted.entry.skill.streaming:
                case Streaming.COLLECT:
                    return await read_all(messages, plan.answers, limits=self._limits)
                case Streaming.LAST:
                    return await read_last(messages, plan.answers, emit, limits=self._limits)
                case _:
                    return plan.answers.result(await _only(messages))


async def _only(messages: AsyncIterator[bytes]) -> bytes:
    """The one message of an answer."""
    found: list[bytes] = []
    async for message in messages:
        found.append(message)
        if len(found) > 1:
            break
    if len(found) != 1:
        sentence = (
            f"The service answered with {'several messages' if found else 'none'}, and its method has exactly one."
        )
        raise FarSideError(sentence, fault=FarSideFault.GARBLED)
    return found[0]


def _answers(method: str, attachment: Attachment) -> bool:
    return method in attachment.methods


def _metadata(entries: Entries, attempt: wire.Attempt) -> list[wire.Metadatum]:
    """What a gRPC server would be told, and which attempt this is."""
    which = [("ix-attempt", str(attempt.number)), ("ix-fence", str(attempt.fence))]
    return [
        wire.Metadatum(key=key, value=value if isinstance(value, bytes) else value.encode())
        for key, value in (*entries, *which)
    ]
