"""For whom an agent works: every link of a chain is decided and on record, through a gateway process.

The agents are real ones, made with the client library; they call back over MCP and over A2A.
"""

from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest
from interchange_client.agent import AgentCredentials, GatewayError, HttpGateway, TurnInHand

from policies.identity.dev_issuer.secret import agent_secret, dev_secret
from tests.support.agents import (
    ATTEMPT,
    Agents,
    Audit,
    Door,
    chain_of,
    invoking,
    publish_as_operator,
    result_of,
    saying,
    text,
    words_of,
)
from tests.support.demo import Demo
from tests.support.odd_agent import OddAgent, odd_agent
from tests.support.odd_service import Odd, odd_manifest, odd_service
from tests.support.office import office
from tests.support.served import Served, published

DEPTH = 5
"""Links of a chain, the most that the baseline lets act."""


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


def door(gateway: Served, persona: str) -> Door:
    return Door(gateway.url, gateway.token(persona))


async def over_mcp(turn: TurnInHand) -> str:
    """Call the skill, as an agent does."""
    answer = await turn.gateway.call("odd.echo", {"text": "done"})
    return answer.structured["text"] if answer.structured else f"refused: {answer.text}"


async def over_a2a(turn: TurnInHand) -> str:
    """The same over A2A."""
    answer = await turn.gateway.ask("odd", invoking("odd.echo", text="done")["data"])
    return str(answer.parts[0].data.struct_value["text"]) if not answer.is_error else f"refused: {answer.text}"


async def attempted(turn: TurnInHand, how: Any) -> str:
    """What an agent hears, refusals too."""
    try:
        return await how(turn)
    except GatewayError as error:
        return f"refused: {error}"


WAYS = pytest.mark.parametrize("way", [over_mcp, over_a2a])


# The demo, as anybody starts it.


def test_the_demo_shows_person_and_assistant_in_the_decision_about_the_search(demo: Demo) -> None:
    audit = Audit(demo.state)
    recruiter = Door(demo.mcp_url.removesuffix("/mcp"), demo.tokens["recruiter"])
    assert "I found" in words_of(recruiter.send("assistant", text("Find senior Rust engineers in Dublin")))

    (search,) = audit.decisions(until=1, action="invoke", target="skill:candidates.search")
    assert chain_of(search) == ["person:recruiter", "agent:assistant"]
    assert (search["verdict"], search["door"]) == ("allow", "mcp")
    assert search["policies"] == ["assistant.searches-for-somebody", "recruiters.use-candidates"]
    assert audit.outcome(search["call"]) == "ok"
    (message,) = audit.decisions(until=1, action="message")
    (attempt,) = audit.decisions(until=1, action="message", door=ATTEMPT)
    for entry in (message, attempt):
        assert chain_of(entry) == ["person:recruiter"]
        assert (entry["target"], entry["policies"]) == ("agent:assistant", ["assistant.talks-to-recruiters"])


async def test_the_demos_assistant_alone_may_not_search(demo: Demo) -> None:
    audit = Audit(demo.state)
    url = demo.mcp_url.removesuffix("/mcp")
    credentials = AgentCredentials(url, "assistant", agent_secret(dev_secret(demo.state), "assistant"))
    async with HttpGateway(credentials) as alone:
        assert (await alone.call("candidates.search", {"query": "rust"})).code == "unknown"
        assert [skill.id for skill in await alone.skills()] == []

    (search,) = audit.decisions(until=1, action="invoke")
    assert chain_of(search) == ["agent:assistant"]
    assert (search["verdict"], search["policies"]) == ("unknown", [])


# Two links


@WAYS
def test_an_agent_does_for_a_person_what_both_may(agents: Agents, gateway: Served, way: Any) -> None:
    audit = Audit(gateway.state)
    agents.answers["clerk"] = saying(way)
    assert words_of(door(gateway, "ada").send("clerk", text("go"))) == "done"

    (call,) = audit.decisions(until=1, action="invoke")
    assert chain_of(call) == ["person:ada", "agent:clerk"]
    assert (call["verdict"], call["target"]) == ("allow", "skill:odd.echo")
    assert call["policies"] == ["clerks.for-somebody", "users.tests"]


def test_the_same_call_without_a_turn_is_denied(agents: Agents, gateway: Served, odd: Odd) -> None:
    audit, before = Audit(gateway.state), len(odd.tokens)
    alone = agents.token("clerk")
    assert gateway.call("odd_echo", {"text": "x"}, token=alone).json()["error"]["message"] == "Unknown tool: odd_echo"
    assert Door(gateway.url, alone).send("odd", invoking("odd.echo", text="x")).status_code == 404

    (call,) = audit.decisions(until=1, action="invoke")
    assert (chain_of(call), call["verdict"], call["policies"]) == (["agent:clerk"], "unknown", [])
    assert len(odd.tokens) == before


@WAYS
@pytest.mark.parametrize("person", ["eve", "eva"])
def test_a_deputy_does_for_nobody_what_they_could_not_do_themselves(
    agents: Agents, gateway: Served, odd: Odd, *, way: Any, person: str
) -> None:
    before = len(odd.tokens)
    agents.answers["deputy"] = saying(lambda turn: attempted(turn, way))
    assert words_of(door(gateway, "ada").send("deputy", text("go"))) == "done"
    assert len(odd.tokens) == before + 1

    audit = Audit(gateway.state)
    assert words_of(door(gateway, person).send("deputy", text("go"))).startswith("refused")
    assert len(odd.tokens) == before + 1
    refused = [entry for entry in audit.decisions(until=2) if chain_of(entry) == [f"person:{person}", "agent:deputy"]]
    assert [entry["verdict"] for entry in refused] in (["unknown"], ["deny"])


def test_what_an_agent_is_shown_in_a_turn_is_what_its_person_may_use_too(agents: Agents, gateway: Served) -> None:
    async def shown(turn: TurnInHand) -> str:
        return " ".join(sorted(skill.id for skill in await turn.gateway.skills()))

    agents.answers["deputy"] = saying(shown)
    assert "odd.echo" in words_of(door(gateway, "ada").send("deputy", text("?")))
    assert "odd" not in words_of(door(gateway, "eve").send("deputy", text("?"))).replace("oddity", "")


def test_an_agent_is_told_the_chain_it_works_for(agents: Agents, gateway: Served) -> None:
    async def told(turn: TurnInHand) -> str:
        return " ".join(link.name for link in turn.chain) + f" {turn.caller.name}"

    agents.answers["clerk"] = saying(told)
    assert words_of(door(gateway, "ada").send("clerk", text("?"))) == "ada ada"


# More links


def test_a_chain_of_three_is_decided_link_by_link(agents: Agents, gateway: Served) -> None:
    async def pass_on(turn: TurnInHand) -> str:
        return (await turn.gateway.ask("deputy", turn.text)).text

    audit = Audit(gateway.state)
    agents.answers["clerk"] = saying(pass_on)
    agents.answers["deputy"] = saying(over_mcp)
    assert words_of(door(gateway, "ada").send("clerk", text("go"))) == "done"

    (call,) = audit.decisions(until=1, action="invoke")
    assert chain_of(call) == ["person:ada", "agent:clerk", "agent:deputy"]
    assert call["policies"] == ["clerks.for-somebody", "deputies.tests", "users.tests"]
    assert [chain_of(entry) for entry in audit.decisions(until=2, action="message")] == [
        ["person:ada"],
        ["person:ada", "agent:clerk"],
    ]


def test_the_weakest_link_of_three_decides(agents: Agents, gateway: Served, odd: Odd) -> None:
    async def pass_on(turn: TurnInHand) -> str:
        return (await turn.gateway.ask("deputy", turn.text)).text

    agents.answers["clerk"] = saying(pass_on)
    agents.answers["deputy"] = saying(lambda turn: attempted(turn, over_mcp))
    before = len(odd.tokens)
    assert words_of(door(gateway, "eve").send("clerk", text("go"))).startswith("refused")
    assert len(odd.tokens) == before


def test_agents_that_ask_each_other_for_ever_come_to_an_end(agents: Agents, gateway: Served) -> None:
    turns: list[int] = []

    async def ask_again(turn: TurnInHand) -> AsyncIterator[str]:
        turns.append(len(turn.chain))
        try:
            yield (await turn.gateway.ask("clerk", "and you?")).text
        except GatewayError as error:
            yield error.message

    audit = Audit(gateway.state)
    agents.answers["clerk"] = ask_again
    said = words_of(door(gateway, "ada").send("clerk", text("go")))

    assert turns == list(range(1, DEPTH + 1))
    asked = audit.decisions(until=DEPTH + 1, target="agent:clerk")
    assert [(len(entry["chain"]), entry["verdict"]) for entry in asked] == [
        *((length, "allow") for length in range(1, DEPTH + 1)),
        (DEPTH + 1, "unknown"),
    ]
    assert said == "There is no such agent, or it is not for you."


# Conversations


def test_a_conversation_of_one_person_is_nobody_elses(agents: Agents, gateway: Served, oddity: OddAgent) -> None:
    async def pass_on(turn: TurnInHand) -> str:
        return (await turn.gateway.ask("oddity", "hello", conversation="ours")).conversation

    oddity.forget()
    agents.answers["clerk"] = saying(pass_on)
    answers = [door(gateway, who).send("oddity", text("hello"), contextId="ours") for who in ("ada", "ada", "bob")]
    through = door(gateway, "ada").send("clerk", text("go"), contextId="ours")

    assert [result_of(answer)["contextId"] for answer in answers] == ["ours"] * 3
    assert words_of(through) == "ours"
    first, again, of_bob, of_clerk = [turn.conversation_id for turn in oddity.turns]
    assert first == again
    assert len({first, of_bob, of_clerk, "ours"}) == 4


def test_a_person_cannot_name_the_conversation_of_another(gateway: Served, oddity: OddAgent) -> None:
    oddity.forget()
    door(gateway, "ada").send("oddity", text("hello"), contextId="ours")
    known = oddity.turns[0].conversation_id
    assert result_of(door(gateway, "bob").send("oddity", text("hello"), contextId=known))["contextId"] == known
    assert oddity.turns[1].conversation_id != known


def test_both_faces_lead_a_person_to_the_same_conversation(gateway: Served, oddity: OddAgent) -> None:
    oddity.forget()
    token = gateway.token("ada")
    door(gateway, "ada").send("oddity", text("hello"), contextId="ours")
    answer = gateway.call("oddity", {"message": "hello", "conversation": "ours"}, token=token).json()["result"]
    assert answer["structuredContent"]["conversation"] == "ours"
    assert len({turn.conversation_id for turn in oddity.turns}) == 1
