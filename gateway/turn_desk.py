"""The desk of turns: whoever may read a turn is shown it, whoever may take part in it can cancel it or have it told.

A turn is found before anything is decided, and with it whether the call's chain began it, or the caller has it in hand:
that is what policies know as `context.participates`. What does not exist, and what is another agent's than the one that
was named, is not found. How a turn becomes a task of A2A is its face's business.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, cast

from adapters.lifecycle.grants import owner_of
from adapters.lifecycle.service import Lifecycle, Ready
from adapters.messaging.checks import check_id
from adapters.messaging.messages import TurnRef
from adapters.messaging.opening import OpenLog
from adapters.messaging.turns import ENDED, Turn
from adapters.push.channels import Webhook
from gateway.corridor import FarSide
from gateway.facts import FindConversation
from gateway.pushing import PushDesk
from policies.facts import Facts, OpenedConversation
from registry.model import BadRequest, Call, Domain, Emit, JsonObject, PrincipalKind, Refused, Result, TurnId, Unknown

TURN_OPERATIONS: Final = frozenset({"Turn", "Follow", "Cancel", "PutWebhook", "Webhook", "Webhooks", "DeleteWebhook"})
"""What this desk does. A call about a conversation that asks for anything else is another desk's."""

OWNERS: Final = frozenset({"PutWebhook", "Webhook", "Webhooks", "DeleteWebhook"})
"""What is for those who began a turn alone, and not for its agent: webhooks come with credentials."""


class TurnDesk:
    """Finds turns, and answers calls about them."""

    def __init__(self, opened: OpenLog, *, lifecycle: Lifecycle, pushes: PushDesk) -> None:
        self._history = opened.history
        self._lifecycle = lifecycle
        self._pushes = pushes
        self._operations: Mapping[str, Callable[[Call, Turn, Emit], Awaitable[Result]]] = {
            "Turn": self._turn,
            "Follow": self._follow,
            "Cancel": self._cancel,
            "PutWebhook": self._put_webhook,
            "Webhook": self._webhook,
            "Webhooks": self._webhooks,
            "DeleteWebhook": self._delete_webhook,
        }

    async def find(self, call: Call) -> OpenedConversation | None:
        """The conversation of the turn that a call names; None where there is none."""
        row = await self._row(call)
        if row is None:
            return None
        found = await self._history.conversations(ids=[row.conversation])
        if not found:
            return None
        domain = Domain(found[0].domain)
        return OpenedConversation(id=row.conversation, domain=domain, participates=_takes_part(call, row))

    async def answer(self, call: Call, facts: Facts, emit: Emit) -> Result:  # noqa: ARG002  see `FarSide`
        """Do what `content["operation"]` says.

        Raises:
            Unknown: there is no such turn (any more).
            TurnOver, Refused, BadRequest: the turn does not permit it, or the webhook cannot be had.
        """
        row = await self._row(call)
        if row is None:
            raise Unknown(f"There is no conversation named {call.target.name!r}.")
        return await self._operations[str(call.content["operation"])](call, row, emit)

    async def _row(self, call: Call) -> Turn | None:
        try:
            check_id("turn", call.target.name)
        except BadRequest:
            return None  # no database could have it
        row = await self._lifecycle.views.row(TurnId(call.target.name))
        return row if row is not None and row.agent == call.content.get("agent", row.agent) else None

    async def _turn(self, call: Call, row: Turn, emit: Emit) -> Result:  # noqa: ARG002
        return Result(turn=row.id, conversation=row.conversation, found=await self._lifecycle.views.view(row))

    async def _follow(self, call: Call, row: Turn, emit: Emit) -> Result:  # noqa: ARG002
        await self._lifecycle.follow(row.id, emit)
        return Result(turn=row.id, conversation=row.conversation)

    async def _cancel(self, call: Call, row: Turn, emit: Emit) -> Result:  # noqa: ARG002
        view = await self._lifecycle.cancel(row, call.chain)
        return Result(turn=row.id, conversation=row.conversation, found=view)

    # ---- webhooks

    async def _put_webhook(self, call: Call, row: Turn, emit: Emit) -> Result:  # noqa: ARG002
        admitted = await self._pushes.admit(read_webhook(cast("JsonObject", call.content["webhook"]), row.id))
        # In this order: however the turn ends once it was seen not to have ended, that is behind the tail, and told.
        tail = (await self._history.conversations(ids=[row.conversation]))[0].tail
        row = await self._row(call) or row
        if row.state in ENDED:
            raise Refused(f"The task {row.id} has ended ({row.state}): there is nothing more to be told of it.")
        of = row.of
        context = self._lifecycle.views.grant_of(row).context
        return Result(found=await self._pushes.put(admitted, of=of, owner=row.owner, context=context, after=tail))

    async def _webhook(self, call: Call, row: Turn, emit: Emit) -> Result:  # noqa: ARG002
        return Result(found=await self._pushes.get(row.id, str(call.content["id"])))

    async def _webhooks(self, call: Call, row: Turn, emit: Emit) -> Result:  # noqa: ARG002
        return Result(found=tuple(await self._pushes.list(row.id)))

    async def _delete_webhook(self, call: Call, row: Turn, emit: Emit) -> Result:  # noqa: ARG002
        await self._pushes.delete(row.id, str(call.content["id"]))
        return Result()


class WebhooksBeside:
    """Has webhooks told of turns whose senders named one with their message (`adapters.lifecycle.service.Beside`)."""

    def __init__(self, pushes: PushDesk) -> None:
        self._pushes = pushes

    async def admit(self, call: Call) -> Ready:
        """See whether the webhook may be told, before anything is written."""
        sending = call.sending
        if sending is None or sending.webhook is None:
            return _nothing_beside
        admitted = await self._pushes.admit(read_webhook(sending.webhook, sending.follows or sending.turn))

        async def ready(of: TurnRef, after: int) -> None:
            webhook = replace(admitted.webhook, turn=of.turn)
            context = sending.context or of.conversation
            await self._pushes.put(
                replace(admitted, webhook=webhook), of=of, owner=owner_of(call.chain), context=context, after=after
            )

        return ready


async def _nothing_beside(of: TurnRef, after: int) -> None:
    """Nothing was wanted."""


def finding(desk: TurnDesk, others: FindConversation) -> FindConversation:
    """Finds what a call about a conversation is about, whichever desk it is for."""

    async def find(call: Call) -> OpenedConversation | None:
        return await (desk.find(call) if _is_of_turns(call) else others(call))

    return find


def answering(desk: TurnDesk, *, said: FarSide, others: FarSide) -> FarSide:
    """The far side of calls about conversations: what is about turns, what agents say in them, and all the rest."""

    async def answer(call: Call, facts: Facts, emit: Emit) -> Result:
        operation = call.content.get("operation")
        if operation in TURN_OPERATIONS:
            return await desk.answer(call, facts, emit)
        return await (said if _is_of_turns(call) else others)(call, facts, emit)

    return answer


def _is_of_turns(call: Call) -> bool:
    """Whether a call is about a conversation by one of its turns, and not an operator's."""
    return call.door in {"a2a", "conversations"}


def read_webhook(written: JsonObject, turn: TurnId) -> Webhook:
    """A webhook as a call has it."""
    fields = {name: str(written.get(name, "")) for name in ("id", "url", "token", "scheme", "credentials")}
    return Webhook(turn=turn, **fields)


def _takes_part(call: Call, row: Turn) -> bool:
    """Whether the call's chain began the turn, or its caller is the agent that has it in hand, and may ask for this."""
    if row.owner == owner_of(call.chain):
        return True
    if call.content.get("operation") in OWNERS:
        return False
    caller = call.chain.caller
    return call.turn == row.id and caller.kind is PrincipalKind.AGENT and caller.name == row.agent
