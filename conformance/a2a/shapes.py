"""What the objects of A2A are made of, and what is wrong with some that came. Pure.

A payload is what answers a message or comes as one event of a stream: an object whose one member says what it is.
Each function judges one thing and takes everything else as it comes, so that one mistake breaks one requirement.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard, cast

from conformance.a2a.protocol import STATES

Object: TypeAlias = Mapping[str, Any]
Faults: TypeAlias = Iterator[str]

NOTHING: Object = {}
STREAMED = ("task", "message", "statusUpdate", "artifactUpdate")
_CONTENTS: Mapping[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "raw": lambda value: isinstance(value, str) and is_base64(value),
    "url": lambda value: isinstance(value, str) and bool(value),
    "data": lambda value: True,  # noqa: ARG005 any JSON value
}
_TIMESTAMP = re.compile(r"\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?Z")


@dataclass(frozen=True, slots=True)
class Found:
    """An object and where in an answer it was."""

    where: str
    value: Object


def is_object(value: object) -> TypeGuard[Object]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def is_filled(value: object) -> TypeGuard[str]:
    """Whether it is a text that says something."""
    return isinstance(value, str) and bool(value.strip())


def items(value: object) -> list[Any]:
    """What is in a list; nothing if it is none."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def objects(value: object) -> list[Object]:
    """The objects of a list."""
    return [item for item in items(value) if is_object(item)]


def member(value: object, name: str) -> Object:
    """A member that is an object; an empty one if there is none."""
    found = value.get(name) if is_object(value) else None
    return found if is_object(found) else NOTHING


def is_base64(text: str) -> bool:
    """Whether it is base64 of either alphabet, as ProtoJSON allows."""
    try:
        base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def one_of(value: object, names: Sequence[str]) -> str:
    """The one of these members that an object has; empty if it has none or several."""
    there = [name for name in names if is_object(value) and value.get(name) is not None]
    return there[0] if len(there) == 1 else ""


# -- what is in a payload


def tasks(payload: Object) -> list[Found]:
    """The tasks of a payload."""
    return [Found("task", payload["task"])] if is_object(payload.get("task")) else []


def updates(payload: Object) -> list[Found]:
    """The updates of a task in a payload."""
    return [Found(name, payload[name]) for name in STREAMED[2:] if is_object(payload.get(name))]


def statuses(payload: Object) -> list[Found]:
    """The statuses of a payload."""
    holders = [*tasks(payload), *updates(payload)]
    return [
        Found(f"{holder.where}.status", holder.value["status"])
        for holder in holders
        if is_object(holder.value.get("status"))
    ]


def said(payload: Object) -> list[Found]:
    """The messages from the agent in a payload: the answer itself, or what goes with a status."""
    direct = [Found("message", payload["message"])] if is_object(payload.get("message")) else []
    return direct + [
        Found(f"{status.where}.message", status.value["message"])
        for status in statuses(payload)
        if is_object(status.value.get("message"))
    ]


def messages(payload: Object) -> list[Found]:
    """All messages of a payload, those of a task's history as well."""
    history = [
        Found(f"{task.where}.history[{number}]", one)
        for task in tasks(payload)
        for number, one in enumerate(objects(task.value.get("history")))
    ]
    return said(payload) + history


def artifacts(payload: Object) -> list[Found]:
    """The artifacts of a payload."""
    whole = [
        Found(f"{task.where}.artifacts[{number}]", one)
        for task in tasks(payload)
        for number, one in enumerate(objects(task.value.get("artifacts")))
    ]
    streamed = member(payload, "artifactUpdate").get("artifact")
    return [*whole, Found("artifactUpdate.artifact", streamed)] if is_object(streamed) else whole


def parts(payload: Object) -> list[Found]:
    """The parts of all messages and artifacts of a payload."""
    return [
        Found(f"{holder.where}.parts[{number}]", part)
        for holder in [*messages(payload), *artifacts(payload)]
        for number, part in enumerate(objects(holder.value.get("parts")))
    ]


# -- what is wrong with it


def message_faults(payload: Object) -> Faults:
    """Members that a message must have and one of these has not."""
    for found in messages(payload):
        yield from missing_texts(found, "messageId", "role")
        yield from missing_items(found, "parts")


def role_faults(payload: Object) -> Faults:
    """Messages from the agent that are not said to be."""
    for found in said(payload):
        if (role := found.value.get("role")) != "ROLE_AGENT":
            yield f"{found.where}.role is {role!r}"


def context_faults(payload: Object) -> Faults:
    """Messages from the agent without a context."""
    for found in said(payload):
        yield from missing_texts(found, "contextId")


def part_faults(payload: Object) -> Faults:
    """Parts that are not one thing, or not of its type."""
    for found in parts(payload):
        there = [name for name in _CONTENTS if name in found.value]
        if len(there) != 1:
            yield f"{found.where} has {' and '.join(there) or 'none of text, raw, url and data'}"
        elif not _CONTENTS[there[0]](found.value[there[0]]):
            yield f"{found.where}.{there[0]} is {found.value[there[0]]!r:.80}"


def kind_faults(payload: Object) -> Faults:
    """Objects that say their kind, as they did in 0.3."""
    for found in [*tasks(payload), *updates(payload), *messages(payload), *parts(payload)]:
        if "kind" in found.value:
            yield f"{found.where} has a member kind ({found.value['kind']!r})"


def task_faults(payload: Object) -> Faults:
    """Tasks without an id, and tasks and updates in a state that there is not."""
    for found in tasks(payload):
        yield from missing_texts(found, "id")
        if not is_object(found.value.get("status")):
            yield f"{found.where}.status is missing"
    for found in statuses(payload):
        if (state := found.value.get("state")) not in STATES:
            yield f"{found.where}.state is {state!r}"


def artifact_faults(payload: Object) -> Faults:
    """Artifacts without an id or without content."""
    for found in artifacts(payload):
        yield from missing_texts(found, "artifactId")
        yield from missing_items(found, "parts")


def timestamp_faults(payload: Object) -> Faults:
    """Timestamps that are not as the protocol writes them."""
    for found in statuses(payload):
        timestamp = found.value.get("timestamp")
        if timestamp is not None and not is_timestamp(timestamp):
            yield f"{found.where}.timestamp is {timestamp!r}"


def is_timestamp(value: object) -> bool:
    """Whether it is an ISO 8601 instant in UTC with the suffix Z (section 5.6.1)."""
    return isinstance(value, str) and bool(_TIMESTAMP.fullmatch(value))


def missing_texts(found: Found, *names: str) -> Faults:
    """The members among these that are not a text that says something."""
    for name in names:
        if not is_filled(found.value.get(name)):
            yield f"{found.where}.{name} is {_shown(found.value, name)}"


def missing_items(found: Found, *names: str) -> Faults:
    """The members among these that are not a list with items."""
    for name in names:
        value = found.value.get(name)
        if not isinstance(value, list) or not value:
            yield f"{found.where}.{name} is {_shown(found.value, name)}"


def _shown(value: Object, name: str) -> str:
    return f"{value[name]!r:.80}" if name in value else "missing"
