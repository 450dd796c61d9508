"""From a message of A2A to a call in our words. Pure; what is wrong with a message is said in A2A's errors.

One data part that names a skill is an invocation of it; anything else is said to the agent, and so is whatever goes on
with a task. Either way it is sent as a turn of the log, under the id that its sender gave it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    UnsupportedOperationError,
)

from gateway.a2a.asked import Asked, activated
from gateway.a2a.asking import invalid, read_task_id
from gateway.a2a.parts import read_part, read_struct
from gateway.a2a.webhooks import read_webhook
from policies.identity.tokens import Verified
from registry.checks import weigh
from registry.messages import LEVELS
from registry.model import (
    CATALOG,
    NO_TURN,
    Action,
    Agent,
    Attention,
    Call,
    Deadline,
    JsonObject,
    JsonValue,
    Part,
    Sending,
    Target,
    TargetKind,
    new_call_id,
    new_turn_id,
)
from registry.modes import takes

PARTS: Final = 256
"""Parts of one message."""
ID_LENGTH: Final = 256
"""Characters of an id that a client makes."""

INPUT_MODES: Final = ("text/plain", "application/json")
"""What every agent takes, at least."""

BACKGROUND: Final = "interchange/background"
"""In the metadata of a message: true where it may wait for the off-peak window, and its answer for a review."""

INLINE: Final = "inline"
"""The id of a webhook that came with a message and has none: the same when the message is sent again."""

_INVOCATION: Final = {"skill", "arguments"}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*+={0,2}")


def read_message(
    params: wire.SendMessageRequest, asked: Asked, *, seconds: float, listening: bool = False
) -> tuple[Call, Sending]:
    """The call that a message asks for, and how it is sent. `listening`: its sender wants to be told what happens.

    Raises:
        A2AError: the message is not whole, or asks for what this agent cannot do.
    """
    message = params.message
    check_size(asked.params)
    _check_message(message)
    _check_bytes(asked.params)
    sending = _sending(params, listening=listening)
    parts = tuple(map(read_part, message.parts, _data(asked.params, len(message.parts))))
    deadline = Deadline.after(seconds)
    invocation = None if sending.follows else _invocation(parts, asked.entry.agent.name)
    if invocation is not None:
        return replace(_call(asked.verified, *invocation, deadline=deadline), sending=sending), sending
    _check_modes(parts, asked.entry.agent)
    if not asked.entry.agent.converses and not sending.follows:
        raise UnsupportedOperationError(_only_skills(asked))
    target = Target(TargetKind.AGENT, asked.entry.agent.name)
    call = _call(asked.verified, Action.MESSAGE, target, {}, deadline=deadline)
    return replace(call, parts=parts, extensions=activated(asked), sending=sending), sending


def _sending(params: wire.SendMessageRequest, *, listening: bool) -> Sending:
    """How a message becomes a turn, or goes on with one."""
    message, configuration = params.message, params.configuration
    metadata = read_struct(message.metadata)
    webhook = None
    if configuration.HasField("task_push_notification_config"):
        where = "configuration.taskPushNotificationConfig"
        webhook = read_webhook(configuration.task_push_notification_config, INLINE, where=where)
    waits = Attention.LEAVES if configuration.return_immediately else Attention.WAITS
    return Sending(
        message=message.message_id,
        turn=new_turn_id(),
        follows=read_task_id(message.task_id) if message.task_id else NO_TURN,
        context=message.context_id,
        attention=Attention.LISTENS if listening else waits,
        background=metadata.get(BACKGROUND) is True,
        webhook=webhook,
        metadata=metadata,
    )


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
        fence=verified.fence,
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
    metadata = read_struct(message.metadata)
    if weigh(metadata, levels=LEVELS) is None:
        faults["message.metadata"] = f"nests deeper than {LEVELS} levels"
    if not isinstance(metadata.get(BACKGROUND, False), bool):
        faults[f"message.metadata.{BACKGROUND}"] = "must be true or false"
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
