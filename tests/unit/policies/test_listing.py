"""Listing by classes. That it agrees with deciding each skill is property-tested; here is what is particular."""

import pytest

from policies.cedar import read_trees
from policies.facts import Standing
from policies.listable import agents_of, skills_of
from policies.listing import Classes, Features
from policies.load import build_judge, load_policies
from policies.rules import Rule, read_rule
from registry.model import Action, Classification, PrincipalKind, Target, TargetKind
from tests.support.policies import agent, catalog, decide, judge, skill, standing


def rule(text: str) -> Rule:
    return read_rule(read_trees(text)[0], text=text, where="t:1")


KNOWN = catalog(
    skill(
        f"agent{number % 10}.skill{number}",
        domain=f"domain{number % 2}",
        read_only=number % 3 == 0,
        classification=Classification(1 + number % 4),
    )
    for number in range(1000)
)


@pytest.mark.parametrize(
    ("condition", "classes"),
    [
        ("true", 1),
        ("resource.readOnly", 2),
        ("resource.classification > principal.clearance", 4),
        ('resource in Agent::"agent1"', 2),
        ('resource == Skill::"agent1.skill1"', 2),
        ("resource in principal.domain", 10),
        ("resource has tags", 1),
        ("[resource].contains(resource)", 1000),
        ('resource.readOnly && resource in Domain::"domain1"', 4),
    ],
)
def test_classes_are_as_many_as_policies_can_tell_apart(condition: str, classes: int) -> None:
    rules = (rule(f"permit (principal, action, resource is Skill) when {{ {condition} }};"),)
    assert len(Classes(Features(skills_of(KNOWN), rules), rules, "", frozenset()).speakers) == classes


def test_what_other_principals_policies_look_at_makes_no_classes() -> None:
    rules = tuple(
        rule(f'permit (principal in Group::"g{n}", action, resource == Skill::"agent{n % 10}.skill{n}");')
        for n in range(50)
    )
    features = Features(skills_of(KNOWN), rules)
    assert len(features.all) > 50
    mine = Classes(features, rules[:1], "", frozenset())
    assert [speaker.skill.id for speaker in mine.speakers] == ["agent0.skill0"]


def test_grants_that_differ_in_their_heads_only_make_one_class() -> None:
    rules = tuple(rule(f'permit (principal, action, resource in Agent::"agent{n}");') for n in range(10))
    assert len(Classes(Features(skills_of(KNOWN), rules), rules, "", frozenset()).speakers) == 1


def test_an_agents_own_skills_are_in_what_the_directory_says_the_agent_is_in() -> None:
    known = catalog([skill("helper.think", domain="lab"), skill("other.think", domain="lab")])
    text = 'permit (principal is Agent, action in Action::"use", resource is Skill in Domain::"field");'
    mine = judge(text, known)
    for domain, listed in (("field", ("helper.think",)), ("lab", ())):
        helper = standing("helper", kind=PrincipalKind.AGENT, domain=domain)
        assert mine.listed([helper], known, frozenset()) == listed
        for name in known.skills:
            assert decide(mine, known, helper, Action.INVOKE, name).allowed is (name in listed)


def test_what_the_registry_says_of_an_agent_is_not_what_it_is_in_when_it_asks() -> None:
    known = catalog([skill("scout.find", domain="hiring")], [agent("scout", domain="elsewhere")])
    rules = judge('permit (principal, action in Action::"use", resource in Domain::"elsewhere");', known)
    itself = standing("scout", kind=PrincipalKind.AGENT, domain="hiring")
    somebody = standing("ada", domain="hiring")

    assert not decide(rules, known, itself, Action.LIST, "scout.find").allowed
    assert rules.listed([itself], known, frozenset()) == ()
    assert rules.listed([somebody], known, frozenset()) == ("scout.find",)


def test_what_listing_policies_do_not_look_at_makes_no_features() -> None:
    text = 'permit (principal, action == Action::"invoke", resource is Skill) when { resource.readOnly };'
    assert Features(skills_of(KNOWN), (rule(text),)).attributes == ()


def test_the_listing_of_another_catalog_is_refused() -> None:
    mine = judge('permit (principal, action in Action::"use", resource);', KNOWN)
    with pytest.raises(ValueError, match="catalog 1, not 2"):
        mine.listed([standing("ann")], catalog(version=2), frozenset())


def test_scopes_environment_and_depth_change_what_is_listed() -> None:
    text = """
    permit (principal, action == Action::"list", resource in Agent::"agent1") when { context.scopes.contains("more") };
    permit (principal, action == Action::"list", resource in Agent::"agent2") when { context.environment == "test" };
    permit (principal, action == Action::"list", resource in Agent::"agent3") when { context.depth == 2 };
    permit (principal, action == Action::"list", resource in Agent::"agent4")
    when { context has person && context.person in Group::"staff" };
    """
    mine = judge(text, KNOWN)
    cleared = Classification.RESTRICTED
    ann, eve = standing("ann", "staff", clearance=cleared), standing("eve", clearance=cleared)
    helper = standing("helper", kind=PrincipalKind.AGENT, clearance=cleared)

    def agents(*chain: Standing, scopes: frozenset[str] = frozenset(), environment: str = "production") -> set[str]:
        return {name.partition(".")[0] for name in mine.listed(chain, KNOWN, scopes, environment=environment)}

    assert agents(eve) == set()
    assert agents(eve, scopes=frozenset({"more"})) == {"agent1"}
    assert agents(eve, environment="test") == {"agent2"}
    assert agents(eve, helper) == {"agent3"}
    assert agents(ann) == {"agent4"}
    assert agents(ann, helper) == {"agent3", "agent4"}
    assert agents(helper) == set()


def test_nobody_lists_nothing() -> None:
    mine = build_judge(load_policies(None), KNOWN)
    assert mine.listed([], KNOWN, frozenset()) == ()
    assert mine.listed_agents([], KNOWN, frozenset()) == ()
    assert not mine.sees_agent([], "agent1", frozenset())


CROWD = catalog(
    agents=[
        agent(f"agent{number}", domain=f"domain{number % 2}", classification=Classification(1 + number % 4))
        for number in range(1000)
    ]
)


@pytest.mark.parametrize(
    ("condition", "classes"),
    [
        ("true", 1),
        ("resource.classification > principal.clearance", 4),
        ('resource == Agent::"agent1"', 2),
        ('resource in Domain::"domain1" && resource.classification > 2', 4),
        ("resource in principal.domain", 2),
        ("resource has tags", 1),
        ("principal == resource", 1000),
    ],
)
def test_classes_of_agents_are_as_many_as_policies_can_tell_apart(condition: str, classes: int) -> None:
    rules = (rule(f"permit (principal, action, resource is Agent) when {{ {condition} }};"),)
    found = Classes(Features(agents_of(CROWD), rules), rules, "", frozenset())
    assert len(found.speakers) == classes
    asking = Classes(Features(agents_of(CROWD), rules), rules, "agent7", frozenset())
    assert len(asking.speakers) in (classes, classes + 1), "an agent that asks is told apart from the others"


def test_agents_are_listed_as_they_are_decided() -> None:
    text = """
    permit (principal in Group::"staff", action in Action::"use", resource in Domain::"domain0");
    permit (principal is Agent, action == Action::"list", resource is Agent) when { principal == resource };
    """
    mine = judge(text, CROWD)
    ann = standing("ann", "staff", clearance=Classification.CONFIDENTIAL)
    helper = standing("agent5", kind=PrincipalKind.AGENT)
    for chain in ([ann], [helper], [ann, helper], [ann, helper, helper]):
        listed = mine.listed_agents(chain, CROWD, frozenset())
        assert list(listed) == sorted(listed)
        for name in ("agent0", "agent2", "agent5", "agent7", "agent999"):
            target = Target(TargetKind.AGENT, name)
            assert decide(mine, CROWD, chain, Action.LIST, target).allowed is (name in listed)
            assert mine.sees_agent(chain, name, frozenset()) is (name in listed)
    assert len(mine.listed_agents([ann], CROWD, frozenset())) == 500
    assert mine.listed_agents([helper], CROWD, frozenset()) == ("agent5",)


def test_an_agent_is_in_what_the_directory_says_when_it_lists_itself() -> None:
    known = catalog(agents=[agent("scout", domain="elsewhere"), agent("other", domain="elsewhere")])
    rules = judge('permit (principal, action in Action::"use", resource in Domain::"elsewhere");', known)
    for domain, listed in (("hiring", ("other",)), ("elsewhere", ("other", "scout"))):
        itself = standing("scout", kind=PrincipalKind.AGENT, domain=domain)
        assert rules.listed_agents([itself], known, frozenset()) == listed
        assert rules.sees_agent([itself], "scout", frozenset()) is ("scout" in listed)
    assert rules.listed_agents([standing("scout")], known, frozenset()) == ("other", "scout"), "a person of that name"


@pytest.mark.parametrize(
    "condition", ["resource.domain == principal.domain", "resource.clearance > 1", 'resource.issuer != ""']
)
def test_an_agent_that_lists_itself_is_what_the_directory_says_and_speaks_for_no_other(condition: str) -> None:
    known = catalog(agents=[agent(name, domain="elsewhere") for name in ("abel", "scout", "zora")])
    text = f'permit (principal is Agent, action == Action::"list", resource is Agent) when {{ {condition} }};'
    itself = standing("scout", kind=PrincipalKind.AGENT, domain="hiring")
    assert judge(text, known).listed_agents([itself], known, frozenset()) == ("scout",)


def test_an_agent_that_does_not_exist_is_not_seen() -> None:
    mine = judge('permit (principal, action in Action::"use", resource);', CROWD)
    assert mine.sees_agent([standing("ann")], "agent0", frozenset())
    assert not mine.sees_agent([standing("ann")], "nobody", frozenset())
    assert not mine.sees_agent([standing("ann\ud800")], "agent0", frozenset())


def test_the_agents_of_another_catalog_are_refused() -> None:
    mine = judge('permit (principal, action in Action::"use", resource);', CROWD)
    with pytest.raises(ValueError, match="catalog 1, not 2"):
        mine.listed_agents([standing("ann")], catalog(version=2), frozenset())
