"""Which agents there are, and what somebody hears who does not say which A2A they speak."""

from typing import Any

import httpx
import pytest

from tests.support.demo import Demo


def agents(demo: Demo) -> str:
    return f"{demo.mcp_url.removesuffix('/mcp')}/agents"


def bearer(demo: Demo, persona: str) -> dict[str, str]:
    return {"authorization": f"Bearer {demo.tokens[persona]}"}


@pytest.mark.parametrize("slash", ["", "/"])
def test_everybody_is_told_of_the_agents_they_may_list(demo: Demo, slash: str) -> None:
    url = agents(demo)
    found = httpx.get(url + slash, headers=bearer(demo, "recruiter")).raise_for_status().json()["agents"]

    assert [each["name"] for each in found] == ["assistant", "candidates", "outreach"]
    for each in found:
        card = httpx.get(each["card"], headers=bearer(demo, "recruiter")).raise_for_status().json()
        assert card["supportedInterfaces"][0]["url"] == f"{url}/{each['name']}"


def test_who_may_list_none_is_told_of_none(demo: Demo) -> None:
    assert httpx.get(agents(demo), headers=bearer(demo, "outsider")).json() == {"agents": []}


def test_nobody_is_told_without_a_token(demo: Demo) -> None:
    assert httpx.get(agents(demo)).status_code == 401


def test_a_list_is_read_and_nothing_else(demo: Demo) -> None:
    answer = httpx.post(agents(demo), json={}, headers=bearer(demo, "recruiter"))

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", ["SendMessage", "GetTask"])
def test_a_request_that_names_no_version_is_told_which_has_its_words(demo: Demo, method: str) -> None:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 7, "method": method, "params": {"message": {}}}
    answer = httpx.post(f"{agents(demo)}/assistant", json=body, headers=bearer(demo, "recruiter")).json()

    assert (answer["id"], answer["error"]["code"]) == (7, -32009)
    assert "A2A-Version: 1.0" in answer["error"]["message"]
