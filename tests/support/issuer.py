"""A development issuer with its routes, in process, and an OAuth client that talks to it as programs do."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.challenge import ChallengeMiddleware, challenge
from gateway.issuer import issuer_routes
from gateway.metadata import metadata_routes
from gateway.principal import VERIFIED, PrincipalDoor
from policies.identity.dev_issuer.issuer import DevIssuer
from policies.identity.directory import Directory, load_directory
from policies.identity.fetch import Fetcher
from policies.identity.internal import InternalIssuer
from policies.identity.keys import load_signing_key
from policies.identity.tokens import TokenVerifier, Verified
from registry.model import NeedsScope
from tests.support.identity import GATEWAY, FakeClock, one_public_address
from tests.support.oauth_login import Redirected, log_in

PEOPLE = """
[groups.recruiting]
in = ["staff"]
[persons.recruiter]
groups = ["recruiting"]
title = "Recruiter <Dublin>"
[persons.intern]
[persons."operator@local"]
[agents.assistant]
client_ids = ["assistant-client"]
"""
VERIFIER = "v" * 64
REDIRECT = "http://127.0.0.1:7777/callback"


def challenge_for(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Everything of identity, wired as the gateway wires it, before a tiny face at /mcp that says who asks."""

    issuer: DevIssuer
    verifier: TokenVerifier
    app: PrincipalDoor
    http: httpx.AsyncClient
    state: Path
    clock: FakeClock

    async def get_code(self, client_id: str, *, persona: str = "recruiter", **changes: str) -> Redirected:
        return await log_in(self.authorize_url(client_id, **changes), persona, browser=self.http)

    def authorize_url(self, client_id: str, **changes: str) -> str:
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": REDIRECT,
            "scope": "mcp:tools",
            "state": "s1",
            "code_challenge": challenge_for(VERIFIER),
            "code_challenge_method": "S256",
            "resource": f"{self.issuer.public_url}/mcp",
        }
        chosen = {name: value for name, value in {**query, **changes}.items() if value}
        return f"{self.issuer.issuer}/authorize?{urlencode(chosen)}"

    async def redeem(self, client_id: str, code: str, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }
        return await self.token({name: value for name, value in {**form, **changes}.items() if value})

    async def token(self, form: Mapping[str, str], auth: tuple[str, str] | None = None) -> httpx.Response:
        return await self.http.post(
            f"{self.issuer.issuer}/token", data=dict(form), auth=auth or httpx.USE_CLIENT_DEFAULT
        )

    async def register(self, **metadata: Any) -> httpx.Response:
        document = {"redirect_uris": [REDIRECT], "client_name": "Editor", **metadata}
        return await self.http.post(f"{self.issuer.issuer}/register", json=document)

    async def registered(self) -> str:
        return (await self.register()).json()["client_id"]

    async def who(self, token: str) -> dict[str, Any]:
        answer = await self.http.get("/mcp", headers={"Authorization": f"Bearer {token}"})
        return {"status": answer.status_code, **answer.json()}


def install(folder: Path, *, public_url: str = GATEWAY, clock: FakeClock | None = None) -> Installation:
    clock = clock or FakeClock()
    (folder / "directory.toml").write_text(PEOPLE)
    listed: Directory = load_directory(folder / "directory.toml")
    state = folder / "state"
    fetcher = Fetcher(resolve=one_public_address)
    issuer = DevIssuer.open(public_url=public_url, directory=lambda: listed, state=state, fetcher=fetcher, clock=clock)
    verifier = TokenVerifier([issuer.inbound()], directory=lambda: listed, own_issuer=public_url, clock=clock)
    internal = InternalIssuer(issuer=public_url, key=load_signing_key(state / "keys", "internal"), clock=clock)
    routes = [
        *metadata_routes(public_url=public_url, issuers=[issuer.issuer], jwks=internal.jwks()),
        *issuer_routes(issuer),
        Route("/mcp", say_who),
        Route("/mcp/step-up", step_up),
    ]
    face = ChallengeMiddleware(Starlette(routes=routes), public_url=public_url)
    app = PrincipalDoor(face, verifier=verifier, public_url=public_url)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=public_url, follow_redirects=False)
    return Installation(issuer=issuer, verifier=verifier, app=app, http=http, state=state, clock=clock)


async def say_who(request: Request) -> Response:
    verified: Verified = request.scope[VERIFIED]
    return JSONResponse({"who": str(verified.principal), "scopes": sorted(verified.scopes)})


async def step_up(request: Request) -> Response:
    challenge(request.scope, NeedsScope("More is needed.", scopes=("mcp:tools", "mcp:send")))
    return JSONResponse({"jsonrpc": "2.0"})
