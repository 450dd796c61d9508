"""The corridor: the one path every call walks, whichever face it came through.

Facts, decision, record, obligations, delivery: always in this order, and there is no way around it. There is no list
of middleware on purpose: in a security gateway the sequence is the product. Above are the faces, which make calls and
write results; below are the rooms, which know nothing of each other.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from opentelemetry import trace

from adapters.messaging.errors import LogUnavailable
from gateway.facts import FactFinder, Found
from gateway.just_decided import JustDecided
from gateway.limits import PrincipalLimits
from gateway.live import InForce, Live
from gateway.long_calls import LongCalls
from gateway.obligations import fulfil
from gateway.telemetry import names
from gateway.turns import TurnsInHand
from policies.audit.log import AuditLog
from policies.decision import Decision
from policies.facts import Facts
from registry.model import Action, Call, Emit, Result, TargetKind

logger = logging.getLogger(__name__)
_tracer = trace.get_tracer("interchange.corridor")

OPERATORS_DOORS = frozenset({"platform", "offline"})
"""Who comes in here keeps the gateway going, and is told what is wrong with it."""

FarSide = Callable[[Call, Facts, Emit], Awaitable[Result]]
"""Whatever answers the calls about one kind of target."""


LASTING = frozenset({Action.MESSAGE, Action.READ_CONVERSATION})
"""An agent may take minutes to answer, and a conversation can be followed for ever."""


class Corridor:
    """Decides a call, records it, has it delivered and returns what came of it."""

    def __init__(
        self,
        *,
        live: Live,
        facts: FactFinder,
        audit: AuditLog,
        limits: PrincipalLimits,
        turns: TurnsInHand,
        far_sides: Mapping[TargetKind, FarSide],
    ) -> None:
        self._live = live
        self._facts = facts
        self._audit = audit
        self._limits = limits
        self._far_sides = far_sides
        self._long_calls = LongCalls(live=live, facts=facts, turns=turns)
        self._just_decided = JustDecided()

    async def handle(self, call: Call, emit: Emit) -> Result:
        """Carry one call from its face to its far side and back.

        Raises:
            InterchangeError: whatever kept the call from succeeding; its message may be shown to the caller.
        """
        try:
            return await self._handle(call, emit)
        except LogUnavailable as error:
            raise _told(error, call) from None

    async def _handle(self, call: Call, emit: Emit) -> Result:
        found = await self._facts.found(call)
        now = self._live.current()
        facts = self._facts.about(call, now, found)
        decision = self._just_decided.again(call, now, facts) or _decided(now, call, facts)
        self._just_decided.note(call, now, facts, decision)
        async with self._audit.recording(call, decision) as entry:
            fulfil(decision, call, facts)
            with self._place(call):
                result = await self._deliver(call, facts, emit, found=found, decided_by=now)
            entry.finished(result)
            return result

    def _place(self, call: Call) -> AbstractContextManager[None]:
        """One of the calls that a principal may have in hand. What the log gave out counts where it is carried out, who
        follows a turn among the subscriptions of their face."""
        if call.attempt is not None or (call.action is Action.READ_CONVERSATION and _operation(call) == "Follow"):
            return nullcontext()
        return self._limits.call(call.chain.caller)

    def drain(self, seconds: float) -> None:
        """End the calls that last, with their reason, unless they end within so many seconds."""
        self._long_calls.drain(seconds)

    async def _deliver(self, call: Call, facts: Facts, emit: Emit, *, found: Found, decided_by: InForce) -> Result:
        far_side = self._far_sides[call.target.kind]
        if not _may_last(call):
            return await far_side(call, facts, emit)
        async with self._long_calls.watched(call, found, decided_by=decided_by):
            return await far_side(call, facts, emit)


def _told(error: LogUnavailable, call: Call) -> LogUnavailable:
    """What a caller is told of the log being away: where it is, and what is the matter with it, is for operators."""
    if call.door in OPERATORS_DOORS:
        return error
    logger.warning("The conversation log cannot be used.", extra={"call": call.id, "error": error.message})
    return LogUnavailable("The conversation log cannot be used at the moment: try again.")


def _operation(call: Call) -> object:
    return call.content.get("operation")


def _may_last(call: Call) -> bool:
    """Whether a call may take its time, in which policies may change: all that goes through the log does."""
    return call.action in LASTING or bool(call.turn) or call.sending is not None or call.attempt is not None


def _decided(now: InForce, call: Call, facts: Facts) -> Decision:
    with _tracer.start_as_current_span(names.DECIDE) as span:
        decision = now.judge.decide(call, facts)
        if span.is_recording():
            span.set_attributes(
                {
                    names.CALL_ID: call.id,
                    names.ACTION: call.action,
                    names.TARGET: str(call.target),
                    names.VERDICT: decision.verdict,
                    names.POLICY_VERSION: decision.policy_version,
                    names.CATALOG_VERSION: decision.catalog_version,
                }
            )
        return decision
