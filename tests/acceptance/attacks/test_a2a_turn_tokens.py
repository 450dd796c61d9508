"""Attacks with turn tokens on a gateway process: replayed, stolen, forged, or shown where a credential belongs.

Each attack goes through every door that takes a turn's token, and is followed by a look at the record: nothing ran.
"""

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import grpc as typed_grpc
import httpx
import pytest
from interchange.v1 import registry_pb2, registry_pb2_grpc
from interchange_client.agent import AgentCredentials

from policies.identity.dev_issuer.secret import agent_secret, dev_secret
from policies.identity.keys import generate_signing_key, load_signing_key
from policies.identity.turn_tokens import TurnClaims, TurnTokens
from registry.model import AgentName, Chain, Domain, Principal, PrincipalKind, TurnId
from tests.support.agents import (
    HTTP,
    Agents,
    Audit,
    Door,
    HeldTurn,
    answer_of,
    chain_of,
    held,
    invoking,
    publish_as_operator,
    result_of,
    text,
)
from tests.support.odd_agent import OddAgent, eventually, odd_agent, odd_process
from tests.support.odd_service import Odd, odd_manifest, odd_service
from tests.support.office import office
from tests.support.served import Served, published

grpc: Any = typed_grpc


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Generator[Odd]:
    with odd_service(tmp_path_factory.mktemp("odd")) as service:
        yield service


@pytest.fixture(scope="module")
def oddity() -> Generator[OddAgent]:
    with odd_agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def gateway(odd: Odd, oddity: OddAgent, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    with office(folder) as served:
        published(served, odd_manifest(folder), odd.target)
        publish_as_operator(served, {"name": "oddity", "domain": "office"}, oddity.target)
        yield served


@pytest.fixture(scope="module")
def agents(gateway: Served) -> Generator[Agents]:
    with Agents(gateway).alive() as living:
        living.join("clerk")
        living.join("deputy")
        yield living


@pytest.fixture
def turn(agents: Agents, gateway: Served) -> Generator[HeldTurn]:
    """A turn that the clerk holds for Ada."""
    with held(agents, "clerk", token=gateway.token("ada")) as holding:
        yield holding


@pytest.fixture(scope="module")
def clerk(agents: Agents) -> str:
    """The clerk's own credential."""
    return agents.token("clerk")


# Every door with the same request: the skill, or what leads to it.

Knock = Callable[[Served, str, dict[str, str]], httpx.Response]


def mcp_call(served: Served, bearer: str, headers: dict[str, str]) -> httpx.Response:
    return served.call("odd_echo", {"text": "x"}, token=bearer, **headers)


def mcp_session(served: Served, bearer: str, headers: dict[str, str]) -> httpx.Response:
    return served.post(initialize(), token=bearer, **headers)


def over_rpc(served: Served, bearer: str, headers: dict[str, str]) -> httpx.Response:
    return Door(served.url, bearer, headers).send("odd", invoking("odd.echo", text="x"))


def over_rest(served: Served, bearer: str, headers: dict[str, str]) -> httpx.Response:
    return Door(served.url, bearer, headers).rest("odd", invoking("odd.echo", text="x"))


def stream(served: Served, bearer: str, headers: dict[str, str]) -> httpx.Response:
    with Door(served.url, bearer, headers).streaming("odd", invoking("odd.echo", text="x")) as events:
        events.response.read()
        return events.response


def card(served: Served, bearer: str, headers: dict[str, str]) -> httpx.Response:
    door = Door(served.url, bearer, headers)
    return HTTP.get(f"{door.of('odd')}/.well-known/agent-card.json", headers=door.sent())


DOORS = pytest.mark.parametrize("knock", [mcp_call, mcp_session, over_rpc, over_rest, stream, card])


def initialize() -> dict[str, Any]:
    info = {"name": "tests", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}


@dataclass(frozen=True, slots=True)
class Watch:
    """What ran while it watched."""

    served: Served
    odd: Odd
    before: int
    audit: Audit

    def saw_nothing(self) -> None:
        """Fail if a call was made since, or the service was reached."""
        Door(self.served.url, self.served.token("bob")).send("oddity", text("a mark on the record"))
        self.audit.decisions(until=1, target="agent:oddity")
        made = [entry for entry in self.audit.decisions(until=1) if chain_of(entry) != ["person:bob"]]
        assert made == []
        assert len(self.odd.tokens) == self.before


@pytest.fixture
def watch(gateway: Served, odd: Odd) -> Callable[[], Watch]:
    """Begins to watch."""
    return lambda: Watch(gateway, odd, len(odd.tokens), Audit(gateway.state))


def is_refused(response: httpx.Response) -> None:
    """401 with a challenge, and no word of why that would help."""
    assert response.status_code == 401, response.text
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert "over" not in response.text
    assert "clerk" not in response.text


def turn_header(token: str) -> dict[str, str]:
    return {"ix-turn-token": token}


@DOORS
def test_during_the_turn_its_agent_is_let_in(
    gateway: Served, turn: HeldTurn, clerk: str, *, knock: Knock, watch: Callable[[], Watch]
) -> None:
    assert knock(gateway, clerk, turn_header(turn.token)).status_code == 200


@DOORS
def test_a_token_is_worth_nothing_after_its_turn(
    gateway: Served, turn: HeldTurn, clerk: str, *, knock: Knock, watch: Callable[[], Watch]
) -> None:
    assert knock(gateway, clerk, turn_header(turn.token)).status_code == 200  # so that it was seen, and remembered
    turn.let_go()
    watching = watch()
    is_refused(knock(gateway, clerk, turn_header(turn.token)))
    watching.saw_nothing()


@DOORS
@pytest.mark.parametrize("thief", ["deputy", "ada", "bob", "stranger"])
def test_a_token_is_worth_nothing_to_anybody_but_its_agent(
    gateway: Served, turn: HeldTurn, agents: Agents, *, thief: str, knock: Knock, watch: Callable[[], Watch]
) -> None:
    bearer = agents.token(thief) if thief == "deputy" else gateway.token(thief)
    watching = watch()
    is_refused(knock(gateway, bearer, turn_header(turn.token)))
    watching.saw_nothing()


def garbled(token: str) -> dict[str, str]:
    """Tokens that are nearly one."""
    header, claims, signature = token.split(".")
    other = "A" if signature[0] != "A" else "B"
    return {
        "another signature": f"{header}.{claims}.{other}{signature[1:]}",
        "no signature": f"{header}.{claims}.",
        "two parts": f"{header}.{claims}",
        "other claims": f"{header}.{claims[:-4]}AAAA.{signature}",
        "twice": f"{token}, {token}",
        "twice without a comma": f"{token}{token}",
        "with a scheme": f"Bearer {token}",
        "a word": "turn",
        "a null": "null",
        "very long": token + "A" * 20_000,
        "in quotes": f'"{token}"',
    }


@pytest.mark.parametrize("knock", [mcp_call, over_rpc])
def test_a_garbled_token_is_refused(
    gateway: Served, turn: HeldTurn, clerk: str, *, knock: Knock, watch: Callable[[], Watch]
) -> None:
    watching = watch()
    for token in garbled(turn.token).values():
        is_refused(knock(gateway, clerk, turn_header(token)))
    watching.saw_nothing()


@pytest.mark.parametrize("headers", [[("ix-turn-token", "")], [("ix-turn-token", "TOKEN")] * 2])
def test_none_or_two_turn_tokens_are_no_request(
    gateway: Served, turn: HeldTurn, clerk: str, headers: list[tuple[str, str]]
) -> None:
    sent = [(name, value.replace("TOKEN", turn.token)) for name, value in headers]
    door = Door(gateway.url, clerk)
    response = HTTP.get(
        f"{door.of('odd')}/.well-known/agent-card.json", headers=[("authorization", f"Bearer {clerk}"), *sent]
    )
    assert response.status_code == 400


# Forged ones


def claims(gateway: Served, of: HeldTurn) -> TurnClaims:
    """The claims of a turn, as the gateway wrote them."""
    ada = Principal(
        kind=PrincipalKind.PERSON, issuer=gateway.issuer, subject="ada", name="ada", domain=Domain("office")
    )
    return TurnClaims(
        chain=Chain((ada,)),
        groups=(frozenset(),),
        turn=TurnId(of.turn.turn_id),
        agent=AgentName("clerk"),
        attempt=of.turn.attempt,
        fence=of.turn.fence,
        expires_at=time.time() + 60,
    )


def test_the_gateways_own_signature_over_these_claims_would_hold(gateway: Served, turn: HeldTurn, clerk: str) -> None:
    key = load_signing_key(gateway.state / "keys", "gateway")
    remade = TurnTokens(issuer=gateway.url, key=key).issue(claims(gateway, turn))
    assert over_rpc(gateway, clerk, turn_header(remade)).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"turn": TurnId("01a2")}, {"attempt": 9}, {"fence": 9}, {"agent": AgentName("deputy")}, {"expires_at": 1.0}],
)
def test_a_token_for_another_turn_is_refused_whoever_signed_it(
    gateway: Served, turn: HeldTurn, clerk: str, *, wrong: dict[str, Any], watch: Callable[[], Watch]
) -> None:
    key = load_signing_key(gateway.state / "keys", "gateway")
    forged = TurnTokens(issuer=gateway.url, key=key).issue(replace(claims(gateway, turn), **wrong))
    watching = watch()
    is_refused(over_rpc(gateway, clerk, turn_header(forged)))
    watching.saw_nothing()


def test_a_token_of_another_gateway_is_refused(
    gateway: Served, turn: HeldTurn, clerk: str, watch: Callable[[], Watch]
) -> None:
    own = load_signing_key(gateway.state / "keys", "gateway")
    same_key = TurnTokens(issuer="http://127.0.0.1:1", key=own)
    same_name = TurnTokens(issuer=gateway.url, key=generate_signing_key())
    cards = TurnTokens(issuer=gateway.url, key=load_signing_key(gateway.state / "keys", "cards"))
    watching = watch()
    for elsewhere in (same_key, same_name, cards):
        is_refused(over_rpc(gateway, clerk, turn_header(elsewhere.issue(claims(gateway, turn)))))
    watching.saw_nothing()


# One kind of token where another belongs


@DOORS
def test_a_turn_token_is_no_credential(
    gateway: Served, turn: HeldTurn, *, knock: Knock, watch: Callable[[], Watch]
) -> None:
    watching = watch()
    is_refused(knock(gateway, turn.token, {}))
    is_refused(knock(gateway, turn.token, turn_header(turn.token)))
    watching.saw_nothing()


@DOORS
def test_an_internal_token_is_no_credential_and_no_turn_token(
    gateway: Served, oddity: OddAgent, clerk: str, *, knock: Knock, watch: Callable[[], Watch]
) -> None:
    Door(gateway.url, gateway.token("ada")).send("oddity", text("hello"))
    internal = oddity.tokens[-1]
    watching = watch()
    is_refused(knock(gateway, internal, {}))
    is_refused(knock(gateway, clerk, turn_header(internal)))
    watching.saw_nothing()


def test_an_access_token_is_no_turn_token(gateway: Served, clerk: str, watch: Callable[[], Watch]) -> None:
    ada, watching = gateway.token("ada"), watch()
    is_refused(over_rpc(gateway, clerk, turn_header(ada)))
    is_refused(over_rpc(gateway, clerk, turn_header(clerk)))
    watching.saw_nothing()


def test_a_turn_token_without_a_credential_is_nothing(gateway: Served, turn: HeldTurn) -> None:
    door = Door(gateway.url, None, turn_header(turn.token))
    for path in ("/.well-known/agent-card.json", "/message:send", ""):
        assert HTTP.post(door.of("odd") + path, json={}, headers=door.sent()).status_code == 401


# Turns that end badly


def agent_bearer(gateway: Served, agents: Agents, name: str) -> str:
    """The credential of an agent that has no process of its own here."""
    credentials = AgentCredentials(gateway.url, name, agent_secret(dev_secret(gateway.state), name))
    return agents.run(credentials.token())


def test_a_token_outlives_its_client_and_dies_when_the_turn_is_cancelled(
    gateway: Served, agents: Agents, oddity: OddAgent, watch: Callable[[], Watch]
) -> None:
    bearer, door = agent_bearer(gateway, agents, "oddity"), Door(gateway.url, gateway.token("ada"))
    oddity.forget()
    with door.streaming("oddity", text("tick")) as events:
        task = events.first()["task"]["id"]
        eventually(lambda: bool(oddity.turns), "the agent is not asked")
        token = oddity.turns[0].turn_token
    assert over_rpc(gateway, bearer, turn_header(token)).status_code == 200
    door.cancel("oddity", task)
    assert oddity.cancelled.acquire(timeout=10)
    watching = watch()
    is_refused(over_rpc(gateway, bearer, turn_header(token)))
    watching.saw_nothing()


@pytest.mark.parametrize("way", ["secret", "late secret", "garbage", "status INTERNAL", "two ends"])
def test_a_token_dies_with_a_turn_that_failed(
    gateway: Served, agents: Agents, oddity: OddAgent, *, way: str, watch: Callable[[], Watch]
) -> None:
    bearer = agent_bearer(gateway, agents, "oddity")
    oddity.forget()
    Door(gateway.url, gateway.token("ada")).send("oddity", text(way))
    watching = watch()
    is_refused(over_rpc(gateway, bearer, turn_header(oddity.turns[0].turn_token)))
    watching.saw_nothing()


def test_a_token_dies_with_its_agents_process(
    gateway: Served, agents: Agents, oddity: OddAgent, watch: Callable[[], Watch]
) -> None:
    bearer, door = agent_bearer(gateway, agents, "oddity"), Door(gateway.url, gateway.token("ada"))
    with odd_process() as (process, target):
        publish_as_operator(gateway, {"name": "oddity", "domain": "office"}, target)
        try:
            with door.streaming("oddity", text("tick")) as events:
                task = events.first()["task"]["id"]
                token = process.stdout.readline().strip() if process.stdout else ""
                assert over_rpc(gateway, bearer, turn_header(token)).status_code == 200
                process.kill()
                eventually(lambda: over_rpc(gateway, bearer, turn_header(token)).status_code == 401, "it still counts")
                door.cancel("oddity", task)
        finally:
            publish_as_operator(gateway, {"name": "oddity", "domain": "office"}, oddity.target)
    watching = watch()
    is_refused(over_rpc(gateway, bearer, turn_header(token)))
    watching.saw_nothing()


# What was begun in a turn

HANGING = ("the skill, over MCP", "the skill, over A2A", "an agent", "an agent, streamed")


@pytest.mark.parametrize("what", HANGING)
def test_what_was_begun_in_a_turn_ends_with_it(
    gateway: Served, turn: HeldTurn, clerk: str, oddity: OddAgent, odd: Odd, *, what: str
) -> None:
    oddity.forget()
    in_turn = Door(gateway.url, clerk, turn_header(turn.token))
    begin = {
        HANGING[0]: lambda: gateway.call("odd_hang", {}, token=clerk, **turn_header(turn.token)).text,
        HANGING[1]: lambda: in_turn.send("odd", invoking("odd.hang")).text,
        HANGING[2]: lambda: in_turn.send("oddity", text("hang")).text,
        HANGING[3]: lambda: str(in_turn.stream("oddity", text("tick"))),
    }[what]
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(begin()))
    thread.start()
    begun, cancelled = (odd.hanging, odd.cancelled) if "skill" in what else (oddity.begun, oddity.cancelled)
    assert begun.acquire(timeout=10)
    turn.let_go()
    assert cancelled.acquire(timeout=10), "it went on for an agent that has ended its turn"
    thread.join()
    assert "turn in which it was asked is over" in answers[0]


def test_the_agent_of_a_turn_sees_the_turn_and_none_of_its_webhooks(
    gateway: Served, turn: HeldTurn, clerk: str
) -> None:
    """They are the owner's, credentials and all."""
    in_turn, task = Door(gateway.url, clerk, turn_header(turn.token)), turn.turn.turn_id
    assert in_turn.task("clerk", task)["id"] == task
    for method, params in {
        "ListTaskPushNotificationConfigs": {"taskId": task},
        "DeleteTaskPushNotificationConfig": {"taskId": task, "id": "hook"},
        "CreateTaskPushNotificationConfig": {"taskId": task, "url": "https://example.com/hook"},
    }.items():
        answer = in_turn.rpc("clerk", method, params).json()
        assert answer["error"]["code"] == -32001, method


# Sessions of older revisions of MCP


def in_session(served: Served, bearer: str, session: str, **headers: str) -> httpx.Response:
    """A tools/call in a session."""
    params: dict[str, Any] = {"name": "odd_echo", "arguments": {}}
    call: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
    sent = {"mcp_session_id": session, "mcp_protocol_version": "2025-11-25", **headers}
    return served.post(call, token=bearer, **sent)


def test_a_session_that_was_begun_in_a_turn_ends_with_it(
    gateway: Served, turn: HeldTurn, clerk: str, agents: Agents, *, watch: Callable[[], Watch]
) -> None:
    in_turn = {"ix_turn_token": turn.token}
    session = gateway.post(initialize(), token=clerk, **in_turn).headers["mcp-session-id"]
    assert in_session(gateway, clerk, session, **in_turn).status_code == 200
    assert in_session(gateway, clerk, session).status_code == 404
    turn.let_go()
    watching = watch()
    is_refused(in_session(gateway, clerk, session, **in_turn))
    with held(agents, "clerk", token=gateway.token("eve")) as of_eve:
        watching_in_turn = len(watching.odd.tokens)
        assert in_session(gateway, clerk, session, ix_turn_token=of_eve.token).status_code == 404
        assert len(watching.odd.tokens) == watching_in_turn
    assert in_session(gateway, clerk, session).status_code == 404


def test_an_agents_own_session_is_not_its_persons(gateway: Served, turn: HeldTurn, clerk: str) -> None:
    session = gateway.post(initialize(), token=clerk).headers["mcp-session-id"]
    assert in_session(gateway, clerk, session, ix_turn_token=turn.token).status_code == 404


# Two turns at once


def test_a_token_acts_for_the_person_of_its_own_turn(gateway: Served, agents: Agents, clerk: str) -> None:
    """One agent holds a turn for Ada and one for Eve: with Eve's, it cannot do what Ada may."""
    taken: dict[str, HeldTurn] = {}
    with held(agents, "clerk", token=gateway.token("ada")) as of_ada:
        taken["ada"] = of_ada
        with held(agents, "clerk", token=gateway.token("eve")) as of_eve:
            taken["eve"] = of_eve
            answers = {who: over_rpc(gateway, clerk, turn_header(each.token)) for who, each in taken.items()}
    assert "data" in answer_of(result_of(answers["ada"]))[0]
    assert answers["eve"].status_code == 404


def test_many_turns_at_once_each_have_their_own_token(gateway: Served, oddity: OddAgent) -> None:
    oddity.forget()
    door = Door(gateway.url, gateway.token("ada"))
    threads = [threading.Thread(target=door.send, args=("oddity", text("hello"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({turn.turn_token for turn in oddity.turns}) == 16
    assert len({turn.turn_id for turn in oddity.turns}) == 16


def test_a_turn_token_is_written_nowhere(gateway: Served, turn: HeldTurn, clerk: str) -> None:
    over_rpc(gateway, clerk, turn_header(turn.token))
    over_rpc(gateway, clerk, turn_header(turn.token[:-8] + "AAAAAAAA"))
    turn.let_go()
    signature = turn.token.rpartition(".")[2]
    assert signature not in gateway.log()
    for file in (gateway.state / "audit").glob("*.jsonl"):
        assert signature not in file.read_text()


def test_the_operators_door_takes_no_turn_token(gateway: Served, turn: HeldTurn, clerk: str) -> None:
    with grpc.insecure_channel(gateway.grpc_address) as channel:
        listing = registry_pb2_grpc.RegistryStub(channel).List
        with pytest.raises(grpc.RpcError) as caught:
            listing(registry_pb2.ListRequest(), metadata=(("authorization", f"Bearer {turn.token}"),))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED

        with pytest.raises(grpc.RpcError) as caught:
            metadata = (("authorization", f"Bearer {clerk}"), ("ix-turn-token", turn.token))
            listing(registry_pb2.ListRequest(), metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
