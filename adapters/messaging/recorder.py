"""The recorder: `ConversationLog` and `Keeping` on top of any engine.

Checks what it is given, makes a request of it and submits it. Everything else is the plan's and the engine's.
"""

from collections.abc import Collection, Sequence

from adapters.messaging.checks import (
    check_effects,
    check_id,
    check_lease,
    check_messages,
    check_number,
    check_opening,
    check_outcome,
    check_seconds,
    check_size,
    check_text,
    check_turn,
)
from adapters.messaging.engine import Engine
from adapters.messaging.messages import New, Opening, TurnRef
from adapters.messaging.outcomes import Delivery, Effect, Lease, Outcome
from adapters.messaging.plan import Appended
from adapters.messaging.requests import Append, Erase, Expire, Extend, Hold, Redrive, Revoke, See, Settle
from registry.model import AgentName, BadRequest, ConversationId, TurnId


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
        check_messages(conversation, messages)
        check_effects(effects)
        if opening is not None:
            check_opening(opening)
        if claim is not None:
            check_lease(claim)
        return await self._engine.submit(
            Append(
                conversation=conversation,
                messages=tuple(messages),
                opening=opening,
                expect_tail=expect_tail,
                under=under,
                claim=claim,
                effects=tuple(effects),
            )
        )

    async def claim(self, agents: Collection[AgentName], *, limit: int, lease: Lease) -> Sequence[Delivery]:
        """See `ConversationLog`."""
        check_lease(lease)
        return await self._engine.claim(agents, limit=limit, lease=lease) if agents and limit > 0 else ()

    async def extend(self, delivery: Delivery, *, seconds: float) -> Delivery:
        """See `ConversationLog`."""
        check_seconds("A lease", seconds)
        return await self._engine.submit(Extend(delivery=delivery, seconds=seconds))

    async def settle(self, delivery: Delivery, outcome: Outcome, *, effects: Sequence[Effect] = ()) -> Appended:
        """See `ConversationLog`."""
        check_outcome(outcome)
        check_effects(effects)
        return await self._engine.submit(Settle(delivery=delivery, outcome=outcome, effects=tuple(effects)))

    async def revoke(self, of: TurnRef, *, by: str, issuer: str = "", body: bytes = b"") -> Appended:
        """See `ConversationLog`."""
        check_turn(of)
        check_id("principal who cancels", by)
        check_text("The issuer", issuer)
        check_size("The message that says why it was cancelled", body)
        return await self._engine.submit(Revoke(of=of, by=by, issuer=issuer, body=body))

    async def expire(self, *, limit: int) -> Sequence[TurnRef]:
        """See `ConversationLog`."""
        overdue = await self._engine.overdue(limit=limit)
        return [of for of in overdue if await self._engine.submit(Expire(of=of)) is not None]

    async def redrive(self, conversation: ConversationId, agent: AgentName, seq: int, *, turn: TurnId) -> Appended:
        """See `ConversationLog`."""
        check_turn(TurnRef(conversation=conversation, agent=agent, turn=turn))
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
        check_text("The reason", reason)
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
        check_text("The erasure", issuer, reason, sender)
        check_size("The reason", reason)
        check_number("Where the erasure ends", up_to)
        return await self._engine.submit(
            Erase(conversation=conversation, id=id, by=by, issuer=issuer, reason=reason, sender=sender, up_to=up_to)
        )

    async def retain(self, *, seconds: float, limit: int) -> int:
        """See `Keeping`."""
        return await self._engine.retain(seconds=seconds, limit=limit)

    async def index(self, *, limit: int) -> int:
        """See `Keeping`."""
        return await self._engine.index(limit=limit)
