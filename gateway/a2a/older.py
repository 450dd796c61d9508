"""A2A 0.3 on the same URLs: the operations that it has, translated by the SDK and answered by our one handler.

Many clients still speak it, and say no version at all. Here is what the translation leaves open: which revision a
request is in, what its JSON says in the words of 1.0, and whose fault it is when a request cannot be translated.
"""

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, cast

from a2a.compat.v0_3 import conversions
from a2a.compat.v0_3 import types as older
from a2a.compat.v0_3.request_handler import RequestHandler03
from a2a.server.context import ServerCallContext
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.types import a2a_pb2 as wire
from a2a.utils.proto_utils import to_stream_response
from google.protobuf.json_format import ParseError

from gateway.a2a.asked import OLDEST, VERSION, Revision, is_version
from gateway.a2a.asking import invalid

REST: Final = "/v1/"
"""What the paths of 0.3 begin with over REST, below the URL of an agent; those of 1.0 never do."""

STREAMS: Final = frozenset({"message/stream", "tasks/resubscribe"})

Written = TypeVar("Written")
Sent: TypeAlias = older.Task | older.Message
Json: TypeAlias = Mapping[str, object]


def revision_of_rpc(said: str, body: object) -> Revision:
    """The revision that a request over JSON-RPC is in: that of its method, if it may be of the older one at all."""
    method: object = cast("dict[str, object]", body).get("method") if isinstance(body, dict) else None
    of_newest = isinstance(method, str) and method in JsonRpcDispatcher.METHOD_TO_MODEL
    return OLDEST if is_version(said, OLDEST) and not of_newest else VERSION


def revision_of_rest(rest: str) -> Revision:
    """The revision that a request over REST is in, by its path below the URL of the agent."""
    return OLDEST if rest.startswith(REST) else VERSION


def newer_params_of_rpc(params: object) -> object:
    """The message of a request over JSON-RPC as 1.0 would have it: of its parts, what the parser does not keep."""
    return _newer(_member(_member(params, "message"), "parts"), _part_of_rpc)


def newer_params_of_rest(params: object) -> object:
    """The same of a request over REST, which has other names."""
    return _newer(_member(_member(params, "message", "request"), "content"), _part_of_rest)


def _newer(parts: object, part: Callable[[object], Json]) -> object:
    return {"message": {"parts": list(map(part, cast("list[object]", parts)))}} if isinstance(parts, list) else None


def _part_of_rpc(part: object) -> Json:
    data, is_wrapped = _member(part, "data"), _member(_member(part, "metadata"), "data_part_compat")
    return {"data": _member(data, "value") if is_wrapped else data, "raw": _member(_member(part, "file"), "bytes")}


def _part_of_rest(part: object) -> Json:
    written = _member(_member(part, "file"), "fileWithBytes", "file_with_bytes")
    data, is_wrapped = _member(_member(part, "data"), "data"), _member(_member(part, "metadata"), "data_part_compat")
    return {"data": _member(data, "value") if is_wrapped else data, "raw": written}


def _member(value: object, *names: str) -> object:
    members = cast("Mapping[str, object]", value if isinstance(value, Mapping) else {})
    return next((members[name] for name in names if name in members), None)


class OlderHandler(RequestHandler03):
    """Our handler for requests of 0.3: what is wrong with one is said before it is answered."""

    async def on_message_send(self, request: older.SendMessageRequest, context: ServerCallContext) -> Sent:
        found = await self.request_handler.on_message_send(_sending(request), context)
        if isinstance(found, wire.Task):
            return conversions.to_compat_task(found)
        return conversions.to_compat_message(found)

    async def on_message_send_stream(
        self, request: older.SendMessageRequest, context: ServerCallContext
    ) -> AsyncIterable[older.SendStreamingMessageSuccessResponse]:
        async for event in self.request_handler.on_message_send_stream(_sending(request), context):
            yield conversions.to_compat_stream_response(to_stream_response(event), request.id)


def _sending(request: older.SendMessageRequest) -> wire.SendMessageRequest:
    """A message to be sent, in the words of 1.0."""
    for number, part in enumerate(request.params.message.parts):
        translated(f"message.parts[{number}]", partial(conversions.to_core_part, part))
    return translated("message", partial(conversions.to_core_send_message_request, request))


def translated(field: str, translate: Callable[[], Written]) -> Written:
    """What a request of 0.3 is in the words of 1.0.

    Raises:
        InvalidParamsError: it cannot be said in those.
    """
    try:
        return translate()
    except (ParseError, ValueError, TypeError, KeyError, AttributeError):
        raise invalid({field: f"is not what A2A {OLDEST} has there"}) from None


def misfit(places: Iterable[tuple[Any, ...]]) -> str:
    """Some of the places in its params where a request is not what 0.3 has there; the names of types are left out."""
    named = {".".join(step for step in map(str, place[1:]) if step[:1].islower() or step.isdigit()) for place in places}
    return ", ".join(sorted(name[:100] or "params" for name in named)[:10])
