"""A person logs in by authorization code through the official client, and works as themselves, against the demo."""

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from pydantic import AnyUrl

from tests.support.demo import Demo
from tests.support.oauth_client import Person, Storage

REDIRECT = "http://127.0.0.1:33418/callback"


@pytest.mark.parametrize(
    ("persona", "tools"),
    [
        ("recruiter", ["assistant", "candidates_get", "candidates_search", "outreach_draft", "outreach_send"]),
        ("intern", ["assistant", "candidates_get", "candidates_search"]),
        ("outsider", []),
    ],
)
async def test_whoever_logs_in_sees_their_own_tools(demo: Demo, persona: str, tools: list[str]) -> None:
    person, kept = Person(persona), Storage()
    login = OAuthClientProvider(
        server_url=demo.mcp_url,
        client_metadata=OAuthClientMetadata(client_name="An IDE", redirect_uris=[AnyUrl(REDIRECT)]),
        storage=kept,
        redirect_handler=person.open,
        callback_handler=person.come_back,
    )
    async with (
        httpx2.AsyncClient(auth=login, timeout=30) as http,
        Client(streamable_http_client(demo.mcp_url, http_client=http)) as client,
    ):
        assert [tool.name for tool in (await client.list_tools()).tools] == tools
        if tools:
            found = await client.call_tool("candidates_search", {"query": "rust", "limit": 1})
            assert found.structured_content is not None
            assert found.structured_content["searchedBy"] == persona
