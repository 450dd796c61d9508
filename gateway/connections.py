"""Connections that dawdle: deadlines and bounds below the first request, where ASGI cannot see.

uvicorn parses with httptools and waits for ever: for the head of a request, for a body nobody reads any more, for a
client that does not take its answer. `Connections` makes the protocol objects of one server and ends those that keep it
waiting. A request whose bytes come in one piece, as nearly all do, starts no timer.
"""

import asyncio
import logging
import re
import resource
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.config import Limits
from gateway.principal import VERIFIED
from policies.identity.tokens import Verified
from registry.model import Principal

_log = logging.getLogger(__name__)

_GRACE = 5.0  # the guard answers a late body with 408; this is for bodies that nobody reads
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*(?=\r\n)", re.IGNORECASE)
_RESERVED_FILES = 256  # for far sides, the state folder and the audit, whatever clients do
_SLOW_SECONDS = 1.0  # whom we wait for no longer may just have come
_STREAM_SHARE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one connection may take. Times in seconds, sizes in bytes.

    A head must be complete within `head_seconds` and a body within `body_seconds`; a client that takes nothing of its
    answer for `stall_seconds` is cut off. There are at most `connections`, or what open files allow.
    """

    head_seconds: float = 10.0
    body_seconds: float = 15.0
    stall_seconds: float = 30.0
    head_bytes: int = 64 * 1024
    connections: int = 4096


def http_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """What `uvicorn.Config(http=…)` takes: calls are enough for it, though its type says a class."""
    rules = ConnectionLimits(head_seconds=limits.header_seconds, body_seconds=limits.body_seconds + _GRACE)
    raise_open_files()
    return cast("type[asyncio.Protocol]", Connections(rules))


class Phase(Enum):
    """What a connection is at, by who waits for whom."""

    WAITING = "waiting"  # we for the client: for a head, for a body (answered or not), or until it takes its answer
    ANSWERING = "answering"
    IDLE = "idle"  # between two requests


class Connections:
    """All connections of one server; uvicorn calls it for each new one (`uvicorn.Config(http=…)`).

    A full table makes room for the newcomer. Who keeps us waiting longest goes, if for long; else who idles longest;
    else who keeps us waiting at all. Where all are being answered, streams over three quarters of the places give way,
    the oldest of the principal that has most; only when there are none does the newcomer go.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._most = min(limits.connections, max(_open_files() - _RESERVED_FILES, 16))
        self._in: dict[Phase, dict[GuardedConnection, float]] = {phase: {} for phase in Phase}  # the longest first

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "GuardedConnection":
        return GuardedConnection(self, config, server_state, app_state, _loop)

    def __iter__(self) -> Iterator["GuardedConnection"]:
        return chain.from_iterable(self._in.values())

    def opened(self, connection: "GuardedConnection") -> None:
        """Take a newcomer in, and end another connection, or the newcomer itself, if there are too many."""
        self._in[Phase.WAITING][connection] = now = connection.loop.time()
        if sum(map(len, self._in.values())) > self._most:
            gone = self._least_missed(now) or connection
            self.closed(gone)
            gone.cut()

    def closed(self, connection: "GuardedConnection") -> None:
        self._in[connection.phase].pop(connection, None)

    def moved(self, connection: "GuardedConnection", phase: Phase) -> None:
        """Note that a connection enters another phase; one that was ended already stays out."""
        if self._in[connection.phase].pop(connection, None) is not None:
            self._in[phase][connection] = connection.loop.time()
        connection.phase = phase

    def _least_missed(self, now: float) -> "GuardedConnection | None":
        """Whom to end for a newcomer, which is the last of those we wait for."""
        waiting, idle = self._in[Phase.WAITING], self._in[Phase.IDLE]
        longest, since = next(iter(waiting.items()))
        if idle and now - since < _SLOW_SECONDS:
            return next(iter(idle))
        return longest if len(waiting) > 1 else self._stream_too_many()

    def _stream_too_many(self) -> "GuardedConnection | None":
        streams = [connection for connection in self._in[Phase.ANSWERING] if connection.is_streaming]
        if len(streams) <= self._most * _STREAM_SHARE:
            return None
        most_of, _ = Counter(stream.principal for stream in streams).most_common(1)[0]
        return next(stream for stream in streams if stream.principal == most_of)


def raise_open_files() -> None:
    """Let this process have as many open files as it may; each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # macOS says "unlimited" and means less
        _log.warning("The limit of open files stays as it is", extra={"soft": soft, "hard": hard, "why": str(error)})


def _open_files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1 << 20


def _without_upgrade(data: bytes) -> bytes:
    """A head without its offer to upgrade, which we may ignore (RFC 9110 §7.8). Java's client makes one each time."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head + b"\r\n")[:-2] + end + rest if end else data


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's protocol with deadlines. At most one timer runs, for the phase it was started in."""

    def __init__(
        self,
        owner: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self._owner = owner
        self._limits = owner.limits
        self._head_size = 0
        self._in_body = False
        self.phase = Phase.WAITING
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._owner.opened(self)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.closed(self)
        self._unwatch()
        if self._stall is not None:
            self._stall.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            if not self._head_size and b"Upgrade" in data:
                data = _without_upgrade(data)
            self._head_size += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_body or self._between():
            self._watch()
        self._settle()
        if not self._in_body and self._head_size > self._limits.head_bytes:
            self._refuse_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self._limits.stall_seconds, self.cut)
        self._settle()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        self._settle()

    # httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:
            super().on_header(name, value)  # trailers are dropped: nothing may be added to a head that was checked

    def on_headers_complete(self) -> None:
        if not self.url.startswith(b"/"):
            raise ValueError("the request target is not a path")  # an absolute one would name a second host
        if cast("httptools.HttpRequestParser", self.parser).should_upgrade():
            raise ValueError("nothing else is spoken here")  # the parser would take the body for another protocol
        self._in_body, self._head_size = True, 0
        self._unwatch()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._unwatch()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._close()
        self._settle()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._close()

    # deadlines

    def cut(self) -> None:
        """End the connection now, whatever is unsent."""
        self.transport.abort()

    # what it is at

    @property
    def is_streaming(self) -> bool:
        """Whether an answer has begun and not ended."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and cycle.response_started and not cycle.response_complete

    @property
    def principal(self) -> Principal | None:
        """Whose request is being answered, if the door knew."""
        verified = cast("Verified | None", self.cycle.scope.get(VERIFIED)) if self.cycle else None
        return verified.principal if verified else None

    def _settle(self) -> None:
        """Say so if it is at something else now; bytes in one piece take a request past its reading."""
        if self._stall is not None or self.transport.is_closing() or (self._in_body and not self.pipeline):
            phase = Phase.WAITING
        elif self._between():
            phase = Phase.WAITING if self._head_size else Phase.IDLE
        else:
            phase = Phase.ANSWERING
        if phase is not self.phase:
            self._owner.moved(self, phase)

    def _between(self) -> bool:
        """Whether no request is being answered or waits for its turn."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return not self.pipeline and (cycle is None or cycle.response_complete)

    def _watch(self) -> None:
        if self._timer is None:
            seconds = self._limits.body_seconds if self._in_body else self._limits.head_seconds
            self._timer = self.loop.call_later(seconds, self._overdue)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _overdue(self) -> None:
        self._timer = None
        if self.pipeline:  # we made it wait ourselves, for the answer to an earlier request
            self._watch()
        else:
            self.cut()

    def _refuse_head(self) -> None:
        """Say why where nothing else is being said, and close."""
        if not self._between():
            self.cut()
            return
        body = b'{"error":{"code":"bad_request","message":"The head of the request is too large"}}'
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[431] + head + body)
        self._close()

    def _close(self) -> None:
        """Close, but do not wait for ever until a client has taken what is left to send."""
        self.transport.close()
        self.loop.call_later(self._limits.stall_seconds, self.cut)
