"""From what kept a call from succeeding to A2A's words, and the pieces that all answers are made of.

What is wrong with a request is an error of the protocol; that work was refused before anything was written down is a
task in that state, which an agent or a model can read and act on, and which nobody finds afterwards. What may not be
told is not in our errors' messages to begin with.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import A2AError, InternalError, InvalidParamsError, UnsupportedOperationError
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.messaging.errors import IdConflict
from gateway.a2a.asking import invalid, no_task
from gateway.a2a.parts import fill, write_parts
from gateway.a2a.reading import unknown_skill
from registry.model import (
    Artifact,
    Call,
    FarSideError,
    InterchangeError,
    InvalidArguments,
    JsonObject,
    JsonValue,
    Part,
    TargetKind,
    new_call_id,
)

TaskState: TypeAlias = wire.TaskState

REFUSED: Final = frozenset({"denied", "needs_approval", "overloaded", "refused"})
"""Errors by which work was not begun: the task is rejected. All others of the work itself make it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """What a client calls the answer: its context, and its task where there is one."""

    context: str
    task: str


def write_failure(error: InterchangeError, call: Call, ids: Ids) -> wire.Task:
    """A task that says why the work of a call was not done.

    Raises:
        A2AError: it is not the work that failed, but the request or the gateway.
    """
    if protocol := _protocol_error(error, call):
        raise protocol from None
    return wire.Task(id=ids.task, context_id=ids.context, status=write_end(error, call, ids))


def write_end(error: InterchangeError, call: Call, ids: Ids) -> wire.TaskStatus:
    """The last status of a task whose work was not done."""
    state = wire.TASK_STATE_REJECTED if error.code in REFUSED else wire.TASK_STATE_FAILED
    metadata: dict[str, JsonValue] = {"interchange/error": error.code, "interchange/call": call.id}
    if isinstance(error, FarSideError):
        metadata["interchange/retryable"] = error.retryable
    return write_status(state, ids, [Part(text=error.message)], metadata=metadata)


def _protocol_error(error: InterchangeError, call: Call) -> A2AError | None:
    """What the specification has an error for (section 3.3.2), as that error."""
    if isinstance(error, InvalidArguments):
        field = _field_of_skill if call.target.kind is TargetKind.SKILL else _field_of_message
        return invalid({field(fault.path): fault.sentence for fault in error.faults})
    if isinstance(error, IdConflict):
        return invalid({"message.messageId": "was used for another message before"})
    match error.code:
        case "unknown" if call.target.kind is TargetKind.SKILL:
            return unknown_skill()
        case "unknown" | "bad_request":
            return InvalidParamsError(error.message)
        case "internal" | "audit_unavailable" | "unauthenticated" | "unavailable":  # to ask again is safe, with its id
            return InternalError(f"{error.message} It is call {call.id}.")
        case _:
            return None


def _field_of_skill(pointer: str) -> str:
    """Where a wrong argument is in the message that brought it."""
    return "message.parts[0].data.arguments" + pointer.replace("/", ".")


def _field_of_message(pointer: str) -> str:
    """Where a message is wrong that goes to an agent; what we call its conversation is its context here."""
    return "message" + "".join(
        f"[{step}]" if step.isdigit() else ".contextId" if step == "conversation" else f".{step}"
        for step in pointer.split("/")[1:]
    )


def turn_error(error: InterchangeError, call: Call) -> A2AError:
    """What kept an operation on a task from succeeding; whoever may not know of a task hears that there is none."""
    match error.code:
        case "unknown" | "denied":
            return no_task(call.target.name)
        case "bad_request":
            return InvalidParamsError(error.message)
        case _:
            return cut_short(error, call)


def cut_short(error: InterchangeError, call: Call) -> A2AError:
    """Why nothing more is told of a task, which may go on all the same."""
    match error.code:
        case "denied" | "needs_approval" | "needs_scope" | "refused":
            return UnsupportedOperationError(error.message)
        case _:
            return InternalError(f"{error.message} It is call {call.id}.")


def gateway_failed(call: str) -> A2AError:
    """What anybody may know of a fault of our own."""
    return InternalError(f"The gateway failed; operators find this call as {call}.")


def write_message(parts: Sequence[Part], ids: Ids, *, metadata: Mapping[str, JsonValue] | None = None) -> wire.Message:
    """A message of the agent."""
    message = wire.Message(
        message_id=new_call_id(),
        context_id=ids.context,
        task_id=ids.task,
        role=wire.ROLE_AGENT,
        parts=write_parts(parts),
    )
    if metadata:
        fill(message.metadata, metadata)
    return message


def write_status(
    state: TaskState, ids: Ids, parts: Sequence[Part] = (), *, metadata: JsonObject | None = None
) -> wire.TaskStatus:
    """Where a task is, as of now, and what is said about it."""
    status = wire.TaskStatus(state=state, timestamp=timestamp(time.time()))
    if parts:
        status.message.CopyFrom(write_message(parts, ids, metadata=metadata))
    return status


def write_artifact(artifact: Artifact) -> wire.Artifact:
    """One artifact, or one piece of it."""
    return wire.Artifact(
        artifact_id=artifact.id,
        name=artifact.name,
        description=artifact.description,
        parts=write_parts(artifact.parts),
    )


def timestamp(seconds: float) -> Timestamp:
    """An instant, in seconds since the epoch, to the millisecond (section 5.6.1)."""
    milliseconds = int(seconds * 1000)
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)
