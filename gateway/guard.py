"""The guard: what every request passes before anything else sees it, on every path and with every method.

It checks the head (`gateway.headers`) and answers every `TurnedAway`, its own and those that `gateway.bodies` raises
behind the door that verifies tokens. It knows neither principals nor protocols; `gateway.refusals` words its answers.
Connections that never become a request are `gateway.connections`' business.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.headers import (
    ONCE_KEY,
    Headers,
    HeadLimits,
    TooBusy,
    TurnedAway,
    check_doors,
    check_line,
    read_headers,
)
from gateway.hosts import Doors
from gateway.refusals import explained

_log = logging.getLogger(__name__)

_LINGER_BYTES = 16 * 1024 * 1024
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """What may come in. `public_url` is how clients reach us; `hosts` and `origins` come on top of its own.

    `trust_forwarded` leaves in what a proxy in front says of the client. A body that nobody wants is taken for
    `linger_seconds`, so that its sender comes to read the answer.
    """

    public_url: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    trust_forwarded: bool = False
    linger_seconds: float = 5.0
    head: HeadLimits = field(default_factory=HeadLimits)


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
        exchange = _Exchange(scope, receive, send, seconds=self._rules.linger_seconds)
        try:
            self._check_head(scope)
            await self._app(scope, exchange.receive, exchange.send)
        except TurnedAway as refusal:
            await self._turn_away(refusal, scope, exchange.send)

    async def _no_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lifespan is the application's own; no face speaks WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "No WebSocket here"})

    def _check_head(self, scope: Scope) -> None:
        """Leave in the scope what may come in. In place: the connection sees there whose request it carries."""
        rules = self._rules
        check_line(scope["path"], scope.get("raw_path") or b"", scope.get("query_string") or b"", rules.head)
        headers, once = read_headers(scope["headers"], rules.head, trust_forwarded=rules.trust_forwarded)
        check_doors(once, self._doors)
        scope["headers"], scope[ONCE_KEY] = headers, once

    async def _turn_away(self, refusal: TurnedAway, scope: Scope, send: Send) -> None:
        _log.info("A request was turned away", extra={"status": refusal.status, "reason": refusal.message})
        status, body = explained(refusal, scope["path"])
        await send({"type": "http.response.start", "status": status, "headers": _answer_headers(refusal, body)})
        await send({"type": "http.response.body", "body": body})


class _Exchange:
    """One request and its answer. An answer that comes before the body was read does not end before that came in.

    A client that is still writing when its connection is closed would see a reset, and never read the answer.
    """

    __slots__ = ("_receive", "_scope", "_seconds", "_send", "_unread")

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, seconds: float) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self._unread = True

    async def receive(self) -> Message:
        message = await self._receive()
        if self._unread and not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if self._unread:
            if message["type"] == "http.response.start":
                message = self._begun(message)
            elif not message.get("more_body", False):
                await self._send({**message, "more_body": True})
                await self._linger()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    def _begun(self, message: Message) -> Message:
        """A client that asked whether to send its body need not: whether it does cannot be known, so it must go."""
        names = {name for name, _ in self._scope["headers"]}
        self._unread = b"expect" not in names and not names.isdisjoint({b"content-length", b"transfer-encoding"})
        if b"expect" not in names or _CLOSE in message["headers"]:
            return message
        return {**message, "headers": [*message["headers"], _CLOSE]}

    async def _linger(self) -> None:
        """Take what is still coming, and drop it."""
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                while self._unread and size <= _LINGER_BYTES:
                    size += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


def _answer_headers(refusal: TurnedAway, body: bytes) -> Headers:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if isinstance(refusal, TooBusy):
        headers.append((b"retry-after", b"1"))
    return [*headers, _CLOSE] if refusal.unread else headers
