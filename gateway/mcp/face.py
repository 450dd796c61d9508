"""The face itself: the SDK's low-level server with our handlers, as one ASGI application.

Every request becomes a call through the corridor. The SDK does the wire: both eras, headers, streams, sealing of state.
Arguments are checked in the corridor (the SDK advertises schemas and checks nothing).
"""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast

import mcp.types as t
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from starlette.types import Receive, Scope, Send

from gateway.challenge import challenge
from gateway.config import Limits, McpRules
from gateway.corridor import Corridor
from gateway.live import Live
from gateway.mcp.subscriptions import Subscriptions
from gateway.mcp.tools import ToolShelf, read_cursor, write_cursor
from gateway.mcp.translate import (
    Context,
    read_call,
    read_offer,
    verified_caller,
    write_error,
    write_result,
    write_unknown_tool,
)
from gateway.principal import VERIFIED
from policies.identity.directory import Directory
from policies.identity.tokens import Verified
from registry.model import (
    CATALOG,
    NOTHING_OFFERED,
    Action,
    BadRequest,
    InterchangeError,
    JsonObject,
    NeedsScope,
    Progress,
    Result,
    SkillId,
    Target,
    TargetKind,
    Unknown,
    nowhere,
)

logger = logging.getLogger(__name__)

INSTRUCTIONS = (
    "Tools are skills of a company's services. You see those you may use; what you may not use does not exist."
)
_caller: ContextVar[Verified | None] = ContextVar("caller", default=None)


class McpFace:
    """Serves MCP at one path. `run` must be entered before the first request."""

    def __init__(
        self,
        *,
        corridor: Corridor,
        live: Live,
        directory: Directory,
        subscriptions: Subscriptions,
        rules: McpRules,
        limits: Limits,
        version: str,
        state_key: bytes,
    ) -> None:
        self._handle = corridor.handle
        self._live = live
        self._directory = directory
        self._rules = rules
        self._limits = limits
        self._subscriptions = subscriptions
        self._shelf = ToolShelf()
        live.when_changed(self._changed)
        self._sessions = StreamableHTTPSessionManager(
            app=self._server(version, state_key),
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
        security = RequestStateSecurity(
            keys=[state_key], bind_principal=lambda ctx: str(verified_caller(ctx).principal)
        )
        server.middleware.append(RequestStateBoundary(security, default_audience=server.name))
        return server

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Hold the tasks of sessions and streams."""
        async with self._sessions.run():
            yield

    def drain(self) -> None:
        """End every subscription with its closing result; called before the HTTP server waits for open answers."""
        self._subscriptions.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = _caller.set(scope.get(VERIFIED))
        try:
            await self._sessions.handle_request(scope, receive, send)
        finally:
            _caller.reset(token)

    async def _changed(self) -> None:
        self._shelf.keep_only(self._live.current().catalog.skills)
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
        return entry.skill.input_schema if caller is not None and self._sees(caller, entry.skill.id) else None

    def _sees(self, caller: Verified, skill: SkillId) -> bool:
        now = self._live.current()
        standing = self._directory.standing(caller.principal, caller.groups)
        return skill in now.judge.listed((standing,), now.catalog, caller.scopes)

    async def _list_tools(self, context: Context, params: t.PaginatedRequestParams | None) -> dict[str, Any]:
        catalog = self._live.current().catalog
        try:
            content: JsonObject = {
                "operation": "Tools",
                "after": read_cursor(params.cursor) if params and params.cursor else "",
                "limit": self._rules.page,
            }
            result = await self._carry(context, Action.LIST, CATALOG, content)
        except InterchangeError as error:
            return write_error(error)
        page = cast("Mapping[str, Any]", result.structured)
        entries = [catalog.skills[skill] for skill in page["skills"] if skill in catalog.skills]
        answer: dict[str, Any] = {
            "resultType": "complete",
            "tools": [self._shelf.tool(entry) for entry in entries],
            "ttlMs": self._rules.ttl_ms,
            "cacheScope": "private",
        }
        if page["more"]:
            answer["nextCursor"] = write_cursor(page["skills"][-1])
        return answer

    async def _call_tool(self, context: Context, params: t.CallToolRequestParams) -> dict[str, Any]:
        offer = read_offer(context, params)
        call = read_call(
            context,
            action=Action.INVOKE,
            target=Target(TargetKind.SKILL, params.name),
            content=params.arguments or {},
            seconds=self._limits.call_seconds,
            offer=offer,
        )

        async def emit(progress: Progress) -> None:
            await context.session.report_progress(progress.progress, progress.total, progress.text or None)

        try:
            result = await self._handle(call, emit)
        except (Unknown, BadRequest) as error:
            raise write_unknown_tool(error, params.name) from None
        except InterchangeError as error:
            if isinstance(error, NeedsScope) and context.request is not None:
                challenge(context.request.scope, error)
            return write_error(error)
        except Exception:
            logger.exception("call failed inside the gateway", extra={"call": call.id})
            raise MCPError(t.INTERNAL_ERROR, f"The gateway failed; operators find this call as {call.id}.") from None
        return write_result(result, offer=offer, version=context.protocol_version)

    async def _carry(self, context: Context, action: Action, target: Target, content: JsonObject) -> Result:
        call = read_call(
            context,
            action=action,
            target=target,
            content=content,
            seconds=self._limits.call_seconds,
            offer=NOTHING_OFFERED,
        )
        return await self._handle(call, nowhere)
