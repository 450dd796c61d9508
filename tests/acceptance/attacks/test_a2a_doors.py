"""What the doors of agents tell to whom: nothing without a token, and of what one may not use not even that it is."""

import re
from collections.abc import Generator, Mapping

import pytest

from tests.support.agents import HTTP, Door, invoking, params, publish_as_operator, text
from tests.support.odd_agent import OddAgent, odd_agent
from tests.support.office import office
from tests.support.raw_http import say, statuses
from tests.support.served import Served

CARD = "/.well-known/agent-card.json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")

# Below the URL of an agent: what there is, and what there is not.
BELOW = (
    "",
    "/",
    CARD,
    f"{CARD}/",
    f"{CARD}?interfaces=all",
    "/.well-known/agent.json",
    "/.well-known",
    "/message:send",
    "/message:stream",
    "/message:send/",
    "/tasks",
    "/tasks/t-1",
    "/tasks/t-1:cancel",
    "/tasks/t-1:subscribe",
    "/tasks/t-1/pushNotificationConfigs",
    "/tasks/t-1/pushNotificationConfigs/p-1",
    "/extendedAgentCard",
    "/v1/message:send",
    "/tenant/message:send",
    "/nowhere",
    "//",
    "/.",
    "/..",
    "/../oddity",
    "/%2e%2e/oddity",
    "/%2F",
    "/%252e",
    "/;a=b",
    "?a=b",
    "/message%3Asend",
    "/MESSAGE:SEND",
)

# Beside agents: paths below /agents that name none, or one in an odd way.
ODD_PATHS = (
    "/agents",
    "/agents/",
    "/agents//",
    "/agents//oddity",
    "/agents/./oddity",
    "/agents/../agents/oddity",
    "/agents/oddity%2f",
    "/agents/odd%69ty",
    "/agents/%6fddity" + CARD,
    "/agents/ODDITY",
    "/agents/oddity%20",
    "/agents/oddity;x",
    "/agents/.well-known/agent-card.json",
    "/agents/" + "a" * 2_000,
    "/agents/%F0%9F%A4%96",
    "/agents/'--",
    "/%61gents/oddity",
)


@pytest.fixture(scope="module")
def oddity() -> Generator[OddAgent]:
    with odd_agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def gateway(oddity: OddAgent, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with office(tmp_path_factory.mktemp("gateway")) as served:
        publish_as_operator(served, {"name": "oddity", "domain": "office"}, oddity.target)
        publish_as_operator(
            served, {"name": "herald", "domain": "office", "visibility": "public"}, oddity.target, approve=False
        )
        yield served


@pytest.fixture(scope="module")
def port(gateway: Served) -> int:
    return int(gateway.url.rpartition(":")[2])


@pytest.fixture(scope="module")
def stranger(gateway: Served) -> str:
    return gateway.token("stranger")


Headers = Mapping[str, str]
NONE: Headers = {}
JSON: Headers = {"content-type": "application/json"}


def asked(method: str, path: str, headers: Headers = NONE, body: bytes = b"") -> bytes:
    """A request as it goes over the wire, after which the connection is closed."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def bearer(token: str) -> Headers:
    return {"authorization": f"Bearer {token}", "a2a-version": "1.0"}


SEND = b'{"message":{"messageId":"1","role":"ROLE_USER","parts":[{"text":"hi"}]}}'
BODIES: Mapping[str, tuple[Headers, bytes]] = {
    "none": ({}, b""),
    "rest": (JSON, SEND),
    "rpc": (JSON, b'{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":' + SEND + b"}"),
    "card by rpc": (JSON, b'{"jsonrpc":"2.0","id":1,"method":"GetExtendedAgentCard"}'),
    "broken": (JSON, b"{"),
    "an array": (JSON, b"[]"),
    "text": ({"content-type": "text/plain"}, b"hi"),
    "no type": ({}, b"hi"),
}


# Without a token


@pytest.mark.parametrize("method", METHODS)
async def test_without_a_token_every_agent_path_answers_alike(port: int, method: str) -> None:
    paths = [f"/agents/{name}{below}" for name in ("oddity", "nobody", "", "%00x"[3:]) for below in BELOW]
    answers = {path: await say(port, asked(method, path)) for path in [*paths, *ODD_PATHS]}
    assert {path: statuses(answer) for path, answer in answers.items() if statuses(answer) != [401]} == {}
    assert len(set(answers.values())) == 1


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_without_a_token_no_body_makes_a_difference(port: int, body: tuple[Headers, bytes]) -> None:
    headers, content = body
    answers = {
        await say(port, asked(method, f"/agents/{name}{below}", headers, content))
        for method in ("POST", "PUT", "GET")
        for name in ("oddity", "nobody")
        for below in ("", CARD, "/message:send", "/message:stream", "/tasks/t-1")
    }
    assert [statuses(answer) for answer in answers] == [[401]]


async def test_the_challenge_says_where_to_get_a_token(port: int, gateway: Served) -> None:
    answer = (await say(port, asked("GET", "/agents/nobody"))).decode()
    address = answer.partition('resource_metadata="')[2].partition('"')[0]
    assert "oddity" not in answer
    assert HTTP.get(address).json()["resource"] == f"{gateway.url}/agents"


@pytest.mark.parametrize(
    "path", ["//agents/oddity", "/./agents/oddity", "/agentsx/oddity", "/Agents/oddity", "/agents%2foddity"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_path_beside_the_door_leads_to_no_agent(port: int, method: str, path: str) -> None:
    body = BODIES["rpc"][1] if method == "POST" else b""
    for below in ("", CARD, "/message:send"):
        (status,) = statuses(await say(port, asked(method, path + below, JSON, body)))
        assert status in {401, 404}


@pytest.mark.parametrize(
    "credential", ["Bearer x", "Bearer ", "Basic YTpi", "bearer", "Bearer a.b.c", "Token x", "Bearer " + "a" * 17_000]
)
async def test_a_bad_credential_is_refused_the_same_way_everywhere(port: int, credential: str) -> None:
    headers = {"authorization": credential}
    answers = {
        await say(port, asked("GET", f"/agents/{name}{below}", headers))
        for name in ("oddity", "nobody", "herald")
        for below in ("", "/message:send", "/tasks")
    }
    assert [statuses(answer) for answer in answers] == [[401]]


# With a token, for what one may not use


def same(answer: bytes) -> bytes:
    """An answer without what differs from one moment to the next; an agent's name is what was asked for."""
    return re.sub(rb"oddity|nobody", b"NAME", answer)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("method", METHODS)
async def test_a_forbidden_agent_is_like_one_there_is_not(
    port: int, stranger: str, method: str, body: tuple[Headers, bytes]
) -> None:
    headers, content = body
    for below in BELOW:
        forbidden, unknown = [
            await say(port, asked(method, f"/agents/{name}{below}", {**bearer(stranger), **headers}, content))
            for name in ("oddity", "nobody")
        ]
        assert same(forbidden) == same(unknown), below
        assert statuses(forbidden)[0] not in {204, 405, 500}, below
        assert b"error" in forbidden or method == "HEAD", below


@pytest.mark.parametrize(
    "headers",
    [
        {"a2a-version": "0.3"},
        {"a2a-version": "9.9"},
        {"a2a-extensions": "https://extensions.example/x"},
        {"if-none-match": "*"},
        {"accept": "text/event-stream"},
        {"range": "bytes=0-10"},
        {"expect": "100-continue"},
        {"ix-turn-token": "x"},
        {"origin": "https://evil.example"},
    ],
    ids=str,
)
async def test_no_header_tells_a_forbidden_agent_from_one_there_is_not(
    port: int, stranger: str, headers: Headers
) -> None:
    for below in ("", CARD, "/message:send", "/tasks/t-1", "/extendedAgentCard"):
        for method in ("GET", "POST"):
            sent = {"authorization": f"Bearer {stranger}", **JSON, **headers}
            content = SEND if method == "POST" else b""
            forbidden, unknown = [
                await say(port, asked(method, f"/agents/{name}{below}", sent, content)) for name in ("oddity", "nobody")
            ]
            assert same(forbidden) == same(unknown), (method, below)


def test_the_skills_of_a_hidden_agent_are_hidden(gateway: Served, stranger: str) -> None:
    door = Door(gateway.url, stranger)
    hidden = door.send("oddity", invoking("oddity.search", query="x"))
    unknown = door.send("nobody", invoking("nobody.search", query="x"))
    assert (hidden.status_code, hidden.content) == (unknown.status_code, unknown.content)


def test_who_may_use_an_agent_sees_it(gateway: Served) -> None:
    door = Door(gateway.url, gateway.token("ada"))
    card = HTTP.get(door.of("oddity") + CARD, headers=door.sent())
    assert (card.status_code, card.json()["name"]) == (200, "Oddity")
    assert card.headers["cache-control"].startswith("private")


# A public card


def test_a_public_card_is_read_by_anybody(gateway: Served) -> None:
    response = HTTP.get(f"{gateway.url}/agents/herald{CARD}")
    assert (response.status_code, response.json()["name"]) == (200, "Herald")
    assert response.json()["signatures"]
    assert response.headers["cache-control"].startswith("public")
    again = HTTP.get(f"{gateway.url}/agents/herald{CARD}", headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = HTTP.head(f"{gateway.url}/agents/herald{CARD}")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", response.headers["etag"])


@pytest.mark.parametrize("method", METHODS)
async def test_the_agent_of_a_public_card_is_not(port: int, method: str) -> None:
    expected = await say(port, asked(method, "/agents/nobody"))
    for below in BELOW:
        if not below.startswith(CARD) or below.endswith("/"):
            assert await say(port, asked(method, f"/agents/herald{below}")) == expected, below


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_public_card_is_only_read(gateway: Served, method: str) -> None:
    response = HTTP.request(method, f"{gateway.url}/agents/herald{CARD}", json=params(text("hi")))
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_bad_token_does_not_read_a_public_card(gateway: Served, stranger: str) -> None:
    for credential in ("Bearer x", f"Bearer {stranger[:-4]}AAAA"):
        response = HTTP.get(f"{gateway.url}/agents/herald{CARD}", headers={"authorization": credential})
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
    turn = HTTP.get(f"{gateway.url}/agents/herald{CARD}", headers={"ix-turn-token": "x"})
    assert turn.status_code == 401


def test_who_may_not_list_a_public_agent_reads_its_card_without_a_token_only(gateway: Served, stranger: str) -> None:
    headers = {"authorization": f"Bearer {stranger}"}
    assert HTTP.get(f"{gateway.url}/agents/herald{CARD}", headers=headers).status_code == 404


# The card at the root of the host


def test_without_a_default_agent_there_is_no_card_at_the_root(gateway: Served, stranger: str) -> None:
    plain = HTTP.get(gateway.url + CARD)
    known = HTTP.get(gateway.url + CARD, headers=bearer(stranger))
    assert plain.status_code == known.status_code == 404
    assert plain.content == known.content
    assert HTTP.get(gateway.url + CARD, headers=bearer("x")).status_code == 401


@pytest.fixture(scope="module")
def fronted(oddity: OddAgent, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A gateway whose default agent is to be the herald."""
    with office(tmp_path_factory.mktemp("fronted"), settings='[a2a]\ndefault_agent = "herald"\n') as served:
        yield served


def test_the_default_agents_card_is_at_the_root_as_far_as_one_may_see_it(fronted: Served, oddity: OddAgent) -> None:
    ada, stranger = bearer(fronted.token("ada")), bearer(fronted.token("stranger"))

    def seen(headers: Headers = NONE) -> int:
        return HTTP.get(fronted.url + CARD, headers=headers).status_code

    assert (seen(), seen(ada), seen(stranger)) == (401, 404, 404)
    publish_as_operator(fronted, {"name": "herald", "domain": "office"}, oddity.target)
    assert (seen(), seen(ada), seen(stranger)) == (401, 200, 404)
    publish_as_operator(
        fronted, {"name": "herald", "domain": "office", "visibility": "public"}, oddity.target, approve=True
    )
    assert (seen(), seen(ada), seen(stranger), seen(bearer("x"))) == (200, 200, 404, 401)

    root, own = HTTP.get(fronted.url + CARD), HTTP.get(f"{fronted.url}/agents/herald{CARD}?interfaces=all")
    assert (root.content, root.headers) == (own.content, own.headers)
    assert HTTP.post(fronted.url + CARD, json={}).status_code == 405
    assert HTTP.post(f"{fronted.url}/message:send", json={}).status_code == 404
