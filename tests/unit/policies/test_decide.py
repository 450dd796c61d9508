"""Decisions: their order, their reasons, and that they fail closed."""

from dataclasses import replace

import pytest

from policies.decision import Verdict
from policies.load import build_judge, load_policies
from registry.model import (
    Action,
    Approval,
    Classification,
    Fault,
    Param,
    Pin,
    PrincipalKind,
    Target,
    TargetKind,
)
from tests.support.policies import agent, catalog, decide, judge, skill, standing

EVERYBODY = 'permit (principal, action in Action::"use", resource);'
ANN = standing("ann", "staff")
SEARCH = skill("candidates.search", scopes=("hiring.read",))
READ = frozenset({"hiring.read"})


def test_what_is_not_listed_is_unknown_whatever_else_is_wrong_with_the_call() -> None:
    known = catalog([SEARCH])
    strict = judge('permit (principal in Group::"others", action in Action::"use", resource);', known)
    hidden = decide(
        strict, known, ANN, Action.INVOKE, "candidates.search", faults=(Fault("/x", "wrong"),), unbound=("y",)
    )
    empty = catalog()
    absent = decide(judge(EVERYBODY, empty), empty, ANN, Action.INVOKE, "candidates.search")
    assert hidden.verdict is absent.verdict is Verdict.UNKNOWN
    assert hidden.sentence == absent.sentence == 'There is no skill named "candidates.search".'
    assert replace(hidden, policy_version="") == replace(absent, policy_version="")


def test_the_order_is_faults_then_identity_then_scopes_then_policies() -> None:
    known = catalog([SEARCH])
    open_to_all = judge(EVERYBODY + 'forbid (principal, action == Action::"invoke", resource);', known)
    fault = (Fault("/limit", "must be an integer"),)
    name = "candidates.search"
    first = decide(open_to_all, known, ANN, Action.INVOKE, name, faults=fault, unbound=("recruiter",))
    assert (first.verdict, first.faults, first.declared) == (Verdict.INVALID, fault, {})
    second = decide(open_to_all, known, ANN, Action.INVOKE, name, unbound=("recruiter",))
    assert second.verdict is Verdict.DENY
    assert second.sentence == "Your identity does not say what must fill recruiter."
    third = decide(open_to_all, known, ANN, Action.INVOKE, name)
    assert (third.verdict, third.scopes) == (Verdict.NEEDS_SCOPE, ("hiring.read",))
    fourth = decide(open_to_all, known, ANN, Action.INVOKE, name, scopes=READ)
    assert (fourth.verdict, fourth.policies) == (Verdict.DENY, ("test.cedar:1#2",))


def test_an_allow_names_its_policies_revision_pin_and_versions() -> None:
    known = catalog([SEARCH], version=7)
    found = decide(
        judge('@id("staff") ' + EVERYBODY, known), known, ANN, Action.INVOKE, "candidates.search", scopes=READ
    )
    assert (found.verdict, found.policies, found.sentence) == (Verdict.ALLOW, ("staff",), "")
    assert (found.pin, found.revision, found.catalog_version, found.writes) == ("sha256:0", 1, 7, False)
    assert found.policy_version == judge('@id("staff") ' + EVERYBODY, known).version


def test_a_listed_skill_that_no_policy_permits_to_invoke_is_denied_in_words() -> None:
    known = catalog([SEARCH])
    found = decide(
        judge('permit (principal, action == Action::"list", resource);', known),
        known,
        ANN,
        Action.INVOKE,
        "candidates.search",
        scopes=READ,
    )
    assert (found.verdict, found.policies, found.remedies) == (Verdict.DENY, (), ())
    assert found.sentence == 'No policy permits person:ann to invoke "candidates.search".'


def test_every_link_of_a_chain_must_be_allowed_to_list_and_to_invoke() -> None:
    known = catalog([skill("a.one"), skill("a.two")])
    text = """
    permit (principal in Group::"staff", action in Action::"use", resource);
    permit (principal == Agent::"helper", action in Action::"use", resource == Skill::"a.one")
    when { context.depth > 1 };
    permit (principal == Agent::"helper", action == Action::"list", resource == Skill::"a.two");
    """
    mixed = judge(text, known)
    helper = standing("helper", kind=PrincipalKind.AGENT)
    assert decide(mixed, known, [ANN, helper], Action.INVOKE, "a.one").verdict is Verdict.ALLOW
    assert decide(mixed, known, helper, Action.INVOKE, "a.one").verdict is Verdict.UNKNOWN
    assert decide(mixed, known, [standing("eve"), helper], Action.INVOKE, "a.one").verdict is Verdict.UNKNOWN
    denied = decide(mixed, known, [ANN, helper], Action.INVOKE, "a.two")
    assert (denied.verdict, denied.sentence) == (Verdict.DENY, 'No policy permits agent:helper to invoke "a.two".')
    assert mixed.listed([ANN, helper], known, frozenset()) == ("a.one", "a.two")
    assert mixed.listed([helper], known, frozenset()) == ("a.two",)


def test_a_chain_of_six_is_too_long() -> None:
    known = catalog([skill("a.one")])
    links = [ANN, *(standing(f"agent{n}", kind=PrincipalKind.AGENT) for n in range(5))]
    assert decide(judge(EVERYBODY, known), known, links[:5], Action.INVOKE, "a.one").allowed
    assert decide(judge(EVERYBODY, known), known, links, Action.INVOKE, "a.one").policies == ("baseline.depth",)


def test_standings_that_are_not_the_chains_are_unknown() -> None:
    known = catalog([skill("a.one")])
    found = decide(judge(EVERYBODY, known), known, ANN, Action.INVOKE, "a.one")
    assert found.allowed
    other = catalog([skill("a.one", pin="sha256:other")])
    stale = decide(judge(EVERYBODY, known), other, ANN, Action.INVOKE, "a.one")
    assert (stale.verdict, stale.errors) == (Verdict.UNKNOWN, ("the facts are of another catalog",))


def test_classification_above_clearance_hides_a_skill() -> None:
    known = catalog([skill("a.secret", classification=Classification.RESTRICTED)])
    open_to_all = judge(EVERYBODY, known)
    hidden = decide(open_to_all, known, ANN, Action.INVOKE, "a.secret")
    assert (hidden.verdict, hidden.policies) == (Verdict.UNKNOWN, ("baseline.classification",))
    cleared = replace(ANN, clearance=Classification.RESTRICTED)
    assert decide(open_to_all, known, cleared, Action.INVOKE, "a.secret").allowed


def test_an_unpinned_revision_is_hidden() -> None:
    known = catalog([skill("a.one", pin="")])
    assert decide(judge(EVERYBODY, known), known, ANN, Action.LIST, "a.one").policies == ("baseline.pinned",)


@pytest.mark.parametrize(
    ("destructive", "approval", "denied"),
    [
        (True, Approval.BY_POLICY, True),
        (True, Approval.NEVER, False),
        (True, Approval.REQUIRED, True),
        (False, Approval.REQUIRED, True),
        (False, Approval.BY_POLICY, False),
    ],
)
def test_what_destroys_needs_approval_by_somebody_else(destructive: bool, approval: Approval, denied: bool) -> None:
    known = catalog([skill("a.act", read_only=False, destructive=destructive, approval=approval)])
    found = decide(judge(EVERYBODY, known), known, ANN, Action.INVOKE, "a.act")
    assert found.writes
    assert found.allowed is not denied
    if denied:
        assert (found.verdict, found.remedies, found.policies) == (Verdict.DENY, ("approval",), ("baseline.approval",))
        assert found.sentence == "This call needs approval by somebody else. (Denied by baseline.approval.)"


def test_never_lifts_no_other_clause() -> None:
    known = catalog([skill("a.act", destructive=True, approval=Approval.NEVER, open_world=True)])
    found = decide(judge(EVERYBODY, known), known, ANN, Action.INVOKE, "a.act", tainted=True)
    assert (found.policies, found.remedies) == (("baseline.tainted",), ())


def test_an_approval_cures_but_not_by_the_requester() -> None:
    known = catalog([skill("a.act", destructive=True)])
    open_to_all = judge(EVERYBODY, known)
    assert decide(open_to_all, known, ANN, Action.INVOKE, "a.act", approved_by=standing("boss")).allowed
    own = decide(open_to_all, known, ANN, Action.INVOKE, "a.act", approved_by=ANN)
    assert (own.policies, own.remedies) == (("baseline.second-person",), ())


def test_a_remedy_is_named_only_if_it_would_help() -> None:
    known = catalog([skill("a.act", destructive=True, open_world=True)])
    listed_only = judge('permit (principal, action == Action::"list", resource);', known)
    assert decide(listed_only, known, ANN, Action.INVOKE, "a.act").remedies == ()
    both = decide(judge(EVERYBODY, known), known, ANN, Action.INVOKE, "a.act", tainted=True)
    assert (both.policies, both.remedies) == (("baseline.approval", "baseline.tainted"), ())
    helper = standing("helper", kind=PrincipalKind.AGENT)
    for_ann = judge(EVERYBODY.replace("principal,", 'principal == Person::"ann",') + LISTED, known)
    assert decide(for_ann, known, ANN, Action.INVOKE, "a.act").remedies == ("approval",)
    assert decide(for_ann, known, [ANN, helper], Action.INVOKE, "a.act").remedies == ()


LISTED = 'permit (principal, action == Action::"list", resource);'


def test_tainted_conversations_do_not_reach_the_open_world() -> None:
    known = catalog([skill("a.web", open_world=True), skill("a.local")])
    open_to_all = judge(EVERYBODY, known)
    assert decide(open_to_all, known, ANN, Action.INVOKE, "a.web", tainted=True).policies == ("baseline.tainted",)
    assert decide(open_to_all, known, ANN, Action.INVOKE, "a.web").allowed
    assert decide(open_to_all, known, ANN, Action.INVOKE, "a.local", tainted=True).allowed


ORDERS = (
    EVERYBODY
    + """
@obligation("redact:ssn") permit (principal, action == Action::"invoke", resource in Agent::"people");
@obligation("redact:email, limit:10/minute") permit (principal in Group::"staff", action == Action::"invoke", resource);
@obligation("redact:salary") permit (principal in Group::"board", action == Action::"invoke", resource);
"""
)


def test_obligations_are_the_union_of_all_that_match_for_any_link() -> None:
    known = catalog([skill("people.find"), skill("other.find")])
    orders = judge(ORDERS, known)
    found = decide(orders, known, ANN, Action.INVOKE, "people.find")
    assert found.obligations == ("limit:10/minute", "redact:email", "redact:ssn")
    assert decide(orders, known, standing("eve"), Action.INVOKE, "other.find").obligations == ()
    chain = [ANN, standing("helper", "board", kind=PrincipalKind.AGENT)]
    assert "redact:salary" in decide(orders, known, chain, Action.INVOKE, "other.find").obligations
    assert decide(orders, known, ANN, Action.LIST, "people.find").obligations == ()


def test_an_obligation_grants_nothing() -> None:
    known = catalog([skill("people.find")])
    text = LISTED + '@obligation("redact:ssn") permit (principal, action, resource);'
    assert decide(judge(text, known), known, ANN, Action.INVOKE, "people.find").verdict is Verdict.DENY


def test_a_policy_that_errs_denies_and_the_caller_is_not_told_why() -> None:
    known = catalog([skill("a.one")])
    text = (
        EVERYBODY
        + 'forbid (principal, action == Action::"invoke", resource) when { context.hour * 922337203685477580 > 1 };'
    )
    found = decide(judge(text, known), known, ANN, Action.INVOKE, "a.one", hour=12)
    assert found.verdict is Verdict.DENY
    assert "overflow" in found.errors[0]
    assert "overflow" not in found.sentence


def test_an_obligation_that_errs_denies() -> None:
    known = catalog([skill("a.one")])
    text = EVERYBODY + (
        '@obligation("redact:x") permit (principal, action == Action::"invoke", resource)'
        " when { context.hour * 922337203685477580 > 1 };"
    )
    found = decide(judge(text, known), known, ANN, Action.INVOKE, "a.one", hour=12)
    assert (found.verdict, len(found.errors)) == (Verdict.DENY, 1)


PARAMS = (
    Param(name="amount", policy_visible=True, type="Long", default=0),
    Param(name="channel", policy_visible=True, type="String"),
    Param(name="in", policy_visible=True, type="Set<String>", default=()),
    Param(name="urgent", policy_visible=True, sensitive=True, type="Bool", default=False),
    Param(name="text"),
)
SPENDING = (
    EVERYBODY
    + """
@id("limit") @says("That is too much.")
forbid (principal, action == Action::"invoke", resource)
when { context.args has pay_send && context.args.pay_send.amount > 500 };
@id("no-sms") forbid (principal, action == Action::"invoke", resource)
when { context.args has pay_send && context.args.pay_send has channel && context.args.pay_send.channel == "sms" };
@id("set") forbid (principal, action == Action::"invoke", resource)
when { context.args has pay_send && context.args.pay_send["in"].contains("x") };
"""
)


def test_policies_read_declared_arguments_and_only_those_are_kept() -> None:
    known = catalog([skill("pay.send", params=PARAMS), skill("pay.show")])
    spending = judge(SPENDING, known)
    fine = decide(
        spending, known, ANN, Action.INVOKE, "pay.send", arguments={"amount": 5, "text": "secret", "urgent": True}
    )
    assert fine.allowed
    assert fine.declared == {"amount": 5, "in": []}
    for arguments, policy in (
        ({"amount": 501}, "limit"),
        ({"amount": "501"}, "limit"),
        ({"amount": 501.0}, "limit"),
        ({"channel": "sms"}, "no-sms"),
        ({"in": ["x"]}, "set"),
    ):
        assert decide(spending, known, ANN, Action.INVOKE, "pay.send", arguments=arguments).policies == (policy,)
    assert decide(spending, known, ANN, Action.INVOKE, "pay.show", arguments={"amount": 501}).allowed
    said = decide(spending, known, ANN, Action.INVOKE, "pay.send", arguments={"amount": 501}).sentence
    assert said == "That is too much. (Denied by limit.)"


def test_absent_and_null_arguments_have_their_defaults() -> None:
    known = catalog([skill("pay.send", params=(replace(PARAMS[0], default=501), *PARAMS[1:]))])
    spending = judge(SPENDING, known)
    for arguments in ({}, {"amount": None}):
        found = decide(spending, known, ANN, Action.INVOKE, "pay.send", arguments=arguments)
        assert (found.policies, found.declared["amount"]) == (("limit",), 501)


@pytest.mark.parametrize("amount", [2**63, -(2**63) - 1, str(2**63), 1e19, 1.5, "x", True, [1]])
def test_an_integer_that_policies_cannot_compare_is_denied(amount: int | float | str | list[int]) -> None:
    known = catalog([skill("pay.send", params=PARAMS)])
    for text in (SPENDING, EVERYBODY):
        found = decide(judge(text, known), known, ANN, Action.INVOKE, "pay.send", arguments={"amount": amount})
        assert found.verdict is Verdict.DENY
        assert found.sentence.startswith("amount is ")


def test_agents_are_listed_and_messaged() -> None:
    known = catalog([], [agent("helper"), agent("secret", classification=Classification.RESTRICTED)])
    text = 'permit (principal in Group::"staff", action in Action::"use", resource is Agent);'
    talk = judge(text, known)
    helper, secret = Target(TargetKind.AGENT, "helper"), Target(TargetKind.AGENT, "secret")
    assert decide(talk, known, ANN, Action.LIST, helper).allowed
    said = decide(talk, known, ANN, Action.MESSAGE, helper)
    assert (said.allowed, said.writes) == (True, True)
    assert decide(talk, known, ANN, Action.MESSAGE, secret).verdict is Verdict.UNKNOWN
    assert decide(talk, known, standing("eve"), Action.MESSAGE, helper).verdict is Verdict.UNKNOWN
    assert decide(talk, known, ANN, Action.INVOKE, helper).verdict is Verdict.DENY


def test_who_may_list_an_agent_is_told_why_they_may_not_message_it() -> None:
    known = catalog([], [agent("helper")])
    text = 'permit (principal in Group::"staff", action == Action::"list", resource is Agent);'
    found = decide(judge(text, known), known, ANN, Action.MESSAGE, Target(TargetKind.AGENT, "helper"))
    assert (found.verdict, found.sentence) == (Verdict.DENY, 'No policy permits person:ann to message "helper".')


def test_an_agent_that_does_not_converse_is_messaged_by_nobody() -> None:
    known = catalog([], [agent("mute", converse="")])
    text = 'permit (principal in Group::"staff", action in Action::"use", resource is Agent);'
    mute = Target(TargetKind.AGENT, "mute")
    assert decide(judge(text, known), known, ANN, Action.LIST, mute).allowed
    found = decide(judge(text, known), known, ANN, Action.MESSAGE, mute)
    assert found.verdict is Verdict.DENY
    assert found.sentence == "The agent mute does not converse: only its skills can be called."
    assert decide(judge(text, known), known, standing("eve"), Action.MESSAGE, mute).verdict is Verdict.UNKNOWN


def test_each_link_of_a_chain_must_be_allowed_to_message() -> None:
    known = catalog([], [agent("helper")])
    text = """
    permit (principal, action == Action::"list", resource is Agent);
    permit (principal in Group::"staff", action == Action::"message", resource is Agent);
    """
    mine, target = judge(text, known), Target(TargetKind.AGENT, "helper")
    one = standing("one", "staff", kind=PrincipalKind.AGENT)
    two, twin = standing("two", kind=PrincipalKind.AGENT), standing("ann", kind=PrincipalKind.AGENT)
    assert decide(mine, known, (ANN, one, one), Action.MESSAGE, target).allowed
    for chain in ((ANN, two, one), (two, ANN, one), (ANN, one, two), (ANN, twin), (standing("eve"), one)):
        assert decide(mine, known, chain, Action.MESSAGE, target).verdict is Verdict.DENY


def test_a_wrong_message_is_told_to_those_who_may_know_of_the_agent() -> None:
    known = catalog([], [agent("helper")])
    text = 'permit (principal in Group::"staff", action in Action::"use", resource is Agent);'
    faults = (Fault("/message", "is required"),)
    target = Target(TargetKind.AGENT, "helper")
    wrong = decide(judge(text, known), known, ANN, Action.MESSAGE, target, faults=faults)
    assert (wrong.verdict, wrong.faults) == (Verdict.INVALID, faults)
    hidden = decide(judge(text, known), known, standing("eve"), Action.MESSAGE, target, faults=faults)
    assert (hidden.verdict, hidden.faults) == (Verdict.UNKNOWN, ())


def test_what_is_judged_of_an_agent_is_the_revision_that_answers() -> None:
    old, new = catalog([], [agent("helper")]), catalog([], [replace(agent("helper"), pin=Pin("sha256:b"))])
    talk = judge('permit (principal, action in Action::"use", resource is Agent);', old)
    target = Target(TargetKind.AGENT, "helper")
    said = decide(talk, old, ANN, Action.MESSAGE, target)
    assert (said.pin, said.revision) == ("sha256:a", 1)
    assert decide(talk, new, ANN, Action.MESSAGE, target).errors == ("the facts are of another catalog",)


def test_an_agent_may_speak_to_itself_and_use_its_own_skills() -> None:
    known = catalog([skill("helper.think", domain="lab")])
    text = """
    permit (principal is Agent, action in Action::"use", resource is Skill) when { resource.agent == principal };
    permit (principal is Agent, action in Action::"use", resource is Agent) when { resource == principal };
    """
    mine = judge(text, known)
    helper = standing("helper", kind=PrincipalKind.AGENT, domain="other")
    assert decide(mine, known, helper, Action.INVOKE, "helper.think").allowed
    assert decide(mine, known, helper, Action.MESSAGE, Target(TargetKind.AGENT, "helper")).allowed
    assert mine.listed([helper], known, frozenset()) == ("helper.think",)


def test_everybody_verified_may_ask_what_there_is_and_only_the_offline_operator_publishes() -> None:
    known = catalog()
    bare = build_judge(load_policies(None), known)
    operator = standing("operator@local", kind=PrincipalKind.SERVICE, issuer="urn:interchange:local")
    impostor = standing("operator@local", kind=PrincipalKind.SERVICE)
    asked = decide(bare, known, ANN, Action.LIST)
    assert (asked.allowed, asked.writes) == (True, False)
    for action in (Action.PUBLISH, Action.PIN):
        assert decide(bare, known, operator, action).allowed
        refused = decide(bare, known, impostor, action)
        assert (refused.verdict, refused.writes) == (Verdict.DENY, True)


def test_another_catalog_is_no_catalog() -> None:
    known = catalog()
    assert (
        decide(judge(EVERYBODY, known), known, ANN, Action.LIST, Target(TargetKind.CATALOG, "x")).verdict
        is Verdict.UNKNOWN
    )


def test_what_the_judge_cannot_do_is_unknown_and_not_an_exception() -> None:
    known = catalog([skill("a.one")])
    broken = replace(ANN, groups=["staff"])  # pyright: ignore[reportArgumentType]  # not hashable
    found = decide(judge(EVERYBODY, known), known, broken, Action.INVOKE, "a.one")
    assert found.verdict is Verdict.UNKNOWN
    assert found.errors[0].startswith("TypeError")
