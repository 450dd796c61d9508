"""The demo set in examples/policies: who may do what in examples/hiring."""

from pathlib import Path

import pytest

from policies.decision import Verdict
from policies.facts import OpenedConversation
from policies.load import build_judge, load_policies
from registry.model import (
    MESSAGE_LOG,
    Action,
    Approval,
    Classification,
    ConversationId,
    Domain,
    PrincipalKind,
    Target,
    TargetKind,
)
from tests.support.policies import agent, catalog, decide, skill, standing

KNOWN = catalog(
    [
        skill("candidates.search"),
        skill("candidates.get"),
        skill("outreach.draft", read_only=False),
        skill("outreach.send", read_only=False, destructive=True, approval=Approval.REQUIRED),
        skill("ledger.show", domain="finance"),
    ],
    [agent("assistant", converse="/interchange.v1.ConversingAgent/Converse")],
)
JUDGE = build_judge(load_policies(Path(__file__).parents[3] / "examples" / "policies"), KNOWN)
HIRING = ("candidates.get", "candidates.search", "outreach.draft", "outreach.send")
PERSONAS = {
    "recruiter": standing("recruiter", "recruiters"),
    "intern": standing("intern", "interns"),
    "manager": standing("manager", "managers"),
    "security": standing("security", "security", domain="security", clearance=Classification.RESTRICTED),
    "operator": standing("operator", "operators", domain="operations"),
    "outsider": standing("outsider", domain="partner"),
}
ASSISTANT = standing("assistant", kind=PrincipalKind.AGENT)


@pytest.mark.parametrize(
    ("persona", "listed", "allowed"),
    [
        ("recruiter", HIRING, HIRING[:3]),
        ("intern", HIRING[:2], HIRING[:2]),
        ("manager", HIRING, HIRING[:3]),
        ("security", ("candidates.get", "candidates.search", "ledger.show", "outreach.draft", "outreach.send"), ()),
        ("operator", (), ()),
        ("outsider", (), ()),
    ],
)
def test_personas_list_and_call_what_the_demo_says(
    persona: str, listed: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    who = PERSONAS[persona]
    assert JUDGE.listed([who], KNOWN, frozenset()) == listed
    assert tuple(name for name in KNOWN.skills if decide(JUDGE, KNOWN, who, Action.INVOKE, name).allowed) == allowed


@pytest.mark.parametrize("persona", ["recruiter", "manager"])
def test_sending_waits_for_an_approval(persona: str) -> None:
    found = decide(JUDGE, KNOWN, PERSONAS[persona], Action.INVOKE, "outreach.send")
    assert (found.verdict, found.policies, found.remedies) == (Verdict.DENY, ("baseline.approval",), ("approval",))
    assert "approval by somebody else" in found.sentence


@pytest.mark.parametrize("persona", PERSONAS)
def test_who_works_with_candidates_may_talk_to_the_assistant(persona: str) -> None:
    target = Target(TargetKind.AGENT, "assistant")
    found = decide(JUDGE, KNOWN, PERSONAS[persona], Action.MESSAGE, target)
    assert found.allowed is (persona in {"recruiter", "intern", "manager"})


@pytest.mark.parametrize("persona", PERSONAS)
def test_the_assistant_looks_up_for_somebody_what_they_may_look_up_themselves(persona: str) -> None:
    who = PERSONAS[persona]
    for name in KNOWN.skills:
        alone = decide(JUDGE, KNOWN, who, Action.INVOKE, name).allowed
        found = decide(JUDGE, KNOWN, [who, ASSISTANT], Action.INVOKE, name).allowed
        assert found is (alone and name.startswith("candidates."))


def test_the_assistant_alone_sees_and_calls_nothing() -> None:
    assert JUDGE.listed([ASSISTANT], KNOWN, frozenset()) == ()
    assert not any(decide(JUDGE, KNOWN, ASSISTANT, Action.INVOKE, name).allowed for name in KNOWN.skills)


@pytest.mark.parametrize("persona", PERSONAS)
def test_only_security_changes_the_catalog(persona: str) -> None:
    for action in (Action.PUBLISH, Action.PIN):
        assert decide(JUDGE, KNOWN, PERSONAS[persona], action).allowed is (persona == "security")
    assert decide(JUDGE, KNOWN, PERSONAS[persona], Action.LIST).allowed


CONVERSATIONS = {
    domain: OpenedConversation(id=ConversationId(domain), domain=Domain(domain)) for domain in ("hiring", "finance", "")
}


@pytest.mark.parametrize("persona", PERSONAS)
@pytest.mark.parametrize("domain", CONVERSATIONS)
def test_managers_read_what_was_said_in_hiring_and_operators_keep_it(persona: str, domain: str) -> None:
    may_read, may_keep = persona == "manager" and domain == "hiring", persona == "operator" and domain == "hiring"
    for action, may in ((Action.READ_CONVERSATION, may_read), (Action.KEEP_CONVERSATION, may_keep)):
        found = decide(JUDGE, KNOWN, PERSONAS[persona], action, CONVERSATIONS[domain])
        assert found.allowed is may
        assert (found.verdict is Verdict.UNKNOWN) is not (may_read or may)


@pytest.mark.parametrize("persona", PERSONAS)
def test_operators_watch_the_log_and_change_nothing_of_it(persona: str) -> None:
    assert decide(JUDGE, KNOWN, PERSONAS[persona], Action.READ_CONVERSATION, MESSAGE_LOG).allowed is (
        persona == "operator"
    )
    assert not decide(JUDGE, KNOWN, PERSONAS[persona], Action.KEEP_CONVERSATION, MESSAGE_LOG).allowed


def test_every_demo_policy_has_a_readable_id() -> None:
    folder = Path(__file__).parents[3] / "examples" / "policies"
    for path in folder.rglob("*.cedar"):
        text = path.read_text(encoding="utf-8")
        assert text.count("@id(") == text.count("permit (") + text.count("forbid (")
