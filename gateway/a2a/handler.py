"""The operations of A2A 1.0, whichever binding brings them: messages become turns of the log, and turns are tasks.

Nothing of a task is kept here: it is what the log says of its turn, for everybody who took part in it and on every
gateway. Whoever goes away while they wait, or listen, leaves the task to itself. Every operation first sees that client
and agent speak the same; the face has seen that the agent is there for its caller.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import cast

from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import A2AError, TaskNotCancelableError, UnsupportedOperationError

from adapters.lifecycle.service import TurnPage
from adapters.lifecycle.views import News, TurnView
from adapters.messaging.errors import TurnOver
from adapters.push.channels import Webhook
from gateway.a2a.asked import ASKED, Asked, check_terms
from gateway.a2a.asking import about_turn, about_turns, invalid, read_history_length, read_task_id
from gateway.a2a.following import check_goes_on, was_said
from gateway.a2a.pages import page_size, read_page, write_page
from gateway.a2a.presence import ClientLeft, while_waited_for
from gateway.a2a.reading import read_message
from gateway.a2a.tasks import write_task
from gateway.a2a.telling import Event, Telling
from gateway.a2a.unfolding import unfolding
from gateway.a2a.webhooks import read_webhook, write_webhook
from gateway.a2a.writing import Ids, cut_short, gateway_failed, turn_error, write_failure
from gateway.limits import PrincipalLimits
from registry.model import (
    Action,
    Attention,
    Call,
    Emit,
    Found,
    InterchangeError,
    JsonValue,
    NeedsScope,
    Result,
    Sending,
    TurnId,
    Unauthenticated,
    nowhere,
)

logger = logging.getLogger(__name__)

RECEIVE = "receive"
"""In the state of a call's context: what the server has still to say of the request, that its client left."""

OPENED = "opened"
"""And the stack of what has to be closed once the request is answered, or nobody waits for the answer."""

Handle = Callable[[Call, Emit], Awaitable[Result]]
Extended = Callable[[Asked], Awaitable[wire.AgentCard]]
"""Makes the card of an agent as somebody may see it.

Raises:
    InterchangeError: they may not look at it.
"""


class Handler(RequestHandler):
    """Answers the SDK's dispatchers. `seconds` is the longest that somebody may wait for an answer that is whole."""

    def __init__(self, *, handle: Handle, seconds: float, limits: PrincipalLimits, extended: Extended) -> None:
        self._handle = handle
        self._seconds = seconds
        self._limits = limits
        self._extended = extended

    # ---- messages

    async def on_message_send(self, params: wire.SendMessageRequest, context: ServerCallContext) -> wire.Task:
        """Answer with the task that a message became, once it is over, asks something, or was logged."""
        asked = _admitted(context)
        history = read_history_length(params.configuration, where="configuration.historyLength")
        call, sending = await self._read(params, asked)
        with _sanitised(call):
            try:
                if params.configuration.return_immediately:  # it is logged even if nobody hears of it
                    result = await self._handle(call, nowhere)
                else:
                    async with while_waited_for(context.state[RECEIVE]):
                        result = await self._handle(call, nowhere)
                if result.found is None:  # it was only followed
                    result = await self._handle(self._reading(asked, result.turn, "Turn"), nowhere)
                return write_task(cast("TurnView", result.found), history=history)
            except InterchangeError as error:
                _challenge(asked, error)
                return write_failure(error, call, _ids(sending))

    def on_message_send_stream(
        self, params: wire.SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Tell of the task while it happens. The face closes what the SDK leaves open when a client goes away."""
        told = self._message_told(params, context)
        context.state[OPENED].push_async_callback(told.aclose)
        return told

    async def _message_told(self, params: wire.SendMessageRequest, context: ServerCallContext) -> AsyncGenerator[Event]:
        asked = _admitted(context)
        telling = Telling(history=read_history_length(params.configuration, where="configuration.historyLength"))
        call, sending = await self._read(params, asked, listening=True)
        with _sanitised(call):
            told = self._told(call, context, telling)
            try:
                async for event in told:
                    yield event
            except InterchangeError as error:
                _challenge(asked, error)
                if telling.has_begun:
                    raise cut_short(error, call) from None
                yield write_failure(error, call, _ids(sending))
            finally:
                await told.aclose()

    async def _read(
        self, params: wire.SendMessageRequest, asked: Asked, *, listening: bool = False
    ) -> tuple[Call, Sending]:
        """The call that a message asks for; one that goes on with a task must fit it."""
        call, sending = read_message(params, asked, seconds=min(self._seconds, asked.seconds), listening=listening)
        if sending.follows:
            found = await self._ask(asked, sending.follows, "Turn", action=Action.READ_CONVERSATION)
            view = cast("TurnView", found)
            if was_said(view, call):
                waits = "Turn" if sending.attention is Attention.LEAVES else "Follow"
                return self._reading(asked, sending.follows, waits), sending
            check_goes_on(view, call)
        return call, sending

    def _reading(self, asked: Asked, turn: TurnId, operation: str) -> Call:
        return about_turn(asked, turn, operation, action=Action.READ_CONVERSATION, seconds=self._seconds)

    # ---- tasks

    async def on_get_task(self, params: wire.GetTaskRequest, context: ServerCallContext) -> wire.Task:
        """Answer with a task as it stands."""
        asked = _admitted(context)
        turn, history = read_task_id(params.id), read_history_length(params)
        found = await self._ask(asked, turn, "Turn", action=Action.READ_CONVERSATION)
        return write_task(cast("TurnView", found), history=history)

    async def on_list_tasks(self, params: wire.ListTasksRequest, context: ServerCallContext) -> wire.ListTasksResponse:
        """Answer with one page of the caller's own tasks of this agent, those that changed last first."""
        asked = _admitted(context)
        content = read_page(params, asked)
        if content is None:
            return wire.ListTasksResponse(page_size=page_size(params))
        call = about_turns(asked, content, seconds=self._seconds)
        with _sanitised(call), _about_task(call, asked):
            result = await self._handle(call, nowhere)
        return write_page(cast("TurnPage", result.found), params, asked)

    async def on_cancel_task(self, params: wire.CancelTaskRequest, context: ServerCallContext) -> wire.Task:
        """Cancel a task wherever it is worked on."""
        asked = _admitted(context)
        call = about_turn(asked, read_task_id(params.id), "Cancel", action=Action.TAKE_PART, seconds=self._seconds)
        with _sanitised(call), _about_task(call, asked, over=TaskNotCancelableError):
            found = (await self._handle(call, nowhere)).found
        return write_task(cast("TurnView", found))

    def on_subscribe_to_task(
        self, params: wire.SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Tell of a task from here on: first as it stands, then as it goes on."""
        told = self._task_told(params, context)
        context.state[OPENED].push_async_callback(told.aclose)
        return told

    async def _task_told(
        self, params: wire.SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        asked = _admitted(context)
        turn = read_task_id(params.id)
        call = self._reading(asked, turn, "Follow")
        telling = Telling()
        with _sanitised(call):
            told = self._told(call, context, telling)
            try:
                with self._limits.subscription(asked.verified.principal):
                    async for event in told:
                        if telling.has_ended_before:
                            raise UnsupportedOperationError(
                                f"Task {turn} has ended, so that nothing more is told of it."
                            )
                        yield event
            except InterchangeError as error:
                _challenge(asked, error)
                raise (cut_short if telling.has_begun else turn_error)(error, call) from None
            finally:
                await told.aclose()

    async def _told(self, call: Call, context: ServerCallContext, telling: Telling) -> AsyncGenerator[Event]:
        """What a call emits, as events, for as long as its client listens and its token holds."""
        asked: Asked = context.state[ASKED]
        events = unfolding(partial(self._listened, call, context, asked.verified.expires_at - time.time()))
        try:
            async for happened in events:
                if isinstance(happened, Found):
                    told = telling.on(cast("News", happened.what))
                elif isinstance(happened, Result):
                    told = telling.end(happened.found if isinstance(happened.found, TurnView) else None)
                else:
                    continue
                for event in told:
                    yield event
        except ClientLeft:
            return
        finally:
            await events.aclose()

    async def _listened(self, call: Call, context: ServerCallContext, seconds: float, emit: Emit) -> Result:
        held = asyncio.timeout(max(seconds, 0.0))
        try:
            async with while_waited_for(context.state[RECEIVE]), held:
                return await self._handle(call, emit)
        except TimeoutError:
            if not held.expired():
                raise
            raise Unauthenticated("The token has expired; the task goes on: subscribe to it with a new one.") from None

    # ---- webhooks

    async def on_create_task_push_notification_config(
        self, params: wire.TaskPushNotificationConfig, context: ServerCallContext
    ) -> wire.TaskPushNotificationConfig:
        """Have a webhook told of a task from here on. One that is given no id has that of the task."""
        asked = _admitted(context)
        turn = read_task_id(params.task_id, where="taskId")
        webhook = read_webhook(params, turn)
        found = await self._ask(asked, turn, "PutWebhook", action=Action.TAKE_PART, webhook=webhook)
        return write_webhook(cast("Webhook", found))

    async def on_get_task_push_notification_config(
        self, params: wire.GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> wire.TaskPushNotificationConfig:
        """Answer with one webhook of a task."""
        asked = _admitted(context)
        turn = read_task_id(params.task_id, where="taskId")
        found = await self._ask(asked, turn, "Webhook", action=Action.READ_CONVERSATION, id=_id_of(params.id))
        return write_webhook(cast("Webhook", found))

    async def on_list_task_push_notification_configs(
        self, params: wire.ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> wire.ListTaskPushNotificationConfigsResponse:
        """Answer with all webhooks of a task; there are never so many that they would need pages."""
        asked = _admitted(context)
        turn = read_task_id(params.task_id, where="taskId")
        found = await self._ask(asked, turn, "Webhooks", action=Action.READ_CONVERSATION)
        configs = [write_webhook(webhook) for webhook in cast("Sequence[Webhook]", found)]
        return wire.ListTaskPushNotificationConfigsResponse(configs=configs)

    async def on_delete_task_push_notification_config(
        self, params: wire.DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        """See that a task has no such webhook."""
        asked = _admitted(context)
        turn = read_task_id(params.task_id, where="taskId")
        await self._ask(asked, turn, "DeleteWebhook", action=Action.TAKE_PART, id=_id_of(params.id))

    # ---- the card

    async def on_get_extended_agent_card(
        self, params: wire.GetExtendedAgentCardRequest, context: ServerCallContext
    ) -> wire.AgentCard:
        """Answer with the agent's card as the caller may see it."""
        asked = _admitted(context)
        try:
            return await self._extended(asked)
        except InterchangeError as error:
            _challenge(asked, error)
            raise UnsupportedOperationError(error.message) from None

    async def _ask(self, asked: Asked, turn: TurnId, operation: str, *, action: Action, **content: JsonValue) -> object:
        """Have something done with a turn; what was found.

        Raises:
            A2AError: it was not done.
        """
        call = about_turn(asked, turn, operation, action=action, seconds=self._seconds, **content)
        with _sanitised(call), _about_task(call, asked):
            return (await self._handle(call, nowhere)).found


def _admitted(context: ServerCallContext) -> Asked:
    """What the face knows of a request, once its terms are seen to be ours."""
    asked: Asked = context.state[ASKED]
    check_terms(asked)
    return asked


def _ids(sending: Sending) -> Ids:
    """What a message is called that did not become a task."""
    return Ids(context=sending.context or sending.turn, task=sending.follows or sending.turn)


def _id_of(webhook: str) -> str:
    if not webhook:
        raise invalid({"id": "is missing"})
    return webhook


def _challenge(asked: Asked, error: InterchangeError) -> None:
    """A token that is too narrow is HTTP's business: 403 with what it takes, if nothing was sent yet."""
    if isinstance(error, NeedsScope):
        asked.demand(error)


@contextmanager
def _about_task(call: Call, asked: Asked, *, over: type[A2AError] = UnsupportedOperationError) -> Generator[None]:
    """Say in A2A's words what kept a call about a task from succeeding; `over`: that it had ended."""
    try:
        yield
    except TurnOver as error:
        raise over(error.message) from None
    except InterchangeError as error:
        _challenge(asked, error)
        raise turn_error(error, call) from None


@contextmanager
def _sanitised(call: Call) -> Generator[None]:
    """Let no text of an unexpected exception out: the SDK would send it."""
    try:
        yield
    except (A2AError, InterchangeError):
        raise
    except Exception:
        logger.exception("a message failed inside the gateway", extra={"call": call.id})
        raise gateway_failed(call.id) from None
