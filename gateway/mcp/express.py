"""The express lane: the one exchange that is nearly all traffic, without the machinery that the others need.

A `tools/call` of revision 2026-07-28 that is regular in every respect, on a skill that only answers, is one POST and
one JSON: read here, carried through the same corridor, written by the same functions. Whatever is not plainly regular
(a progress token, a mirrored header, an answer to a question, a malformed envelope) is left to the SDK, which knows
every corner of the protocol; so nothing of it is written a second time here. That both ways answer alike is held by
`tests/acceptance/test_express_lane.py`; what it saves is in docs/performance.md.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    INTERNAL_ERROR,
    PROTOCOL_VERSION_META_KEY,
)
from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind
from starlette.types import Receive, Scope, Send

from gateway.telemetry import names
from registry.model import JsonObject

logger = logging.getLogger(__name__)

VERSION: Final = "2026-07-28"
PATIENCE: Final = 15.0
"""Seconds without an answer after which it becomes an event stream that is kept alive, as the SDK does it."""

_tracer = trace.get_tracer(names.MCP_SCOPE)  # one kind of span, whichever lane a call takes
_METHOD: Final = "tools/call"
_HEADERS: Final = {b"mcp-protocol-version": VERSION.encode(), b"mcp-method": _METHOD.encode()}
_REQUEST_KEYS: Final = {"jsonrpc", "id", "method", "params"}
_PARAMS_KEYS: Final = {"name", "arguments", "_meta"}
_CHANGES_THE_ANSWER: Final = {"progressToken", "io.modelcontextprotocol/logLevel"}
_TRACE_KEYS: Final = ("traceparent", "tracestate", "baggage")
_EVENT_STREAM: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Express:
    """A regular tools/call."""

    id: str | int
    tool: str
    arguments: JsonObject
    meta: JsonObject


def read_express(scope: Scope, body: object) -> Express | None:
    """The regular call that a request is, or None: then it goes the ordinary way.

    `body` is the request's JSON as the guard read it; the guard has refused duplicate headers and keys.
    """
    if not isinstance(body, dict) or scope["method"] != "POST":
        return None
    headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
    if any(headers.get(name) != value for name, value in _HEADERS.items()) or not _accepts_both(headers):
        return None
    return _read_request(cast("dict[str, Any]", body), headers)


def _read_request(body: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> Express | None:
    params = body.get("params")
    if set(body) != _REQUEST_KEYS or body["jsonrpc"] != "2.0" or body["method"] != _METHOD:
        return None
    if not isinstance(params, dict) or not params.keys() <= _PARAMS_KEYS:
        return None
    call = cast("dict[str, Any]", params)
    name, arguments, meta = call.get("name"), call.get("arguments", {}), call.get("_meta")
    if not isinstance(name, str) or headers.get(b"mcp-name") != name.encode() or name.startswith("=?"):
        return None
    if not isinstance(arguments, dict) or not isinstance(meta, dict) or not _is_regular(cast("dict[str, Any]", meta)):
        return None
    if type(body["id"]) not in {str, int}:
        return None
    return Express(id=body["id"], tool=name, arguments=cast("JsonObject", arguments), meta=cast("JsonObject", meta))


def _is_regular(meta: Mapping[str, Any]) -> bool:
    """Whether an envelope has what it must have and nothing that changes how a call is answered."""
    if meta.get(PROTOCOL_VERSION_META_KEY) != VERSION or not meta.keys().isdisjoint(_CHANGES_THE_ANSWER):
        return False
    if not all(isinstance(meta.get(key, ""), str) for key in _TRACE_KEYS):
        return False
    offered = meta.get(CLIENT_CAPABILITIES_META_KEY)
    client = meta.get(CLIENT_INFO_META_KEY, {"name": "", "version": ""})
    if not isinstance(offered, dict) or not isinstance(client, dict):
        return False
    described = cast("dict[str, Any]", client)
    return all(isinstance(value, dict) for value in cast("dict[str, Any]", offered).values()) and all(
        isinstance(described.get(key), str) for key in ("name", "version")
    )


def _accepts_both(headers: Mapping[bytes, bytes]) -> bool:
    accept = headers.get(b"accept", b"")
    return b"application/json" in accept and b"text/event-stream" in accept and b"q=0" not in accept


@contextmanager
def server_span(express: Express) -> Generator[Span]:
    """The span of a call in this lane, as the SDK makes it for the others (SEP-414: the parent is in `_meta`)."""
    attributes: dict[str, str] = {
        names.MCP_METHOD: _METHOD,
        names.MCP_VERSION: VERSION,
        names.OPERATION: "execute_tool",
        names.TOOL_NAME: express.tool,
    }
    context = propagate.extract(express.meta) if "traceparent" in express.meta else None
    with _tracer.start_as_current_span(
        f"{_METHOD} {express.tool}",
        context=context,
        kind=SpanKind.SERVER,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


class ExpressLane:
    """Answers regular calls. `server_info` is stamped on results, as revision 2026-07-28 asks for."""

    def __init__(self, *, server_info: JsonObject) -> None:
        self._stamp = {"io.modelcontextprotocol/serverInfo": server_info}

    async def answer(
        self, express: Express, work: Callable[[], Awaitable[dict[str, Any]]], receive: Receive, send: Send
    ) -> None:
        """Have the work done and write its outcome; a client that goes away ends the work."""
        exchange = _Exchange(receive, send)
        status, message = 200, dict[str, Any]()
        async with exchange:
            status, message = await self._message(work)
        if not exchange.gone:
            await exchange.finish(status, orjson.dumps({"jsonrpc": "2.0", "id": express.id, **message}))

    async def _message(self, work: Callable[[], Awaitable[dict[str, Any]]]) -> tuple[int, dict[str, Any]]:
        """The HTTP status and what goes beside the id."""
        try:
            result = await work()
        except MCPError as error:
            status = ERROR_CODE_HTTP_STATUS.get(error.error.code, 200)
            return status, {"error": error.error.model_dump(mode="json", exclude_none=True)}
        except Exception:
            logger.exception("a call failed in the express lane")
            return 200, {"error": {"code": INTERNAL_ERROR, "message": "The gateway failed."}}
        return 200, {"result": {**result, "_meta": {**result.get("_meta", {}), **self._stamp}}}


class _Exchange:
    """One answer under way: notices that the client left, and keeps a slow answer alive."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._streaming = False
        self.gone = False

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._worker = cast("asyncio.Task[Any]", asyncio.current_task())
        self._watcher = loop.create_task(self._watch())
        self._pulse: asyncio.Task[None] | None = None
        self._timer = loop.call_later(PATIENCE, self._begin_pulse)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._timer.cancel()
        self._watcher.cancel()
        if self._pulse is not None:
            self._pulse.cancel()
            await asyncio.wait([self._pulse])
        if self.gone and kind is asyncio.CancelledError:
            self._worker.uncancel()
            return True
        return False

    async def finish(self, status: int, body: bytes) -> None:
        """Write the answer: whole, or as the last event of the stream that it became."""
        if self._streaming:
            event = b"event: message\r\ndata: " + body + b"\r\n\r\n"
            await self._send({"type": "http.response.body", "body": event})
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._worker.cancel()

    def _begin_pulse(self) -> None:
        self._pulse = asyncio.get_running_loop().create_task(self._beat())

    async def _beat(self) -> None:
        self._streaming = True
        await self._send({"type": "http.response.start", "status": 200, "headers": _EVENT_STREAM})
        while True:
            await self._send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})
            await asyncio.sleep(PATIENCE)
