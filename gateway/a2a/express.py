"""The express lane: the messages that are nearly all traffic, without the machinery that the others need.

A `SendMessage` or `SendStreamingMessage` of A2A 1.0 over JSON-RPC whose request is plain (texts and data, nothing that
only a parser of protobuf's JSON could judge) is read here, and goes through the same handler as all others; its answer
is written by our own printer. Whatever is not plain (a batch, bytes, a webhook, what is malformed) is left to the SDK,
which knows every corner of the protocol; so nothing of it is written a second time here. That both ways answer alike is
held by `tests/acceptance/test_a2a_express_lane.py`; what it saves is in docs/performance.md.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.response_helpers import build_error_response
from a2a.server.routes.common import create_event_source_response
from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import A2AError, InternalError
from a2a.utils.proto_utils import to_stream_response
from starlette.responses import Response

from gateway.a2a.handler import Handler
from gateway.a2a.plain import read_plain
from gateway.a2a.printing import print_message
from gateway.a2a.telling import Event
from registry.model import JsonObject

logger = logging.getLogger(__name__)

SEND: Final = "SendMessage"
STREAM: Final = "SendStreamingMessage"

_ENVELOPE: Final = {"jsonrpc", "id", "method", "params"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Express:
    """A plain message, and whether its sender wants to be told what happens."""

    id: str | int
    params: wire.SendMessageRequest
    streams: bool


def read_express(body: object) -> Express | None:
    """The plain message that a request of A2A 1.0 brings, or None: then it goes the ordinary way.

    `body` is the request's JSON as the guard read it; the guard has refused duplicate keys.
    """
    if not isinstance(body, dict):
        return None
    request = cast("dict[str, Any]", body)
    method = request.get("method")
    if request.keys() != _ENVELOPE or request["jsonrpc"] != "2.0" or method not in (SEND, STREAM):
        return None
    if type(request["id"]) not in {str, int}:
        return None
    params = read_plain(request["params"])
    return None if params is None else Express(id=request["id"], params=params, streams=method == STREAM)


class ExpressLane:
    """Answers plain messages."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def answer(self, express: Express, context: ServerCallContext) -> Response:
        """What goes back: one JSON, or the events of a stream."""
        try:
            if express.streams:
                return await self._stream(express, context)
            task = await self._handler.on_message_send(express.params, context)
            return _written(_answered(express, wire.SendMessageResponse(task=task)))
        except Exception as error:
            return _written(_failed(express, error))

    async def _stream(self, express: Express, context: ServerCallContext) -> Response:
        """The events of a stream, once the first is there: until then what is wrong is an answer like any other."""
        events = self._handler.on_message_send_stream(express.params, context)
        try:
            first = _answered(express, to_stream_response(await anext(events)))
        except StopAsyncIteration:
            return create_event_source_response(_nothing())
        return create_event_source_response(_told(express, first, events))


async def _told(express: Express, first: JsonObject, events: AsyncIterator[Event]) -> AsyncGenerator[dict[str, str]]:
    """The events as they are sent."""
    try:
        yield {"data": orjson.dumps(first).decode()}
        async for event in events:
            yield {"data": orjson.dumps(_answered(express, to_stream_response(event))).decode()}
    except Exception as error:
        yield {"event": "error", "data": orjson.dumps(_failed(express, error)).decode()}


async def _nothing() -> AsyncGenerator[dict[str, str]]:
    return
    yield


def _answered(express: Express, result: wire.SendMessageResponse | wire.StreamResponse) -> JsonObject:
    return {"result": print_message(result), "id": express.id, "jsonrpc": "2.0"}


def _failed(express: Express, error: Exception) -> JsonObject:
    """An error of A2A as it is; of any other, that there was one."""
    if not isinstance(error, A2AError):
        logger.error("a message failed in the express lane", exc_info=error)
        error = InternalError("The gateway failed.")
    return build_error_response(express.id, error)


def _written(content: JsonObject) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
