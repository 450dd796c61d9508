"""A gateway whose A2A face has one fault: `python -m tests.support.mutant_a2a serve …`.

Which one is read from the file that MUTANT_FILE names, whenever it could show; an empty file makes it right again. Each
fault replaces one function of ours by one that does a little less.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from a2a.types import a2a_pb2 as wire
from starlette.responses import Response

from gateway import principal
from gateway.a2a import asked, card_desk, handler, signing, tasks, telling
from gateway.cli import main
from tests.support.mutant_gateway import instead_of

FAULTS = {
    "a card is changed after it was signed": "a2a.signature.verifies",
    "a card is good for no time": "a2a.card.cache-control",
    "a card has always changed": "a2a.card.conditional",
    "a skill is on the card twice": "a2a.card.skill-ids",
    "every minor version will do": "a2a.version.minor",
    "the version is not looked for in the URL": "a2a.version.query",
    "answers speak as the user": "a2a.message.role",
    "messages have no context": "a2a.message.context",
    "a conversation is given another name": "a2a.message.context-kept",
    "a task is made anew on the way": "a2a.stream.order",
    "a stream goes on after its end": "a2a.stream.closes",
    "the first piece is appended to nothing": "a2a.stream.append",
    "updates are of another task": "a2a.stream.same-task",
    "any task can be cancelled": "a2a.task.cancel-unknown",
    "any task can be read": "a2a.task.get-unknown",
    "the challenge is left out": "a2a.auth.challenge",
}
"""What is wrong, and the requirement that breaks."""


def now(fault: str) -> bool:
    """Whether a fault is the present one."""
    assert fault in FAULTS
    return Path(os.environ["MUTANT_FILE"]).read_text() == fault


def mutate() -> None:
    """Put every fault in place."""
    instead_of(signing.CardSigner, "signed", _changed_afterwards)
    instead_of(card_desk.CardDesk, "_page", _made_anew)
    instead_of(card_desk, "_write", _written_oddly)
    instead_of(card_desk, "write_card", _odd_card)
    instead_of(handler, "check_terms", _odd_terms)
    instead_of(asked, "_in_query", _nothing_in_query)
    for owner in (tasks, telling):
        instead_of(owner, "write_logged", _odd_message)
    instead_of(handler.Handler, "_read", _renamed)
    instead_of(telling.Telling, "_piece", _appended)
    instead_of(telling.Telling, "on", _with_another_task)
    instead_of(telling.Telling, "end", _not_ended)
    for way in ("on", "end"):
        instead_of(telling.Telling, way, _of_another_task)
    instead_of(handler.Handler, "on_cancel_task", _cancelled)
    instead_of(handler.Handler, "on_get_task", _found)
    instead_of(principal.Challenge, "missing", _without_challenge)


def _changed_afterwards(right: Callable[..., bytes]) -> Callable[..., bytes]:
    def signed(self: Any, *forms: Any) -> bytes:
        body = right(self, *forms)
        return body.replace(b'"name":"', b'"name":"The ', 1) if now("a card is changed after it was signed") else body

    return signed


def _made_anew(right: Callable[..., Any]) -> Callable[..., Any]:
    """What is kept would hide the faults of cards."""

    def page(self: Any, *rest: Any, **more: Any) -> Any:
        self._pages = card_desk._Pages(card_desk.KEPT_BYTES)
        return right(self, *rest, **more)

    return page


def _written_oddly(right: Callable[..., Response]) -> Callable[..., Response]:
    def write(scope: Any, page: Any, shared: dict[str, str]) -> Response:
        if now("a card is good for no time"):
            shared = {**shared, "Cache-Control": "no-cache"}
        if now("a card has always changed"):
            scope = {**scope, "headers": []}
        return right(scope, page, shared)

    return write


def _odd_card(right: Callable[..., Any]) -> Callable[..., Any]:
    def write_card(*rest: Any, **more: Any) -> Any:
        card = right(*rest, **more)
        twice = now("a skill is on the card twice")
        return {**card, "skills": [card["skills"][0], *card["skills"]]} if twice else card

    return write_card


def _odd_terms(right: Callable[[Any], None]) -> Callable[[Any], None]:
    def check_terms(terms: asked.Asked) -> None:
        if not (now("every minor version will do") and re.fullmatch(r"1\.\d+", terms.version)):
            right(terms)

    return check_terms


def _nothing_in_query(right: Callable[[Any], list[str]]) -> Callable[[Any], list[str]]:
    def in_query(scope: Any) -> list[str]:
        return [] if now("the version is not looked for in the URL") else right(scope)

    return in_query


def _odd_message(right: Callable[..., wire.Message]) -> Callable[..., wire.Message]:
    def write_logged(*rest: Any) -> wire.Message:
        message = right(*rest)
        if message.role == wire.ROLE_AGENT and now("answers speak as the user"):
            message.role = wire.ROLE_USER
        if now("messages have no context"):
            message.ClearField("context_id")
        return message

    return write_logged


def _renamed(right: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: Any, params: wire.SendMessageRequest, *rest: Any, **more: Any) -> Any:
        if now("a conversation is given another name"):
            params.message.ClearField("context_id")
        return right(self, params, *rest, **more)

    return read


def _appended(right: Callable[..., Any]) -> Callable[..., Any]:
    def piece(self: Any, *rest: Any) -> Any:
        event = right(self, *rest)
        if isinstance(event, wire.TaskArtifactUpdateEvent) and now("the first piece is appended to nothing"):
            event.append = True
        return event

    return piece


def _of_another_task(right: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def updates(self: Any, *rest: Any) -> Iterator[Any]:
        for event in right(self, *rest):
            if not isinstance(event, wire.Task) and now("updates are of another task"):
                event.task_id = "another"
            yield event

    return updates


def _with_another_task(right: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def on(self: Any, news: Any) -> Iterator[Any]:
        for event in right(self, news):
            yield event
            if isinstance(event, wire.Task) and now("a task is made anew on the way"):
                yield event

    return on


def _not_ended(right: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def end(self: Any, *rest: Any) -> Iterator[Any]:
        events = list(right(self, *rest))
        yield from events
        if events and now("a stream goes on after its end"):
            yield events[-1]

    return end


def _cancelled(right: Callable[..., Any]) -> Callable[..., Any]:
    async def on_cancel_task(self: Any, params: wire.CancelTaskRequest, context: Any) -> Any:
        if now("any task can be cancelled") and params.id.startswith("examiner-"):
            return wire.Task(id=params.id, status=wire.TaskStatus(state=wire.TASK_STATE_CANCELED))
        return await right(self, params, context)

    return on_cancel_task


def _found(right: Callable[..., Any]) -> Callable[..., Any]:
    async def on_get_task(self: Any, params: wire.GetTaskRequest, context: Any) -> Any:
        if now("any task can be read") and params.id.startswith("examiner-"):
            return wire.Task(id=params.id, status=wire.TaskStatus(state=wire.TASK_STATE_COMPLETED))
        return await right(self, params, context)

    return on_get_task


def _without_challenge(right: Callable[[Any], Response]) -> Callable[[Any], Response]:
    def missing(self: principal.Challenge) -> Response:
        answer = right(self)
        if now("the challenge is left out"):
            del answer.headers["www-authenticate"]
        return answer

    return missing


if __name__ == "__main__":
    mutate()
    sys.exit(main())
