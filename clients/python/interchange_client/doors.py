"""The gRPC door of a gateway, or of several that share their work, as an agent goes through it in a turn.

Calls go to the door that was found last, over one connection. Where nobody answers there any more, the next call looks
for a door anew, at the next gateway if several are known: which one it is makes no difference to a conversation.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from interchange_client.credentials import AgentCredentials
from interchange_client.errors import GatewayError
from interchange_client.publish import CODES, find_door, open_channel
from interchange_client.traces import trace_headers

SILENCE: Final = 60.0
"""Seconds after which a stream that brings nothing at all is taken for broken: three times as long as it ever waits."""

_EOF: Final = cast("Any", grpc.aio).EOF

Said = TypeVar("Said", bound=Message)


class Carrier(Protocol):
    """Carries calls of one service to a gateway, one try each."""

    async def ask(
        self, method: str, request: Message, response: type[Said], *, turn_token: str, seconds: float | None
    ) -> Said:
        """One answer.

        Raises:
            GatewayError: there is none.
        """
        ...

    def stream(
        self, method: str, request: Message, response: type[Said], *, turn_token: str, seconds: float | None
    ) -> AsyncGenerator[Said]:
        """Answers as they come, until the gateway ends them.

        Raises:
            GatewayError: they end otherwise.
        """
        ...


class Door:
    """`interchange.v1.Conversations` at the gateways of these URLs, or at this `address` (`host:port`).

    `ca` is the authority of its certificate, if that is not one of the system's.
    """

    def __init__(
        self,
        credentials: AgentCredentials,
        *,
        urls: Sequence[str] = (),
        address: str = "",
        ca: Path | None = None,
    ) -> None:
        self._credentials = credentials
        self._urls = tuple(urls) or (credentials.gateway_url,)
        self._address = address
        self._ca = ca
        self._next = 0
        self._way: _Way | None = None
        self._finding = asyncio.Lock()
        self._is_closed = False

    async def close(self) -> None:
        """Close the connection; whatever is under way ends."""
        self._is_closed = True
        if self._way is not None:
            await self._way.channel.close()

    async def ask(
        self, method: str, request: Message, response: type[Said], *, turn_token: str, seconds: float | None
    ) -> Said:
        """See `Carrier`; with a fresh access token where the first is not taken."""
        token = await self._credentials.token()
        try:
            return await self._ask(method, request, response, metadata=_metadata(token, turn_token), seconds=seconds)
        except GatewayError as error:
            if error.code != "unauthenticated":
                raise
        self._credentials.forget(token)
        metadata = _metadata(await self._credentials.token(), turn_token)
        return await self._ask(method, request, response, metadata=metadata, seconds=seconds)

    async def stream(
        self, method: str, request: Message, response: type[Said], *, turn_token: str, seconds: float | None
    ) -> AsyncGenerator[Said]:
        """See `Carrier`. A refusal may be about the access token: the next stream has another one."""
        token = await self._credentials.token()
        async with self._using() as way:
            call = way.channel.unary_stream(
                _path(method),
                request_serializer=type(request).SerializeToString,
                response_deserializer=response.FromString,
            )(request, metadata=_metadata(token, turn_token), timeout=seconds)
            try:
                while (answer := await self._read(call, way)) is not _EOF:
                    yield cast("Said", answer)
            except GatewayError as error:
                if error.code == "unauthenticated":
                    self._credentials.forget(token)
                raise
            finally:
                call.cancel()

    async def _read(self, call: Any, way: "_Way") -> object:
        try:
            async with asyncio.timeout(SILENCE):
                return await call.read()
        except TimeoutError:
            way.is_forsaken = True
            raise GatewayError("The gateway has gone silent.", "unavailable") from None
        except grpc.aio.AioRpcError as error:
            raise way.ended(error) from None
        except asyncio.CancelledError:
            if self._is_closed and not _is_cancelled():
                raise GatewayError("The connection to the gateway was closed.", "closed") from None
            raise

    async def _ask(
        self,
        method: str,
        request: Message,
        response: type[Said],
        *,
        metadata: tuple[tuple[str, str], ...],
        seconds: float | None,
    ) -> Said:
        async with self._using() as way:
            call = way.channel.unary_unary(
                _path(method),
                request_serializer=type(request).SerializeToString,
                response_deserializer=response.FromString,
            )
            try:
                return cast("Said", await call(request, metadata=metadata, timeout=seconds))
            except grpc.aio.AioRpcError as error:
                raise way.ended(error) from None

    @asynccontextmanager
    async def _using(self) -> AsyncGenerator["_Way"]:
        """The connection, which is closed once it is forsaken and nobody uses it any more."""
        way = await self._found()
        way.rpcs += 1
        try:
            yield way
        finally:
            way.rpcs -= 1
            if way.is_forsaken:
                if self._way is way:
                    self._way = None
                    self._next += 1
                if not way.rpcs:
                    await way.channel.close()

    async def _found(self) -> "_Way":
        if self._is_closed:
            raise GatewayError("The connection to the gateway was closed.", "closed")
        async with self._finding:
            if self._way is None:
                url = self._urls[self._next % len(self._urls)]
                try:
                    address = self._address or await find_door(url)
                except GatewayError:
                    self._next += 1
                    raise
                self._way = _Way(open_channel(address, self._ca), address)
            return self._way


@dataclass(slots=True, eq=False)
class _Way:
    """A connection, and how many RPCs there are on it."""

    channel: Any
    address: str
    rpcs: int = 0
    is_forsaken: bool = False

    def ended(self, error: grpc.aio.AioRpcError) -> GatewayError:
        """How an RPC ended, in the gateway's words. One that cannot go on here goes on elsewhere."""
        code, trailers = error.code(), dict(cast("Iterable[tuple[str, str]]", error.trailing_metadata() or ()))
        is_broken = "ix-error" not in trailers and code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        word = "unavailable" if is_broken else trailers.get("ix-error") or CODES.get(code, "internal")
        self.is_forsaken = self.is_forsaken or word == "unavailable"
        said = f"No gateway answers at {self.address}." if is_broken else error.details() or code.name.lower()
        return GatewayError(said, word)


def _path(method: str) -> str:
    return f"/interchange.v1.Conversations/{method}"


def _metadata(token: str, turn_token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"), ("ix-turn-token", turn_token), *trace_headers().items())


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
