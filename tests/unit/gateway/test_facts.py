"""What is found out about a call before it is decided: of messages and of requests to publish."""

from typing import Any

import pytest

from gateway.facts import FactFinder
from policies.identity.directory import Directory
from registry.model import CATALOG, Action, Call, Deadline, Part, Target, TargetKind, alone, new_call_id
from tests.support.calls import ASSISTANT
from tests.support.pets import pets
from tests.support.policies import agent, catalog, skill

KNOWN = catalog([skill("pets.find", domain="zoo")], [agent("helper")])
FINDER = FactFinder(directory=Directory(), environment="test")
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
    facts = FINDER.about(call(HELPER, action, *parts, **content), KNOWN)
    return {fault.path: fault.sentence for fault in facts.find_faults()}


def test_a_message_is_checked_whichever_way_it_came() -> None:
    assert faults(message="hello") == faults(Part(text="hello"), conversation="c") == {}
    assert faults() == {"/message": "is required"}
    assert set(faults(message="", conversation="\n", data=[], more=1)) == {"/message", "/data", "/more"}
    assert set(faults(Part(text="hello"), message="hello")) == {"/message"}


def test_who_only_looks_at_an_agent_says_nothing_wrong() -> None:
    assert faults(action=Action.LIST) == {}


def about(action: Action, target: Target = CATALOG, **content: Any) -> tuple[str, str] | None:
    return FINDER.about(call(target, action, **content), KNOWN).about


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
