"""One principal cannot take what others need of older revisions' sessions (attacks: B, resources stay bounded)."""

from collections.abc import Generator

import httpx
import pytest

from tests.support.served import Served, served_gateway

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "tests", "version": "1"},
    },
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    settings = "[limits]\nsessions_per_principal = 3\nsubscriptions_per_principal = 2\n"
    with served_gateway(tmp_path_factory.mktemp("gateway"), settings=settings) as served:
        yield served


def test_one_principals_sessions_are_bounded_and_nobody_elses_suffer(gateway: Served) -> None:
    stranger, tester = gateway.token("stranger"), gateway.token("tester")
    opened = [gateway.post(INITIALIZE, token=stranger) for _ in range(5)]
    assert [answer.status_code for answer in opened] == [200, 200, 200, 503, 503]
    assert gateway.post(INITIALIZE, token=tester).status_code == 200


def test_standing_streams_count_as_subscriptions(gateway: Served) -> None:
    token = gateway.token("operator")
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    sessions = [gateway.post(INITIALIZE, token=token).headers["mcp-session-id"] for _ in range(3)]
    with httpx.Client(timeout=10) as client:
        opened: list[httpx.Response] = []
        for session in sessions:
            request = client.build_request("GET", gateway.mcp_url, headers={**headers, "mcp-session-id": session})
            opened.append(client.send(request, stream=True))
        assert [answer.status_code for answer in opened] == [200, 200, 429]
        for answer in opened:
            answer.close()
