"""The door: a bearer token becomes a verified principal in the request scope, or the request ends here.

ASGI middleware in front of the faces. Paths under the protected prefixes need exactly one `Authorization: Bearer`;
nothing passes without, and no failure ever lets a request through as somebody else. An agent that acts for somebody
presents the token of its turn besides. The rest passes untouched. It knows nothing of what a principal may do, and the
tokens themselves go no further than this.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.metadata import resource_metadata_url
from policies.identity.tokens import TokenVerifier, Verified
from registry.model import BadRequest, InterchangeError, Unauthenticated

logger = logging.getLogger(__name__)

VERIFIED = "interchange.verified"

Acting: TypeAlias = Callable[[str, Verified], Awaitable[Verified]]
"""Reads a turn's token, presented by whoever is verified; raises `Unauthenticated` where it is not theirs."""


async def no_turns(_token: str, _bearer: Verified) -> Verified:
    """Where nobody acts for anybody."""
    raise Unauthenticated("Turn tokens are not taken here.")


class PrincipalDoor:
    """Protects prefixes of paths, each with the face whose metadata its challenge names.

    `identify` makes what goes into `scope["user"]`, for SDKs that look there. What is `open_to_all` may be read without
    a token, and with one that holds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        verifier: TokenVerifier,
        public_url: str,
        protected: Mapping[str, str] = MappingProxyType({"/mcp": "/mcp"}),
        scopes: Sequence[str] = (),
        identify: Callable[[Verified], object] | None = None,
        acting: Acting = no_turns,
        open_to_all: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._acting = acting
        self._open_to_all = open_to_all
        self._challenges = {
            prefix: Challenge(metadata_url=resource_metadata_url(public_url, face), scopes=tuple(scopes))
            for prefix, face in protected.items()
        }
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        challenge = self._challenge_for(scope)
        if challenge is None:
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        outcome = await self._outcome(scope, challenge)
        if outcome is None:
            await self._app(scope, receive, send)
            return
        if isinstance(outcome, Response):
            await outcome(scope, receive, send)
            return
        scope[VERIFIED] = outcome
        if self._identify is not None:
            scope["user"] = self._identify(outcome)
        await self._app(scope, receive, send)

    def _challenge_for(self, scope: Scope) -> "Challenge | None":
        if scope["type"] not in {"http", "websocket"}:
            return None
        path: str = scope["path"]
        for prefix, challenge in self._challenges.items():
            if path == prefix or path.startswith(prefix + "/"):
                return challenge
        return None

    async def _outcome(self, scope: Scope, challenge: "Challenge") -> "Verified | Response | None":
        """Who asks, or the answer that refuses them; None for anybody who reads what is open to all."""
        try:
            token, turn_token = read_bearer(scope), read_turn_token(scope)
            if not token:
                return None if not turn_token and self._open_to_all(scope) else challenge.missing()
            verified = await self._verifier.verify(token)
            return await self._acting(turn_token, verified) if turn_token else verified
        except Unauthenticated as error:
            logger.info("a token was refused", extra={"why": error.reason})
            return challenge.invalid(error.message)
        except BadRequest as error:
            return challenge.malformed(error.message)
        except InterchangeError as error:
            return unavailable(error.message)
        except Exception:  # whatever broke, nobody passes
            logger.exception("a token could not be verified")
            return unavailable("Tokens cannot be verified at the moment.")


class Challenge:
    """Writes 401, 403 and 400 with `WWW-Authenticate` for one face (RFC 6750 §3, RFC 9728 §5.1)."""

    def __init__(self, *, metadata_url: str, scopes: Sequence[str] = ()) -> None:
        self._metadata_url = metadata_url
        self._scopes = tuple(scopes)

    def missing(self) -> Response:
        """No token was sent: no error code, just where to get one."""
        return self._answer(401, error="", description="An access token is needed.", scopes=self._scopes)

    def invalid(self, description: str) -> Response:
        return self._answer(401, error="invalid_token", description=description, scopes=self._scopes)

    def malformed(self, description: str) -> Response:
        return self._answer(400, error="invalid_request", description=description)

    def insufficient(self, description: str, scopes: Sequence[str]) -> Response:
        """All scopes that the operation needs at once, so that one step-up is enough."""
        return self._answer(403, error="insufficient_scope", description=description, scopes=scopes)

    def _answer(self, status: int, *, error: str, description: str, scopes: Sequence[str] = ()) -> Response:
        fields = {
            "error": error,
            "error_description": quotable(description) if error else "",
            "scope": " ".join(scopes),
            "resource_metadata": self._metadata_url,
        }
        header = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in fields.items() if value)
        body = {"error": error or "unauthorized", "error_description": description}
        return JSONResponse(body, status, headers={"WWW-Authenticate": header, "Cache-Control": "no-store"})


def read_bearer(scope: Scope) -> str:
    """The bearer token of a request; empty if there is none, or credentials of another scheme.

    Raises:
        BadRequest: two Authorization headers, or a token in the query string.
    """
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) > 1:
        raise BadRequest("There is more than one Authorization header.")
    query: bytes = scope["query_string"]
    if query and any(name == "access_token" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)):
        raise BadRequest("Tokens are taken from the Authorization header only.")
    if not values:
        return ""
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def read_turn_token(scope: Scope) -> str:
    """The token of the turn in which an agent calls back; empty if there is none.

    Raises:
        BadRequest: there are two, or an empty one.
    """
    values = [value for name, value in scope["headers"] if name == b"ix-turn-token"]
    if len(values) > 1 or values == [b""]:
        raise BadRequest("The header ix-turn-token carries one token.")
    return values[0].decode("latin-1") if values else ""


def unavailable(message: str) -> Response:
    """503: we cannot tell who asks, and so nobody does."""
    body = {"error": "temporarily_unavailable", "error_description": message}
    return JSONResponse(body, 503, headers={"Retry-After": "5", "Cache-Control": "no-store"})


def quotable(text: str) -> str:
    """Text as a quoted-string of a header may carry it here (RFC 6750 §3)."""
    return "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "'" for c in text)
