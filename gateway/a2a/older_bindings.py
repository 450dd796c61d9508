"""The bindings of A2A 0.3 over HTTP: its JSON-RPC and its REST, in its own form of answers and errors.

Streams begin once their first event is there, so that a token that is too narrow can still be challenged.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, cast

from a2a.compat.v0_3 import a2a_v0_3_pb2 as older
from a2a.compat.v0_3.jsonrpc_adapter import JSONRPC03Adapter
from a2a.compat.v0_3.proto_utils import FromProto
from a2a.compat.v0_3.rest_handler import REST03Handler
from a2a.server.context import ServerCallContext
from a2a.server.jsonrpc_models import JSONRPCError
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.server.routes.common import ServerCallContextBuilder, create_event_source_response
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.utils import json_utils
from a2a.utils.error_handlers import build_rest_error_payload
from a2a.utils.errors import (
    JSON_RPC_ERROR_CODE_MAP,
    A2AError,
    ExtensionSupportRequiredError,
    InternalError,
    InvalidRequestError,
    VersionNotSupportedError,
)
from google.protobuf.json_format import Parse
from pydantic import ValidationError
from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.a2a.asked import ASKED, check_terms
from gateway.a2a.asking import invalid
from gateway.a2a.handler import OPENED
from gateway.a2a.older import STREAMS, OlderHandler, misfit, translated

logger = logging.getLogger(__name__)

_CODES: Final[Mapping[type[A2AError], int]] = {
    **JSON_RPC_ERROR_CODE_MAP,
    ExtensionSupportRequiredError: -32600,  # 0.3 knows no such errors
    VersionNotSupportedError: -32600,
}
_ENVELOPE: Final[Mapping[int, str]] = {
    -32600: "The request is not one of JSON-RPC 2.0.",
    -32601: "A2A 0.3 has no such method.",
}
"""What the SDK's dispatcher finds wrong by itself."""

Events: TypeAlias = AsyncGenerator[Any]
Operation: TypeAlias = Callable[[Request, ServerCallContext], Any]
Check: TypeAlias = Callable[[Request], Awaitable[None]]


class OlderJsonRpc(JsonRpcDispatcher):
    """JSON-RPC. The SDK's dispatcher reads the envelope, what is in it is ours."""

    def __init__(self, handler: RequestHandler, contexts: ServerCallContextBuilder) -> None:
        super().__init__(handler, contexts, enable_v0_3_compat=True)
        self.METHOD_TO_MODEL = {}  # none of 1.0
        self._v03_adapter = _Adapter(handler, contexts)

    def _generate_error_response(
        self, request_id: str | int | None, error: Exception | JSONRPCError | A2AError
    ) -> JSONResponse:
        return _failed(request_id, error)


class _Adapter(JSONRPC03Adapter):
    """The methods of 0.3."""

    def __init__(self, handler: RequestHandler, contexts: ServerCallContextBuilder) -> None:
        super().__init__(handler, contexts)
        self.handler = OlderHandler(handler)

    async def handle_request(
        self, request_id: str | int | None, method: str, body: dict[str, Any], request: Request
    ) -> JSONResponse | EventSourceResponse:
        """Answer one request."""
        try:
            check_terms(request.scope[ASKED])
            asked = cast("Any", self.METHOD_TO_MODEL[method]).model_validate(body)
            context = self._context_builder.build(request)
            if method not in STREAMS:
                return await self._process_non_streaming_request(request_id, asked, context)
        except ValidationError as error:
            return _failed(request_id, _unfit(error))
        except Exception as error:
            return _failed(request_id, error)
        to = self.handler.on_message_send_stream if method == "message/stream" else self.handler.on_subscribe_to_task
        events = _told(request_id, cast("Events", to(asked, context)))
        return await _streamed(events, context)


async def _told(request_id: str | int | None, events: Events) -> AsyncIterator[str]:
    """Events as JSON-RPC has them; an error is the last of them."""
    try:
        async for event in events:
            yield event.model_dump_json(by_alias=True, exclude_none=True)
    except Exception as error:
        yield json_utils.dumps(_failure(request_id, error))
    finally:
        await events.aclose()


async def _streamed(told: AsyncIterator[str], context: ServerCallContext) -> EventSourceResponse:
    """A stream whose first event is there. Whoever leaves ends it: the SDK would leave it open."""
    events = cast("AsyncGenerator[str]", told)
    context.state[OPENED].push_async_callback(events.aclose)
    first = await anext(events, None)

    async def from_the_first() -> AsyncGenerator[str]:
        if first is not None:
            yield first
        async for event in events:
            yield event

    return create_event_source_response(from_the_first())


class OlderRest:
    """REST."""

    def __init__(self, handler: RequestHandler, contexts: ServerCallContextBuilder) -> None:
        self._contexts = contexts
        self._operations = REST03Handler(handler)
        self._operations.handler03 = OlderHandler(handler)

    def routes(self) -> Sequence[Route]:
        """Every operation that 0.3 has over REST, below the URL of an agent."""
        do, configs = self._operations, "/v1/tasks/{id}/pushNotificationConfigs"
        table: Sequence[tuple[str, str, Operation, Check]] = (
            ("POST", "/v1/message:send", do.on_message_send, _check_sending),
            ("POST", "/v1/tasks/{id}:cancel", do.on_cancel_task, _check_nothing),
            ("GET", "/v1/tasks/{id}", do.on_get_task, _check_history),
            ("POST", configs, do.set_push_notification, _check_config),
            ("GET", configs, do.list_push_notifications, _check_nothing),
            ("GET", configs + "/{push_id}", do.get_push_notification, _check_nothing),
            ("GET", "/v1/card", do.on_get_extended_agent_card, _check_nothing),
        )
        streams: Sequence[tuple[str, str, Operation, Check]] = (
            ("POST", "/v1/message:stream", do.on_message_send_stream, _check_sending),
            ("GET", "/v1/tasks/{id}:subscribe", do.on_subscribe_to_task, _check_nothing),
            ("POST", "/v1/tasks/{id}:subscribe", do.on_subscribe_to_task, _check_nothing),
        )
        return [
            *(
                Route(path, partial(self._stream, stream, check), methods=[verb])
                for verb, path, stream, check in streams
            ),
            *(Route(path, partial(self._answer, answer, check), methods=[verb]) for verb, path, answer, check in table),
        ]

    async def _answer(self, operation: Operation, check: Check, request: Request) -> Response:
        try:
            await check(request)
            return JSONResponse(await operation(request, self._contexts.build(request)))
        except Exception as error:
            return _failed_over_rest(error)

    async def _stream(self, operation: Operation, check: Check, request: Request) -> Response:
        context = self._contexts.build(request)

        async def told() -> AsyncIterator[str]:
            async for event in operation(request, context):
                yield json_utils.dumps(event)

        try:
            await check(request)
            return await _streamed(told(), context)
        except Exception as error:
            return _failed_over_rest(error)


async def _check_nothing(_: Request) -> None:
    """Its path is all that the operation reads."""


async def _check_sending(request: Request) -> None:
    """See that a message can be translated; what cannot is the client's fault, and known to be only here."""
    body = await request.body()
    translated("message", lambda: FromProto.message_send_params(_parsed(body, older.SendMessageRequest())))


async def _check_config(request: Request) -> None:
    body = await request.body()
    asked = older.CreateTaskPushNotificationConfigRequest()
    translated("config", lambda: FromProto.task_push_notification_config_request(_parsed(body, asked)))


async def _check_history(request: Request) -> None:
    length = request.query_params.get("historyLength", "")
    translated("historyLength", lambda: int(length or 0))


def _parsed(body: bytes, message: Any) -> Any:
    return Parse(body, message, ignore_unknown_fields=True)


def _unfit(error: ValidationError) -> A2AError:
    """What is wrong with a request, by its places; of the envelope it is another error."""
    places = [fault["loc"] for fault in error.errors(include_url=False, include_context=False, include_input=False)]
    within = [place for place in places if place and place[0] == "params"]
    if not within:
        return InvalidRequestError("The request is not one of JSON-RPC 2.0 with an id.")
    return invalid({misfit(within): "is not what A2A 0.3 has there"})


def _failed(request_id: str | int | None, error: Exception | JSONRPCError) -> JSONResponse:
    return JSONResponse(_failure(request_id, error))


def _failure(request_id: str | int | None, error: Exception | JSONRPCError) -> dict[str, Any]:
    """An error over JSON-RPC, without the text of any exception that is not of A2A."""
    if isinstance(error, JSONRPCError):  # the dispatcher's own, of the envelope
        said: dict[str, Any] = {"code": error.code, "message": _ENVELOPE.get(error.code, "The gateway failed.")}
    else:
        known = _known(error)
        said = {"code": _CODES.get(type(known), -32603), "message": known.message}
    return {"jsonrpc": "2.0", "id": request_id, "error": said}


def _failed_over_rest(error: Exception) -> Response:
    payload = build_rest_error_payload(_known(error))
    return JSONResponse(payload, status_code=payload["error"]["code"])


def _known(error: Exception) -> A2AError:
    """An error of A2A; of any other, nothing is said but whose fault it is."""
    if isinstance(error, A2AError):
        return error
    logger.error("a request failed inside the gateway", exc_info=error)
    return InternalError("The gateway failed.")
