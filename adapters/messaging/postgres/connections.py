"""Connections to one PostgreSQL: a few, kept open, each lent to one task at a time.

A connection on which anything went wrong is not lent again. So a server that was restarted is found again by itself,
and no transaction ever begins in what is left of another one.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import asyncpg

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.postgres.faults import BROKEN, unavailable
from registry.model import BadRequest

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 25.0
"""How long a statement may take before the server is given up; the server itself gives a statement up earlier."""

SETTINGS: Mapping[str, str] = {
    "application_name": "interchange log",
    "statement_timeout": "20s",
    "lock_timeout": "10s",
    # Whoever stands still with rows locked makes everybody else wait: a stopped process must not do so for long.
    "idle_in_transaction_session_timeout": "5s",
    "jit": "off",
}

WRITING: Mapping[str, str] = {
    **SETTINGS,
    # All that is written is looked up by its keys. A plan made while a table was small must not read it whole later.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


class Connection(Protocol):
    """What we use of asyncpg's connection."""

    async def execute(self, query: str, *args: object) -> str: ...

    async def fetch(self, query: str, *args: object) -> Sequence[Any]: ...

    async def fetchrow(self, query: str, *args: object) -> Any: ...

    async def fetchval(self, query: str, *args: object) -> Any: ...

    async def close(self, *, timeout: float | None = None) -> None: ...  # noqa: ASYNC109  asyncpg's word

    def is_closed(self) -> bool: ...

    def terminate(self) -> None: ...


class Connections:
    """At most `limit` connections to the database at a URL."""

    def __init__(self, url: str, *, limit: int, settings: Mapping[str, str]) -> None:
        self.where = where(url)
        self._url = url
        self._limit = limit
        self._settings = dict(settings)
        self._room = asyncio.Semaphore(limit)
        self._idle: list[Connection] = []
        self._closed = False

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[Connection]:
        """A connection for as long as the body lasts. Errors of the body come out as they are.

        Raises:
            LogUnavailable: none can be made, or all were closed.
        """
        if self._closed:
            raise LogUnavailable(f"The log ({self.where}) is closed.")
        async with self._room:
            connection = self._kept() or await self._connect()
            try:
                yield connection
            except BaseException:
                connection.terminate()
                raise
            self._idle.append(connection)

    async def close(self) -> None:
        """Wait for what is lent, and close all; afterwards none is lent any more."""
        if self._closed:
            return
        self._closed = True
        for _ in range(self._limit):
            await self._room.acquire()
        while connection := self._kept():
            try:
                await connection.close(timeout=1.0)
            except BROKEN:
                connection.terminate()

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _connect(self) -> Connection:
        try:
            connection = await connect(self._url, self._settings, patience=ANSWER_SECONDS)
        except BROKEN as error:
            raise unavailable(error, self.where) from None
        return connection


async def connect(
    url: str, settings: Mapping[str, str] | None = None, *, patience: float | None = ANSWER_SECONDS
) -> Connection:
    """One connection, on which a commit is durable before it is answered. A statement that takes more seconds than
    `patience` is given up; None: none is.

    Raises:
        BadRequest: the URL is malformed.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: there is none to be had.
    """
    try:
        connection = await _connected(
            url, timeout=CONNECT_SECONDS, command_timeout=patience, server_settings=dict(settings or {})
        )
    except (ValueError, asyncpg.exceptions.ClientConfigurationError) as error:
        raise BadRequest(
            f"The URL of the log's database ({where(url)}) is malformed: {_without_secret(error, url)}."
        ) from None
    try:
        await connection.execute(_DURABLE)
    except BaseException:
        connection.terminate()
        raise
    return connection


_connected = cast(Callable[..., Awaitable[Connection]], asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]

_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
"""Stricter settings than `on` are whoever runs the database's own."""


def where(url: str) -> str:
    """Which database a URL is of, for people; never with its password."""
    try:
        parts = urlsplit(url)
        place = parts.hostname or "the local socket"
        return f"{parts.path.lstrip('/') or 'the default database'} at {place}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "at an address that cannot be read"


def _without_secret(error: Exception, url: str) -> str:
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    return "it cannot be read" if password is None or password in str(error) else str(error)
