"""The recorder: `ConversationLog` and `Keeping` on top of any engine.

Checks what it is given, makes a request of it and submits it. Everything else is the plan's and the engine's.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence

from adapters.messaging.checks import (
    check_agent,
    check_effects,
    check_id,
    check_lease,
    check_messages,
    check_new_turn,
    check_number,
    check_opening,
    check_outcome,
    check_request,
    check_seconds,
    check_size,
    check_turn,
    check_words,
)
from adapters.messaging.engine import Engine
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.messages import LOG, New, Opening, TurnRef
from adapters.messaging.outcomes import ChangeTurn, Delivery, Effect, Lease, Outcome
from adapters.messaging.plan import Appended
from adapters.messaging.requests import Append, Erase, Expire, Extend, Hold, Redrive, Revoke, See, Settle
from registry.model import AgentName, BadRequest, ConversationId, TurnId

_log = logging.getLogger(__name__)

MOST = 100_000
"""Of whatever is asked for at once."""


class Recorder:
    """Writes to an engine; see `ConversationLog` and `Keeping`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def append(
        self,
        conversation: ConversationId,
        messages: Sequence[New],
        *,
        opening: Opening | None = None,
        expect_tail: int | None = None,
        under: Delivery | None = None,
        claim: Lease | None = None,
        effects: Sequence[Effect] = (),
    ) -> Appended:
        """See `ConversationLog`."""
        if messages or not _asks(effects):
            check_messages(conversation, messages)
        else:
            check_id("conversation", conversation)
        check_effects(effects)
        if opening is not None:
            check_opening(opening)
        if claim is not None:
            check_lease(claim)
        request = Append(
            conversation=conversation,
            messages=tuple(messages),
            opening=opening,
            expect_tail=expect_tail,
            under=under,
            claim=claim,
            effects=tuple(effects),
        )
        check_request(request)
        return await self._engine.submit(request)

    async def claim(self, agents: Collection[AgentName], *, limit: int, lease: Lease) -> Sequence[Delivery]:
        """See `ConversationLog`."""
        check_lease(lease)
        for agent in agents:
            check_agent(agent)
        return await self._engine.claim(agents, limit=min(limit, MOST), lease=lease) if agents and limit > 0 else ()

    async def extend(self, delivery: Delivery, *, seconds: float) -> Delivery:
        """See `ConversationLog`."""
        check_seconds("A lease", seconds)
        return await self._engine.submit(Extend(delivery=delivery, seconds=seconds))

    async def settle(self, delivery: Delivery, outcome: Outcome, *, effects: Sequence[Effect] = ()) -> Appended:
        """See `ConversationLog`."""
        check_outcome(outcome)
        check_effects(effects)
        request = Settle(delivery=delivery, outcome=outcome, effects=tuple(effects))
        check_request(request)
        return await self._engine.submit(request)

    async def revoke(self, of: TurnRef, *, by: str, issuer: str = "", body: bytes = b"") -> Appended:
        """See `ConversationLog`."""
        check_turn(of)
        check_id("principal who cancels", by)
        check_words("The issuer", issuer)
        check_size("The message that says why it was cancelled", body)
        return await self._engine.submit(Revoke(of=of, by=by, issuer=issuer, body=body))

    async def expire(self, *, limit: int) -> Sequence[TurnRef]:
        """See `ConversationLog`."""
        overdue = await self._engine.overdue(limit=min(limit, MOST)) if limit > 0 else ()
        submitted = (self._engine.submit(Expire(of=of)) for of in overdue)
        answers = await asyncio.gather(*submitted, return_exceptions=True)
        away = [answer for answer in answers if isinstance(answer, LogUnavailable)]
        if away:
            extra = {"turns": len(away), "error": away[0].message}
            _log.warning("Turns that have waited too long cannot be failed yet.", extra=extra)
        for of, answer in zip(overdue, answers, strict=True):
            if isinstance(answer, BaseException) and not isinstance(answer, LogUnavailable):
                _log.error("A turn could not be failed.", exc_info=answer, extra={"turn": of.turn, "agent": of.agent})
        return [of for of, answer in zip(overdue, answers, strict=True) if isinstance(answer, Appended)]

    async def redrive(self, conversation: ConversationId, agent: AgentName, seq: int, *, turn: TurnId) -> Appended:
        """See `ConversationLog`."""
        check_turn(TurnRef(conversation=conversation, agent=agent, turn=turn))
        check_new_turn(turn)
        check_number("A dead letter", seq)
        return await self._engine.submit(Redrive(conversation=conversation, agent=agent, seq=seq, turn=turn))

    async def seen(self, conversation: ConversationId, device: str, seq: int) -> int:
        """See `ConversationLog`."""
        check_id("conversation", conversation)
        check_id("device", device)
        check_number("What was seen", seq)
        return await self._engine.submit(See(conversation=conversation, device=device, seq=seq))

    async def hold(self, conversation: ConversationId, *, reason: str) -> None:
        """See `Keeping`."""
        check_id("conversation", conversation)
        check_words("The reason", reason)
        if not reason.strip():
            raise BadRequest("Say why the conversation is put under legal hold: whoever wants to erase it will ask.")
        await self._engine.submit(Hold(conversation=conversation, reason=reason))

    async def release(self, conversation: ConversationId) -> None:
        """See `Keeping`."""
        check_id("conversation", conversation)
        await self._engine.submit(Hold(conversation=conversation, reason=""))

    async def erase(
        self,
        conversation: ConversationId,
        *,
        id: str,  # noqa: A002 the word of the field
        by: str,
        issuer: str = "",
        reason: str,
        sender: str = "",
        up_to: int = 0,
    ) -> Appended:
        """See `Keeping`."""
        check_id("conversation", conversation)
        check_id("message", id)
        check_id("principal who erases", by)
        if by == LOG:
            raise BadRequest(f"Nobody but the log itself speaks as {LOG}.")
        check_words("The erasure", issuer, reason, sender)
        check_number("Where the erasure ends", up_to)
        return await self._engine.submit(
            Erase(conversation=conversation, id=id, by=by, issuer=issuer, reason=reason, sender=sender, up_to=up_to)
        )

    async def retain(self, *, seconds: float, limit: int) -> int:
        """See `Keeping`."""
        check_seconds("Retention", seconds)
        return await self._engine.retain(seconds=seconds, limit=min(limit, MOST)) if limit > 0 else 0

    async def index(self, *, limit: int) -> int:
        """See `Keeping`."""
        return await self._engine.index(limit=min(limit, MOST)) if limit > 0 else 0

    async def tidy(self, *, limit: int) -> int:
        """See `Keeping`."""
        return await self._engine.tidy(limit=min(limit, MOST)) if limit > 0 else 0


def _asks(effects: Sequence[Effect]) -> bool:
    """Whether an append says something although no message comes with it: the question of a deferred turn."""
    return any(isinstance(effect, ChangeTurn) and effect.question is not None for effect in effects)
