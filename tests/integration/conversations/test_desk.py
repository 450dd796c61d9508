"""What the agent of a turn may do in its conversation, on a real log: who else may not, and when it is over."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from adapters.lifecycle.held import delivery_held, is_held, turn_held
from adapters.messaging.bodies import read_body, write_body
from adapters.messaging.errors import Fenced, IdConflict, TurnOver
from adapters.messaging.messages import Kind, New, QuestionRef
from adapters.messaging.outcomes import Delivery, Done, Reply
from adapters.messaging.turns import TurnState
from gateway import conversation_desk
from registry.model import BadRequest, InterchangeError, Part, Refused, TooLarge, Unknown
from tests.support.held_turns import CLERK, Heard, Room, finish_id, said_id
from tests.support.until import until

pytestmark = pytest.mark.parametrize("room", ["sqlite", "postgres"], indirect=True)

DEEP: Any = json.loads("[" * 31 + "]" * 31)


def words(*texts: str) -> list[dict[str, str]]:
    return [{"text": text} for text in texts]


def reply(text: str) -> Done:
    return Done(replies=(Reply(body=write_body([Part(text=text)]), text=text),))


async def following(room: Room, held: Delivery, **content: Any) -> tuple[Heard, "asyncio.Task[Any]"]:
    heard = Heard()
    call = room.call(held, "FollowMessages", **content)
    return heard, asyncio.create_task(room.handle(call, heard))


def seqs(heard: Heard) -> list[int]:
    return [item["message"]["seq"] for item in heard.items if "message" in item]


# ---- saying something more


async def test_what_an_agent_says_on_the_way_is_in_the_log_at_once(room: Room) -> None:
    held = await room.ask("Write the report.")

    first = await room.do(held, "Say", id="1", parts=words("I have begun."))
    await room.do(held, "Say", id="2", artifacts=[{"id": "draft", "parts": words("# Report")}])
    await room.opened.log.settle(held, reply("Here it is."))

    assert (first["message"]["seq"], first["message"]["kind"], first["repeated"]) == (2, "SAID", False)
    _, one, two, end = await room.messages(held.conversation)
    assert (one.id, one.sender, one.turn) == (said_id(held.turn, "1"), "agent:scribe", held.turn)
    assert read_body(two.body).artifacts[0].parts == (Part(text="# Report"),)
    assert one.text == "I have begun.", "a search finds it"
    assert end.turn == held.turn


async def test_a_message_that_is_said_again_is_there_once(room: Room) -> None:
    held = await room.ask("Write the report.")

    said = [await room.do(held, "Say", id="1", parts=words("I have begun.")) for _ in range(3)]

    assert [each["repeated"] for each in said] == [False, True, True]
    assert said[0]["message"] == said[1]["message"] == said[2]["message"]
    assert await room.texts(held.conversation) == ["Write the report.", "I have begun."]


async def test_another_message_under_the_same_id_is_refused(room: Room) -> None:
    held = await room.ask("Write the report.")
    await room.do(held, "Say", id="1", parts=words("I have begun."))

    with pytest.raises(Refused, match="something else was said under this id"):
        await room.do(held, "Say", id="1", parts=words("I have not."))
    assert await room.texts(held.conversation) == ["Write the report.", "I have begun."]


async def test_an_id_is_the_turns_own(room: Room) -> None:
    first = await room.ask("one", conversation="c-1")
    await room.do(first, "Say", id="1", parts=words("to the first"))
    await room.opened.log.settle(first, reply("done"))
    second = await room.ask("two", conversation="c-1")
    await room.do(second, "Say", id="1", parts=words("to the second"))

    assert await room.texts(first.conversation) == ["one", "to the first", "done", "two", "to the second"]


UNSAYABLE: list[tuple[dict[str, Any], type[InterchangeError], str]] = [
    ({"parts": words("x")}, BadRequest, "id:"),
    ({"id": "", "parts": words("x")}, BadRequest, "id:"),
    ({"id": "a\nb", "parts": words("x")}, BadRequest, "id:"),
    ({"id": "a\0b", "parts": words("x")}, BadRequest, "id:"),
    ({"id": "x" * 129, "parts": words("x")}, BadRequest, "id:"),
    ({"id": "1"}, BadRequest, "says something"),
    ({"id": "1", "parts": [{}]}, BadRequest, "without content"),
    ({"id": "1", "parts": [{"data": DEEP}]}, BadRequest, "nested more than"),
    ({"id": "1", "artifacts": [{"id": "", "parts": words("x")}]}, BadRequest, "artifact id"),
    ({"id": "1", "artifacts": [{"id": "a"}]}, BadRequest, "without content"),
    ({"id": "1", "parts": words("x"), "conversationId": "c-2"}, BadRequest, "another conversation"),
    ({"id": "1", "parts": words("x" * (5 << 20))}, TooLarge, "bytes"),
]


@pytest.mark.parametrize(("content", "error", "sentence"), UNSAYABLE)
async def test_what_cannot_be_said_is_refused_with_a_reason(
    room: Room, content: Mapping[str, Any], error: type[InterchangeError], sentence: str
) -> None:
    held = await room.ask("Write the report.", conversation="c-1")
    with pytest.raises(error, match=sentence):
        await room.do(held, "Say", **content)
    assert await room.texts(held.conversation) == ["Write the report."]


async def test_a_conversation_that_is_named_is_the_turns(room: Room) -> None:
    held = await room.ask("Write the report.", conversation="c-1")
    said = await room.do(held, "Say", id="1", parts=words("I have begun."), conversationId="c-1")
    assert said["message"]["conversationId"] == "c-1"


async def test_an_agent_says_so_much_and_no_more(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_desk, "MOST", 3)
    held = await room.put_off(await room.ask("Write the report."))
    for number in range(3):
        await room.do(held, "Say", id=str(number), parts=words("more"))

    with pytest.raises(Refused, match="only be ended"):
        await room.do(held, "Say", id="3", parts=words("more"))
    await room.do(held, "Finish", finished={"parts": words("done")})
    assert (await room.turn(held.of)).state is TurnState.COMPLETED


# ---- saying it otherwise


async def test_a_message_is_replaced_by_another_that_says_so(room: Room) -> None:
    held = await room.ask("Write the report.")
    first = await room.do(held, "Say", id="1", parts=words("10 %"))
    second = await room.do(held, "Update", id="2", seq=first["message"]["seq"], parts=words("20 %"))
    third = await room.do(held, "Update", id="3", seq=second["message"]["seq"], parts=words("30 %"))

    assert (second["message"]["kind"], second["message"]["updates"]) == ("UPDATED", said_id(held.turn, "1"))
    assert third["message"]["updates"] == said_id(held.turn, "1"), "of what was said first"
    assert await room.texts(held.conversation) == ["Write the report.", "10 %", "20 %", "30 %"]
    again = await room.do(held, "Update", id="3", seq=second["message"]["seq"], parts=words("30 %"))
    assert again["repeated"]


async def test_nobody_replaces_what_others_have_said(room: Room) -> None:
    other = await room.ask("Clerk?", of=CLERK, conversation="c-1")
    await room.do(other, "Say", id="1", parts=words("mine"))
    held = await room.ask("Scribe?", conversation="c-1")

    for seq in (0, 1, 2, 3, 99, 2**60):
        with pytest.raises(BadRequest, match="seq"):
            await room.do(held, "Update", id="2", seq=seq, parts=words("x"))


async def test_what_was_erased_is_not_replaced(room: Room) -> None:
    held = await room.ask("Write the report.")
    await room.do(held, "Say", id="1", parts=words("secret"))
    await room.opened.keeping.erase(held.conversation, id="e", by="person:olga", reason="asked for")
    with pytest.raises(Refused, match="erased"):
        await room.do(held, "Update", id="2", seq=2, parts=words("x"))


# ---- reading


async def test_a_page_of_the_conversation_is_read_either_way(room: Room) -> None:
    held = await room.ask("Write the report.")
    for number in range(1, 6):
        await room.do(held, "Say", id=str(number), parts=words(f"message {number}"))

    async def page(**content: Any) -> list[int]:
        return [message["seq"] for message in (await room.do(held, "Read", **content))["messages"]]

    assert await page() == [1, 2, 3, 4, 5, 6]
    assert await page(after=4) == [5, 6]
    assert await page(before=4, limit=2) == [2, 3]
    assert await page(after=1, limit=1) == [2]
    assert await page(after=2**60) == []
    assert (await room.do(held, "Read", limit=1))["tail"] == 6
    with pytest.raises(BadRequest, match="limit"):
        await page(limit=1001)


async def test_messages_are_told_with_all_that_belongs_to_them(room: Room) -> None:
    held = await room.ask("Write the report.")
    await room.do(
        held,
        "Say",
        id="1",
        parts=[{"text": "see", "mediaType": "text/markdown"}, {"data": {"n": 1}}, {"raw": "AAE="}],
        artifacts=[{"id": "a", "name": "A", "parts": words("x")}],
    )

    asked, said = (await room.do(held, "Read"))["messages"]

    assert asked["sender"] == {"kind": "PERSON", "issuer": "https://issuer.test", "name": "alice"}
    assert said["sender"]["name"] == "scribe"
    assert said["parts"] == [{"text": "see", "mediaType": "text/markdown"}, {"data": {"n": 1}}, {"raw": "AAE="}]
    assert (said["artifacts"][0]["id"], said["turnId"]) == ("a", held.turn)


async def test_what_nobody_can_be_told_costs_nobody_the_rest(room: Room) -> None:
    held = await room.ask("Write the report.")
    for id_, body in (("odd", b"\xff"), ("deep", write_body([Part(data=DEEP), Part(text="beside")]))):
        await room.opened.log.append(held.conversation, [New(id=id_, sender="person:alice", body=body)])
    await room.opened.keeping.erase(
        held.conversation, id="e", by="person:olga", sender="person:alice", up_to=1, reason="asked for"
    )

    first, odd, deep, erased = (await room.do(held, "Read"))["messages"]

    assert "parts" not in first
    assert "cannot be told" in odd["parts"][0]["text"]
    assert ("cannot be told" in deep["parts"][0]["text"], deep["parts"][1]["text"]) == (True, "beside")
    assert erased["parts"] == words("asked for")


# ---- following


async def test_whoever_follows_gets_every_message_once_and_the_end_of_the_turn(room: Room) -> None:
    held = await room.ask("Write the report.")
    heard, task = await following(room, held)
    for number in range(1, 4):
        await room.do(held, "Say", id=str(number), parts=words(f"message {number}"))
    await until(lambda: len(seqs(heard)) == 4)
    assert not task.done()
    await room.opened.log.settle(held, reply("Here it is."))
    async with asyncio.timeout(10):
        await task

    assert seqs(heard) == [1, 2, 3, 4, 5]
    assert heard.items[0] == {"mark": "0"}
    assert heard.items[-1] == {"mark": "5", "over": True}


async def test_what_was_said_before_the_turn_ended_is_told_before_its_end(room: Room) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    for number in range(3):
        await room.do(held, "Say", id=str(number), parts=words("more"))
    await room.do(held, "Finish", finished={"parts": words("done")})
    heard, task = await following(room, held)
    async with asyncio.timeout(10):
        await task
    assert (seqs(heard), heard.items[-1]) == ([1, 2, 3, 4, 5], {"mark": "5", "over": True})


async def test_a_stream_begins_behind_a_number_or_a_mark(room: Room) -> None:
    held = await room.ask("Write the report.")
    await room.do(held, "Say", id="1", parts=words("one"))
    await room.do(held, "Say", id="2", parts=words("two"))
    for content in ({"after": "1"}, {"mark": "1"}, {"after": "0", "mark": "1"}):
        heard, task = await following(room, held, **content)
        await until(lambda heard=heard: len(seqs(heard)) == 2)
        assert seqs(heard) == [2, 3]
        task.cancel()
    for mark in ("x", "-1", "9" * 40, "١"):
        with pytest.raises(BadRequest, match="mark"):
            await room.do(held, "FollowMessages", mark=mark)


async def test_a_stream_says_that_it_lives_and_ends_well_in_time(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_desk, "BEAT", 0.1)
    held = await room.ask("Write the report.")
    heard = Heard()
    async with asyncio.timeout(10):
        await room.handle(room.call(held, "FollowMessages", deadline=1.8), heard)
    assert heard.items.count({"mark": "1"}) > 2
    assert not any(item.get("over") for item in heard.items)


async def test_messages_of_other_turns_are_followed_and_their_ends_end_nothing(room: Room) -> None:
    held = await room.put_off(await room.ask("Write the report.", conversation="c-1"))
    heard, task = await following(room, held, after="1")
    other = await room.ask("And?", of=CLERK, conversation="c-1")
    await room.opened.log.settle(other, reply("Nothing."))
    await until(lambda: len(seqs(heard)) == 2)
    assert not task.done()
    await room.opened.log.revoke(held.of, by="person:alice")
    async with asyncio.timeout(10):
        await task
    assert (seqs(heard), heard.items[-1]) == ([2, 3, 4], {"mark": "4", "over": True})


async def test_an_attempt_that_is_superseded_follows_no_more(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_desk, "BEAT", 0.1)
    held = await room.ask("Write the report.", seconds=0.05)
    heard, task = await following(room, held)
    await asyncio.sleep(0.1)
    await room.again()
    async with asyncio.timeout(10):
        await task
    assert heard.items[-1] == {"mark": "1", "over": True}


# ---- whose turn it is, and whether it still is


async def test_another_agent_and_another_turns_token_find_nothing(room: Room) -> None:
    held = await room.ask("Write the report.", conversation="c-1")
    other = await room.ask("Clerk?", of=CLERK, conversation="c-2")
    for operation in sorted(conversation_desk.OPERATIONS):
        with pytest.raises(Unknown):
            await room.do(held, operation, by=CLERK, id="1", parts=words("x"))
    with pytest.raises(BadRequest, match="another conversation"):
        await room.do(other, "Say", id="1", parts=words("x"), conversationId="c-1")
    with pytest.raises(Unknown):
        await turn_held(room.opened, "nothing")  # pyright: ignore[reportArgumentType]


async def test_what_a_superseded_attempt_says_is_not_written(room: Room) -> None:
    lost = await room.ask("Write the report.", seconds=0.05)
    await room.do(lost, "Say", id="1", parts=words("first attempt"))
    await asyncio.sleep(0.1)
    held = await room.again()

    row = await room.turn(lost.of)
    assert not await is_held(room.opened, row, fence=lost.fence)
    assert await is_held(room.opened, row, fence=held.fence)
    rebuilt = await delivery_held(room.opened, row, fence=held.fence, attempt=held.attempt)
    assert (rebuilt.id, rebuilt.of, rebuilt.message) == (held.id, held.of, held.message)
    for operation in ("Say", "Update"):
        with pytest.raises(Fenced):
            await room.do(lost, operation, id="2", seq=2, parts=words("late"))
    for operation in ("Ask", "Finish"):
        with pytest.raises(Fenced):
            await room.do(lost, operation, question={"id": "q", "text": "?"}, finished={"parts": words("late")})
    await room.do(held, "Say", id="2", parts=words("second attempt"))
    assert await room.texts(lost.conversation) == ["Write the report.", "first attempt", "second attempt"]
    assert (await room.do(held, "Say", id="1", parts=words("first attempt")))["repeated"], "whichever attempt says it"


async def test_what_a_superseded_attempt_says_is_not_written_when_the_later_one_put_its_turn_off(room: Room) -> None:
    lost = await room.ask("Write the report.", seconds=0.05)
    later = await room.put_off(await room.again())
    with pytest.raises(Fenced):
        await room.do(lost, "Say", id="1", parts=words("late"))
    with pytest.raises(Fenced):
        await room.do(lost, "Finish", finished={"parts": words("late")})
    await room.do(later, "Finish", finished={"parts": words("Here it is.")})
    assert await room.texts(lost.conversation) == ["Write the report.", "Here it is."]


async def test_nothing_is_said_in_a_turn_that_has_ended(room: Room) -> None:
    done, cancelled = await room.ask("one"), await room.ask("two")
    await room.opened.log.settle(done, reply("done"))
    await room.opened.log.revoke(cancelled.of, by="person:alice")
    for held in (done, cancelled):
        with pytest.raises(TurnOver):
            await room.do(held, "Say", id="1", parts=words("late"))
        with pytest.raises(TurnOver):
            await room.do(held, "Finish", finished={"parts": words("late")})
        with pytest.raises(TurnOver):
            await room.do(held, "Ask", question={"id": "q", "text": "?"})


# ---- turns that were put off


async def test_a_turn_that_was_put_off_goes_on_and_is_finished(room: Room) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    first = await room.do(held, "Say", id="1", parts=words("Half of it."))
    await room.do(held, "Update", id="2", seq=first["message"]["seq"], parts=words("Most of it."))
    finished = {
        "parts": words("Here it is."),
        "artifacts": [{"id": "report", "parts": words("# Report")}],
        "metadata": {"pages": 3},
    }

    ended = await room.do(held, "Finish", finished=finished)

    assert (ended["repeated"], ended["message"]["id"]) == (False, finish_id(held.turn, held.fence))
    row = await room.turn(held.of)
    assert (row.state, row.grant) == (TurnState.COMPLETED, 0)
    last = (await room.messages(held.conversation))[-1]
    body = read_body(last.body)
    assert (last.kind, last.sender, last.turn) == (Kind.SAID, "agent:scribe", held.turn)
    assert (body.parts, body.metadata) == ((Part(text="Here it is."),), {"pages": 3})
    assert [artifact.id for artifact in body.artifacts] == ["report"]


async def test_a_finish_that_is_repeated_finds_it_finished(room: Room) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    finished = {"parts": words("Here it is.")}

    ends = await asyncio.gather(*(room.do(held, "Finish", finished=finished) for _ in range(5)))

    assert sorted(each["repeated"] for each in ends) == [False, True, True, True, True]
    assert await room.texts(held.conversation) == ["Write the report.", "Here it is."]
    with pytest.raises(TurnOver, match="otherwise"):
        await room.do(held, "Finish", finished={"parts": words("No, here.")})
    with pytest.raises(TurnOver):
        await room.do(held, "Say", id="1", parts=words("late"))


async def test_a_turn_that_was_put_off_fails_in_the_agents_words(room: Room) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    failed = {"code": "no_paper", "text": "There is no paper left.", "retryable": True}

    ends = [await room.do(held, "Finish", failed=failed) for _ in range(2)]

    assert [each["repeated"] for each in ends] == [False, True]
    assert (await room.turn(held.of)).state is TurnState.FAILED
    last = (await room.messages(held.conversation))[-1]
    body = read_body(last.body)
    assert last.kind is Kind.FAILED
    assert body.parts == (Part(text="scribe gave up (no_paper): There is no paper left."),)
    assert (body.metadata["interchange/error"], body.metadata["interchange/retryable"]) == ("far_side", True)


async def test_a_turn_that_was_put_off_asks_and_its_answer_is_another_attempt(room: Room) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    question = {"id": "colour", "text": "Which colour?", "answerSchema": {"type": "string"}}

    asked = [await room.do(held, "Ask", question=question) for _ in range(2)]

    assert [each["repeated"] for each in asked] == [False, True]
    assert (await room.turn(held.of)).state is TurnState.WAITING
    last = (await room.messages(held.conversation))[-1]
    assert (last.kind, (read_body(last.body).question or {})["id"]) == (Kind.ASKED, "colour")
    told = (await room.do(held, "Read", after=1))["messages"]
    assert told[0]["question"]["text"] == "Which colour?"
    with pytest.raises(Fenced):
        await room.do(held, "Say", id="1", parts=words("late"))

    answer = New(
        id="a",
        sender="person:alice",
        body=write_body([Part(text="red")]),
        kind=Kind.ANSWERED,
        answers=QuestionRef(of=held.of, question="colour"),
    )
    await room.opened.log.append(held.conversation, [answer])
    later = await room.again()
    assert later.fence > held.fence
    with pytest.raises(Fenced):
        await room.do(held, "Finish", finished={"parts": words("late")})
    await room.do(later, "Say", id="1", parts=words("red it is"))


@pytest.mark.parametrize(
    ("question", "sentence"),
    [({}, "question id"), ({"id": "x" * 300}, "question id"), ({"id": "q", "kind": "APPROVAL"}, "nobody here")],
)
async def test_a_question_that_is_none_is_refused(room: Room, question: Mapping[str, Any], sentence: str) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    with pytest.raises(BadRequest, match=sentence):
        await room.do(held, "Ask", question=question)
    assert (await room.turn(held.of)).state is TurnState.DEFERRED


async def test_a_turn_in_hand_neither_asks_nor_ends_here(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_desk, "PATIENCE", 0.2)
    held = await room.ask("Write the report.")
    with pytest.raises(Refused, match="in hand"):
        await room.do(held, "Finish", finished={"parts": words("x")})
    with pytest.raises(Refused, match="in hand"):
        await room.do(held, "Ask", question={"id": "q", "text": "?"})
    with pytest.raises(BadRequest, match="how the turn ends"):
        await room.do(held, "Finish")
    assert (await room.turn(held.of)).state is TurnState.WORKING


async def test_an_agent_that_is_faster_than_its_own_stream_is_waited_for(room: Room) -> None:
    held = await room.ask("Write the report.")
    finishing = asyncio.create_task(room.do(held, "Finish", finished={"parts": words("Here it is.")}))
    await asyncio.sleep(0.1)
    await room.put_off(held)
    await finishing
    assert (await room.turn(held.of)).state is TurnState.COMPLETED


async def test_a_turn_that_is_put_off_while_one_looks_is_held_all_along(room: Room) -> None:
    held = await room.ask("Write the report.")
    seen = await room.turn(held.of)
    await room.put_off(held)
    assert await is_held(room.opened, seen, fence=held.fence)
    assert not await is_held(room.opened, seen, fence=held.fence + 1)


async def test_what_is_said_while_a_turn_ends_is_before_its_end_or_nowhere(room: Room) -> None:
    """The end of a turn is its last message, whatever races with it."""
    for _ in range(10):
        held = await room.put_off(await room.ask("Write the report."))
        saying = [room.do(held, "Say", id=str(number), parts=words("more")) for number in range(10)]
        ending = room.do(held, "Finish", finished={"parts": words("the end")})
        answers = await asyncio.gather(*saying[:5], ending, *saying[5:], return_exceptions=True)
        assert all(isinstance(each, dict | TurnOver) for each in answers), answers
        told = await room.texts(held.conversation)
        assert told[-1] == "the end"
        assert told.count("more") == sum(isinstance(each, dict) for each in answers) - 1


async def test_an_id_of_the_end_cannot_be_taken_before(room: Room) -> None:
    held = await room.put_off(await room.ask("Write the report."))
    await room.do(held, "Say", id=finish_id(held.turn, held.fence), parts=words("x"))
    await room.do(held, "Finish", finished={"parts": words("Here it is.")})
    with pytest.raises(IdConflict):
        await room.opened.log.append(
            held.conversation,
            [New(id=finish_id(held.turn, held.fence), sender="agent:scribe", body=b"x", turn=held.turn)],
        )


async def test_a_lease_that_ended_but_that_nobody_took_still_counts(room: Room) -> None:
    held = await room.ask("Write the report.", seconds=0.01)
    await asyncio.sleep(0.05)
    await room.do(held, "Say", id="1", parts=words("still here"))
