"""The SDK's dispatchers, one for each binding, with our own words for what is not a request of A2A.

The SDK tells clients the text of whatever was raised: which Python type was not iterable, how deep a parser may go. Of
that nothing goes out but the names of the fields, which the client wrote itself.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar, cast

import orjson
from a2a.server.context import ServerCallContext
from a2a.server.jsonrpc_models import InternalError as Unhandled
from a2a.server.jsonrpc_models import JSONRPCError
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.server.routes.common import ServerCallContextBuilder
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.server.routes.rest_dispatcher import RestDispatcher
from a2a.types import a2a_pb2 as wire
from a2a.utils.constants import A2A_JSON_MEDIA_TYPE
from a2a.utils.error_handlers import rest_error_handler
from a2a.utils.errors import A2AError, InternalError, InvalidRequestError
from google.protobuf.json_format import ParseError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.a2a.asked import ASKED, OLDEST, Asked, check_terms
from gateway.a2a.asking import invalid
from gateway.a2a.older_bindings import OlderJsonRpc
from gateway.a2a.plain import read_plain
from gateway.a2a.printing import print_message
from gateway.bodies import JSON_KEY

logger = logging.getLogger(__name__)

_FIELD: Final = re.compile(r"Failed to parse (\w{1,64}) field: ")
_PARSE_ERROR: Final = "parseError"
"""Where the SDK keeps the text of an exception for the client."""

T = TypeVar("T")


class JsonRpc(JsonRpcDispatcher):
    """The binding of JSON-RPC, and that of 0.3 on the same URL."""

    def __init__(self, handler: RequestHandler, contexts: ServerCallContextBuilder) -> None:
        super().__init__(handler, contexts)
        self._older = OlderJsonRpc(handler, contexts)

    async def handle_requests(self, request: Request) -> Response:
        """Answer a request, first of all in which version it is: the methods of others have other names."""
        asked: Asked = request.scope[ASKED]
        if asked.revision == OLDEST:
            return await self._older.handle_requests(request)
        try:
            check_terms(asked)
        except A2AError as error:
            return self._generate_error_response(_id_of(await request.json()), error)
        return await super().handle_requests(request)

    def _generate_error_response(
        self, request_id: str | int | None, error: Exception | JSONRPCError | A2AError
    ) -> JSONResponse:
        return super()._generate_error_response(request_id, _in_our_words(error))


class Rest(RestDispatcher):
    """The binding of HTTP and JSON. A plain message takes the short way here as well."""

    @rest_error_handler
    async def on_message_send(self, request: Request) -> Response:
        """Answer a message, whole."""
        params = read_plain(request.scope[JSON_KEY])
        if params is None:
            return await super().on_message_send(request)
        task = await self.request_handler.on_message_send(params, self._build_call_context(request))
        answer = print_message(wire.SendMessageResponse(task=cast("wire.Task", task)))
        return Response(orjson.dumps(answer), media_type=A2A_JSON_MEDIA_TYPE)

    async def _handle_non_streaming(
        self, request: Request, handler_func: Callable[[ServerCallContext], Awaitable[T]]
    ) -> T:
        try:
            return await super()._handle_non_streaming(request, handler_func)
        except ParseError as error:
            raise unfit(str(error)) from None

    async def _handle_streaming(self, request: Request, handler_func: Callable[[ServerCallContext], Any]) -> Any:
        try:
            return await super()._handle_streaming(request, handler_func)
        except ParseError as error:
            raise unfit(str(error)) from None


def operations(rest: Rest) -> Sequence[Route]:
    """Every operation of A2A 1.0 over REST, below the URL of an agent (section 11.3)."""
    configs = "/tasks/{id}/pushNotificationConfigs"
    table: Sequence[tuple[str, str, Callable[[Request], Any]]] = (
        ("POST", "/message:send", rest.on_message_send),
        ("POST", "/message:stream", rest.on_message_send_stream),
        ("GET", "/tasks", rest.list_tasks),
        ("POST", "/tasks/{id}:cancel", rest.on_cancel_task),
        ("GET", "/tasks/{id}:subscribe", rest.on_subscribe_to_task),
        ("POST", "/tasks/{id}:subscribe", rest.on_subscribe_to_task),
        ("GET", "/tasks/{id}", rest.on_get_task),
        ("POST", configs, rest.set_push_notification),
        ("GET", configs, rest.list_push_notifications),
        ("GET", configs + "/{push_id}", rest.get_push_notification),
        ("DELETE", configs + "/{push_id}", rest.delete_push_notification),
        ("GET", "/extendedAgentCard", rest.handle_authenticated_agent_card),
    )
    return [Route(path, operation, methods=[method]) for method, path, operation in table]


def _id_of(body: object) -> str | int | None:
    """The id of a request, if it has one."""
    found = cast("dict[str, object]", body).get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def unfit(text: str) -> A2AError:
    """What a parser has against a request, by the field that it was at."""
    field = ".".join(_FIELD.findall(text)) or "the request"
    return invalid({field: "is not what A2A 1.0 has there"})


def _in_our_words(error: Exception | JSONRPCError | A2AError) -> Exception | JSONRPCError | A2AError:
    """An error of the dispatcher's own, without the text of any exception."""
    if isinstance(error, Unhandled):
        logger.exception("a request failed inside the gateway")
        return InternalError("The gateway failed.")
    data: object = getattr(error, "data", None)
    text = cast("dict[str, object]", data).get(_PARSE_ERROR) if isinstance(data, dict) else None
    if text is None:
        return error
    if isinstance(error, InvalidRequestError):
        return InvalidRequestError("The request is not one of JSON-RPC 2.0.")
    return unfit(str(text))
