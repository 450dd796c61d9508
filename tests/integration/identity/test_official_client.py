"""The official Python client logs in by itself: challenge, metadata, registration or document, consent, token."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata
from pydantic import AnyUrl

from tests.support.identity import FakeClock, read_claims
from tests.support.issuer import REDIRECT, Installation, install
from tests.support.oauth_client import Person, Storage
from tests.support.web import bound, serving


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
