"""The guard: what every request passes before any face sees it, on every path and with every method.

It checks the head (`gateway.headers`), reads the body whole within a size and a time, reads JSON strictly
(`gateway.strict_json`), and hands on one body in one piece, with what it says in `scope["interchange.json"]`. It knows
neither principals nor protocols, except that what it refuses on a JSON-RPC path is answered as JSON-RPC. Connections
that never become a request are `gateway.connections`' business.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.headers import Headers, HeadLimits, TurnedAway, check_doors, check_line, read_headers
from gateway.hosts import Doors
from gateway.strict_json import Mistake, StrictJsonError, read_strict
from registry.model import JsonObject

_log = logging.getLogger(__name__)

JSON_KEY = "interchange.json"
_RPC_CODES = {Mistake.SYNTAX: -32700, Mistake.SHAPE: -32600}


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """What may come in. `public_url` is how clients reach us; `hosts` and `origins` come on top of its own.

    A body is at most `body_bytes` long and arrives within `body_seconds`. `trust_forwarded` leaves in what a proxy in
    front says of the client. On `rpc_paths` a POST must be JSON and refusals are JSON-RPC errors.
    """

    public_url: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    trust_forwarded: bool = False
    body_bytes: int = 4 * 1024 * 1024
    body_seconds: float = 10.0
    head: HeadLimits = field(default_factory=HeadLimits)
    rpc_paths: tuple[str, ...] = ("/mcp",)


class _ClientLeftError(Exception):
    """The client left before its body was whole; nobody waits for an answer."""


class Guard:
    """ASGI middleware, the outermost one."""

    def __init__(self, app: ASGIApp, rules: GuardRules) -> None:
        self._app = app
        self._rules = rules
        self._doors = Doors(rules.public_url, hosts=rules.hosts, origins=rules.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self._no_request(scope, receive, send)
            return
        try:
            scope, receive = await self._admitted(scope, receive)
        except TurnedAway as refusal:
            await self._turn_away(refusal, scope, receive, send)
        except _ClientLeftError:
            return
        else:
            await self._app(scope, receive, send)

    async def _no_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lifespan is the application's own; no face speaks WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "No WebSocket here"})

    async def _admitted(self, scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
        """The scope and the receive of a request that may come in."""
        rules = self._rules
        path: str = scope["path"]
        check_line(path, scope.get("raw_path") or b"", scope.get("query_string") or b"", rules.head)
        headers, once = read_headers(scope["headers"], rules.head, trust_forwarded=rules.trust_forwarded)
        check_doors(once, self._doors)
        is_json = self._expects_json(scope["method"], path, once)
        if not is_json and not _has_body(once):
            return {**scope, "headers": headers}, receive
        body = await self._body(once, receive)
        content: JsonObject | None = None
        if is_json:
            content, text = _read_json(body)
            headers = headers if len(text) == len(body) else _with_length(headers, len(text))
            body = text
        return {**scope, "headers": headers, JSON_KEY: content}, _replayed(body, receive)

    def _expects_json(self, method: str, path: str, once: Mapping[bytes, bytes]) -> bool:
        """Whether the body must be read as JSON: it says it is, or a JSON-RPC path takes nothing else."""
        is_json = _is_json(once.get(b"content-type", b""))
        if method == "POST" and not is_json and self._is_rpc(path):
            raise TurnedAway(415, "The Content-Type must be application/json", unread=True)
        return is_json and (method == "POST" or _has_body(once))

    def _is_rpc(self, path: str) -> bool:
        return any(path == rpc or path.startswith(f"{rpc}/") for rpc in self._rules.rpc_paths)

    async def _body(self, once: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The body, whole."""
        if once.get(b"content-encoding", b"identity").lower() != b"identity":
            raise TurnedAway(415, "A request must not be compressed", unread=True)
        limit, seconds = self._rules.body_bytes, self._rules.body_seconds
        if _declared_length(once) > limit:
            raise TurnedAway(413, f"The body is larger than {limit} bytes", unread=True)
        try:
            async with asyncio.timeout(seconds):
                return await _received(receive, limit)
        except TimeoutError:
            raise TurnedAway(408, f"The body did not arrive within {seconds:g} seconds", unread=True) from None

    async def _turn_away(self, refusal: TurnedAway, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then swallow what is still coming for a while: a client that is still writing would otherwise see
        its connection reset and never read the answer."""
        _log.info("A request was turned away", extra={"status": refusal.status, "reason": refusal.message})
        body = _explained(refusal, rpc=self._is_rpc(scope["path"]))
        await send({"type": "http.response.start", "status": refusal.status, "headers": _answer_headers(refusal, body)})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        if refusal.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            await self._swallowed(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _swallowed(self, receive: Receive) -> None:
        try:
            async with asyncio.timeout(min(self._rules.body_seconds, 5.0)):
                await _received(receive, 4 * self._rules.body_bytes, keep=False)
        except (TimeoutError, TurnedAway, _ClientLeftError):
            return


def _is_json(content_type: bytes) -> bool:
    if content_type == b"application/json":
        return True
    media = content_type.partition(b";")[0].strip().lower()
    return media == b"application/json" or (media.startswith(b"application/") and media.endswith(b"+json"))


def _has_body(once: Mapping[bytes, bytes]) -> bool:
    return b"transfer-encoding" in once or once.get(b"content-length", b"0") != b"0"


def _declared_length(once: Mapping[bytes, bytes]) -> int:
    text = once.get(b"content-length", b"0")
    if not text.isdigit() or len(text) > 18:
        raise TurnedAway(400, "The Content-Length is not a number", unread=True)
    return int(text)


async def _received(receive: Receive, limit: int, *, keep: bool = True) -> bytes:
    """Everything the client sends, up to a limit; without `keep` only counted."""
    body, size = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeftError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TurnedAway(413, f"The body is larger than {limit} bytes", unread=True)
        more: bool = message.get("more_body", False)
        if not more and not body:
            return chunk
        if keep:
            body += chunk
        if not more:
            return bytes(body)


def _read_json(body: bytes) -> tuple[JsonObject, bytes]:
    try:
        strict = read_strict(body)
    except StrictJsonError as error:
        raise TurnedAway(400, error.message, rpc_code=_RPC_CODES[error.mistake]) from None
    return strict.content, strict.text


def _with_length(headers: Headers, length: int) -> Headers:
    """The headers for a body that was written anew."""
    return [(name, b"%d" % length if name == b"content-length" else value) for name, value in headers]


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body in one message, then whatever comes: the client going away, above all."""
    unread = [body]

    async def replayed() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replayed


def _explained(refusal: TurnedAway, *, rpc: bool) -> bytes:
    if rpc:
        error = {"code": refusal.rpc_code, "message": refusal.message}
        return orjson.dumps({"jsonrpc": "2.0", "id": None, "error": error})
    return orjson.dumps({"error": {"code": refusal.code, "message": refusal.message}})


def _answer_headers(refusal: TurnedAway, body: bytes) -> Headers:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    return [*headers, (b"connection", b"close")] if refusal.unread else headers
