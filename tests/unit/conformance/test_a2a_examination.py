"""The examination of A2A as a whole: a server without mistakes passes it, whatever it offers.

That each check fails where it must, and no other, is in `tests/integration/conformance/test_a2a_mistakes.py`.
"""

import copy
from dataclasses import replace

import pytest

from conformance.a2a.checks import PAPER
from conformance.runner import Finding, examine
from conformance.subject import Told
from conformance.verdict import Broke, Held, NotOffered, Unexamined
from tests.support.a2a_mistakes import MISTAKES, card
from tests.support.small_agent import (
    EXTENSION,
    TOKEN,
    URL,
    Heard,
    Json,
    Mutation,
    Reply,
    SmallAgent,
    local_wires,
    signed,
    small_card,
)

REQUIRED = [{"uri": EXTENSION, "required": True}]
DECLARING: tuple[Json, ...] = (
    {},
    {"streaming": False},
    {"extendedAgentCard": True},
    {"extensions": [*REQUIRED, {"uri": "https://examples.test/extensions/other/v1"}]},
)
"""Servers that between them offer everything there is a requirement for; what is on other machines aside."""
ABROAD = "a2a.card.interfaces-encrypted"


async def examined(app: SmallAgent, *, message: str = "a task", only: tuple[str, ...] = ()) -> dict[str, Finding]:
    told = Told(url=URL, message=message)
    findings = examine(PAPER, told, wires=local_wires(app), seconds=20, only=only)
    return {finding.requirement.id: finding async for finding in findings}


def test_there_is_a_mistake_for_every_check() -> None:
    assert MISTAKES.keys() == PAPER.checks.keys()


@pytest.mark.parametrize("declared", DECLARING, ids=str)
@pytest.mark.parametrize("message", ["a task", "hello"])
async def test_a_server_without_mistakes_breaks_nothing(declared: Json, message: str) -> None:
    findings = await examined(SmallAgent(**declared), message=message)
    assert {name: one.outcome for name, one in findings.items() if isinstance(one.outcome, Broke | Unexamined)} == {}


async def test_every_requirement_is_held_by_some_server_without_mistakes() -> None:
    held: set[str] = set()
    for declared in DECLARING:
        findings = await examined(SmallAgent(**declared))
        held |= {name for name, one in findings.items() if isinstance(one.outcome, Held)}
    assert PAPER.checks.keys() - held == {ABROAD}


async def test_a_server_without_a_card_is_not_examined_unless_it_was_said_to_be_an_agent() -> None:
    gone = SmallAgent(Mutation(reply=lambda _, reply: replace(reply, status=404, content={})))
    findings = await examined(gone)
    assert {type(one.outcome) for one in findings.values()} == {NotOffered}

    told = Told(url=URL, agents=(URL,))
    named = {one.requirement.id: one async for one in examine(PAPER, told, wires=local_wires(gone), seconds=20)}
    assert isinstance(named["a2a.card.served"].outcome, Broke)
    assert {type(one.outcome) for name, one in named.items() if name != "a2a.card.served"} == {Unexamined}


async def test_with_several_agents_the_one_that_breaks_something_is_named() -> None:
    other = f"{URL}/other/.well-known/agent-card.json"

    def change(heard: Heard, reply: Reply) -> Reply:
        return Reply(content=signed({**small_card(), "skills": []})) if heard.path.startswith("/other/") else reply

    app = SmallAgent(Mutation(reply=change))
    told = Told(url=URL, agents=(URL, other), message="a task")
    findings = {one.requirement.id: one async for one in examine(PAPER, told, wires=local_wires(app), seconds=20)}

    assert isinstance(findings["a2a.card.skills"].outcome, Held)
    broke = findings["a2a.card.required-members"].outcome
    assert isinstance(broke, Broke)
    assert broke.found.startswith(other)


async def test_an_agent_that_takes_no_text_is_not_sent_any_unless_the_examiner_is_told_what() -> None:
    app = SmallAgent(card(defaultInputModes=["application/json"]).mutation)
    findings = examine(PAPER, Told(url=URL), wires=local_wires(app), seconds=20, only=("a2a.message.one-of",))
    (finding,) = [one async for one in findings]
    assert isinstance(finding.outcome, NotOffered)
    assert "--message" in finding.outcome.why


async def test_without_a_token_what_needs_one_is_not_offered_and_the_report_says_how_to_give_one() -> None:
    wires = local_wires(SmallAgent(), token=None)
    findings = [one async for one in examine(PAPER, Told(url=URL), wires=wires, seconds=20)]
    assert {type(one.outcome) for one in findings} == {Held, NotOffered}
    by_id = {one.requirement.id: one.outcome for one in findings}
    assert isinstance(by_id["a2a.auth.required"], Held)
    message = by_id["a2a.message.one-of"]
    assert isinstance(message, NotOffered)
    assert "--token" in message.why


@pytest.mark.parametrize(("token", "outcome"), [(None, NotOffered), (TOKEN, Unexamined)])
async def test_a_card_that_is_kept_from_the_examiner_says_nothing_about_the_agent(
    token: str | None, outcome: type[NotOffered | Unexamined]
) -> None:
    shut = SmallAgent(Mutation(reply=lambda _, reply: replace(reply, status=401, content={})))
    findings = examine(PAPER, Told(url=URL, agents=(URL,)), wires=local_wires(shut, token=token), seconds=20)
    assert {type(one.outcome) async for one in findings} == {outcome}


async def test_the_token_goes_only_where_the_card_came_from() -> None:
    shown: list[tuple[str, str]] = []

    def heard(request: Heard) -> Heard:
        shown.append((request.headers["host"], request.headers.get("authorization", "")))
        return request

    elsewhere = copy.deepcopy(small_card()["supportedInterfaces"])
    elsewhere[1]["url"] = "http://elsewhere.test/rest"
    app = SmallAgent(replace(card(supportedInterfaces=elsewhere).mutation, heard=heard))
    findings = await examined(app)

    assert {host for host, credential in shown if TOKEN in credential} == {"127.0.0.1:1"}
    assert "elsewhere.test" in {host for host, _ in shown}
    rest = findings["a2a.rest.error-status"].outcome
    assert isinstance(rest, Unexamined)
    assert "not shown the token" in rest.why
