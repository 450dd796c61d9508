"""What is kept of a message and of its answer: digests of all of it, and nothing it says."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from policies.audit.entry import decision_entry, digest, outcome_entry
from registry.model import Action, Artifact, Call, ConversationId, Part, Result, Target, TargetKind, TurnId
from tests.support.calls import WRITE, call

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SAID = Part(text="Tell nobody: 4711")


def message(*parts: Part, **content: Any) -> Call:
    target = Target(TargetKind.AGENT, "assistant")
    return replace(call(content=content), action=Action.MESSAGE, target=target, parts=parts)


def arguments(of: Call) -> str:
    return str(decision_entry(of, WRITE, NOW)["arguments"])


def test_the_digest_of_a_message_covers_each_of_its_parts() -> None:
    messages = [
        message(conversation="c"),
        message(SAID, conversation="c"),
        message(SAID, conversation="d"),
        message(SAID, SAID, conversation="c"),
        message(Part(text="Tell everybody"), conversation="c"),
        message(Part(raw=b"\x00\xff"), conversation="c"),
        message(Part(raw=b"\x00\xfe"), conversation="c"),
        message(Part(raw=b"\x00\xfe", media_type="image/png"), conversation="c"),
        message(Part(raw=b"\x00\xfe", filename="a.png"), conversation="c"),
        message(Part(url="https://x.test"), conversation="c"),
        message(Part(data={"a": 2**70}), conversation="c"),
        message(Part(data={"a": 1}, metadata={"b": 1}), conversation="c"),
    ]
    assert len({arguments(one) for one in messages}) == len(messages)
    assert arguments(message(SAID, conversation="c")) == arguments(message(SAID, conversation="c"))


def test_what_a_message_says_is_not_kept() -> None:
    entry = decision_entry(message(SAID, Part(data={"pin": "4711"}), conversation="4711"), WRITE, NOW)
    assert "4711" not in json.dumps(entry, default=str)


def test_the_digest_of_a_call_without_parts_is_that_of_its_arguments() -> None:
    assert arguments(call(content={"query": "rust"})) == digest({"query": "rust"})
    assert arguments(message(message="hello")) == digest({"message": "hello"})


def test_the_outcome_of_a_message_names_its_turn_and_covers_what_was_made() -> None:
    answer = Result(parts=(SAID,), turn=TurnId("t-1"), conversation=ConversationId("c-1"))
    made = replace(answer, artifacts=(Artifact(id="a", parts=(Part(text="A list"),)),))
    entries = [outcome_entry(message(SAID), "ok", NOW, seconds=0.1, result=each) for each in (answer, made)]
    assert [entry["turn"] for entry in entries] == ["t-1", "t-1"]
    assert entries[0]["result"] != entries[1]["result"]
    assert entries[0]["size"] < entries[1]["size"]
    assert "4711" not in json.dumps(entries, default=str)
