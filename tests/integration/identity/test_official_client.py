"""The official Python client logs in by itself: challenge, metadata, registration or document, consent, token."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from tests.support.identity import FakeClock, read_claims
from tests.support.issuer import REDIRECT, Installation, install
from tests.support.oauth_login import Redirected, log_in
from tests.support.web import bound, serving


class Storage:
    """What a client keeps."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Sits at the browser and picks a persona."""

    def __init__(self, persona: str) -> None:
        self._persona = persona
        self._back: Redirected | None = None
        self.logins = 0

    async def open(self, url: str) -> None:
        self.logins += 1
        async with httpx.AsyncClient() as browser:
            self._back = await log_in(url, self._persona, browser=browser)

    async def come_back(self) -> AuthorizationCodeResult:
        assert self._back is not None
        return AuthorizationCodeResult(code=self._back.code, state=self._back.state, iss=self._back.iss)


@pytest.fixture
async def listening(tmp_path: Path) -> AsyncIterator[Installation]:
    with bound() as (door, url):
        import time  # noqa: PLC0415 - the real clock, for once: the client has its own

        installation = install(tmp_path, public_url=url, clock=FakeClock(time.time()))
        with serving(installation.app, door):
            yield installation


def provider(here: Installation, person: Person, storage: Storage) -> OAuthClientProvider:
    return OAuthClientProvider(
        server_url=f"{here.issuer.public_url}/mcp",
        client_metadata=OAuthClientMetadata(client_name="Official client", redirect_uris=[AnyUrl(REDIRECT)]),
        storage=storage,
        redirect_handler=person.open,
        callback_handler=person.come_back,
    )


async def test_a_login_by_authorisation_code(listening: Installation) -> None:
    person, storage = Person("recruiter"), Storage()
    async with httpx2.AsyncClient(auth=provider(listening, person, storage)) as client:
        first = await client.get(f"{listening.issuer.public_url}/mcp")
        second = await client.get(f"{listening.issuer.public_url}/mcp")

    assert (first.status_code, first.json()["who"]) == (200, "person:recruiter")
    assert second.status_code == 200
    assert person.logins == 1
    assert storage.tokens is not None
    assert storage.client is not None
    assert read_claims(storage.tokens.access_token)["aud"] == listening.issuer.public_url
    assert storage.client.issuer == listening.issuer.issuer


async def test_an_expired_token_is_refreshed_without_a_person(listening: Installation) -> None:
    person, storage = Person("intern"), Storage()
    oauth = provider(listening, person, storage)
    async with httpx2.AsyncClient(auth=oauth) as client:
        await client.get(f"{listening.issuer.public_url}/mcp")
        before = storage.tokens
        oauth.context.token_expiry_time = 1.0
        again = await client.get(f"{listening.issuer.public_url}/mcp")

    assert again.json()["who"] == "person:intern"
    assert person.logins == 1
    assert before is not None
    assert storage.tokens is not None
    assert storage.tokens.refresh_token != before.refresh_token


async def test_a_step_up_asks_for_all_scopes_at_once(listening: Installation) -> None:
    person, storage = Person("recruiter"), Storage()
    async with httpx2.AsyncClient(auth=provider(listening, person, storage)) as client:
        await client.get(f"{listening.issuer.public_url}/mcp")
        await client.get(f"{listening.issuer.public_url}/mcp/step-up")

    assert person.logins == 2
    assert storage.tokens is not None
    assert set(read_claims(storage.tokens.access_token)["scope"].split()) == {"mcp:tools", "mcp:send"}
