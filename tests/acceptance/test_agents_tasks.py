"""What becomes of a task once it is there: it is read, listed, followed, cancelled, answered, and reviewed.

The agent is one process, the gateway another; each test says what the agent does by what it is told. What all clients
see of all operations over all bindings is in `test_a2a_operations`; here is what the operations promise.
"""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import pytest
from interchange.v1 import agent_pb2
from interchange_client.agent import TurnInHand
from interchange_client.turns import artifact, done, message, question, status

from tests.support.agents import (
    HTTP,
    Agents,
    Door,
    answer_of,
    end_of,
    invoking,
    params,
    result_of,
    state_of,
    text,
    told_of,
    words_of,
)
from tests.support.odd_agent import eventually
from tests.support.office import office
from tests.support.served import Served

SUBMITTED, WORKING, WAITING, COMPLETED, CANCELED, FAILED = [
    f"TASK_STATE_{state}" for state in ("SUBMITTED", "WORKING", "INPUT_REQUIRED", "COMPLETED", "CANCELED", "FAILED")
]
LEAVING = {"configuration": {"returnImmediately": True}}
NOT_FOUND, NOT_CANCELABLE, UNSUPPORTED, INVALID_PARAMS = -32001, -32002, -32004, -32602
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Desk:
    """The agent: it does what it is told by the first word, and holds what it is to hold until it may go on."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self._gates: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}

    def go(self, word: str) -> None:
        """Let a turn go on that is held."""
        loop, gate = self._gates.pop(word)
        loop.call_soon_threadsafe(gate.set)

    async def answer(self, turn: TurnInHand) -> AsyncIterator[str | agent_pb2.TurnEvent]:
        verb, _, word = turn.text.partition(" ")
        match verb:
            case "hold":
                yield word[:2]
                await self._held(word)
                yield word[2:]
            case "make":
                yield message("A moment")
                yield status("half of it", progress=1, total=2)
                yield artifact("first, ", id="report", name="Report", last=False)
                yield artifact("then", id="report", append=True)
                yield done(word, metadata={"seconds": 3})
            case "ask" if not turn.turn.answers:
                yield question("Which city?", schema=CITY)
            case "ask":
                said = turn.turn.answers[0].value
                city = said.struct_value["city"] if said.HasField("struct_value") else said.string_value
                yield f"You said {city}"
            case _:
                yield word[:2]
                yield word[2:]

    async def _held(self, word: str) -> None:
        gate = asyncio.Event()
        self._gates[word] = (asyncio.get_running_loop(), gate)
        self.begun.release()
        await gate.wait()


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


@pytest.fixture(scope="module")
def gateway(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with office(tmp_path_factory.mktemp("gateway")) as served, Agents(served).alive() as agents:
        agents.answers["clerk"] = desk.answer
        agents.join("clerk")
        yield served
        assert "Traceback" not in served.log(), served.log()


@pytest.fixture
def ada(gateway: Served) -> Door:
    return Door(gateway.url, gateway.token("ada"))


@pytest.fixture
def bob(gateway: Served) -> Door:
    return Door(gateway.url, gateway.token("bob"))


def left(door: Door, words: str, **message: Any) -> dict[str, Any]:
    """The task of a message whose sender does not wait."""
    return result_of(door.rpc("clerk", "SendMessage", params(text(words), **message) | LEAVING))


def held(door: Door, desk: Desk, word: str, **message: Any) -> dict[str, Any]:
    """A task that the agent has in hand until it may go on."""
    task = left(door, f"hold {word}", **message)
    assert desk.begun.acquire(timeout=10)
    return task


def error_code(door: Door, method: str, given: dict[str, Any]) -> int:
    return door.rpc("clerk", method, given).json()["error"]["code"]


# ---- a task is read


def test_a_task_is_found_again_as_it_was_answered(ada: Door) -> None:
    sent = result_of(ada.send("clerk", text("make it")))

    assert ada.task("clerk", sent["id"]) == sent
    assert HTTP.get(f"{ada.of('clerk')}/tasks/{sent['id']}", headers=ada.sent()).json() == sent
    assert sent["metadata"] == {"seconds": 3.0}
    assert [each["artifactId"] for each in sent["artifacts"]] == ["report", "answer"]
    assert [part["text"] for part in sent["artifacts"][0]["parts"]] == ["first, ", "then"]
    assert answer_of(sent) == [text("it")]


def test_who_does_not_wait_reads_how_far_it_is(ada: Door, desk: Desk) -> None:
    word = f"w{uuid.uuid4().hex}"
    task = held(ada, desk, word)
    assert task["status"]["state"] in {SUBMITTED, WORKING}

    def drafted() -> dict[str, Any]:
        return {each["artifactId"]: each["parts"] for each in ada.task("clerk", task["id"]).get("artifacts", [])}

    eventually(lambda: drafted() == {"answer": [text(word[:2])]}, "there is no draft of it")
    desk.go(word)
    eventually(lambda: ada.task("clerk", task["id"])["status"]["state"] == COMPLETED, "it does not end")
    assert answer_of(ada.task("clerk", task["id"])) == [text(word)]


@pytest.mark.parametrize(
    ("length", "history"), [(None, ["make it", "A moment"]), (1, ["A moment"]), (0, []), (9, None)]
)
def test_as_much_history_is_told_as_is_asked_for(ada: Door, *, length: int | None, history: list[str] | None) -> None:
    configuration = {} if length is None else {"configuration": {"historyLength": length}}
    sent = result_of(ada.rpc("clerk", "SendMessage", params(text("make it")) | configuration))
    asked = {} if length is None else {"historyLength": length}

    found = ada.task("clerk", sent["id"], **asked)
    url = f"{ada.of('clerk')}/tasks/{sent['id']}"
    over_rest = HTTP.get(url, params=asked, headers=ada.sent()).json()
    for task in (sent, found, over_rest):
        said = [each["parts"][0]["text"] for each in task.get("history", [])]
        assert said == (["make it", "A moment"] if history is None else history)
    assert ("history" in found) is (length != 0)


def test_a_negative_length_of_history_is_none(ada: Door) -> None:
    sent = result_of(ada.send("clerk", text("say x")))
    assert error_code(ada, "GetTask", {"id": sent["id"], "historyLength": -1}) == INVALID_PARAMS
    message = params(text("say x")) | {"configuration": {"historyLength": -1}}
    assert error_code(ada, "SendMessage", message) == INVALID_PARAMS


def test_a_conversation_goes_on_under_the_id_that_was_told(ada: Door) -> None:
    first = result_of(ada.send("clerk", text("say one")))
    second = result_of(ada.send("clerk", text("say two"), contextId=first["contextId"]))

    assert second["contextId"] == first["contextId"]
    assert second["id"] != first["id"]
    assert {each["id"] for each in ada.tasks("clerk", contextId=first["contextId"])} == {first["id"], second["id"]}


def test_a_message_without_a_context_that_is_sent_again_finds_its_task(ada: Door) -> None:
    message = params(text("say hello"))
    first, again = [result_of(ada.rpc("clerk", "SendMessage", message)) for _ in range(2)]
    leaving = result_of(ada.rpc("clerk", "SendMessage", message | LEAVING))

    assert first == again == leaving


# ---- tasks are listed


def test_a_list_is_stable_while_its_tasks_change(ada: Door, desk: Desk) -> None:
    """What ends meanwhile moves to the front, where a list that has begun does not look again; nothing comes twice."""
    context, words = str(uuid.uuid4()), [f"w{uuid.uuid4().hex}" for _ in range(3)]
    before = [result_of(ada.send("clerk", text(f"say {number}"), contextId=context))["id"] for number in range(4)]
    under_way = [held(ada, desk, word)["id"] for word in words]
    everything = [*before, *under_way]

    asked: dict[str, Any] = {"pageSize": 2, "statusTimestampAfter": ada.task("clerk", before[0])["status"]["timestamp"]}
    seen: list[str] = []
    page = ada.rpc("clerk", "ListTasks", asked).json()["result"]
    assert page["totalSize"] == len(everything)
    while True:
        seen += [task["id"] for task in page["tasks"]]
        assert page["pageSize"] == 2
        if words:
            desk.go(words.pop())
        if not page["nextPageToken"]:
            break
        page = ada.rpc("clerk", "ListTasks", asked | {"pageToken": page["nextPageToken"]}).json()["result"]
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen) <= set(everything)
    for task in under_way:
        eventually(lambda task=task: ada.task("clerk", task)["status"]["state"] == COMPLETED, "it does not end")


def test_a_list_shows_what_is_asked_for(ada: Door, desk: Desk) -> None:
    context, word = str(uuid.uuid4()), f"w{uuid.uuid4().hex}"
    completed = result_of(ada.send("clerk", text("make it"), contextId=context))
    waiting = result_of(ada.send("clerk", text("ask me"), contextId=context))
    of_state = {
        state: [task["id"] for task in ada.tasks("clerk", contextId=context, status=state)]
        for state in (COMPLETED, WAITING, FAILED, "TASK_STATE_AUTH_REQUIRED")
    }
    assert of_state == {
        COMPLETED: [completed["id"]], WAITING: [waiting["id"]], FAILED: [], "TASK_STATE_AUTH_REQUIRED": []
    }  # fmt: skip

    (plain,) = ada.tasks("clerk", contextId=context, status=COMPLETED)
    (whole,) = ada.tasks("clerk", contextId=context, status=COMPLETED, includeArtifacts=True, historyLength=1)
    assert "artifacts" not in plain
    assert len(plain["history"]) == 2
    assert [part["text"] for part in answer_of(whole)] == ["it"]
    assert len(whole["history"]) == 1

    held_back = held(ada, desk, word)
    later = ada.tasks("clerk", statusTimestampAfter=ada.task("clerk", held_back["id"])["status"]["timestamp"])
    assert [task["id"] for task in later] == [held_back["id"]]
    desk.go(word)
    assert ada.cancel("clerk", waiting["id"])["status"]["state"] == CANCELED


def test_a_list_over_rest_is_the_same(ada: Door) -> None:
    context = str(uuid.uuid4())
    ids = [result_of(ada.send("clerk", text(f"say {number}"), contextId=context))["id"] for number in range(3)]
    url, query = f"{ada.of('clerk')}/tasks", {"contextId": context, "pageSize": "2", "includeArtifacts": "true"}

    first = HTTP.get(url, params=query, headers=ada.sent()).json()
    second = HTTP.get(url, params={**query, "pageToken": first["nextPageToken"]}, headers=ada.sent()).json()

    assert [task["id"] for task in (*first["tasks"], *second["tasks"])] == ids[::-1]
    assert second["nextPageToken"] == ""
    assert [part["text"] for part in answer_of(first["tasks"][0])] == ["2"]


@pytest.mark.parametrize("status", ["foo", "COMPLETED", "TASK_STATE_FOO"])
def test_a_state_that_there_is_not_lists_nothing_over_rest_either(ada: Door, *, status: str) -> None:
    answer = HTTP.get(f"{ada.of('clerk')}/tasks", params={"status": status}, headers=ada.sent())
    assert answer.status_code == 400
    assert "status is no state of a task" in answer.json()["error"]["message"]


def test_everybody_lists_their_own(ada: Door, bob: Door) -> None:
    of_bob = result_of(bob.send("clerk", text("say mine"), contextId="ours"))
    of_ada = result_of(ada.send("clerk", text("say mine"), contextId="ours"))

    assert of_bob["id"] in {task["id"] for task in bob.tasks("clerk")}
    assert of_bob["id"] not in {task["id"] for task in ada.tasks("clerk", pageSize=100)}
    assert [task["id"] for task in ada.tasks("clerk", contextId="ours")] == [of_ada["id"]]
    assert ada.tasks("clerk", contextId=str(uuid.uuid4())) == []


def test_a_token_is_good_for_whom_it_was_given(ada: Door, bob: Door) -> None:
    for number in range(2):
        result_of(ada.send("clerk", text(f"say {number}")))
    token = ada.rpc("clerk", "ListTasks", {"pageSize": 1}).json()["result"]["nextPageToken"]

    assert error_code(bob, "ListTasks", {"pageSize": 1, "pageToken": token}) == INVALID_PARAMS
    assert error_code(ada, "ListTasks", {"contextId": "other", "pageToken": token}) == INVALID_PARAMS


# ---- a task is cancelled


def test_a_task_is_cancelled_and_stays_so(ada: Door, desk: Desk) -> None:
    word = f"w{uuid.uuid4().hex}"
    task = held(ada, desk, word)

    assert ada.cancel("clerk", task["id"])["status"]["state"] == CANCELED
    desk.go(word)
    assert ada.task("clerk", task["id"])["status"]["state"] == CANCELED
    assert ada.cancel("clerk", task["id"]) == ada.task("clerk", task["id"])


def test_what_has_ended_is_not_cancelled(ada: Door) -> None:
    task = result_of(ada.send("clerk", text("say x")))
    url = f"{ada.of('clerk')}/tasks/{task['id']}:cancel"

    response = HTTP.post(url, content=b"{}", headers=ada.sent())

    assert (response.status_code, response.json()["error"]["details"][0]["reason"]) == (400, "TASK_NOT_CANCELABLE")
    assert error_code(ada, "CancelTask", {"id": task["id"]}) == NOT_CANCELABLE
    assert ada.task("clerk", task["id"]) == task


def test_nobody_cancels_the_task_of_somebody_else(ada: Door, bob: Door, desk: Desk) -> None:
    word = f"w{uuid.uuid4().hex}"
    task = held(ada, desk, word)

    assert error_code(bob, "CancelTask", {"id": task["id"]}) == NOT_FOUND
    desk.go(word)
    eventually(lambda: ada.task("clerk", task["id"])["status"]["state"] == COMPLETED, "it does not end")


# ---- a task is followed


def test_who_subscribes_late_ends_with_the_same(ada: Door, desk: Desk) -> None:
    word = f"w{uuid.uuid4().hex}"
    task = held(ada, desk, word)
    with ada.subscribed("clerk", task["id"]) as one, ada.subscribed("clerk", task["id"]) as other:
        firsts = [one.first(), other.first()]
        desk.go(word)
        told = [[first, *rest] for first, rest in zip(firsts, (one, other), strict=True)]

    for events in told:
        assert events[0]["task"]["id"] == task["id"]
        assert end_of(events)[0] == COMPLETED
        assert told_of(events) == {"answer": [text(word)]}
        assert [event["artifactUpdate"].get("lastChunk") for event in events if "artifactUpdate" in event][-1]
    assert told[0][-1] == told[1][-1]


def test_what_has_ended_is_not_followed(ada: Door) -> None:
    task = result_of(ada.send("clerk", text("say x")))

    assert error_code(ada, "SubscribeToTask", {"id": task["id"]}) == UNSUPPORTED
    for method in ("GET", "POST"):
        response = HTTP.request(method, f"{ada.of('clerk')}/tasks/{task['id']}:subscribe", headers=ada.sent())
        assert response.json()["error"]["details"][0]["reason"] == "UNSUPPORTED_OPERATION"


def test_who_follows_hears_of_the_cancellation(ada: Door, desk: Desk) -> None:
    word = f"w{uuid.uuid4().hex}"
    task = held(ada, desk, word)
    with ada.subscribed("clerk", task["id"]) as events:
        first = events.first()
        ada.cancel("clerk", task["id"])
        assert end_of([first, *events])[0] == CANCELED
    desk.go(word)


def test_a_stream_tells_everything_once_and_in_order(ada: Door) -> None:
    events = ada.stream("clerk", text("make it"))

    assert next(iter(events[0])) == "task"
    statuses = [event["statusUpdate"] for event in events if "statusUpdate" in event]
    said = [status["status"]["message"]["parts"][0]["text"] for status in statuses if "message" in status["status"]]
    assert sorted(said) == ["A moment", "half of it"]
    assert statuses[-1]["metadata"] == {"seconds": 3.0}
    assert told_of(events) == {"report": [text("first, "), text("then")], "answer": [text("it")]}
    closing = [each["artifactUpdate"] for each in events if each.get("artifactUpdate", {}).get("lastChunk")]
    assert [each["artifact"]["artifactId"] for each in closing] == ["report", "answer"]


def test_subscriptions_are_counted_beside_calls_and_no_more_than_there_may_be(desk: Desk, tmp_path: Path) -> None:
    limits = "[limits]\ncalls_per_principal = 2\nsubscriptions_per_principal = 2\n"
    with office(tmp_path, settings=limits) as served, Agents(served).alive() as agents:
        agents.answers["clerk"] = desk.answer
        agents.join("clerk")
        ada, word = Door(served.url, served.token("ada")), f"w{uuid.uuid4().hex}"
        task = held(ada, desk, word)
        with ada.subscribed("clerk", task["id"]) as one, ada.subscribed("clerk", task["id"]) as other:
            firsts = [one.first(), other.first()]
            with ada.subscribed("clerk", task["id"]) as third:
                assert "2 open subscriptions" in third.response.read().decode()
            assert words_of(ada.send("clerk", text("say hello"))) == "hello"
            desk.go(word)
            assert {end_of([first, *rest])[0] for first, rest in zip(firsts, (one, other), strict=True)} == {COMPLETED}
        with ada.subscribed("clerk", task["id"]) as late:
            assert "has ended" in late.response.read().decode()


# ---- a task asks


def test_a_question_is_answered_under_the_same_task(ada: Door) -> None:
    asked = result_of(ada.send("clerk", text("ask me")))
    assert state_of(asked) == (WAITING, "", "Which city?")
    assert asked["status"]["message"]["metadata"]["interchange/question"]["answerSchema"] == CITY

    answer = ada.send("clerk", {"data": {"city": "Dublin"}}, taskId=asked["id"], contextId=asked["contextId"])

    answered = result_of(answer)
    assert (answered["id"], words_of(answer)) == (asked["id"], "You said Dublin")
    assert [(each["role"], each["parts"][0]) for each in answered["history"]] == [
        ("ROLE_USER", text("ask me")),
        ("ROLE_AGENT", text("Which city?")),
        ("ROLE_USER", {"data": {"city": "Dublin"}}),
    ]


def test_a_question_is_answered_in_words_over_a_stream(ada: Door) -> None:
    events = ada.stream("clerk", text("ask me"))
    assert end_of(events)[0] == WAITING
    task = events[0]["task"]

    url = f"{ada.of('clerk')}/message:stream"
    response = ada.post(url, params(text("Cork"), taskId=task["id"]))

    assert '"You said Cork"' in response.text
    assert ada.task("clerk", task["id"])["status"]["state"] == COMPLETED


def test_an_answer_that_is_given_again_is_given_once(ada: Door) -> None:
    asked = result_of(ada.send("clerk", text("ask me")))
    answer = params(text("Cork"), taskId=asked["id"])

    first, again = [result_of(ada.rpc("clerk", "SendMessage", answer)) for _ in range(2)]
    streamed = ada.post(f"{ada.of('clerk')}/message:stream", answer)

    assert first == again
    assert answer_of(again) == [text("You said Cork")]
    assert '"You said Cork"' in streamed.text
    other = params(text("Kerry"), taskId=asked["id"], messageId=answer["message"]["messageId"])
    assert error_code(ada, "SendMessage", other) == INVALID_PARAMS


def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(ada: Door, bob: Door) -> None:
    asked = result_of(ada.send("clerk", text("ask me")))

    wrong = ada.send("clerk", {"data": {"city": 5}}, taskId=asked["id"]).json()["error"]
    assert wrong["code"] == INVALID_PARAMS
    assert "message.parts[0].data.city" in wrong["message"]
    elsewhere = ada.send("clerk", text("Cork"), taskId=asked["id"], contextId="elsewhere").json()["error"]
    assert elsewhere["code"] == INVALID_PARAMS
    assert bob.send("clerk", text("Cork"), taskId=asked["id"]).json()["error"]["code"] == NOT_FOUND
    assert ada.task("clerk", asked["id"]) == asked
    assert ada.cancel("clerk", asked["id"])["status"]["state"] == CANCELED


def test_a_task_that_waits_is_followed_to_where_it_waits(ada: Door) -> None:
    asked = result_of(ada.send("clerk", text("ask me")))

    with ada.subscribed("clerk", asked["id"]) as events:
        assert list(events) == [{"task": asked}]
    ada.cancel("clerk", asked["id"])


def test_what_is_under_way_takes_no_message(ada: Door, desk: Desk) -> None:
    word = f"w{uuid.uuid4().hex}"
    task = held(ada, desk, word)

    refused = ada.send("clerk", text("hurry"), taskId=task["id"]).json()["error"]
    assert (refused["code"], "under way" in refused["message"]) == (UNSUPPORTED, True)
    desk.go(word)


# ---- a task is reviewed


def in_background(door: Door, words: str) -> dict[str, Any]:
    """A task in the background, once it waits for its review."""
    task = left(door, words, metadata={"interchange/background": True})
    eventually(lambda: door.task("clerk", task["id"])["status"]["state"] == WAITING, "nobody does it")
    return door.task("clerk", task["id"])


def test_what_was_done_in_the_background_counts_once_it_is_accepted(ada: Door) -> None:
    task = in_background(ada, "say done")
    assert task["status"]["message"]["metadata"]["interchange/question"]["kind"] == "REVIEW"
    assert task["artifacts"][-1]["parts"] == [text("done")]

    accepted = ada.send("clerk", {"data": {"accepted": True}}, taskId=task["id"])

    assert (result_of(accepted)["id"], words_of(accepted)) == (task["id"], "done")


def test_what_is_not_accepted_is_done_again(ada: Door) -> None:
    task = in_background(ada, "say done")

    returned = result_of(ada.send("clerk", text("say better"), taskId=task["id"]))

    assert (returned["id"], returned["status"]["state"]) == (task["id"], WAITING)
    assert ada.cancel("clerk", task["id"])["status"]["state"] == CANCELED


def test_a_skill_is_not_invoked_in_the_background(ada: Door) -> None:
    message = params(invoking("clerk.nothing"), metadata={"interchange/background": True})
    assert error_code(ada, "SendMessage", message) == INVALID_PARAMS


# ---- the card


def test_the_extended_card_is_the_card_as_its_reader_may_see_it(ada: Door) -> None:
    card = HTTP.get(f"{ada.of('clerk')}/.well-known/agent-card.json", headers=ada.sent()).json()

    extended = ada.rpc("clerk", "GetExtendedAgentCard", {}).json()["result"]
    assert HTTP.get(f"{ada.of('clerk')}/extendedAgentCard", headers=ada.sent()).json() == extended
    assert {name: card[name] for name in ("name", "skills", "capabilities")} == {
        name: extended[name] for name in ("name", "skills", "capabilities")
    }
    capabilities = card["capabilities"]
    assert [capabilities[name] for name in ("streaming", "pushNotifications", "extendedAgentCard")] == [True] * 3
