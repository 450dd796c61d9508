"""An agent's own tokens: found by discovery, kept, renewed in time, and told to nobody else."""

import asyncio
import base64
from collections.abc import Iterator
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from interchange_client.agent import AgentCredentials, GatewayError

from tests.support.identity import FakeClock

GATEWAY = "https://gateway.example.com"
ISSUER = "https://login.example.com/realms/prod"
RESOURCE = f"{GATEWAY}/.well-known/oauth-protected-resource"
METADATA = "https://login.example.com/.well-known/oauth-authorization-server/realms/prod"
OPENID = f"{ISSUER}/.well-known/openid-configuration"
TOKEN = f"{ISSUER}/token"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def net() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        document = {"resource": GATEWAY, "authorization_servers": [ISSUER]}
        router.get(RESOURCE, name="resource").respond(json=document)
        router.get(METADATA, name="metadata").respond(json={"issuer": ISSUER, "token_endpoint": TOKEN})
        router.post(TOKEN, name="token").mock(side_effect=Tokens())
        yield router


class Tokens:
    """Hands out `token-1`, `token-2`, …, each for 900 seconds."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self._count += 1
        body = {"access_token": f"token-{self._count}", "token_type": "Bearer", "expires_in": 900}
        return httpx.Response(200, json=body)


@pytest.fixture
def credentials(net: respx.MockRouter, clock: FakeClock) -> AgentCredentials:
    return AgentCredentials(f"{GATEWAY}/", "greeter-client", "s:e/cret", clock=clock)


async def test_the_gateway_says_who_issues_its_tokens(net: respx.MockRouter, credentials: AgentCredentials) -> None:
    assert await credentials.token() == "token-1"

    request = net["token"].calls.last.request
    form = parse_qs(request.content.decode())
    assert form == {"grant_type": ["client_credentials"], "resource": [GATEWAY]}
    scheme, _, pair = request.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"greeter-client:s%3Ae%2Fcret"), "RFC 6749, section 2.3.1"


async def test_an_issuer_that_takes_no_header_gets_a_form(net: respx.MockRouter, credentials: AgentCredentials) -> None:
    methods = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    net["metadata"].respond(json={"issuer": ISSUER, "token_endpoint": TOKEN, **methods})

    await credentials.token()

    request = net["token"].calls.last.request
    assert parse_qs(request.content.decode())["client_secret"] == ["s:e/cret"]
    assert "authorization" not in request.headers


async def test_an_issuer_may_be_found_as_openid_connect_places_it(
    net: respx.MockRouter, credentials: AgentCredentials
) -> None:
    net["metadata"].respond(404)
    net.get(OPENID).respond(json={"issuer": ISSUER, "token_endpoint": TOKEN})

    assert await credentials.token() == "token-1"


async def test_a_token_is_kept_until_shortly_before_its_end(
    net: respx.MockRouter, credentials: AgentCredentials, clock: FakeClock
) -> None:
    assert [await credentials.token() for _ in range(3)] == ["token-1"] * 3
    clock.advance(869)
    assert await credentials.token() == "token-1"
    clock.advance(1)
    assert await credentials.token() == "token-2"
    assert net["metadata"].call_count == 1


async def test_whoever_comes_while_one_is_fetched_waits_for_it(
    net: respx.MockRouter, credentials: AgentCredentials
) -> None:
    asked, go, fetch = asyncio.Event(), asyncio.Event(), Tokens()

    async def slowly(request: httpx.Request) -> httpx.Response:
        asked.set()
        await go.wait()
        return fetch(request)

    net["token"].mock(side_effect=slowly)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(credentials.token()) for _ in range(20)]
        await asked.wait()
        go.set()

    assert {task.result() for task in waiting} == {"token-1"}
    assert net["token"].call_count == 1


async def test_a_token_that_was_refused_is_forgotten_once(credentials: AgentCredentials) -> None:
    refused = await credentials.token()
    credentials.forget(refused)
    assert await credentials.token() == "token-2"
    credentials.forget(refused)
    assert await credentials.token() == "token-2"


async def test_a_secret_that_is_wrong_is_said_without_it(net: respx.MockRouter, credentials: AgentCredentials) -> None:
    net["token"].mock(side_effect=None)
    net["token"].respond(401, json={"error": "invalid_client", "error_description": "s:e/cret is wrong"})

    with pytest.raises(GatewayError) as raised:
        await credentials.token()

    assert raised.value.code == "unauthenticated"
    assert not raised.value.retryable
    assert "invalid_client" in raised.value.message
    assert "cret is" not in raised.value.message
    assert "cret" not in repr(credentials)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_issuer_in_trouble_may_be_asked_again(
    net: respx.MockRouter, credentials: AgentCredentials, status: int
) -> None:
    net["token"].mock(side_effect=None)
    net["token"].respond(status)
    with pytest.raises(GatewayError) as raised:
        await credentials.token()
    assert raised.value.code in {"unavailable", "overloaded", "internal"}
    assert raised.value.code != "unauthenticated"


async def test_a_gateway_that_is_not_up_yet_may_be_asked_again(
    net: respx.MockRouter, credentials: AgentCredentials
) -> None:
    net["resource"].mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(GatewayError) as raised:
        await credentials.token()
    assert raised.value.retryable


@pytest.mark.parametrize(
    "document",
    [
        {"resource": "https://elsewhere.example.com", "authorization_servers": [ISSUER]},
        {"resource": GATEWAY, "authorization_servers": []},
        {"resource": GATEWAY},
        ["not an object"],
    ],
)
async def test_a_document_about_something_else_sends_the_secret_nowhere(
    net: respx.MockRouter, credentials: AgentCredentials, document: object
) -> None:
    net["resource"].respond(json=document)
    with pytest.raises(GatewayError):
        await credentials.token()
    assert not net["token"].called


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example.com", "token_endpoint": TOKEN},
        {"issuer": ISSUER, "token_endpoint": "http://login.example.com/token"},
        {"issuer": ISSUER},
    ],
)
async def test_a_secret_goes_only_to_the_issuer_itself_and_encrypted(
    net: respx.MockRouter, credentials: AgentCredentials, metadata: object
) -> None:
    net["metadata"].respond(json=metadata)
    with pytest.raises(GatewayError, match="token endpoint"):
        await credentials.token()
    assert not net["token"].called


async def test_redirects_are_not_followed(net: respx.MockRouter, credentials: AgentCredentials) -> None:
    net["resource"].respond(302, headers={"location": "https://elsewhere.example.com"})
    with pytest.raises(GatewayError, match="302"):
        await credentials.token()


@pytest.mark.parametrize("url", ["http://gateway.example.com", "ftp://localhost", "gateway", "https://u:p@example.com"])
def test_a_gateway_that_a_secret_may_not_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"gateway|https"):
        AgentCredentials(url, "client", "secret")


def test_without_a_credential_in_the_environment_the_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERCHANGE_CLIENT_ID", "greeter-client")
    monkeypatch.delenv("INTERCHANGE_CLIENT_SECRET", raising=False)
    with pytest.raises(ValueError, match="INTERCHANGE_CLIENT_ID and INTERCHANGE_CLIENT_SECRET"):
        AgentCredentials.from_environment(GATEWAY)

    monkeypatch.setenv("INTERCHANGE_CLIENT_SECRET", "secret")
    assert AgentCredentials.from_environment(GATEWAY).client_id == "greeter-client"
