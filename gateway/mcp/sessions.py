"""Sessions of older revisions: kept in memory by the SDK, so many for the process and so many for each principal.

Revision 2026-07-28 has none. What one caller opens must not keep another one out, and the SDK counts for everybody
together; so the one place where it admits a session is narrowed here (pinned with the SDK's minor release).
"""

from typing import Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

MOST: Final = 2_000
IDLE_SECONDS: Final = 900.0


class Sessions(StreamableHTTPSessionManager):
    """The SDK's sessions, with a limit for each principal."""

    def __init__(self, *, per_principal: int, **settings: Any) -> None:
        super().__init__(max_sessions=MOST, session_idle_timeout=IDLE_SECONDS, **settings)
        self._per_principal = per_principal

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        """Open a session, or return None, which is answered with 503."""
        owned = sum(owner == requestor for owner in self._session_owners.values())
        return None if owned >= self._per_principal else super()._admit_session(requestor)
