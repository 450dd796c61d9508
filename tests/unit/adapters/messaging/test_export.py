"""Export: a conversation as lines that tell when one of them is missing or changed."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.messaging import export as exporting
from adapters.messaging.bodies import write_body
from adapters.messaging.export import check_export, export
from adapters.messaging.messages import New, QuestionRef, To
from adapters.messaging.outcomes import Dead
from registry.model import BadRequest, ConversationId, Part, Unknown, new_turn_id
from tests.support.logs import (
    ALICE,
    ECHO,
    OPENING,
    SCOUT,
    OpenedLog,
    answered,
    asks,
    claim_all,
    claim_one,
    done,
    new_conversation,
    open_turn,
    opened_log,
    said,
)

CONVERSATION = ConversationId("0198-hiring")


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncGenerator[OpenedLog]:
    async with opened_log("paper", folder=tmp_path) as log:
        yield log


async def lines_of(opened: OpenedLog, conversation: ConversationId = CONVERSATION) -> list[bytes]:
    return [line async for line in export(opened.history, conversation)]


def read(lines: list[bytes], kind: str) -> list[dict[str, Any]]:
    found = [orjson.loads(line) for line in lines]
    return [line for line in found if line["type"] == kind]


def resealed(lines: list[bytes]) -> list[bytes]:
    """Lines that were changed, with an end that fits to them again."""
    end = orjson.loads(lines[-1])
    end["sha256"] = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    return [*lines[:-1], orjson.dumps(end) + b"\n"]


async def converse(opened: OpenedLog) -> None:
    """A question and its answer, a reply, a dead letter that was redriven, one that was not, and a device."""
    log = opened.log
    body = write_body((Part(text="Find Ada", media_type="text/plain"),))
    first = New(id="m1", sender=ALICE, issuer="https://issuer", body=body, to=(To(agent=ECHO, turn=new_turn_id()),))
    await log.append(CONVERSATION, [first], opening=OPENING)
    asked = await claim_one(log)
    await log.settle(asked, asks("Which Ada?"))
    await log.append(CONVERSATION, [answered("Lovelace", QuestionRef(of=asked.of, question="q1"))])
    await log.settle(await claim_one(log), done("Here she is."))
    for text in ("one", "two"):
        await open_turn(log, CONVERSATION, text, to=SCOUT)
        await log.settle(await claim_one(log), Dead(error="it is down"))
    dead = (await opened.history.page(CONVERSATION))[4]
    await log.redrive(CONVERSATION, SCOUT, dead.seq, turn=new_turn_id())
    await log.seen(CONVERSATION, "phone", 3)


async def test_a_conversation_comes_out_whole_and_in_order(opened: OpenedLog) -> None:
    await converse(opened)
    page = await opened.history.page(CONVERSATION)

    lines = await lines_of(opened)

    (conversation,) = read(lines, "conversation")
    assert (conversation["id"], conversation["tail"], conversation["startedBy"]) == (CONVERSATION, len(page), ALICE)
    messages = read(lines, "message")
    assert [message["seq"] for message in messages] == list(range(1, len(page) + 1))
    assert [message["digest"] for message in messages] == [message.digest.hex() for message in page]
    assert messages[0]["body"] == {"parts": [{"mediaType": "text/plain", "text": "Find Ada"}]}
    assert messages[0]["issuer"] == "https://issuer"
    assert messages[1]["bodyBase64"] == "V2hpY2ggQWRhPw=="
    assert [(letter["error"], bool(letter["redrivenAs"])) for letter in read(lines, "dead_letter")] == [
        ("it is down", False),
        ("it is down", True),
    ]
    assert len(read(lines, "turn")) == 4
    assert read(lines, "device") == [{"type": "device", "device": "phone", "seq": 3}]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)


async def test_an_export_is_found_whole(opened: OpenedLog) -> None:
    await converse(opened)
    lines = await lines_of(opened)

    assert check_export(lines) == {"messages": len(read(lines, "message")), "turns": 4, "deadLetters": 2, "devices": 1}


def test_times_are_those_of_the_day_in_utc() -> None:
    assert exporting.moment(0.25) == "1970-01-01T00:00:00.250000Z"
    assert exporting.moment(1_795_000_000) == "2026-11-18T11:06:40.000000Z"


async def test_what_was_erased_is_exported_without_what_it_said(opened: OpenedLog) -> None:
    await opened.log.append(CONVERSATION, [said("my number is 555")], opening=OPENING)
    await opened.keeping.erase(CONVERSATION, id="e1", by=ALICE, reason="she asked for it")

    lines = await lines_of(opened)

    erased, notice = read(lines, "message")
    assert erased["erased"] is True
    assert "body" not in erased and "bodyBase64" not in erased
    assert notice["kind"] == "erased"
    assert b"555" not in b"".join(lines)
    check_export(lines)


async def test_a_body_that_is_nested_deeper_than_json_is_written_is_exported_as_bytes(opened: OpenedLog) -> None:
    deep = b"[" * 300 + b"]" * 300
    await opened.log.append(CONVERSATION, [replace(said("deep"), body=deep)], opening=OPENING)
    lines = await lines_of(opened)
    assert "bodyBase64" in read(lines, "message")[0]
    assert check_export(lines)["messages"] == 1


async def test_long_conversations_come_page_by_page(opened: OpenedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_PAGE", 3)
    for number in range(10):
        await open_turn(opened.log, CONVERSATION, f"question {number}")
        await opened.log.settle(await claim_one(opened.log), Dead(error="no"))

    lines = await lines_of(opened)

    assert [message["seq"] for message in read(lines, "message")] == list(range(1, 21))
    assert len({turn["id"] for turn in read(lines, "turn")}) == 10
    assert [letter["seq"] for letter in read(lines, "dead_letter")] == list(range(1, 21, 2))
    check_export(lines)


async def test_dead_letters_of_one_message_to_several_agents_are_all_there(
    opened: OpenedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_PAGE", 3)
    for text in ("one", "two", "three"):
        to = tuple(To(agent=agent, turn=new_turn_id()) for agent in (ECHO, SCOUT))
        await opened.log.append(CONVERSATION, [replace(said(text), to=to)], opening=OPENING)
    while deliveries := await claim_all(opened.log):
        for delivery in deliveries:
            await opened.log.settle(delivery, Dead(error="no"))

    letters = read(await lines_of(opened), "dead_letter")

    assert sorted((letter["seq"], letter["agent"]) for letter in letters) == [
        (seq, agent) for seq in (1, 2, 3) for agent in (ECHO, SCOUT)
    ]


async def test_a_conversation_that_goes_on_meanwhile_is_exported_as_it_was(
    opened: OpenedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_PAGE", 2)
    turns = [await open_turn(opened.log, CONVERSATION, f"question {number}") for number in range(5)]
    lines: list[bytes] = []

    async for line in export(opened.history, CONVERSATION):
        lines.append(line)
        opened.clock.pass_time(1)
        if b'"type":"message"' in line:
            await opened.log.append(CONVERSATION, [said("later", to=ECHO)])
        if b'"type":"turn"' in line and len(read(lines, "turn")) == 2:
            await opened.log.revoke(turns[0], by=ALICE)

    assert len(read(lines, "message")) == 5
    exported = {turn["id"]: turn["state"] for turn in read(lines, "turn")}
    assert exported == {of.turn: "cancelled" if of is turns[0] else "queued" for of in turns}
    check_export(lines)


async def test_there_is_no_export_of_a_conversation_that_is_not(opened: OpenedLog) -> None:
    with pytest.raises(Unknown):
        await lines_of(opened, new_conversation())


async def test_an_export_that_was_cut_anywhere_gives_itself_away(opened: OpenedLog) -> None:
    await converse(opened)
    lines = await lines_of(opened)

    for kept in range(len(lines)):
        with pytest.raises(BadRequest, match="cut"):
            check_export(lines[:kept])
    with pytest.raises(BadRequest, match=f"Line {len(lines)} .*cut"):
        check_export([*lines[:-1], lines[-1][:-5]])


async def test_an_export_that_lacks_any_line_gives_itself_away(opened: OpenedLog) -> None:
    await converse(opened)
    lines = await lines_of(opened)

    for missing in range(len(lines) - 1):
        with pytest.raises(BadRequest):
            check_export(lines[:missing] + lines[missing + 1 :])
        with pytest.raises(BadRequest):
            check_export(resealed(lines[:missing] + lines[missing + 1 :]))


async def test_an_export_in_which_something_was_changed_gives_itself_away(opened: OpenedLog) -> None:
    await converse(opened)
    lines = await lines_of(opened)
    changed = [line.replace(b"Find Ada", b"Find Bob") for line in lines]

    with pytest.raises(BadRequest, match=r"Line 2 .*digest"):
        check_export(resealed(changed))
    with pytest.raises(BadRequest, match="SHA-256"):
        check_export([line.replace(b"it is down", b"it is up") for line in lines])


async def test_lines_behind_the_end_are_refused(opened: OpenedLog) -> None:
    await converse(opened)
    lines = await lines_of(opened)

    with pytest.raises(BadRequest, match="behind the last line"):
        check_export([*lines, lines[1]])


@pytest.mark.parametrize("line", [b"", b"\n", b"[]\n", b"{}\n", b'{"type":"message"}\n', b'{"type":"conversation"}\n'])
def test_what_is_no_export_is_refused_with_the_line(line: bytes) -> None:
    with pytest.raises(BadRequest, match="Line 1 of the export"):
        check_export([line])
