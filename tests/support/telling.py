"""What a client hears of a task of `tests.support.errand_agent`, put together as A2A says, and whether that may be.

The numbers of the agent's pieces say whether one came twice, in another order or after a gap: at every moment a table
is all of its pieces from the first, and the answer a run of those since the last note, until its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from a2a.types import Artifact, StreamResponse, Task, TaskState

from tests.support.errand_agent import NOTE

ENDED = frozenset(
    {
        TaskState.TASK_STATE_COMPLETED,
        TaskState.TASK_STATE_CANCELED,
        TaskState.TASK_STATE_FAILED,
        TaskState.TASK_STATE_REJECTED,
    }
)


def text_of(artifact: Artifact) -> str:
    return "".join(part.text for part in artifact.parts)


def artifacts_of(task: Task) -> dict[str, str]:
    """The artifacts of a task, each by its name."""
    return {artifact.artifact_id: text_of(artifact) for artifact in task.artifacts}


def notes_of(task: Task) -> list[str]:
    """The messages that the agent said before its answer."""
    return [part.text for message in task.history for part in message.parts if part.text.startswith("note ")]


@dataclass(slots=True)
class Heard:
    """One subscription, from its begin to its end. `begun_again` are how often an artifact was told anew."""

    task: str = ""
    state: TaskState = TaskState.TASK_STATE_UNSPECIFIED
    artifacts: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])
    begun_again: int = 0
    events: int = 0

    def on(self, event: StreamResponse) -> None:
        """Take in an event.

        Raises:
            AssertionError: it may not be.
        """
        self.events += 1
        assert self.state not in ENDED, f"something came after the end: {event}"
        match event.WhichOneof("payload"):
            case "task":
                assert self.events == 1, "a task came in the middle"
                self.resumed(event.task)
            case "artifact_update":
                self._artifact(event.artifact_update.artifact, append=event.artifact_update.append)
            case _:
                status = event.status_update.status
                self.state = status.state
                self.notes += [part.text for part in status.message.parts if part.text.startswith("note ")]

    def resumed(self, task: Task) -> None:
        """Take in the task as it stands, whatever was heard before."""
        self.task, self.state = task.id, task.status.state
        self.artifacts, self.notes = artifacts_of(task), notes_of(task)

    @property
    def pieces(self) -> int:
        """How many pieces of the table there are by now."""
        return self.artifacts.get("table", "").count(";")

    def _artifact(self, artifact: Artifact, *, append: bool) -> None:
        name = artifact.artifact_id
        assert not append or name in self.artifacts, f"{name} goes on, and was never begun"
        self.begun_again += not append and name in self.artifacts
        self.artifacts[name] = (self.artifacts[name] if append else "") + text_of(artifact)
        check(name, self.artifacts[name])


def check(name: str, text: str) -> None:
    """See that the pieces of an artifact are each there once, in order; other artifacts have none.

    Raises:
        AssertionError: they are not.
    """
    if name not in {"table", "answer"}:
        return
    numbers = [int(word) for word in (text.split(";")[:-1] if name == "table" else text.split())]
    first = numbers[0] if numbers else 0
    assert numbers == list(range(first, first + len(numbers))), f"{name}: {text}"
    assert first % NOTE == 0 if name == "answer" else first == 0, f"{name}: {text}"


def notes_until(many: int) -> Sequence[str]:
    """The notes that come with so many pieces."""
    return [f"note {number}" for number in range(many) if number % NOTE == NOTE - 1]


def whole(many: int) -> dict[str, str]:
    """The artifacts that a task with so many pieces ends with: the library says all of an answer again in its end."""
    answer = "".join(f"{number} " for number in range(many))
    return {"table": "".join(f"{number};" for number in range(many)), "answer": answer}
