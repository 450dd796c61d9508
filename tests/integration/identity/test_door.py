"""The door and the challenges: who passes, and what a client is told that does not."""

from collections.abc import AsyncIterator, Callable, Mapping

import httpx
import pytest
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.challenge import ChallengeMiddleware, challenge
from gateway.mcp.session_user import session_user
from gateway.principal import VERIFIED, PrincipalDoor
from policies.identity.keys import generate_signing_key
from policies.identity.tokens import TokenVerifier, Verified
from registry.model import NeedsScope, Unauthenticated
from tests.support.identity import GATEWAY
from tests.support.issuer import Installation

METADATA = f'resource_metadata="{GATEWAY}/.well-known/oauth-protected-resource/mcp"'


async def test_without_a_token_one_is_told_where_to_get_one(here: Installation) -> None:
    answer = await here.http.get("/mcp")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f"Bearer {METADATA}"
    assert answer.json()["error"] == "unauthorized"


async def test_a_bad_token_is_called_invalid_and_nothing_more(here: Installation) -> None:
    answers = [
        await here.http.get("/mcp", headers={"Authorization": f"Bearer {token}"})
        for token in ("x", generate_signing_key().sign({"iss": here.issuer.issuer, "sub": "recruiter"}))
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1, "why is for the log"
    assert 'error="invalid_token"' in answers[0].headers["www-authenticate"]
    assert METADATA in answers[0].headers["www-authenticate"]


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic abc", "bearer", "Token x"])
async def test_other_credentials_are_none(here: Installation, value: str) -> None:
    answer = await here.http.get("/mcp", headers={"Authorization": value})

    assert answer.status_code == 401
    assert "error=" not in answer.headers["www-authenticate"]


async def test_two_authorization_headers_are_refused(here: Installation) -> None:
    token = here.issuer.issue_for("recruiter")
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]

    answer = await here.http.get("/mcp", headers=headers)

    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("query", ["access_token={}", "x=1&access_token={}", "access_token=", "access%5Ftoken={}"])
async def test_a_token_in_the_query_string_is_refused(here: Installation, query: str) -> None:
    token = here.issuer.issue_for("recruiter")

    alone = await here.http.get(f"/mcp?{query.format(token)}")
    beside = await here.http.get(f"/mcp?{query.format(token)}", headers={"Authorization": f"Bearer {token}"})

    assert alone.status_code == beside.status_code == 400
    assert token not in alone.text + beside.text


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/mcp/step-up", "/mcp/anything"])
async def test_everything_under_a_protected_prefix_is_protected(here: Installation, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"):
        assert (await here.http.request(method, path)).status_code == 401


async def test_what_is_not_under_the_prefix_passes(here: Installation) -> None:
    assert (await here.http.get("/.well-known/jwks.json")).status_code == 200
    assert (await here.http.get("/mcpx")).status_code == 404


async def test_a_websocket_does_not_pass(here: Installation) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await here.app({"type": "websocket", "path": "/mcp", "headers": [], "query_string": b""}, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1008}]


class BrokenVerifier(TokenVerifier):
    """Whatever can go wrong behind the door."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def verify(self, token: str) -> Verified:
        raise self._error


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyError("x"), TimeoutError(), OSError("disk")])
async def test_whatever_breaks_behind_the_door_nobody_passes(error: Exception) -> None:
    reached: list[str] = []

    async def face(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])

    door = PrincipalDoor(face, verifier=BrokenVerifier(error), public_url=GATEWAY)
    async with client_of(door) as http:
        answer = await http.get("/mcp", headers={"Authorization": "Bearer x"})

    assert (answer.status_code, reached) == (503, [])
    assert "broken" not in answer.text
    assert "disk" not in answer.text


async def test_scopes_are_named_where_they_are_configured(here: Installation) -> None:
    door = PrincipalDoor(here.app, verifier=here.verifier, public_url=GATEWAY, scopes=("mcp:tools", "mcp:list"))
    async with client_of(door) as http:
        answer = await http.get("/mcp")

    assert 'scope="mcp:tools mcp:list"' in answer.headers["www-authenticate"]


async def test_the_sdk_recognises_the_caller_and_never_gets_the_token(here: Installation) -> None:
    seen: list[Scope] = []

    async def face(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await PlainTextResponse("ok")(scope, receive, send)

    door = PrincipalDoor(face, verifier=here.verifier, public_url=GATEWAY, identify=session_user)
    async with client_of(door) as http:
        for persona in ("recruiter", "intern"):
            token = here.issuer.issue_for(persona)
            await http.get("/mcp", headers={"Authorization": f"Bearer {token}"})

    users = [scope["user"] for scope in seen]
    assert [user.access_token.subject for user in users] == ["recruiter", "intern"]
    assert users[0].access_token.claims == {"iss": here.issuer.issuer}
    assert users[0].access_token.token == ""
    assert str(seen[0][VERIFIED].principal) == "person:recruiter"


async def test_a_session_of_an_older_revision_serves_only_whoever_opened_it(here: Installation) -> None:
    sessions = StreamableHTTPSessionManager(
        app=Server("face"), security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False)
    )
    door = PrincipalDoor(sessions.handle_request, verifier=here.verifier, public_url=GATEWAY, identify=session_user)
    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}

    async with sessions.run(), client_of(door) as http:

        async def post(persona: str, body: Mapping[str, object], **more: str) -> httpx.Response:
            accepted = "application/json, text/event-stream"
            token = here.issuer.issue_for(persona)
            return await http.post(
                "/mcp", json=body, headers={"Authorization": f"Bearer {token}", "Accept": accepted, **more}
            )

        session = (await post("recruiter", opening)).headers["mcp-session-id"]
        own = await post("recruiter", ping, **{"Mcp-Session-Id": session})
        other = await post("intern", ping, **{"Mcp-Session-Id": session})

    assert (own.status_code, other.status_code) == (200, 404)


async def test_a_missing_scope_noted_by_a_handler_is_one_403_that_names_all(here: Installation) -> None:
    token = here.issuer.issue_for("recruiter")

    answer = await here.http.get("/mcp/step-up", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 403
    header = answer.headers["www-authenticate"]
    assert header.startswith('Bearer error="insufficient_scope"')
    assert 'scope="mcp:tools mcp:send"' in header
    assert METADATA in header
    assert "jsonrpc" not in answer.text, "the handler's own answer was replaced"


def raising(error: Exception) -> Callable[[Scope, Receive, Send], object]:
    async def face(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return face


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NeedsScope('More "is" nöeded\r\n.', scopes=("a", "b")), 403, "insufficient_scope"),
        (Unauthenticated("The token has expired."), 401, "invalid_token"),
    ],
)
async def test_an_error_that_is_raised_is_a_challenge_too(error: Exception, status: int, code: str) -> None:
    async with client_of(ChallengeMiddleware(raising(error), public_url=GATEWAY)) as http:  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        answer = await http.get("/mcp")

    assert answer.status_code == status
    assert f'error="{code}"' in answer.headers["www-authenticate"]
    assert answer.headers["www-authenticate"].isascii()
    assert "\n" not in answer.headers["www-authenticate"]


async def test_a_stream_that_has_begun_keeps_its_own_end() -> None:
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        async def body() -> AsyncIterator[str]:
            yield "first "
            challenge(scope, NeedsScope("Too late.", scopes=("a",)))
            yield "second"

        await StreamingResponse(body())(scope, receive, send)

    async with client_of(ChallengeMiddleware(late, public_url=GATEWAY)) as http:
        answer = await http.get("/mcp")

    assert (answer.status_code, answer.text) == (200, "first second")


async def test_a_note_reaches_the_middleware_through_mounted_applications() -> None:
    async def endpoint(request: object) -> PlainTextResponse:
        challenge(request.scope, NeedsScope("More.", scopes=("a",)))  # type: ignore[attr-defined] # pyright: ignore
        return PlainTextResponse("ok")

    app = Starlette(routes=[Mount("/mcp", routes=[Route("/deep", endpoint)])])
    async with client_of(ChallengeMiddleware(app, public_url=GATEWAY)) as http:
        assert (await http.get("/mcp/deep")).status_code == 403


async def test_what_needs_no_challenge_passes_untouched(here: Installation) -> None:
    assert (await here.who(here.issuer.issue_for("intern")))["status"] == 200


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=GATEWAY)
