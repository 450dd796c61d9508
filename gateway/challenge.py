"""The one place that turns a missing or narrow token, noticed anywhere behind the door, into 401 or 403.

A face that speaks JSON-RPC answers errors with HTTP 200; OAuth clients look at the status and `WWW-Authenticate`. So a
handler notes the error in its request's scope and answers as it likes; if nothing was sent yet, the middleware
sends the challenge instead. A stream that has begun keeps its own error.
"""

from collections.abc import Sequence

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.metadata import resource_metadata_url
from gateway.principal import Challenge
from registry.model import NeedsScope, Unauthenticated

_NOTES = "interchange.challenge"


def challenge(scope: Scope, error: NeedsScope | Unauthenticated) -> None:
    """Note that this request is to be answered by a challenge; without the middleware above, this does nothing."""
    scope.get(_NOTES, []).append(error)


class ChallengeMiddleware:
    """Answers with the challenge that was noted, or raised, before the response began."""

    def __init__(self, app: ASGIApp, *, public_url: str, prefixes: Sequence[str] = ("/mcp",)) -> None:
        self._app = app
        self._public_url = public_url
        self._prefixes = tuple(prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        notes: list[NeedsScope | Unauthenticated] = []
        scope[_NOTES] = notes  # a list: routers copy the scope, but not what is in it
        gate = _Gate(send, notes)
        try:
            await self._app(scope, receive, gate.send)
        except (NeedsScope, Unauthenticated) as error:
            if gate.passed:
                raise
            notes.append(error)
        if notes and not gate.passed:
            await self._answer(scope["path"], notes[0])(scope, receive, send)

    def _answer(self, path: str, error: NeedsScope | Unauthenticated) -> Response:
        prefix = next((prefix for prefix in self._prefixes if path == prefix or path.startswith(prefix + "/")), "")
        challenger = Challenge(metadata_url=resource_metadata_url(self._public_url, prefix))
        if isinstance(error, NeedsScope):
            return challenger.insufficient(error.message, error.scopes)
        return challenger.invalid(error.message)


class _Gate:
    """Lets a response pass unless something was noted before it began."""

    def __init__(self, send: Send, notes: Sequence[object]) -> None:
        self._send = send
        self._notes = notes
        self.passed = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._notes:
            self.passed = True
        if self.passed:
            await self._send(message)
