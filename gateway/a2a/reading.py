"""From a message of A2A to a call in our words. Pure; what is wrong with a message is said in A2A's errors.

One data part that names a skill is an invocation of it; anything else is said to the agent.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from gateway.a2a.asked import Asked, activated
from gateway.a2a.parts import read_part
from policies.identity.tokens import Verified
from registry.model import (
    CATALOG,
    Action,
    Agent,
    Call,
    Deadline,
    JsonObject,
    JsonValue,
    Part,
    Target,
    TargetKind,
    new_call_id,
)
from registry.modes import takes

PARTS: Final = 256
"""Parts of one message."""
ID_LENGTH: Final = 256
"""Characters of an id that a client makes."""

INPUT_MODES: Final = ("text/plain", "application/json")
"""What every agent takes, at least."""

_INVOCATION: Final = {"skill", "arguments"}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*+={0,2}")


def read_message(params: wire.SendMessageRequest, asked: Asked, *, seconds: float) -> Call:
    """The call that a message asks for.

    Raises:
        A2AError: the message is not whole, or asks for what this agent cannot do.
    """
    message = params.message
    check_size(asked.params)
    _check_message(message)
    if params.configuration.HasField("task_push_notification_config"):
        raise PushNotificationNotSupportedError("This agent sends no push notifications: stream the answer instead.")
    if message.task_id:
        raise TaskNotFoundError(f"There is no task {_shown(message.task_id)}.")
    _check_bytes(asked.params)
    parts = tuple(map(read_part, message.parts, _data(asked.params, len(message.parts))))
    invocation = _invocation(parts, asked.entry.agent.name)
    deadline = Deadline.after(seconds)
    if invocation is not None:
        return _call(asked.verified, *invocation, deadline=deadline)
    _check_modes(parts, asked.entry.agent)
    if not asked.entry.agent.converses:
        raise UnsupportedOperationError(_only_skills(asked))
    content: dict[str, JsonValue] = {"conversation": message.context_id} if message.context_id else {}
    target = Target(TargetKind.AGENT, asked.entry.agent.name)
    call = _call(asked.verified, Action.MESSAGE, target, content, deadline=deadline)
    return replace(call, parts=parts, extensions=activated(asked))


def _call(verified: Verified, action: Action, target: Target, content: JsonObject, *, deadline: Deadline) -> Call:
    return Call(
        id=new_call_id(),
        chain=verified.chain,
        action=action,
        target=target,
        content=content,
        deadline=deadline,
        scopes=verified.scopes,
        groups=verified.groups,
        groups_before=verified.groups_behind,
        turn=verified.turn,
        door="a2a",
    )


def look_around(verified: Verified, *, seconds: float) -> Call:
    """The call of somebody who asks which agents there are."""
    return _call(verified, Action.LIST, CATALOG, {"operation": "Agents"}, deadline=Deadline.after(seconds))


def look_at(verified: Verified, agent: str, *, seconds: float) -> Call:
    """The call of somebody who only looks at an agent."""
    return _call(verified, Action.LIST, Target(TargetKind.AGENT, agent), {}, deadline=Deadline.after(seconds))


def _invocation(parts: tuple[Part, ...], agent: str) -> tuple[Action, Target, JsonObject] | None:
    """The skill that a message invokes, if that is what it is."""
    if len(parts) != 1 or not isinstance(parts[0].data, Mapping):
        return None
    data = cast("JsonObject", parts[0].data)
    skill, arguments = data.get("skill"), data.get("arguments", {})
    if not isinstance(skill, str) or not data.keys() <= _INVOCATION:
        return None
    if not isinstance(arguments, Mapping):
        raise invalid({"message.parts[0].data.arguments": "must be an object"})
    if not skill.startswith(f"{agent}."):
        raise unknown_skill()
    return Action.INVOKE, Target(TargetKind.SKILL, skill), cast("JsonObject", arguments)


def check_size(params: object) -> None:
    """Refuse a message of very many parts; cheap, so that it can be asked before anything is made of the request."""
    if len(_raw_parts(params)) > PARTS:
        raise invalid({"message.parts": f"has more than {PARTS} items"})


def _check_message(message: wire.Message) -> None:
    faults: dict[str, str] = {}
    if not message.message_id:
        faults["message.messageId"] = "is missing"
    if message.role != wire.ROLE_USER:
        faults["message.role"] = "must be ROLE_USER"
    if not message.parts:
        faults["message.parts"] = "must have at least one item"
    for name, value in (("messageId", message.message_id), ("contextId", message.context_id)):
        if len(value) > ID_LENGTH or not value.isprintable():
            faults[f"message.{name}"] = f"must be at most {ID_LENGTH} printable characters"
    for number, part in enumerate(message.parts):
        if part.WhichOneof("content") is None:
            faults[f"message.parts[{number}]"] = "must have one of text, raw, url and data"
    if faults:
        raise invalid(faults)


def _check_bytes(params: object) -> None:
    """Refuse bytes that are no base64: the parser would leave out what it does not know, and hand on the rest."""
    written = enumerate(_member(part, "raw") for part in _raw_parts(params))
    if faults := [number for number, raw in written if isinstance(raw, str) and not _BASE64.fullmatch(raw)]:
        raise invalid({f"message.parts[{number}].raw": "must be base64" for number in faults})


def _check_modes(parts: Iterable[Part], agent: Agent) -> None:
    """Refuse bytes and links of a media type that the agent does not take. Text is text, whatever is said about it."""
    taken = (*INPUT_MODES, *agent.input_modes)
    for part in parts:
        if part.text is None and part.media_type and not takes(taken, part.media_type):
            raise ContentTypeNotSupportedError(
                f"{agent.name} takes {', '.join(taken)}, and no {_shown(part.media_type)}."
            )


def _raw_parts(params: object) -> list[Any]:
    """The parts of the message that a request brings, as its JSON has them."""
    parts = _member(_member(params, "message"), "parts")
    return cast("list[Any]", parts) if isinstance(parts, list) else []


def _data(params: object, count: int) -> list[JsonValue]:
    """What each part has as data."""
    found = [_member(part, "data") for part in _raw_parts(params)]
    return cast("list[JsonValue]", found) if len(found) == count else [None] * count


def _member(value: object, name: str) -> object:
    return cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None


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


def unknown_skill() -> A2AError:
    """The one answer for a skill that does not exist, is another agent's, or is not for this caller to know."""
    return invalid({"message.parts[0].data.skill": "names no skill of this agent"})


def _only_skills(asked: Asked) -> str:
    skills = [entry.skill.id for entry in asked.skills()]
    named = f"one of {', '.join(skills[:50])}" if skills else "none of which you may use"
    return (
        f"{asked.entry.agent.name} does not converse, it has skills: {named}."
        ' Send one data part: {"skill": "…", "arguments": {…}}.'
    )


def _shown(text: str) -> str:
    return text[:64] if text.isprintable() else "of that name"
