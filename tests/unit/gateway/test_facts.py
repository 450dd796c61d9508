"""What is found out about a call before it is decided: of messages and of requests to publish."""

from typing import Any

import pytest

from gateway.facts import NOTHING, FactFinder
from gateway.live import InForce
from policies.facts import OpenedConversation
from policies.identity.directory import Directory
from registry.model import (
    CATALOG,
    MESSAGE_LOG,
    Action,
    Call,
    ConversationId,
    Deadline,
    Domain,
    Part,
    Refused,
    Target,
    TargetKind,
    alone,
    new_call_id,
)
from tests.support.calls import ASSISTANT
from tests.support.pets import pets
from tests.support.policies import agent, catalog, judge, skill

KNOWN = catalog([skill("pets.find", domain="zoo")], [agent("helper")])
NOW = InForce(KNOWN, judge("", KNOWN), Directory())
FINDER = FactFinder(environment="test")
HELPER, FIND = Target(TargetKind.AGENT, "helper"), Target(TargetKind.SKILL, "pets.find")


def call(target: Target, action: Action, *parts: Part, **content: Any) -> Call:
    return Call(
        id=new_call_id(),
        chain=alone(ASSISTANT),
        action=action,
        target=target,
        content=content,
        parts=parts,
        deadline=Deadline.after(10),
    )


def faults(*parts: Part, action: Action = Action.MESSAGE, **content: Any) -> dict[str, str]:
    facts = FINDER.about(call(HELPER, action, *parts, **content), NOW)
    return {fault.path: fault.sentence for fault in facts.find_faults()}


def test_a_message_is_checked_whichever_way_it_came() -> None:
    assert faults(message="hello") == faults(Part(text="hello"), conversation="c") == {}
    assert faults() == {"/message": "is required"}
    assert set(faults(message="", conversation="\n", data=[], more=1)) == {"/message", "/data", "/more"}
    assert set(faults(Part(text="hello"), message="hello")) == {"/message"}


def test_who_only_looks_at_an_agent_says_nothing_wrong() -> None:
    assert faults(action=Action.LIST) == {}


def about(action: Action, target: Target = CATALOG, **content: Any) -> tuple[str, str] | None:
    return FINDER.about(call(target, action, **content), NOW).about


def test_a_request_to_publish_is_about_the_one_agent_in_it() -> None:
    assert about(Action.PUBLISH, operation="Publish", manifest=pets()) == ("pets", "zoo")
    assert about(Action.PUBLISH, operation="Bind", name="pets.find") == ("pets", "zoo")
    assert about(Action.PUBLISH, operation="Retire", name="pets") == ("pets", "zoo")
    assert about(Action.PUBLISH, operation="Discover", name="pets") is None
    assert about(Action.PUBLISH, name="pets") is None


@pytest.mark.parametrize("action", [Action.LIST, Action.PIN, Action.INVOKE, Action.MESSAGE])
def test_no_other_action_is_about_anybody(action: Action) -> None:
    assert about(action, operation="Bind", name="pets") is None


def test_no_other_target_is_about_anybody() -> None:
    for target in (HELPER, FIND):
        assert about(Action.PUBLISH, target, operation="Bind", name="pets") is None


CONVERSATION = Target(TargetKind.CONVERSATION, "c-1")
OPENED = OpenedConversation(id=ConversationId("c-1"), domain=Domain("zoo"))


async def test_a_conversation_is_found_before_anything_is_decided() -> None:
    async def find(asked: Call) -> OpenedConversation | None:
        return OPENED if asked.target == CONVERSATION else None

    finder = FactFinder(environment="test", conversation=find)
    asked = call(CONVERSATION, Action.READ_CONVERSATION)
    facts = finder.about(asked, NOW, await finder.found(asked))
    assert (facts.conversation, facts.trouble) == (OPENED, None)
    assert (await FINDER.found(asked)).conversation is None


@pytest.mark.parametrize("target", [CATALOG, MESSAGE_LOG, HELPER, FIND], ids=str)
async def test_for_what_is_no_conversation_nobody_waits(target: Target) -> None:
    async def find(_: Call) -> OpenedConversation | None:
        raise AssertionError("the log was asked")

    finder = FactFinder(environment="test", conversation=find)
    assert await finder.found(call(target, Action.LIST)) is NOTHING


async def test_a_log_that_cannot_tell_is_a_fact() -> None:
    gone = Refused("The log is gone.")

    async def find(_: Call) -> OpenedConversation | None:
        raise gone

    finder = FactFinder(environment="test", conversation=find)
    asked = call(CONVERSATION, Action.READ_CONVERSATION)
    assert finder.about(asked, NOW, await finder.found(asked)).trouble is gone
