"""Decisions about conversations and the message log: who may read, who may keep, and what the others are told."""

from dataclasses import replace

import pytest

from policies.decision import Decision, Verdict
from policies.facts import Facts, OpenedConversation
from policies.identity.directory import LOCAL_ISSUER, OPERATOR
from policies.load import PolicyProblems, PolicySource, baseline, build_judge
from policies.remarks import Known
from registry.model import (
    MESSAGE_LOG,
    Action,
    Call,
    ConversationId,
    Deadline,
    Domain,
    InterchangeError,
    JsonObject,
    PrincipalKind,
    Target,
    TargetKind,
    alone,
    new_call_id,
)
from tests.support.policies import catalog, decide, judge, skill, standing

KNOWN = catalog([skill("candidates.search")])
READ, KEEP, TAKE_PART = Action.READ_CONVERSATION, Action.KEEP_CONVERSATION, Action.TAKE_PART
OURS = OpenedConversation(id=ConversationId("c-1"), domain=Domain("hiring"))
THEIRS = OpenedConversation(id=ConversationId("c-2"), domain=Domain("finance"))
OWN = replace(THEIRS, participates=True)
NOBODYS = OpenedConversation(id=ConversationId("c-3"), domain=Domain(""))
ABSENT = Target(TargetKind.CONVERSATION, "c-4")
JUDGE = judge(
    """
    @id("readers") permit (principal in Group::"readers", action == Action::"read_conversation", resource)
    when { resource is Conversation && resource.domain == principal.domain };
    @id("keepers") permit (
      principal in Group::"keepers", action == Action::"keep_conversation", resource in Domain::"hiring");
    @id("watchers") permit (
      principal in Group::"watchers", action == Action::"read_conversation", resource == MessageLog::"messages");
    @id("never") @says("Not this one.") forbid (principal, action, resource == Conversation::"c-9");
    """,
    KNOWN,
)
STRANGER = standing("eve", domain="")
READER, KEEPER, BOTH = (
    standing("ada", "readers"),
    standing("kim", "keepers"),
    standing("bo", "readers", "keepers"),
)


def test_a_conversation_is_read_and_kept_by_whom_policies_name() -> None:
    assert decide(JUDGE, KNOWN, READER, READ, OURS).policies == ("readers",)
    assert decide(JUDGE, KNOWN, KEEPER, KEEP, OURS).policies == ("keepers",)
    assert decide(JUDGE, KNOWN, BOTH, READ, OURS).allowed
    assert decide(JUDGE, KNOWN, BOTH, KEEP, OURS).allowed


@pytest.mark.parametrize("action", [READ, KEEP, TAKE_PART, Action.LIST, Action.INVOKE, Action.PUBLISH])
@pytest.mark.parametrize("conversation", [THEIRS, NOBODYS])
def test_one_that_is_not_to_be_read_looks_as_one_that_there_is_not(
    action: Action, conversation: OpenedConversation
) -> None:
    hidden = decide(JUDGE, KNOWN, BOTH, action, conversation)
    absent = decide(JUDGE, KNOWN, BOTH, action, ABSENT)
    assert hidden.verdict is Verdict.UNKNOWN
    assert replace(hidden, sentence=hidden.sentence.replace(conversation.id, "c-4"), policies=(), errors=()) == absent


def test_who_may_read_it_is_told_that_it_is_not_theirs_to_keep() -> None:
    found = decide(JUDGE, KNOWN, READER, KEEP, OURS)
    assert found.verdict is Verdict.DENY
    assert found.sentence == 'No policy permits person:ada to keep_conversation "c-1".'


def test_who_may_keep_it_need_not_read_it() -> None:
    assert decide(JUDGE, KNOWN, KEEPER, KEEP, OURS).allowed
    assert decide(JUDGE, KNOWN, KEEPER, READ, OURS).verdict is Verdict.UNKNOWN


def test_a_forbid_hides_what_is_permitted_otherwise() -> None:
    never = OpenedConversation(id=ConversationId("c-9"), domain=Domain("hiring"))
    for action in (READ, KEEP, TAKE_PART):
        found = decide(JUDGE, KNOWN, BOTH, action, never)
        assert (found.verdict, found.policies) == (Verdict.UNKNOWN, ("never",))


def test_everybody_knows_that_there_is_a_log_and_few_see_into_it() -> None:
    assert decide(JUDGE, KNOWN, standing("wim", "watchers"), READ, MESSAGE_LOG).allowed
    for action in (READ, KEEP):
        found = decide(JUDGE, KNOWN, BOTH, action, MESSAGE_LOG)
        assert found.verdict is Verdict.DENY
        assert 'to read_conversation "messages"' in found.sentence or action is KEEP
    assert decide(JUDGE, KNOWN, BOTH, READ, Target(TargetKind.MESSAGE_LOG, "other")).verdict is Verdict.UNKNOWN


def test_to_watch_the_log_is_not_to_read_a_conversation() -> None:
    assert decide(JUDGE, KNOWN, standing("wim", "watchers"), READ, OURS).verdict is Verdict.UNKNOWN


def test_every_link_of_a_chain_has_to_be_allowed() -> None:
    assistant = standing("assistant", kind=PrincipalKind.AGENT)
    assert decide(JUDGE, KNOWN, [READER, assistant], READ, OURS).verdict is Verdict.UNKNOWN
    assert decide(JUDGE, KNOWN, [READER, READER], READ, OURS).allowed


def test_a_chain_ends_somewhere() -> None:
    assert decide(JUDGE, KNOWN, [READER] * 5, READ, OURS).allowed
    assert decide(JUDGE, KNOWN, [READER] * 6, READ, OURS).policies == ("baseline.depth",)


@pytest.mark.parametrize("action", [READ, KEEP])
@pytest.mark.parametrize("target", [OURS, THEIRS, NOBODYS, MESSAGE_LOG], ids=str)
def test_the_operator_at_the_machine_may_and_nobody_else_by_default(
    action: Action, target: OpenedConversation | Target
) -> None:
    by_default = build_judge(baseline(), KNOWN)
    local = standing(OPERATOR, kind=PrincipalKind.SERVICE, issuer=LOCAL_ISSUER)
    impostor = standing(OPERATOR, kind=PrincipalKind.SERVICE)
    assert decide(by_default, KNOWN, local, action, target).policies == ("baseline.operator",)
    for other in (impostor, standing("operator", "operators"), BOTH):
        assert not decide(by_default, KNOWN, other, action, target).allowed


def test_reading_changes_nothing_and_keeping_may() -> None:
    assert decide(JUDGE, KNOWN, BOTH, READ, OURS).writes is False
    assert decide(JUDGE, KNOWN, BOTH, KEEP, OURS).writes is True
    assert decide(JUDGE, KNOWN, STRANGER, READ, OWN).writes is False
    assert decide(JUDGE, KNOWN, STRANGER, TAKE_PART, OWN).writes is True


def test_what_is_ones_own_is_read_and_taken_part_in_without_any_policy() -> None:
    by_default = build_judge(baseline(), KNOWN)
    for action in (READ, TAKE_PART):
        found = decide(by_default, KNOWN, STRANGER, action, OWN)
        assert (found.allowed, found.policies, found.target) == (
            True,
            ("baseline.own-conversation",),
            "conversation:c-2",
        )
    assert decide(by_default, KNOWN, STRANGER, KEEP, OWN).verdict is Verdict.DENY


@pytest.mark.parametrize("action", [READ, TAKE_PART])
def test_what_is_anothers_looks_as_what_there_is_not(action: Action) -> None:
    by_default = build_judge(baseline(), KNOWN)
    hidden = decide(by_default, KNOWN, STRANGER, action, THEIRS)
    absent = decide(by_default, KNOWN, STRANGER, action, ABSENT)
    assert replace(hidden, sentence=hidden.sentence.replace(THEIRS.id, ABSENT.name)) == absent
    assert absent.verdict is Verdict.UNKNOWN


def test_who_may_read_all_of_a_domain_does_not_take_part_in_it() -> None:
    found = decide(JUDGE, KNOWN, READER, TAKE_PART, OURS)
    assert (found.verdict, found.sentence) == (
        Verdict.DENY,
        'No policy permits person:ada to take_part "c-1".',
    )


def test_a_forbid_on_top_of_ones_own_wins() -> None:
    strict = judge(
        """
        @id("freeze") @says("Nobody interferes here.") forbid (
          principal, action == Action::"take_part", resource in Domain::"finance");
        @id("secret") forbid (principal in Group::"interns", action, resource is Conversation);
        """,
        KNOWN,
    )
    found = decide(strict, KNOWN, STRANGER, TAKE_PART, OWN)
    assert (found.verdict, found.policies) == (Verdict.DENY, ("freeze",))
    assert decide(strict, KNOWN, STRANGER, READ, OWN).allowed
    assert decide(strict, KNOWN, standing("ivy", "interns"), READ, OWN).verdict is Verdict.UNKNOWN


def test_a_policy_may_say_that_only_who_participates_reads() -> None:
    strict = judge(
        """@id("own") forbid (principal, action == Action::"read_conversation", resource is Conversation)
        unless { context.participates };
        @id("all") permit (principal, action == Action::"read_conversation", resource);""",
        KNOWN,
    )
    assert decide(strict, KNOWN, STRANGER, READ, OWN).allowed
    assert not decide(strict, KNOWN, STRANGER, READ, THEIRS).allowed
    assert decide(strict, KNOWN, STRANGER, READ, MESSAGE_LOG).policies == ("all",)


def test_a_chain_that_is_too_long_takes_no_part() -> None:
    assert decide(JUDGE, KNOWN, [STRANGER] * 5, TAKE_PART, OWN).allowed
    assert decide(JUDGE, KNOWN, [STRANGER] * 6, TAKE_PART, OWN).policies == ("baseline.depth",)


def test_nobody_takes_part_in_the_message_log() -> None:
    assert decide(JUDGE, KNOWN, BOTH, TAKE_PART, MESSAGE_LOG).verdict is Verdict.DENY
    text = '@id("x") permit (principal, action == Action::"take_part", resource is MessageLog);'
    with pytest.raises(PolicyProblems, match="unable to find an applicable action"):
        judge(text, KNOWN)


def test_to_keep_does_not_depend_on_who_participates() -> None:
    text = '@id("x") permit (principal, action == Action::"keep_conversation", resource) when { context.participates };'
    with pytest.raises(PolicyProblems, match="participates"):
        judge(text, KNOWN)


def test_what_was_asked_is_on_record_and_under_which_id() -> None:
    asked = {"operation": "Show", "turn": "t-1"}
    found = _decided(Target(TargetKind.CONVERSATION, ""), asked, conversation=OURS)
    assert (found.declared, found.target) == ({"operation": "Show"}, "conversation:c-1")


def test_what_the_log_could_not_tell_is_on_record_and_allows_nothing() -> None:
    found = _decided(Target(TargetKind.CONVERSATION, "c-1"), {}, trouble=InterchangeError("The disk is gone."))
    assert (found.verdict, found.errors) == (Verdict.UNKNOWN, ("The disk is gone.",))


def test_a_log_of_another_name_is_remarked_on() -> None:
    text = '@id("x") permit (principal, action == Action::"read_conversation", resource == MessageLog::"message");'
    [remark] = build_judge([PolicySource("test.cedar", text)], KNOWN, known=Known()).remarks
    assert 'do you mean MessageLog::"messages"?' in remark


def _decided(
    target: Target,
    content: JsonObject,
    *,
    conversation: OpenedConversation | None = None,
    trouble: InterchangeError | None = None,
) -> Decision:
    call = Call(
        id=new_call_id(),
        chain=alone(BOTH.principal),
        action=READ,
        target=target,
        content=content,
        deadline=Deadline.after(5),
    )
    facts = Facts(catalog=KNOWN, standings=(BOTH,), arguments={}, conversation=conversation, trouble=trouble)
    return JUDGE.decide(call, facts)
