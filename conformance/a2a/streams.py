"""The order of a stream: a message alone, or a task and then what becomes of it, to its end. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.a2a.protocol import ENDED, INTERRUPTED
from conformance.a2a.shapes import NOTHING, STREAMED, Object, is_object, member, objects, one_of

UPDATES = STREAMED[2:]


def event_faults(events: Sequence[Any]) -> Iterator[str]:
    """Events that are not exactly one thing."""
    if not events:
        yield "the stream has no events"
    for number, event in enumerate(events, 1):
        if not is_object(event):
            yield f"event {number} is not a JSON object"
        elif not one_of(event, STREAMED):
            yield f"event {number} has {', '.join(list(event)[:6]) or 'nothing'}"


def order_faults(events: Sequence[Any]) -> Iterator[str]:
    """Known things that come where they must not. A whole task may come once more at the end (section 11.7)."""
    kinds = [kind for event in events if (kind := one_of(event, STREAMED))]
    if not kinds:
        return
    if kinds[0] == "message":
        yield from (f"event {number} is a {kind} after the message" for number, kind in enumerate(kinds[1:], 2))
    elif kinds[0] != "task":
        yield f"the first event is a {kinds[0]}"
    for number, kind in enumerate(kinds[1:], 2):
        if kinds[0] != "message" and kind not in UPDATES and not (kind == "task" and number == len(kinds)):
            yield f"event {number} of a task is a {kind}"


def same_task_faults(events: Sequence[Any]) -> Iterator[str]:
    """Updates of a task that is not the stream's."""
    expected = _ids(events)
    for number, event in enumerate(events, 1):
        for kind in UPDATES:
            if is_object(event) and is_object(event.get(kind)):
                yield from (
                    f"event {number}: {kind}.{name} is {event[kind].get(name)!r}, the task's is {value!r}"
                    for name, value in expected.items()
                    if event[kind].get(name) != value or not value
                )


def update_faults(events: Sequence[Any]) -> Iterator[str]:
    """Updates that do not say what has become of the task."""
    for number, event in enumerate(events, 1):
        for kind, inner in (("statusUpdate", "status"), ("artifactUpdate", "artifact")):
            if is_object(event) and is_object(event.get(kind)) and not is_object(event[kind].get(inner)):
                yield f"event {number}: {kind}.{inner} is missing"


def append_faults(events: Sequence[Any]) -> Iterator[str]:
    """Updates that append to an artifact that nobody has sent."""
    known = {artifact.get("artifactId") for artifact in objects(_first_task(events).get("artifacts"))}
    for number, event in enumerate(events, 1):
        update = member(event, "artifactUpdate")
        named = member(update, "artifact").get("artifactId")
        if update.get("append") is True and named not in known:
            yield f"event {number} appends to {named!r}, which was not sent before"
        known.add(named)


def state_of(event: Any) -> Any:
    """The state an event leaves its task in; None where it tells none."""
    holder = member(event, "task") or member(event, "statusUpdate")
    return member(holder, "status").get("state")


def is_last(event: Any) -> bool:
    """Whether nothing new may come after an event: a message, or a task that has ended."""
    return is_object(event) and ("message" in event or state_of(event) in ENDED)


def ending_faults(events: Sequence[Any]) -> Iterator[str]:
    """A stream that was closed before, or went on after its end."""
    if not events:
        return
    for number, event in enumerate(events[:-1], 1):
        if is_last(event) and not _is_snapshot(events[number:]):
            yield f"event {number} ended it, and {len(events) - number} came after"
            return
    states = [state for state in map(state_of, events) if state is not None]
    if not any(is_last(event) for event in events) and (not states or states[-1] not in INTERRUPTED):
        yield f"it was closed with the task in {states[-1] if states else 'no state'}"


def _first_task(events: Sequence[Any]) -> Object:
    return next((member(event, "task") for event in events if member(event, "task")), NOTHING)


def _ids(events: Sequence[Any]) -> Mapping[str, Any]:
    """What the updates of a stream must have in them."""
    task = _first_task(events)
    return {"taskId": task.get("id"), "contextId": task.get("contextId")}


def _is_snapshot(rest: Sequence[Any]) -> bool:
    return len(rest) == 1 and is_object(rest[0]) and isinstance(rest[0].get("task"), dict)


def payload_of_event(envelope: Any, *, within: str) -> Object | None:
    """What an event says: the whole of it, or the member of its envelope that holds it."""
    payload = envelope.get(within) if within and is_object(envelope) else envelope
    return payload if is_object(payload) else None
