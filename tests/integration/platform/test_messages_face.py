"""The operators' door to the conversation log: what it answers, to whom, and what is on record of it."""

import asyncio
import json
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from adapters.messaging.export import check_export
from adapters.messaging.migrate import HEAD
from registry.model import ConversationId
from tests.integration.platform.conftest import Office

OF_ONE: dict[str, dict[str, Any]] = {
    "Tail": {},
    "Show": {},
    "Dead": {},
    "Export": {},
    "Redrive": {"letters": [{"agent": "clerk", "seq": 1}]},
    "Hold": {"reason": "case 7"},
    "Release": {},
    "Erase": {"reason": "asked for"},
}
HUGE = 2**64 - 1


async def test_a_conversation_is_shown_with_all_that_is_known_of_it(office: Office) -> None:
    turn = await office.writer.ask("c-1", "Who is free?")
    await office.writer.answer("Nobody is.")
    await office.writer.opened.log.seen(ConversationId("c-1"), "phone", 2)

    shown = await office.ask("manager", "Show", conversation="c-1")

    assert shown["conversation"]["tail"] == "2"
    assert shown["conversation"]["domain"] == "hiring"
    asked, answered = shown["messages"]
    assert (asked["sender"], asked["to"], asked["turn"]) == ("person:alice", ["clerk"], turn)
    assert json.loads(answered["body"]) == {"parts": [{"text": "Nobody is."}]}
    assert [(each["id"], each["state"]) for each in shown["turns"]] == [(turn, "completed")]
    assert [(each["agent"], each["state"], each["cursor"]) for each in shown["mailboxes"]] == [("clerk", "empty", "1")]
    assert shown["seen"] == {"phone": "2"}


async def test_a_turn_is_found_without_its_conversation(office: Office) -> None:
    await office.writer.say("c-1", "before")
    turn = await office.writer.ask("c-1", "Who is free?")
    await office.writer.answer("Nobody is.")

    shown = await office.ask("manager", "Show", turn=turn)

    assert shown["conversation"]["id"] == "c-1"
    assert [message["seq"] for message in shown["messages"]] == ["2", "3"]
    assert (await office.refused("clerk", "Show", turn=turn))[1] == f"There is no conversation named {turn!r}."
    assert await office.refused("manager", "Show", turn="another") == (
        grpc.StatusCode.NOT_FOUND,
        "There is no conversation named 'another'.",
    )


async def test_pages_go_both_ways(office: Office) -> None:
    await office.writer.say("c-1", *(f"message {number}" for number in range(1, 31)))

    async def seqs(**page: Any) -> list[int]:
        shown = await office.ask("manager", "Show", conversation="c-1", **page)
        return [int(message["seq"]) for message in shown.get("messages", [])]

    assert await seqs() == list(range(11, 31))
    assert await seqs(limit=3) == [28, 29, 30]
    assert await seqs(after=5, limit=2) == [6, 7]
    assert await seqs(before=5, limit=2) == [3, 4]
    assert await seqs(after=2, before=5) == [3, 4]
    assert await seqs(after=30) == []
    assert await seqs(after=2**50) == []
    assert await seqs(before=2**50, limit=1) == [30]


async def test_what_was_given_up_is_listed_and_redriven_once(office: Office) -> None:
    await office.writer.ask("c-1", "Hello?")
    await office.writer.ask("c-2", "Anybody?")
    await office.writer.give_up("it never answers")

    letters = (await office.ask("operator", "Dead"))["letters"]
    assert [(each["conversation"], each["agent"], each["seq"], each["error"]) for each in letters] == [
        ("c-1", "clerk", "1", "it never answers"),
        ("c-2", "clerk", "1", "it never answers"),
    ]
    asked = [{"agent": "clerk", "seq": 1}, {"agent": "clerk", "seq": 7}]
    done, failed = (await office.ask("operator", "Redrive", conversation="c-1", letters=asked))["letters"]
    assert done["redrivenAs"] == "3"
    assert "not a dead letter" in failed["error"]
    again = (await office.ask("operator", "Redrive", conversation="c-1", letters=asked[:1]))["letters"]
    assert "redriven before, as message 3" in again[0]["error"]

    left = (await office.ask("operator", "Dead"))["letters"]
    assert [each["conversation"] for each in left] == ["c-2"]
    [redriven] = (await office.ask("operator", "Dead", redriven=True))["letters"]
    assert (redriven["conversation"], redriven["redrivenAs"]) == ("c-1", "3")
    assert "letters" not in await office.ask("operator", "Dead", agent="another")
    await office.writer.answer("Here I am.")
    shown = await office.ask("manager", "Show", turn=done["turn"])
    assert [json.loads(message["body"])["parts"][0]["text"] for message in shown["messages"]] == [
        "Hello?",
        "Here I am.",
    ]


async def test_dead_letters_come_in_pages(office: Office) -> None:
    for number in range(5):
        await office.writer.ask(f"c-{number}", "Hello?")
    await office.writer.give_up()
    found: list[str] = []
    mark = ""
    for _ in range(3):
        page = await office.ask("operator", "Dead", limit=2, mark=mark)
        found += [letter["conversation"] for letter in page["letters"]]
        mark = page.get("mark", "")
    assert sorted(found) == [f"c-{number}" for number in range(5)]
    assert mark == ""


async def test_a_hold_keeps_everything_until_it_is_released(office: Office) -> None:
    await office.writer.say("c-1", "a secret", "another")
    held = await office.ask("operator", "Hold", conversation="c-1", reason="case 7")
    assert held["conversation"]["hold"] == "case 7"
    status, sentence = await office.refused("operator", "Erase", conversation="c-1", reason="asked for")
    assert (status, "case 7" in sentence) == (grpc.StatusCode.FAILED_PRECONDITION, True)

    assert "hold" not in (await office.ask("operator", "Release", conversation="c-1"))["conversation"]
    erased = await office.ask("operator", "Erase", conversation="c-1", reason="asked for", id="e-1", up_to=1)
    assert erased == {"seq": "3"}
    assert await office.ask("operator", "Erase", conversation="c-1", reason="asked for", id="e-1") == erased

    first, second, said = (await office.ask("manager", "Show", conversation="c-1"))["messages"]
    assert first["erased"]
    assert "body" not in first
    assert "another" in second["body"]
    assert (said["kind"], said["sender"], said["issuer"]) == ("erased", "person:operator", "https://issuer.test")


async def test_an_export_is_whole(office: Office) -> None:
    await office.writer.say("c-1", *("x" * 100_000 for _ in range(10)))
    pieces = await office.all("manager", "Export", conversation="c-1")
    assert len(pieces) > 1
    lines = "".join(piece.get("lines", "") for piece in pieces).encode().splitlines(keepends=True)
    assert check_export(lines)["messages"] == 10


async def test_the_status_counts_what_there_is(office: Office) -> None:
    await office.writer.say("c-1", "one", "two")
    await office.writer.ask("c-2", "Hello?")
    await office.writer.ask("c-3", "Hello?")
    await office.writer.give_up()
    await office.writer.ask("c-3", "Hello?")
    status = await office.ask("operator", "Status")
    assert status.pop("oldestSeconds", 0) < 60
    assert status == {
        "engine": "sqlite",
        "revision": HEAD,
        "conversations": "3",
        "messages": "7",
        "ready": "1",
        "dead": "2",
    }


@pytest.mark.parametrize("operation", OF_ONE)
@pytest.mark.parametrize("who", ["clerk", "stranger"])
async def test_who_may_not_is_told_of_nothing(office: Office, operation: str, who: str) -> None:
    await office.writer.ask("c-1", "a secret")
    hidden = await office.refused(who, operation, conversation="c-1", **OF_ONE[operation])
    absent = await office.refused(who, operation, conversation="c-0", **OF_ONE[operation])
    assert hidden[0] is grpc.StatusCode.NOT_FOUND
    assert hidden[1].replace("c-1", "c-0") == absent[1]


@pytest.mark.parametrize("operation", OF_ONE)
async def test_a_conversation_of_another_domain_is_none(office: Office, operation: str) -> None:
    await office.writer.ask("c-1", "a secret", domain="finance")
    who = "operator" if operation in {"Redrive", "Hold", "Release", "Erase"} else "manager"
    assert (await office.refused(who, operation, conversation="c-1", **OF_ONE[operation]))[0] is (
        grpc.StatusCode.NOT_FOUND
    )


async def test_to_watch_the_log_is_not_to_read_it(office: Office) -> None:
    await office.writer.say("c-1", "a secret")
    assert (await office.refused("operator", "Show", conversation="c-1"))[0] is grpc.StatusCode.NOT_FOUND
    for operation in ("Status", "Tail", "Dead"):
        status, sentence = await office.refused("manager", operation)
        assert status is grpc.StatusCode.PERMISSION_DENIED
        assert "No policy permits" in sentence
    [piece] = await office.all("operator", "Tail")
    assert piece["message"]["size"] > 0
    assert "secret" not in json.dumps(piece)
    assert {"body", "raw", "digest"}.isdisjoint(piece["message"])


async def test_to_read_it_is_not_to_keep_it(office: Office) -> None:
    await office.writer.say("c-1", "a secret")
    status, sentence = await office.refused("manager", "Erase", conversation="c-1", reason="spite")
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert "keep_conversation" in sentence
    assert "a secret" in json.dumps(await office.ask("manager", "Show", conversation="c-1"))


@pytest.mark.parametrize(
    ("operation", "content", "word"),
    [
        ("Show", {}, "Which conversation?"),
        ("Export", {}, "Which conversation?"),
        ("Erase", {"reason": "x"}, "Which conversation?"),
        ("Erase", {"conversation": "c-1"}, "reason"),
        ("Erase", {"conversation": "c-1", "reason": " \n"}, "reason"),
        ("Erase", {"conversation": "c-1", "reason": "x", "up_to": HUGE}, "upTo"),
        ("Erase", {"conversation": "c-1", "reason": "x", "id": "\0"}, "NUL"),
        ("Erase", {"conversation": "c-1", "reason": "x" * 1_001}, "reason"),
        ("Hold", {"conversation": "c-1"}, "reason"),
        ("Hold", {"conversation": "c-1", "reason": "\0"}, "NUL"),
        ("Redrive", {"conversation": "c-1"}, "1 to 100"),
        ("Redrive", {"conversation": "c-1", "letters": [{"agent": "a", "seq": 1}] * 101}, "1 to 100"),
        ("Redrive", {"conversation": "c-1", "letters": [{"agent": "a", "seq": HUGE}]}, "seq"),
        ("Redrive", {"conversation": "c-1", "letters": [{"seq": 1}]}, "agent"),
        ("Redrive", {"conversation": "c-1", "letters": [{"agent": "a\0", "seq": 1}]}, "NUL"),
        ("Dead", {"limit": 1001}, "limit"),
        ("Dead", {"mark": "x"}, "mark"),
        ("Dead", {"mark": f"1.0/{HUGE}/a/c"}, "mark"),
        ("Dead", {"mark": "1.0/1/a/c\0"}, "mark"),
        ("Dead", {"agent": "\0"}, "NUL"),
        ("Tail", {"last": 2**32 - 1}, "last"),
        ("Tail", {"mark": "5"}, "mark"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_input_is_named(office: Office, operation: str, content: dict[str, Any], word: str) -> None:
    await office.writer.ask("c-1", "Hello?")
    status, sentence = await office.refused("operator", operation, **content)
    assert status in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert word in sentence


@pytest.mark.parametrize(
    ("operation", "content", "word"),
    [
        ("Show", {"conversation": "c-1", "after": HUGE}, "after"),
        ("Show", {"conversation": "c-1", "before": 2**53}, "before"),
        ("Show", {"conversation": "c-1", "limit": 2**32 - 1}, "limit"),
        ("Tail", {"conversation": "c-1", "mark": "x"}, "mark"),
        ("Tail", {"conversation": "c-1", "mark": str(HUGE)}, "mark"),
        ("Tail", {"conversation": "c-1", "last": 1001}, "last"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_numbers_are_named(office: Office, operation: str, content: dict[str, Any], word: str) -> None:
    await office.writer.say("c-1", "Hello?")
    status, sentence = await office.refused("manager", operation, **content)
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert word in sentence


@pytest.mark.parametrize("name", ["c\0", "x" * 10_000, "ℹ", "c-1/clerk/1", "%", "'; DROP TABLE message; --"])
async def test_odd_names_are_names_of_nothing(office: Office, name: str) -> None:
    assert (await office.refused("manager", "Show", conversation=name))[0] is grpc.StatusCode.NOT_FOUND
    assert (await office.refused("manager", "Show", turn=name))[0] is grpc.StatusCode.NOT_FOUND


async def test_what_only_works_on_tables_is_no_operation_here(office: Office) -> None:
    method = cast("Any", office.channel).unary_unary("/interchange.v1.Messages/Upgrade")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(b"", metadata=(("authorization", "Bearer operator"),), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_every_call_is_on_record_and_no_word_of_what_was_said(office: Office) -> None:
    await office.writer.ask("c-1", "a secret")
    await office.ask("manager", "Show", conversation="c-1")
    await office.refused("manager", "Erase", conversation="c-1", reason="spite")
    await office.ask("operator", "Erase", conversation="c-1", reason="asked for")
    await office.refused("clerk", "Show", conversation="c-1")
    await office.all("operator", "Tail")

    async with asyncio.timeout(5):
        while sum(entry["kind"] == "outcome" for entry in office.audit()) < 5:
            await asyncio.sleep(0.02)
    decisions = [entry for entry in office.audit() if entry["kind"] == "decision"]
    found = [
        (entry["chain"][-1]["name"], entry["action"], entry["target"], entry.get("declared"), entry["verdict"])
        for entry in decisions
    ]
    assert found == [
        ("manager", "read_conversation", "conversation:c-1", {"operation": "Show"}, "allow"),
        ("manager", "keep_conversation", "conversation:c-1", {"operation": "Erase"}, "deny"),
        ("operator", "keep_conversation", "conversation:c-1", {"operation": "Erase"}, "allow"),
        ("clerk", "read_conversation", "conversation:c-1", None, "unknown"),
        ("operator", "read_conversation", "messagelog:messages", {"operation": "Tail"}, "allow"),
    ]
    assert "secret" not in json.dumps(office.audit(), default=str)
    assert {entry["outcome"] for entry in office.audit() if entry["kind"] == "outcome"} == {"ok", "denied", "unknown"}


async def test_a_log_that_is_gone_is_said_and_comes_back(office: Office) -> None:
    await office.writer.say("c-1", "Hello?")
    files = [office.log, *(office.log.with_name(f"log.db-{each}") for each in ("wal", "shm"))]
    for file in files:
        file.rename(file.with_suffix(f"{file.suffix}.away"))
    for who, operation, content in (
        ("manager", "Show", {"conversation": "c-1"}),
        ("manager", "Show", {"conversation": "c-0"}),
        ("operator", "Status", {}),
    ):
        status, sentence = await office.refused(who, operation, **content)
        assert status is grpc.StatusCode.UNAVAILABLE
        assert "is gone" in sentence
    for file in files:
        file.with_suffix(f"{file.suffix}.away").rename(file)
    assert (await office.ask("manager", "Show", conversation="c-1"))["conversation"]["tail"] == "1"


async def test_no_two_agents_are_redriven_for_one(office: Office) -> None:
    await office.writer.ask("c-1", "Hello?")
    await office.writer.give_up()
    done = await office.ask("operator", "Redrive", conversation="c-1", letters=[{"agent": "another", "seq": 1}])
    assert "not a dead letter" in done["letters"][0]["error"]
