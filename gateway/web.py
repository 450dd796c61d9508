"""The HTTP side of the gateway as one ASGI application: the guard, the doors, and what lies behind each path."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.a2a.face import CARD, A2aFace
from gateway.bodies import Bodies, BodyRules
from gateway.challenge import ChallengeMiddleware
from gateway.config import Config
from gateway.guard import Guard, GuardRules
from gateway.issuer import issuer_routes
from gateway.mcp.face import McpFace
from gateway.mcp.session_user import session_user
from gateway.metadata import metadata_routes, whereabouts_route
from gateway.principal import PrincipalDoor
from gateway.refusals import AGENTS
from gateway.turns import TurnsInHand
from policies.identity.dev_issuer.issuer import DevIssuer
from policies.identity.tokens import TokenVerifier
from registry.model import JsonObject

FACES = ("/mcp", AGENTS)
"""The paths that need a token, each the resource that its clients ask one for."""


def web_application(
    config: Config,
    *,
    mcp: McpFace,
    a2a: A2aFace,
    verifier: TokenVerifier,
    turns: TurnsInHand,
    keys: JsonObject,
    mark: Callable[[], str],
    dev_issuer: DevIssuer | None,
) -> ASGIApp:
    """Guard, then challenges, then the door that verifies tokens, then bodies, then the faces and public documents."""
    issuer = dev_issuer.issuer if dev_issuer else config.auth.issuer
    routes: Sequence[BaseRoute] = [
        Route("/healthz", _alive),
        *metadata_routes(public_url=config.public_url, issuers=[issuer], jwks=keys, prefixes=FACES),
        whereabouts_route(public_url=config.public_url, grpc=config.listen.grpc, issuer=issuer, mark=mark),
        *(issuer_routes(dev_issuer) if dev_issuer else []),
    ]
    bodies = BodyRules(most=config.limits.body_bytes, seconds=config.limits.body_seconds)
    behind_the_door = Bodies(_Paths(mcp=mcp, a2a=a2a, others=Router(routes=list(routes))), bodies)
    door = PrincipalDoor(
        behind_the_door,
        verifier=verifier,
        public_url=config.public_url,
        protected={**{face: face for face in FACES}, CARD: AGENTS},
        identify=session_user,
        acting=turns.acting,
        open_to_all=a2a.is_open,
    )
    rules = GuardRules(
        public_url=config.public_url,
        hosts=config.web.allowed_hosts,
        origins=config.web.allowed_origins,
        linger_seconds=min(config.limits.body_seconds, 5.0),
    )
    return Guard(ChallengeMiddleware(door, public_url=config.public_url, prefixes=FACES), rules)


class _Paths:
    """A comparison or two send the hot paths to their faces; everything else is a route."""

    def __init__(self, *, mcp: McpFace, a2a: A2aFace, others: Router) -> None:
        self._mcp = mcp
        self._a2a = a2a
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/mcp":
            await self._mcp(scope, receive, send)
        elif scope["type"] == "http" and self._a2a.place(scope["path"]) is not None:
            await self._a2a(scope, receive, send)
        else:
            await self._others(scope, receive, send)


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok\n")
