"""The operations of A2A 1.0, whichever binding brings them: messages become calls, answers become messages and tasks.

Tasks live as long as the request that made them: nothing is kept yet, so no task is ever found, listed or cancelled.
Every operation first sees that client and agent speak the same; the face has seen that the agent is there for its
caller.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import (
    A2AError,
    PushNotificationNotSupportedError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from gateway.a2a.asked import ASKED, Asked, check_terms
from gateway.a2a.presence import while_waited_for
from gateway.a2a.reading import invalid, read_message
from gateway.a2a.telling import Event, Telling
from gateway.a2a.unfolding import unfolding
from gateway.a2a.writing import Ids, gateway_failed, write_answer, write_failure
from gateway.challenge import challenge
from registry.model import Call, Emit, InterchangeError, NeedsScope, Result, new_turn_id, nowhere

logger = logging.getLogger(__name__)

RECEIVE = "receive"
"""In the state of a call's context: what the server has still to say of the request, that its client left."""

PAGE = 50
LARGEST_PAGE = 100
"""Tasks of one answer of ListTasks, and at most (A2A 1.0, section 3.1.4)."""
OPENED = "opened"
"""And the stack of what has to be closed once the request is answered, or nobody waits for the answer."""

Handle = Callable[[Call, Emit], Awaitable[Result]]


class Handler(RequestHandler):
    """Answers the SDK's dispatchers. `seconds` is the longest a call may take."""

    def __init__(self, *, handle: Handle, seconds: float) -> None:
        self._handle = handle
        self._seconds = seconds

    async def on_message_send(
        self, params: wire.SendMessageRequest, context: ServerCallContext
    ) -> wire.Message | wire.Task:
        """Answer with a message, or with a task where artifacts were made or the work was not done."""
        asked = _admitted(context)
        call, ids = self._read(params, asked)
        with _sanitised(call):
            try:
                return write_answer(await self._work(call, context, nowhere), ids)
            except InterchangeError as error:
                _challenge(asked, error)
                return write_failure(error, call, ids)

    def on_message_send_stream(
        self, params: wire.SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Tell of the call while it happens. The face closes what the SDK leaves open when a client goes away."""
        told = self._told(params, context)
        context.state[OPENED].push_async_callback(told.aclose)
        return told

    async def _told(self, params: wire.SendMessageRequest, context: ServerCallContext) -> AsyncGenerator[Event]:
        asked = _admitted(context)
        call, ids = self._read(params, asked)
        telling = Telling(call, ids)
        events = unfolding(partial(self._work, call, context))
        with _sanitised(call):
            try:
                async for happened in events:
                    told = telling.end(happened) if isinstance(happened, Result) else telling.on(happened)
                    for event in told:
                        yield event
            except InterchangeError as error:
                _challenge(asked, error)
                for event in telling.failure(error.with_traceback(None)):  # its frames have all that was said
                    yield event
            finally:
                del telling  # servers keep this frame for a while, and it has all that was told
                await events.aclose()

    def _read(self, params: wire.SendMessageRequest, asked: Asked) -> tuple[Call, Ids]:
        """The call that a message asks for, and what its answer will be called."""
        context = params.message.context_id or new_turn_id()
        params.message.context_id = context
        return read_message(params, asked, seconds=self._seconds), Ids(context=context, task=new_turn_id())

    async def _work(self, call: Call, context: ServerCallContext, emit: Emit) -> Result:
        """Have a call carried out for as long as somebody waits for it."""
        async with while_waited_for(context.state[RECEIVE]):
            return await self._handle(call, emit)

    async def on_get_task(self, params: wire.GetTaskRequest, context: ServerCallContext) -> wire.Task | None:
        _admitted(context)
        _not_found(params.id)

    async def on_cancel_task(self, params: wire.CancelTaskRequest, context: ServerCallContext) -> wire.Task | None:
        _admitted(context)
        _not_found(params.id)

    async def on_list_tasks(self, params: wire.ListTasksRequest, context: ServerCallContext) -> wire.ListTasksResponse:
        """No task outlives its request, so there are none to list."""
        _admitted(context)
        asked = params.page_size if params.HasField("page_size") else PAGE
        if asked < 1:
            raise invalid({"pageSize": "must be at least 1"})
        return wire.ListTasksResponse(page_size=min(asked, LARGEST_PAGE))

    async def on_subscribe_to_task(
        self, params: wire.SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        _admitted(context)
        _not_found(params.id)
        yield wire.Task()  # a generator, by its signature

    async def on_create_task_push_notification_config(
        self, params: wire.TaskPushNotificationConfig, context: ServerCallContext
    ) -> wire.TaskPushNotificationConfig:
        _no_push(context)

    async def on_get_task_push_notification_config(
        self, params: wire.GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> wire.TaskPushNotificationConfig:
        _no_push(context)

    async def on_list_task_push_notification_configs(
        self, params: wire.ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> wire.ListTaskPushNotificationConfigsResponse:
        _no_push(context)

    async def on_delete_task_push_notification_config(
        self, params: wire.DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        _no_push(context)

    async def on_get_extended_agent_card(
        self, params: wire.GetExtendedAgentCardRequest, context: ServerCallContext
    ) -> wire.AgentCard:
        _admitted(context)
        raise UnsupportedOperationError("This agent has no extended card: the one it has shows all you may see.")


def _admitted(context: ServerCallContext) -> Asked:
    """What the face knows of a request, once its terms are seen to be ours."""
    asked: Asked = context.state[ASKED]
    check_terms(asked)
    return asked


def _not_found(task: str) -> NoReturn:
    if not task:
        raise invalid({"id": "is missing"})
    raise TaskNotFoundError(f"There is no task {task[:64]!r}.")


def _no_push(context: ServerCallContext) -> NoReturn:
    _admitted(context)
    raise PushNotificationNotSupportedError("This agent sends no push notifications: stream the answer instead.")


def _challenge(asked: Asked, error: InterchangeError) -> None:
    """A token that is too narrow is HTTP's business: 403 with what it takes, if nothing was sent yet."""
    if isinstance(error, NeedsScope):
        challenge(asked.scope, error)


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
