"""How a turn is told as a stream of A2A: the news of it in, events out. Pure but for ids of what is not in the log.

First comes the task as it stands, then updates in the order of the log, and between them pieces of what is being said;
the pieces of an answer grow the artifact `answer`. Once the turn is over, every artifact is told whole, in place of its
pieces and marked as the last chunk, and then the status. So whatever was lost or changed on the way ends as the log has
it: a stream ends as the task that somebody reads who was not there. What pieces were told of and the answer does not
have in the end is emptied.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from a2a.types import a2a_pb2 as wire

from adapters.lifecycle.feeds import Piece
from adapters.lifecycle.views import Logged, News, Snapshot, TurnView, is_over
from adapters.messaging.messages import Kind, Message
from adapters.messaging.turns import ENDED
from gateway.a2a.parts import fill, write_part
from gateway.a2a.tasks import ANSWERED, body_of, ids_of, is_agents, is_heard, write_logged, write_made, write_task
from gateway.a2a.writing import Ids, timestamp, write_message
from registry.model import JsonValue, Part, Progress

Event: TypeAlias = wire.Message | wire.Task | wire.TaskStatusUpdateEvent | wire.TaskArtifactUpdateEvent

_SAID = frozenset({Kind.SAID, Kind.UPDATED})


class Telling:
    """The telling of one turn to one client, who wants so many messages of its `history` first (None: all)."""

    def __init__(self, *, history: int | None = None) -> None:
        self._most = history
        self._view: TurnView | None = None
        self._held: Message | None = None
        self._over = False
        self._waits = False
        self._at = 0.0
        self._told: set[str] = set()

    @property
    def has_begun(self) -> bool:
        """Whether something was told."""
        return self._view is not None

    @property
    def has_ended_before(self) -> bool:
        """Whether the turn had ended when the telling began."""
        return self._over and self._known().turn.state in ENDED

    def on(self, news: News) -> Iterator[Event]:
        """The events that tell of something new."""
        if isinstance(news, Snapshot):
            yield self._begin(news.view)
            return
        yield from self._let_go()
        if isinstance(news, Logged):
            yield from self._logged(news)
            return
        if self._waits:
            self._waits = False
            yield self._working()
        yield from map(self._piece, news.pieces)

    def end(self, found: TurnView | None = None) -> Iterator[Event]:
        """The events that tell how it ended; none where it goes on, or had ended before. `found`: as it stands now."""
        view = found or self._view
        if view is None or self._over or not is_over(view.turn):
            return
        task = write_task(view)
        whole = {artifact.artifact_id for artifact in task.artifacts}
        for lost in sorted(self._told - whole) if view.turn.state in ANSWERED else ():
            yield self._whole(wire.Artifact(artifact_id=lost, parts=[write_part(Part(text=""))]), task)
        for artifact in task.artifacts:
            yield self._whole(artifact, task)
        yield wire.TaskStatusUpdateEvent(
            task_id=task.id,
            context_id=task.context_id,
            status=task.status,
            metadata=task.metadata if task.HasField("metadata") else None,
        )

    def _begin(self, view: TurnView) -> wire.Task:
        task = write_task(view, history=self._most)
        self._view = view
        self._over = is_over(view.turn)
        self._waits = task.status.state == wire.TASK_STATE_SUBMITTED
        self._at = view.turn.changed_at
        self._told = {artifact.artifact_id for artifact in task.artifacts}
        return task

    def _logged(self, news: Logged) -> Iterator[Event]:
        """A message of the log. Of a turn that is over by now it may be the end: that is told by `end`."""
        view = self._known()
        self._view = replace(view, turn=news.turn, messages=(*view.messages, news.message), draft=())
        self._held = news.message
        if not is_over(news.turn):
            yield from self._let_go()

    def _let_go(self) -> Iterator[Event]:
        """Tell of the message that might have been the end, and was not."""
        message, self._held = self._held, None
        view = self._known()
        if message is None or message.kind not in _SAID or not is_agents(message, view.turn):
            return
        self._at = max(self._at, message.at)
        self._waits = False
        body = body_of(message)
        if body.parts and (is_heard(message) or message.kind is Kind.UPDATED):
            yield self._working(write_logged(message, body, view.turn, ids_of(view)))

    def _piece(self, piece: Piece) -> Event:
        if isinstance(piece, Progress):
            return self._progress(piece)
        made = write_made(piece)
        append = piece.append and made.artifact_id in self._told
        self._told.add(made.artifact_id)
        ids = self._ids()
        return wire.TaskArtifactUpdateEvent(task_id=ids.task, context_id=ids.context, artifact=made, append=append)

    def _progress(self, progress: Progress) -> Event:
        """How far it is, for whoever draws a bar."""
        said = write_message([Part(text=progress.text)], self._ids()) if progress.text else None
        event = self._working(said)
        total: dict[str, JsonValue] = {} if progress.total is None else {"interchange/total": progress.total}
        fill(event.metadata, {"interchange/progress": progress.progress, **total})
        return event

    def _working(self, message: wire.Message | None = None) -> wire.TaskStatusUpdateEvent:
        ids = self._ids()
        status = wire.TaskStatus(state=wire.TASK_STATE_WORKING, timestamp=timestamp(self._at), message=message)
        return wire.TaskStatusUpdateEvent(task_id=ids.task, context_id=ids.context, status=status)

    def _whole(self, artifact: wire.Artifact, task: wire.Task) -> Event:
        """The last that is told of an artifact: all of it."""
        return wire.TaskArtifactUpdateEvent(
            task_id=task.id, context_id=task.context_id, artifact=artifact, append=False, last_chunk=True
        )

    def _ids(self) -> Ids:
        return ids_of(self._known())

    def _known(self) -> TurnView:
        if self._view is None:
            raise RuntimeError("a turn was told of before it was there")
        return self._view
