"""How a call is told as a stream: what it emits in, events of A2A out. Pure but for ids and the clock.

If the end comes before anything else, the stream is that one message (A2A 1.0, section 3.1.2). Otherwise a task is
announced first, updates follow in the order in which things happened, and a last status closes it. The pieces of an
answer grow an artifact. What came in pieces is closed by one update that is all of it and replaces them: whatever was
lost or changed on the way it ends right, and clients that keep only what is whole (google-adk) have something to keep.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from a2a.types import a2a_pb2 as wire

from gateway.a2a.writing import Ids, answer_parts, write_answer, write_artifact, write_end, write_failure, write_status
from registry.model import (
    Artifact,
    Call,
    Delta,
    Emission,
    InterchangeError,
    Item,
    JsonValue,
    Part,
    Progress,
    Result,
    Said,
)

Event: TypeAlias = wire.Message | wire.Task | wire.TaskStatusUpdateEvent | wire.TaskArtifactUpdateEvent

ANSWER: Final = "answer"
"""The artifact that the pieces of an answer make."""


class Telling:
    """The telling of one call."""

    def __init__(self, call: Call, ids: Ids) -> None:
        self._call = call
        self._ids = ids
        self._begun = False
        self._said: list[Part] = []
        self._told: list[Part] = []
        self._made: set[str] = set()
        self._unfinished: set[str] = set()

    def on(self, emission: Emission) -> Iterator[Event]:
        """The events that tell of something on the way."""
        if not self._begun:
            self._begun = True
            status = write_status(wire.TASK_STATE_WORKING, self._ids)
            yield wire.Task(id=self._ids.task, context_id=self._ids.context, status=status)
        match emission:
            case Progress():
                yield self._working([Part(text=emission.text)] if emission.text else [], _progress(emission))
            case Said():
                self._said += emission.parts
                yield self._working(emission.parts, None)
            case Artifact():
                made = _apart(emission)
                yield self._artifact(made, append=made.append and made.id in self._made, last=made.last)
            case Delta(artifact=""):
                yield self._piece(emission.part)
            case Delta():
                piece = _apart(Artifact(id=emission.artifact, parts=(emission.part,)))
                yield self._artifact(piece, append=piece.id in self._made)
            case Item():  # of an operator's answer
                return

    def end(self, result: Result) -> Iterator[Event]:
        """The events that tell of a good end."""
        if not self._begun:
            yield write_answer(result, self._ids)
            return
        parts = self._unsaid(result)
        if self._told:
            yield self._whole(Artifact(id=ANSWER, parts=tuple(parts or _joined(self._told))))
            parts = ()
        yield from [self._whole(artifact) for artifact in result.artifacts if artifact.id in self._unfinished]
        yield self._status(write_status(wire.TASK_STATE_COMPLETED, self._ids, parts, metadata=result.metadata))

    def failure(self, error: InterchangeError) -> Iterator[Event]:
        """The events that tell of a bad end.

        Raises:
            A2AError: nothing was told yet, and it is the request or the gateway that is at fault.
        """
        if self._begun:
            yield self._status(write_end(error, self._call, self._ids))
        else:
            yield write_failure(error, self._call, self._ids)

    def _unsaid(self, result: Result) -> Sequence[Part]:
        """What is left of an answer once its whole messages were told."""
        if not result.turn:
            return answer_parts(result)
        count = len(self._said)
        return result.parts[count:] if list(result.parts[:count]) == self._said else result.parts

    def _piece(self, part: Part) -> Event:
        """One more piece of the answer."""
        append = bool(self._told)
        self._told.append(part)
        return self._artifact(Artifact(id=ANSWER, parts=(part,)), append=append)

    def _whole(self, artifact: Artifact) -> Event:
        """The last that is told of an artifact: all of it."""
        return self._artifact(artifact, append=False, last=True)

    def _artifact(self, artifact: Artifact, *, append: bool, last: bool = False) -> Event:
        self._made.add(artifact.id)
        (self._unfinished.discard if last else self._unfinished.add)(artifact.id)
        return wire.TaskArtifactUpdateEvent(
            task_id=self._ids.task,
            context_id=self._ids.context,
            artifact=write_artifact(artifact),
            append=append,
            last_chunk=last,
        )

    def _working(self, parts: Sequence[Part], metadata: dict[str, JsonValue] | None) -> Event:
        return self._status(write_status(wire.TASK_STATE_WORKING, self._ids, parts, metadata=metadata))

    def _status(self, status: wire.TaskStatus) -> Event:
        return wire.TaskStatusUpdateEvent(task_id=self._ids.task, context_id=self._ids.context, status=status)


def _apart(artifact: Artifact) -> Artifact:
    """An artifact of the agent's, never to be taken for its answer, and with a part, as the protocol wants it."""
    name = f"{artifact.id}-artifact" if artifact.id == ANSWER else artifact.id
    return replace(artifact, id=name, parts=artifact.parts or (Part(text=""),))


def _progress(progress: Progress) -> dict[str, JsonValue]:
    """How far it is, for whoever draws a bar."""
    total: dict[str, JsonValue] = {} if progress.total is None else {"interchange/total": progress.total}
    return {"interchange/progress": progress.progress, **total}


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Parts with neighbouring plain texts made one, so that however a text was cut it is the same."""
    joined: list[Part] = []
    for part in parts:
        before = joined[-1] if joined else None
        if _is_plain(part) and before is not None and _is_plain(before):
            joined[-1] = Part(text=f"{before.text}{part.text}")
        else:
            joined.append(part)
    return joined


def _is_plain(part: Part) -> bool:
    return part == Part(text=part.text) and part.text is not None
