"""How a turn is told as a stream of A2A."""

from collections.abc import Sequence

from a2a.types import a2a_pb2 as wire

from adapters.lifecycle.feeds import Piece
from adapters.lifecycle.views import News, Pieces, Snapshot, TurnView
from adapters.messaging.messages import Kind
from adapters.messaging.turns import TurnState
from gateway.a2a.tasks import write_task
from gateway.a2a.telling import Event, Telling
from registry.model import Artifact, Progress
from tests.support.views import answered, asked, failed, logged, news, view, words

WORKING, COMPLETED = TurnState.WORKING, TurnState.COMPLETED


def told(*happened: News, found: TurnView | None = None, history: int | None = None) -> list[Event]:
    telling = Telling(history=history)
    return [event for one in happened for event in telling.on(one)] + list(telling.end(found))


def begun(state: TurnState = WORKING, *, draft: tuple[Artifact, ...] = ()) -> Snapshot:
    return Snapshot(view=view(state, draft=draft))


def pieces(*said: Piece) -> Pieces:
    return Pieces(pieces=said)


def piece(text: str, *, of: str = "", append: bool = True) -> Artifact:
    return Artifact(id=of, parts=words(text), append=append)


def updates(events: Sequence[Event]) -> list[wire.TaskArtifactUpdateEvent]:
    return [event for event in events if isinstance(event, wire.TaskArtifactUpdateEvent)]


def statuses(events: Sequence[Event]) -> list[wire.TaskStatus]:
    return [event.status for event in events if isinstance(event, wire.TaskStatusUpdateEvent)]


def put_together(events: Sequence[Event]) -> dict[str, str]:
    """The artifacts as a client that follows the specification puts them together."""
    first = events[0]
    assert isinstance(first, wire.Task)
    found = {each.artifact_id: "".join(part.text for part in each.parts) for each in first.artifacts}
    for event in updates(events):
        text = "".join(part.text for part in event.artifact.parts)
        before = found.get(event.artifact.artifact_id, "") if event.append else ""
        found[event.artifact.artifact_id] = before + text
    return found


def text_of(status: wire.TaskStatus) -> str:
    return "".join(part.text for part in status.message.parts)


def test_a_stream_begins_with_the_task_and_closes_with_its_last_status() -> None:
    events = told(begun(), news(logged(2, "Hello"), COMPLETED))

    first, last = events[0], events[-1]
    assert isinstance(first, wire.Task)
    assert first.status.state == wire.TASK_STATE_WORKING
    assert isinstance(last, wire.TaskStatusUpdateEvent)
    assert last.status.state == wire.TASK_STATE_COMPLETED
    assert put_together(events) == {"answer": "Hello"}


def test_pieces_grow_the_answer_and_the_end_is_all_of_it() -> None:
    events = told(
        begun(),
        pieces(piece("Hel", append=False)),
        pieces(piece("lo")),
        news(logged(2, "Hello"), COMPLETED),
    )

    assert [(update.artifact.parts[0].text, update.append, update.last_chunk) for update in updates(events)] == [
        ("Hel", False, False),
        ("lo", True, False),
        ("Hello", False, True),
    ]
    assert {(update.task_id, update.context_id) for update in updates(events)} == {("turn-1", "context-1")}


def test_whoever_comes_late_goes_on_from_what_the_task_has() -> None:
    events = told(begun(draft=(piece("Hel", append=False),)), pieces(piece("lo")), news(logged(2, "Hello"), COMPLETED))

    assert put_together(events[:2]) == {"answer": "Hello"}
    assert put_together(events) == {"answer": "Hello"}


def test_a_piece_of_something_that_was_never_begun_begins_it() -> None:
    (update,) = updates(told(begun(), pieces(piece("a", of="file"))))

    assert not update.append


def test_a_stream_ends_as_the_task_that_others_read() -> None:
    report = Artifact(id="report", parts=words("ab"), name="Report")
    end = logged(2, "Done", artifacts=[report], metadata={"seconds": 2.0})

    events = told(begun(), pieces(piece("a", of="report", append=False)), news(end, COMPLETED))

    task = write_task(view(COMPLETED, end))
    closing = [update for update in updates(events) if update.last_chunk]
    assert [update.artifact for update in closing] == list(task.artifacts)
    last = events[-1]
    assert isinstance(last, wire.TaskStatusUpdateEvent)
    assert (last.status, last.metadata) == (task.status, task.metadata)


def test_what_was_begun_and_is_not_in_the_log_in_the_end_is_emptied() -> None:
    events = told(
        begun(),
        pieces(piece("lost", of="draft", append=False), piece("so fa", append=False)),
        news(logged(2, artifacts=[Artifact(id="report", parts=words("ab"))]), COMPLETED),
    )

    assert put_together(events) == {"draft": "", "answer": "", "report": "ab"}
    assert updates(events)[-1].artifact.artifact_id == "report"
    assert all(update.artifact.parts for update in updates(events))


def test_a_message_on_the_way_is_a_status_under_its_own_id() -> None:
    events = told(begun(), news(logged(2, "Wait"), WORKING), news(logged(3, "Done"), COMPLETED))

    said, end = statuses(events)
    assert (said.state, text_of(said), said.message.message_id) == (wire.TASK_STATE_WORKING, "Wait", "m-2")
    assert end.state == wire.TASK_STATE_COMPLETED
    assert put_together(events) == {"answer": "Done"}


def test_a_message_that_is_read_when_the_turn_is_over_already_is_told_all_the_same() -> None:
    events = told(begun(), news(logged(2, "Wait"), COMPLETED), news(logged(3, "Done"), COMPLETED))

    assert [text_of(status) for status in statuses(events)] == ["Wait", ""]
    assert put_together(events) == {"answer": "Done"}


def test_times_are_those_of_the_log() -> None:
    said, end = statuses(told(begun(), news(logged(2, "Wait"), WORKING), news(logged(3, "Done"), COMPLETED)))

    assert end.timestamp.ToMilliseconds() - said.timestamp.ToMilliseconds() == 1000


def test_that_a_queued_turn_is_worked_on_is_told_once() -> None:
    events = told(begun(TurnState.QUEUED), pieces(piece("a", append=False)), pieces(piece("b")))

    assert isinstance(events[0], wire.Task)
    assert events[0].status.state == wire.TASK_STATE_SUBMITTED
    assert [status.state for status in statuses(events)] == [wire.TASK_STATE_WORKING]
    assert isinstance(events[1], wire.TaskStatusUpdateEvent)


def test_progress_is_a_status_that_says_how_far() -> None:
    events = told(begun(), pieces(Progress(progress=1, total=4, text="a quarter"), Progress(progress=2)))

    quarter, half = [event for event in events if isinstance(event, wire.TaskStatusUpdateEvent)]
    assert (text_of(quarter.status), quarter.metadata["interchange/total"]) == ("a quarter", 4)
    assert half.metadata["interchange/progress"] == 2
    assert not half.status.HasField("message")


def test_a_question_closes_the_stream_as_an_interruption() -> None:
    events = told(begun(), news(asked(2, "Which city?"), TurnState.WAITING))

    (end,) = statuses(events)
    assert (end.state, text_of(end)) == (wire.TASK_STATE_INPUT_REQUIRED, "Which city?")


def test_work_that_fails_after_something_was_told_is_a_failed_task() -> None:
    events = told(
        begun(),
        pieces(piece("Hel", append=False)),
        news(failed(2, "It took too long.", **{"interchange/error": "deadline_passed"}), TurnState.FAILED),
    )

    (end,) = statuses(events)
    assert (end.state, text_of(end)) == (wire.TASK_STATE_FAILED, "It took too long.")
    assert end.message.metadata["interchange/error"] == "deadline_passed"
    assert put_together(events) == {"answer": "Hel"}


def test_a_cancelled_turn_ends_its_streams() -> None:
    cancelled = logged(2, sender="person:recruiter", kind=Kind.CANCELLED)

    (end,) = statuses(told(begun(), news(cancelled, TurnState.CANCELLED)))

    assert end.state == wire.TASK_STATE_CANCELED


def test_what_its_starter_says_meanwhile_is_no_event_of_the_agents() -> None:
    assert len(told(begun(), news(answered(2, "Dublin"), WORKING))) == 1


def test_a_turn_that_was_over_is_the_whole_stream() -> None:
    telling = Telling()

    (task,) = [*telling.on(Snapshot(view=view(COMPLETED, logged(2, "Done")))), *telling.end()]

    assert isinstance(task, wire.Task)
    assert telling.has_ended_before
    assert [artifact.artifact_id for artifact in task.artifacts] == ["answer"]


def test_a_turn_that_waits_is_the_whole_stream_and_has_not_ended() -> None:
    telling = Telling()

    (task,) = [*telling.on(Snapshot(view=view(TurnState.WAITING, asked(2, "Which city?")))), *telling.end()]

    assert isinstance(task, wire.Task)
    assert not telling.has_ended_before


def test_a_stream_that_stops_while_the_turn_goes_on_tells_no_end() -> None:
    events = told(begun(), pieces(piece("Hel", append=False)), found=view(WORKING))

    assert statuses(events) == []


def test_what_was_found_in_the_end_counts() -> None:
    end = view(COMPLETED, logged(2, "Hello"))

    assert put_together(told(begun(), pieces(piece("Hxl", append=False)), found=end)) == {"answer": "Hello"}


def test_nothing_is_told_before_there_is_a_turn() -> None:
    telling = Telling()

    assert list(telling.end()) == []
    assert not telling.has_begun


def test_the_task_that_comes_first_has_as_much_history_as_was_asked_for() -> None:
    first = told(begun(), history=0)[0]

    assert isinstance(first, wire.Task)
    assert not first.history


def test_an_artifact_that_calls_itself_the_answer_is_kept_apart_from_it() -> None:
    made = Artifact(id="answer", parts=words("a file"))
    events = told(
        begun(),
        pieces(made, piece("Hello", append=False), Artifact(id="answer", parts=(), append=True, last=True)),
        news(logged(2, "Hello", artifacts=[made]), COMPLETED),
    )

    assert put_together(events) == {"answer-artifact": "a file", "answer": "Hello"}
    assert all(event.artifact.parts for event in updates(events))


def test_every_subscriber_puts_the_same_together() -> None:
    early = [pieces(piece("Hel", append=False)), pieces(piece("lo"), piece("a", of="report", append=False))]
    end = news(logged(2, "Hello", artifacts=[Artifact(id="report", parts=words("ab"))]), COMPLETED)
    drafted = begun(draft=(Artifact(id="", parts=words("Hello")), Artifact(id="report", parts=words("a"))))

    assert put_together(told(begun(), *early, end)) == put_together(told(drafted, end))
