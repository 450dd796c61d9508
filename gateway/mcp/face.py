"""The face itself: the SDK's low-level server with our handlers, as one ASGI application.

Every request becomes a call through the corridor. The SDK does the wire: both eras, headers, streams, sealing of state.
Arguments are checked in the corridor (the SDK advertises schemas and checks nothing).
"""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, cast

import mcp.types as t
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from gateway.bodies import JSON_KEY
from gateway.challenge import challenge
from gateway.config import Limits, McpRules
from gateway.corridor import Corridor
from gateway.live import Live
from gateway.mcp.express import VERSION, Express, ExpressLane, read_express, server_span
from gateway.mcp.sessions import Sessions
from gateway.mcp.subscriptions import Subscriptions
from gateway.mcp.tools import ToolShelf, read_cursor, write_cursor
from gateway.mcp.translate import (
    Context,
    read_call,
    read_offer,
    verified_caller,
    write_answer,
    write_error,
    write_progress,
    write_result,
    write_unknown_tool,
)
from gateway.principal import VERIFIED
from gateway.sight import Sight
from gateway.telemetry.parents import under_callers_trace
from policies.identity.tokens import Verified
from registry.model import (
    CATALOG,
    NOTHING_OFFERED,
    Action,
    BadRequest,
    Call,
    ClientOffer,
    Emission,
    Emit,
    InterchangeError,
    JsonObject,
    NeedsScope,
    Overloaded,
    Streaming,
    Target,
    TargetKind,
    Unknown,
    nowhere,
)

logger = logging.getLogger(__name__)

INSTRUCTIONS = (
    "Tools are skills of a company's services, and agents that answer in words. You see those you may use; what you may"
    " not use does not exist."
)
_caller: ContextVar[Verified | None] = ContextVar("caller", default=None)


class McpFace:
    """Serves MCP at one path. `run` must be entered before the first request."""

    def __init__(
        self,
        *,
        corridor: Corridor,
        live: Live,
        sight: Sight,
        subscriptions: Subscriptions,
        rules: McpRules,
        limits: Limits,
        version: str,
        state_key: bytes,
    ) -> None:
        self._handle = corridor.handle
        self._live = live
        self._sight = sight
        self._rules = rules
        self._limits = limits
        self._subscriptions = subscriptions
        self._shelf = ToolShelf()
        live.when_changed(self._changed)
        server = self._server(version, state_key)
        self._lane = ExpressLane(server_info=server.server_info_stamp)
        self._sessions = Sessions(
            per_principal=limits.sessions_per_principal,
            app=server,
            stateless=not rules.legacy_sessions,
            max_request_body_size=limits.body_bytes,
            # The guard in front has checked hosts and origins of every path: here it would be a second, weaker list.
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )

    def _server(self, version: str, state_key: bytes) -> Server[Any]:
        server: Server[Any] = Server(
            "interchange",
            title="Interchange",
            version=version,
            instructions=INSTRUCTIONS,
            cache_hints={"server/discover": CacheHint(60_000, "public")},
            get_tool_input_schema=self._schema_with_headers,
            on_list_tools=cast("Any", self._list_tools),
            on_call_tool=cast("Any", self._call_tool),
            on_subscriptions_listen=self._subscriptions.listen,
        )
        security = RequestStateSecurity(keys=[state_key], bind_principal=lambda ctx: str(verified_caller(ctx).chain))
        server.middleware.append(RequestStateBoundary(security, default_audience=server.name))
        return server

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Hold the tasks of sessions and streams."""
        failure: Exception | None = None
        async with self._sessions.run():
            try:
                yield
            except Exception as error:  # what fails in here is not a task's: a task group would wrap it
                failure = error
        if failure is not None:
            raise failure

    def drain(self) -> None:
        """End every subscription with its closing result; called before the HTTP server waits for open answers."""
        self._subscriptions.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with under_callers_trace(scope):
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":  # the standing stream of an older revision: a subscription like any other
            await self._serve_standing(scope, receive, send)
            return
        express = read_express(scope, scope.get(JSON_KEY))
        if express is not None and self._is_plain(express.tool, scope[VERIFIED]):
            await self._lane.answer(express, lambda: self._call_express(express, scope), receive, send)
            return
        token = _caller.set(scope.get(VERIFIED))
        try:
            await self._sessions.handle_request(scope, receive, send)
        finally:
            _caller.reset(token)

    async def _serve_standing(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._subscriptions.place_of(scope[VERIFIED]):
                await self._sessions.handle_request(scope, receive, send)
        except Overloaded as error:
            await JSONResponse({"error": error.message}, 429)(scope, receive, send)

    async def _changed(self) -> None:
        self._shelf.keep_only(self._live.current().catalog)
        await self._subscriptions.tools_changed()

    def _schema_with_headers(self, name: str) -> Mapping[str, Any] | None:
        """The schema whose `x-mcp-header` fields the SDK compares with headers.

        None where there is no such field, which spares the walk, and where the caller may not see the tool, since the
        SDK asks before anything is decided and its complaint would tell that the tool exists.
        """
        entry = self._live.current().catalog.skill(name)
        if entry is None or not any(param.header for param in entry.skill.params):
            return None
        caller = _caller.get()
        return (
            entry.skill.input_schema if caller is not None and self._sight.sees_skill(caller, entry.skill.id) else None
        )

    def _is_plain(self, tool: str, caller: Verified) -> bool:
        """Whether a call of this tool may take the express lane. What the caller does not see may, like what does not
        exist: the two must not differ even in time."""
        entry = self._live.current().catalog.skill(tool)
        if entry is None:
            return True
        skill = entry.skill
        plain = skill.streaming is Streaming.UNARY and not skill.speaks_for_itself
        if plain and not any(param.header for param in skill.params):
            return True
        return not self._sight.sees_skill(caller, skill.id)

    async def _list_tools(self, context: Context, params: t.PaginatedRequestParams | None) -> dict[str, Any]:
        try:
            content: JsonObject = {
                "operation": "Tools",
                "after": read_cursor(params.cursor) if params and params.cursor else "",
                "limit": self._rules.page,
            }
            call = read_call(
                verified_caller(context),
                action=Action.LIST,
                target=CATALOG,
                content=content,
                seconds=self._limits.call_seconds,
            )
            result = await self._handle(call, nowhere)
        except InterchangeError as error:
            return write_error(error)
        page, catalog = cast("Mapping[str, Any]", result.structured), self._live.current().catalog
        tools = [self._shelf.tool(catalog, name) for name in page["names"]]
        answer: dict[str, Any] = {
            "resultType": "complete",
            "tools": [tool for tool in tools if tool is not None],
            "ttlMs": self._rules.ttl_ms,
            "cacheScope": "private",
        }
        if page["more"]:
            answer["nextCursor"] = write_cursor(page["names"][-1])
        return answer

    async def _call_tool(self, context: Context, params: t.CallToolRequestParams) -> dict[str, Any]:
        steps = count(1)

        async def emit(emission: Emission) -> None:
            progress = write_progress(emission, steps)
            if progress is None:
                return
            await context.session.report_progress(progress.progress, progress.total, progress.text or None)

        offer = read_offer(context, params)
        call = self._invocation(verified_caller(context), params.name, params.arguments or {}, offer)
        scope: Scope = context.request.scope if context.request is not None else {}
        return await self._outcome(call, emit, scope=scope, version=context.protocol_version)

    async def _call_express(self, express: Express, scope: Scope) -> dict[str, Any]:
        call = self._invocation(scope[VERIFIED], express.tool, express.arguments, NOTHING_OFFERED)
        with server_span(express):
            return await self._outcome(call, nowhere, scope=scope, version=VERSION)

    def _invocation(self, verified: Verified, tool: str, arguments: JsonObject, offer: ClientOffer) -> Call:
        entry = self._live.current().catalog.agent(tool)  # never a skill's name too: a publish sees to that
        converses = entry is not None and entry.agent.converses
        return read_call(
            verified,
            action=Action.MESSAGE if converses else Action.INVOKE,
            target=Target(TargetKind.AGENT if converses else TargetKind.SKILL, tool),
            content=arguments,
            seconds=self._limits.call_seconds,
            offer=offer,
        )

    async def _outcome(self, call: Call, emit: Emit, *, scope: Scope, version: str) -> dict[str, Any]:
        """What became of a call, as the result of a tool.

        Raises:
            MCPError: what became of it is the protocol's business.
        """
        try:
            result = await self._handle(call, emit)
        except (Unknown, BadRequest) as error:
            raise write_unknown_tool(error, call.target.name) from None
        except InterchangeError as error:
            if isinstance(error, NeedsScope):
                challenge(scope, error)
            return write_error(error, call=call.id)
        except Exception:
            logger.exception("call failed inside the gateway", extra={"call": call.id})
            raise MCPError(t.INTERNAL_ERROR, f"The gateway failed; operators find this call as {call.id}.") from None
        if call.action is Action.MESSAGE:
            return write_answer(result)
        return write_result(result, offer=call.offer, version=version)
