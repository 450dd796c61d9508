"""Somebody who is disabled: nothing is decided for them, nor for anybody who acts for them, and nothing leaks."""

from dataclasses import replace

import pytest

from policies.decision import Verdict
from policies.facts import OpenedConversation, Standing
from registry.catalog import Catalog
from registry.model import (
    CATALOG,
    MESSAGE_LOG,
    Action,
    ConversationId,
    Domain,
    PrincipalKind,
    Target,
    TargetKind,
)
from tests.support.policies import agent, catalog, decide, judge, skill, standing

KNOWN = catalog([skill("candidates.search", read_only=False)], [agent("assistant")])
JUDGE = judge('@id("all") permit (principal, action, resource);', KNOWN)
ADA, BOT = standing("ada"), standing("assistant", kind=PrincipalKind.AGENT)
GONE, BOT_GONE = replace(ADA, disabled=True), replace(BOT, disabled=True)
NO_SCOPES: frozenset[str] = frozenset()
ASKED = (
    (Action.LIST, "candidates.search"),
    (Action.INVOKE, "candidates.search"),
    (Action.LIST, Target(TargetKind.AGENT, "assistant")),
    (Action.MESSAGE, Target(TargetKind.AGENT, "assistant")),
    (Action.READ_CONVERSATION, OpenedConversation(id=ConversationId("c-1"), domain=Domain(""), participates=True)),
    (Action.TAKE_PART, OpenedConversation(id=ConversationId("c-1"), domain=Domain(""), participates=True)),
    (Action.KEEP_CONVERSATION, OpenedConversation(id=ConversationId("c-1"), domain=Domain(""))),
)
OF_ALL = (
    (Action.LIST, CATALOG),
    (Action.PUBLISH, CATALOG),
    (Action.PIN, CATALOG),
    (Action.READ_CONVERSATION, MESSAGE_LOG),
    (Action.KEEP_CONVERSATION, MESSAGE_LOG),
)
CHAINS = ([GONE], [GONE, BOT], [ADA, BOT_GONE], [ADA, BOT_GONE, BOT])


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(("action", "target"), ASKED)
def test_nothing_is_there_wherever_in_the_chain_they_are(
    chain: list[Standing], action: Action, target: OpenedConversation | Target | str
) -> None:
    enabled = [replace(link, disabled=False) for link in chain]
    assert decide(JUDGE, KNOWN, enabled, action, target).allowed

    found = decide(JUDGE, KNOWN, chain, action, target)
    assert found.verdict is Verdict.UNKNOWN
    assert found.errors == tuple(f"{link.principal} is disabled in the directory" for link in chain if link.disabled)
    absent = decide(JUDGE, KNOWN, chain, action, Target(TargetKind.SKILL, "candidates.none"))
    assert replace(found, sentence="", errors=()) == replace(absent, sentence="", errors=())


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(("action", "target"), OF_ALL)
def test_what_everybody_knows_is_closed_to_them(chain: list[Standing], action: Action, target: Target) -> None:
    found = decide(JUDGE, KNOWN, chain, action, target)
    assert (found.verdict, found.remedies, found.policies) == (Verdict.DENY, (), ())
    assert "ada" not in found.sentence
    assert found.errors


@pytest.mark.parametrize("chain", CHAINS)
def test_nothing_is_listed(chain: list[Standing]) -> None:
    enabled = [replace(link, disabled=False) for link in chain]
    assert JUDGE.listed(enabled, KNOWN, NO_SCOPES)
    assert not JUDGE.listed(chain, KNOWN, NO_SCOPES)
    assert JUDGE.listed_agents(enabled, KNOWN, NO_SCOPES)
    assert not JUDGE.listed_agents(chain, KNOWN, NO_SCOPES)
    assert JUDGE.sees_agent(enabled, "assistant", NO_SCOPES)
    assert not JUDGE.sees_agent(chain, "assistant", NO_SCOPES)


def test_who_is_disabled_approves_nothing() -> None:
    known: Catalog = catalog([skill("candidates.erase", read_only=False, destructive=True)])
    open_to_all = judge('@id("all") permit (principal, action, resource);', known)
    boss = standing("boss")
    assert decide(open_to_all, known, ADA, Action.INVOKE, "candidates.erase", approved_by=boss).allowed
    gone = replace(boss, disabled=True)
    assert not decide(open_to_all, known, ADA, Action.INVOKE, "candidates.erase", approved_by=gone).allowed
