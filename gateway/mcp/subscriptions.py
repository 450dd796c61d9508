"""Open subscriptions: who is told that the list of tools changed.

A subscription is one call that lasts: decided when it opens, again whenever something else comes into force, and over
when its token expires. What is told is only *that* something changed; a client then lists anew, as itself.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import anyio
import mcp.types as t
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp.shared.exceptions import MCPError

from gateway.limits import PrincipalLimits
from gateway.mcp.translate import Context, read_call, verified_caller
from policies.identity.tokens import Verified
from registry.model import (
    CATALOG,
    Action,
    Call,
    Emit,
    InterchangeError,
    Overloaded,
    Result,
    nowhere,
)

MOST = 10_000
"""Subscriptions of one process; each principal has a limit of its own."""


@dataclass(slots=True, eq=False)
class _Open:
    """One stream: the request it was opened with, and what ends it."""

    context: Context
    scope: anyio.CancelScope


class Subscriptions:
    """Serves `subscriptions/listen` (MCP 2026-07-28)."""

    def __init__(self, *, handle: Callable[[Call, Emit], Awaitable[Result]], limits: PrincipalLimits) -> None:
        self._handle = handle
        self._limits = limits
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus, max_subscriptions=MOST)
        self._open: set[_Open] = set()

    async def listen(self, context: Context, params: t.SubscriptionsListenRequestParams) -> t.SubscriptionsListenResult:
        """Keep one stream open until its client, its token, a policy or the gateway's shutdown ends it."""
        verified = verified_caller(context)
        try:
            await self._decide(context)
            with self.place_of(verified):
                return await self._stream(context, params, seconds=verified.expires_at - time.time())
        except Overloaded as error:
            raise MCPError(t.INTERNAL_ERROR, error.message) from None
        except InterchangeError as error:
            raise MCPError(t.INVALID_PARAMS, error.message) from None

    def place_of(self, verified: Verified) -> AbstractContextManager[None]:
        """A place among the subscriptions of one principal.

        Raises:
            Overloaded: on entering, where that principal has as many as it may.
        """
        return self._limits.subscription(verified.principal)

    async def _stream(
        self, context: Context, params: t.SubscriptionsListenRequestParams, *, seconds: float
    ) -> t.SubscriptionsListenResult:
        with anyio.CancelScope(deadline=anyio.current_time() + max(seconds, 0)) as scope:
            stream = _Open(context, scope)
            self._open.add(stream)
            try:
                return await self._listen(context, params)
            finally:
                self._open.discard(stream)
        return _ended(context)

    async def tools_changed(self) -> None:
        """Decide every open stream again, then tell those that remain."""
        for stream in list(self._open):
            try:
                await self._decide(stream.context)
            except InterchangeError:
                stream.scope.cancel()
        await self._bus.publish(ToolsListChanged())

    def close(self) -> None:
        """End every stream with its closing result."""
        self._listen.close()

    async def _decide(self, context: Context) -> None:
        call = read_call(
            verified_caller(context),
            action=Action.LIST,
            target=CATALOG,
            content={"operation": "Listen"},
            seconds=10.0,
        )
        await self._handle(call, nowhere)


def _ended(context: Context) -> t.SubscriptionsListenResult:
    """The closing result of a stream that the gateway ends by itself (spec: graceful closure)."""
    return t.SubscriptionsListenResult.model_validate(
        {"_meta": {"io.modelcontextprotocol/subscriptionId": context.request_id}}
    )
