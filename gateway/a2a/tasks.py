"""A turn of the log in A2A's words: the task that it is (A2A 1.0, section 4.1). Pure.

A turn's id is the task's, what its starter calls the conversation is the context. The state is a table. What the agent
answered is the artifact `answer`, always the last one: clients that show one artifact show the last. What was said
before that is the history. Nothing here is kept: whoever reads a task reads the log.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from a2a.types import a2a_pb2 as wire

from adapters.lifecycle.views import TurnView
from adapters.messaging.bodies import Body, read_body
from adapters.messaging.messages import Kind, Message
from adapters.messaging.requests import agent_sender
from adapters.messaging.turns import Turn, TurnState
from gateway.a2a.parts import fill, write_parts
from gateway.a2a.writing import Ids, timestamp, write_artifact
from registry.model import Artifact, BadRequest, JsonObject, JsonValue, Part

ANSWER: Final = "answer"
"""The artifact that an answer is."""

STATES: Final[Mapping[TurnState, wire.TaskState]] = MappingProxyType(
    {
        TurnState.QUEUED: wire.TASK_STATE_SUBMITTED,
        TurnState.WORKING: wire.TASK_STATE_WORKING,
        TurnState.WAITING: wire.TASK_STATE_INPUT_REQUIRED,
        TurnState.DEFERRED: wire.TASK_STATE_WORKING,
        TurnState.REVIEW: wire.TASK_STATE_INPUT_REQUIRED,
        TurnState.COMPLETED: wire.TASK_STATE_COMPLETED,
        TurnState.FAILED: wire.TASK_STATE_FAILED,
        TurnState.CANCELLED: wire.TASK_STATE_CANCELED,
        TurnState.REJECTED: wire.TASK_STATE_REJECTED,
    }
)
"""What a task is while its turn is so."""

ANSWERED: Final = frozenset({TurnState.COMPLETED, TurnState.REVIEW})
"""States in which there is an answer."""

REVIEW: Final[JsonObject] = {
    "id": "review",
    "kind": "REVIEW",
    "text": "This was done in the background and counts once you accept it: answer with the data "
    '{"accepted": true}, or say what has to be different.',
    "answerSchema": {
        "type": "object",
        "properties": {"accepted": {"type": "boolean"}},
        "required": ["accepted"],
    },
}
"""What is asked while an answer waits for its owner's review."""

QUESTION: Final = "interchange/question"
"""Where in the metadata of a status is what a turn asks, with the schema of the answer."""

_APART: Final = re.compile(f"{ANSWER}(-artifact)*")
_HEARD: Final = frozenset({Kind.SAID, Kind.ANSWERED, Kind.ASKED})
_ENDS: Final[Mapping[TurnState, Kind]] = MappingProxyType(
    {
        TurnState.FAILED: Kind.FAILED,
        TurnState.REJECTED: Kind.FAILED,
        TurnState.CANCELLED: Kind.CANCELLED,
        TurnState.WAITING: Kind.ASKED,
    }
)
"""The kind of message that a status shows, by the state of the turn."""


def write_task(view: TurnView, *, history: int | None = None, artifacts: bool = True) -> wire.Task:
    """The task that a turn is, with at most so many messages of its `history`, the newest (None: with all)."""
    seen = _see(view)
    task = wire.Task(
        id=seen.ids.task,
        context_id=seen.ids.context,
        status=_status(view, seen),
        history=_recent(_history(view, seen), history),
    )
    if artifacts:
        task.artifacts.extend(_artifacts(view, seen))
    if seen.reply is not None and (metadata := seen.body(seen.reply).metadata):
        fill(task.metadata, metadata)
    return task


def ids_of(view: TurnView) -> Ids:
    """What its client calls a turn."""
    return Ids(context=view.grant.context or view.turn.conversation, task=view.turn.id)


def states_of(state: wire.TaskState) -> Sequence[TurnState]:
    """The states of turns that a task's state stands for."""
    return [ours for ours, theirs in STATES.items() if theirs == state]


def is_agents(message: Message, turn: Turn) -> bool:
    """Whether the agent said it, and not whoever it works for; an agent may work for itself."""
    if message.kind is Kind.ASKED:
        return True
    is_for_agent = message.to or message.answers or message.seq == turn.opened
    return message.sender == agent_sender(turn.agent) and not is_for_agent


def is_heard(message: Message) -> bool:
    """Whether it is part of what the two say to each other."""
    return message.kind in _HEARD and not message.erased


def write_logged(message: Message, body: Body, turn: Turn, ids: Ids) -> wire.Message:
    """A message of the log as one of the task's."""
    written = wire.Message(
        message_id=message.id,
        context_id=ids.context,
        task_id=ids.task,
        role=wire.ROLE_AGENT if is_agents(message, turn) else wire.ROLE_USER,
        parts=write_parts(body.parts),
    )
    if body.metadata:
        fill(written.metadata, body.metadata)
    return written


def body_of(message: Message) -> Body:
    """What a message says; nothing, where it was erased or is no body of ours."""
    try:
        return Body() if message.erased else read_body(message.body)
    except BadRequest:
        return Body()


def write_made(artifact: Artifact) -> wire.Artifact:
    """An artifact of the agent's, never to be taken for its answer, or the answer itself, which has no id; with a part,
    as the protocol wants it."""
    name = f"{artifact.id}-artifact" if _APART.fullmatch(artifact.id) else artifact.id or ANSWER
    return write_artifact(replace(artifact, id=name, parts=artifact.parts or (Part(text=""),)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A view as it is written: who calls it what, what each message says by now, and which is the reply."""

    ids: Ids
    bodies: Mapping[str, Body]
    reply: Message | None
    shown: Message | None  # in the status

    def body(self, message: Message) -> Body:
        return self.bodies[_key(message)]


def _see(view: TurnView) -> _Seen:
    turn = view.turn
    bodies: dict[str, Body] = {}
    for message in view.messages:
        if message.kind is Kind.UPDATED:
            updated = f"{message.sender}\0{message.updates}"
            bodies.update({updated: body_of(message)} if updated in bodies else {})
        bodies[_key(message)] = body_of(message)
    said = [each for each in view.messages if each.kind is Kind.SAID and is_agents(each, turn)]
    ends = _ENDS.get(turn.state)
    shown = next((each for each in reversed(view.messages) if each.kind is ends), None) if ends else None
    reply = said[-1] if said and turn.state in ANSWERED else None
    return _Seen(ids=ids_of(view), bodies=bodies, reply=reply, shown=shown)


def _key(message: Message) -> str:
    return f"{message.sender}\0{message.id}"


def _status(view: TurnView, seen: _Seen) -> wire.TaskStatus:
    turn = view.turn
    status = wire.TaskStatus(state=STATES[turn.state], timestamp=timestamp(turn.changed_at))
    if turn.state is TurnState.REVIEW:
        parts, metadata = (Part(text=str(REVIEW["text"])),), {QUESTION: REVIEW}
        status.message.CopyFrom(_asked(f"{turn.id}:review:{turn.attempts}", parts, metadata, seen.ids))
    elif seen.shown is not None:
        body = seen.body(seen.shown)
        metadata = {**body.metadata, QUESTION: body.question} if body.question is not None else body.metadata
        parts = body.parts or _why(turn)
        if parts:
            status.message.CopyFrom(_asked(seen.shown.id, parts, metadata, seen.ids))
    return status


def _why(turn: Turn) -> Sequence[Part]:
    """What is said of an end that says nothing itself."""
    if turn.state in {TurnState.FAILED, TurnState.REJECTED}:
        return (Part(text=f"The task has ended: {turn.error or turn.state}."),)
    return ()


def _asked(id_: str, parts: Sequence[Part], metadata: Mapping[str, JsonValue], ids: Ids) -> wire.Message:
    """The message of a status."""
    written = wire.Message(
        message_id=id_, context_id=ids.context, task_id=ids.task, role=wire.ROLE_AGENT, parts=write_parts(parts)
    )
    if metadata:
        fill(written.metadata, metadata)
    return written


def _history(view: TurnView, seen: _Seen) -> Sequence[wire.Message]:
    """What was said, but for what the status and the artifacts say."""
    return [
        write_logged(message, body, view.turn, seen.ids)
        for message in view.messages
        if is_heard(message) and message not in (seen.reply, seen.shown) and (body := seen.body(message)).parts
    ]


def _recent(messages: Sequence[wire.Message], most: int | None) -> Sequence[wire.Message]:
    return messages if most is None else messages[max(len(messages) - most, 0) :]


def _artifacts(view: TurnView, seen: _Seen) -> Sequence[wire.Artifact]:
    """What the agent made by now, the last one of each id, and then what it answered."""
    made: dict[str, Artifact] = {}
    for message in view.messages:
        if is_agents(message, view.turn):
            made.update((artifact.id, artifact) for artifact in seen.body(message).artifacts)
    made.update((artifact.id, artifact) for artifact in view.draft)
    answer = made.pop("", None) or _answer(view, seen, made)
    return [write_made(artifact) for artifact in (*made.values(), *((answer,) if answer is not None else ()))]


def _answer(view: TurnView, seen: _Seen, made: Mapping[str, Artifact]) -> Artifact | None:
    """What was answered: what the end says or, where it says and made nothing, the last that was said before it."""
    if seen.reply is None:
        return None
    parts = seen.body(seen.reply).parts
    if not parts and not made:
        said = [seen.body(each).parts for each in view.messages if is_heard(each) and is_agents(each, view.turn)]
        parts = next((parts for parts in reversed(said) if parts), ())
    return Artifact(id="", parts=parts) if parts else None
