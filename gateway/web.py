"""The HTTP side of the gateway as one ASGI application: the guard, the doors, and what lies behind each path."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.bodies import Bodies, BodyRules
from gateway.challenge import ChallengeMiddleware
from gateway.config import Config
from gateway.guard import Guard, GuardRules
from gateway.issuer import issuer_routes
from gateway.mcp.face import McpFace
from gateway.mcp.session_user import session_user
from gateway.metadata import metadata_routes
from gateway.principal import PrincipalDoor
from policies.identity.dev_issuer.issuer import DevIssuer
from policies.identity.internal import InternalIssuer
from policies.identity.tokens import TokenVerifier


def web_application(
    config: Config,
    *,
    mcp: McpFace,
    verifier: TokenVerifier,
    internal: InternalIssuer,
    dev_issuer: DevIssuer | None,
) -> ASGIApp:
    """Guard, then challenges, then the door that verifies tokens, then bodies, then the faces and public documents."""
    issuers = [dev_issuer.issuer if dev_issuer else config.auth.issuer]
    routes: Sequence[BaseRoute] = [
        Route("/healthz", _alive),
        *metadata_routes(public_url=config.public_url, issuers=issuers, jwks=internal.jwks()),
        *(issuer_routes(dev_issuer) if dev_issuer else []),
    ]
    bodies = BodyRules(most=config.limits.body_bytes, seconds=config.limits.body_seconds)
    behind_the_door = Bodies(_Paths(mcp=mcp, others=Router(routes=list(routes))), bodies)
    door = PrincipalDoor(behind_the_door, verifier=verifier, public_url=config.public_url, identify=session_user)
    rules = GuardRules(
        public_url=config.public_url,
        hosts=config.web.allowed_hosts,
        origins=config.web.allowed_origins,
        linger_seconds=min(config.limits.body_seconds, 5.0),
    )
    return Guard(ChallengeMiddleware(door, public_url=config.public_url), rules)


class _Paths:
    """One comparison sends the hot path to its face; everything else is a route."""

    def __init__(self, *, mcp: McpFace, others: Router) -> None:
        self._mcp = mcp
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/mcp":
            await self._mcp(scope, receive, send)
        else:
            await self._others(scope, receive, send)


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok\n")
