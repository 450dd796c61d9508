"""From the operations on tasks to calls in our words, and which faults there may be. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from a2a.utils.errors import A2AError, InvalidParamsError, TaskNotFoundError

from gateway.a2a.asked import Asked
from registry.model import Action, Call, Deadline, JsonObject, JsonValue, Target, TargetKind, TurnId, new_call_id

_TASK: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


def read_task_id(task: str, *, where: str = "id") -> TurnId:
    """The turn that a client means.

    Raises:
        A2AError: there can be none of that id.
    """
    if not task:
        raise invalid({where: "is missing"})
    if not _TASK.fullmatch(task):
        raise no_task(task)
    return TurnId(task)


def no_task(task: str) -> A2AError:
    """The one answer for a task that does not exist, and for one that is not this caller's, or another agent's."""
    shown = task[:64] if task.isprintable() else "of that name"
    return TaskNotFoundError(f"There is no task {shown!r}.")


def read_history_length(params: Any, *, where: str = "historyLength") -> int | None:
    """How many messages of history are wanted at most; None: all.

    Raises:
        A2AError: less than none.
    """
    if not params.HasField("history_length"):
        return None
    if params.history_length < 0:
        raise invalid({where: "must not be negative"})
    return int(params.history_length)


def about_turn(
    asked: Asked, turn: TurnId, operation: str, *, action: Action, seconds: float, **content: JsonValue
) -> Call:
    """The call of somebody who looks at a turn (`READ_CONVERSATION`), or has something done to it (`TAKE_PART`)."""
    said = {"operation": operation, "turn": turn, "agent": asked.entry.agent.name, **content}
    return _call(asked, action, Target(TargetKind.CONVERSATION, turn), said, seconds=seconds)


def about_turns(asked: Asked, content: JsonObject, *, seconds: float) -> Call:
    """The call of somebody who lists their turns of an agent."""
    said = {"operation": "Turns", **content}
    return _call(asked, Action.LIST, Target(TargetKind.AGENT, asked.entry.agent.name), said, seconds=seconds)


def _call(asked: Asked, action: Action, target: Target, content: JsonObject, *, seconds: float) -> Call:
    verified = asked.verified
    return Call(
        id=new_call_id(),
        chain=verified.chain,
        action=action,
        target=target,
        content=content,
        deadline=Deadline.after(min(seconds, asked.seconds)),
        scopes=verified.scopes,
        groups=verified.groups,
        groups_before=verified.groups_behind,
        turn=verified.turn,
        fence=verified.fence,
        door="a2a",
    )


class _Violations(dict[str, Any]):
    """Faults by field. The SDK writes them as `google.rpc.BadRequest`; it would write them a second time as metadata
    of the `ErrorInfo`, whose values must be strings, so to whoever looks in there is nothing."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__()
        self._errors = [{"field": field, "message": message} for field, message in faults.items()]

    def get(self, key: str, default: Any = None) -> Any:
        return self._errors if key == "errors" else default

    def __getitem__(self, key: str) -> Any:
        return self._errors if key == "errors" else super().__getitem__(key)


def invalid(faults: Mapping[str, str]) -> A2AError:
    """What is wrong, by the place where it is."""
    said = "; ".join(f"{field} {message}" for field, message in list(faults.items())[:20])
    return InvalidParamsError(f"The parameters do not fit: {said}.", _Violations(faults))
