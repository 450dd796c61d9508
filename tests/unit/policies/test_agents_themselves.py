"""The baseline's one permit for agents: themselves, alone, in the domain that the directory gives them."""

import orjson
import pytest

from policies.decision import Verdict
from policies.facts import Standing
from policies.load import build_judge, load_policies
from registry.model import Action, AgentName, Classification, Domain, JsonObject, PrincipalKind, Target, TargetKind
from registry.subjects import About
from tests.support.policies import agent, catalog, decide, judge, skill, standing

KNOWN = catalog([skill("scout.find", domain="lab")])
BARE = build_judge(load_policies(None), KNOWN)
SCOUT = standing("scout", kind=PrincipalKind.AGENT, domain="lab")
ITSELF = About(AgentName("scout"), Domain("lab"))


def may(*chain: Standing, about: About | None = ITSELF, action: Action = Action.PUBLISH) -> bool:
    return decide(BARE, KNOWN, chain, action, about=about).allowed


def test_an_agent_publishes_itself() -> None:
    found = decide(BARE, KNOWN, SCOUT, Action.PUBLISH, about=ITSELF)
    assert (found.allowed, found.policies, found.writes) == (True, ("baseline.agent-publishes-itself",), True)


def test_an_agent_that_nobody_knows_yet_publishes_itself() -> None:
    newcomer = standing("newcomer", kind=PrincipalKind.AGENT, domain="lab")
    assert may(newcomer, about=About(AgentName("newcomer"), Domain("lab")))


def test_an_agent_publishes_nobody_else_and_nothing_that_is_about_nobody() -> None:
    assert not may(SCOUT, about=About(AgentName("other"), Domain("lab")))
    assert not may(SCOUT, about=None)


@pytest.mark.parametrize("domain", ["hiring", ""])
def test_an_agent_publishes_itself_in_its_own_domain_only(domain: str) -> None:
    assert not may(SCOUT, about=About(AgentName("scout"), Domain(domain)))


def test_an_agent_without_a_domain_publishes_nothing() -> None:
    homeless = standing("scout", kind=PrincipalKind.AGENT, domain="")
    for domain in ("", "lab"):
        assert not may(homeless, about=About(AgentName("scout"), Domain(domain)))


def test_what_somebody_has_an_agent_do_is_not_its_own_affair() -> None:
    ann, other = standing("ann", domain="lab"), standing("other", kind=PrincipalKind.AGENT, domain="lab")
    for chain in ((ann, SCOUT), (SCOUT, SCOUT), (other, SCOUT), (SCOUT, other), (ann, other, SCOUT)):
        assert not may(*chain)


@pytest.mark.parametrize("kind", [PrincipalKind.PERSON, PrincipalKind.SERVICE])
def test_whoever_is_only_called_like_the_agent_is_not_the_agent(kind: PrincipalKind) -> None:
    assert not may(standing("scout", kind=kind, domain="lab"))


def test_an_agent_approves_nothing_not_even_itself() -> None:
    assert not may(SCOUT, action=Action.PIN)


def test_a_policy_can_forbid_it_and_can_give_teams_their_domain() -> None:
    forbidden = judge('forbid (principal is Agent, action == Action::"publish", resource);', KNOWN)
    assert not decide(forbidden, KNOWN, SCOUT, Action.PUBLISH, about=ITSELF).allowed
    text = """
    permit (principal in Group::"lab-team", action == Action::"publish", resource)
    when { context has aboutDomain && context.aboutDomain == principal.domain };
    forbid (principal is Person, action == Action::"publish", resource)
    when { context has about && context.about.classification > 2 };
    """
    teams = judge(
        text,
        catalog(
            [skill("scout.find", domain="lab")],
            [agent("vault", domain="lab", classification=Classification.RESTRICTED)],
        ),
    )
    known = catalog([skill("scout.find", domain="lab")])
    ann = standing("ann", "lab-team", domain="lab")
    assert decide(teams, known, ann, Action.PUBLISH, about=ITSELF).allowed
    assert not decide(teams, known, ann, Action.PUBLISH, about=About(AgentName("scout"), Domain("hiring"))).allowed
    assert not decide(teams, known, ann, Action.PUBLISH, about=About(AgentName("vault"), Domain("lab"))).allowed
    assert not decide(teams, known, ann, Action.PUBLISH).allowed


def test_what_a_request_is_about_says_nothing_where_it_is_not_asked() -> None:
    """Facts that a face or a helper reuses for another action do not carry over."""
    text = 'permit (principal, action in [Action::"list", Action::"publish"], resource) when { context.depth == 1 };'
    plain = judge(text, KNOWN)
    pinning = judge('permit (principal, action == Action::"pin", resource);', KNOWN)
    assert decide(pinning, KNOWN, standing("ann"), Action.PIN, about=ITSELF).allowed
    target = Target(TargetKind.AGENT, "scout")
    assert decide(plain, KNOWN, SCOUT, Action.LIST, target, about=ITSELF).allowed
    assert decide(plain, KNOWN, SCOUT, Action.LIST, about=ITSELF).allowed


@pytest.mark.parametrize("name", ["scout\ud800", "", "x" * 10_000, 'a"b', "*"])
def test_an_odd_name_is_about_nobody_that_may(name: str) -> None:
    found = decide(BARE, KNOWN, SCOUT, Action.PUBLISH, about=About(AgentName(name), Domain("lab")))
    assert found.verdict is Verdict.DENY


def why(about: About, chain: tuple[Standing, ...] = (SCOUT,), operation: str = "Publish") -> str:
    """What an agent is told whose manifest is about that, and is denied."""
    manifest = orjson.dumps({"agents": [{"name": about.agent, "domain": about.domain}], "skills": []}).decode()
    content: JsonObject = {"operation": operation, "name": about.agent, "manifest": manifest}
    found = decide(BARE, KNOWN, chain, Action.PUBLISH, arguments=content)
    assert found.verdict is Verdict.DENY
    return found.sentence


def test_an_agent_is_told_what_it_got_wrong_about_itself() -> None:
    denied = 'No policy permits agent:scout to publish "catalog".'
    other, elsewhere = About(AgentName("other"), Domain("lab")), About(AgentName("scout"), Domain("hiring"))
    assert why(other) == f"{denied} This credential is agent scout's, and the manifest is about other."
    assert why(elsewhere) == (f"{denied} The directory has scout in the domain lab, and the manifest says hiring.")


def test_nobody_else_is_told_anything_and_nothing_of_what_is_registered() -> None:
    ann, other = standing("ann", domain="lab"), About(AgentName("other"), Domain("lab"))
    assert why(other, chain=(ann,)).endswith('to publish "catalog".')
    assert why(other, chain=(ann, SCOUT)).endswith('to publish "catalog".')
    assert why(other, operation="Bind").endswith('to publish "catalog".')
    assert why(other) == why(About(AgentName("other"), Domain("nowhere")))
