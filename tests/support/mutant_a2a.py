"""A gateway whose A2A face has one fault: `python -m tests.support.mutant_a2a serve …`.

Which one is read from the file that MUTANT_FILE names, whenever it could show; an empty file makes it right again. Each
fault replaces one function of ours by one that does a little less.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import UnsupportedOperationError
from starlette.responses import Response

from gateway import principal
from gateway.a2a import asked, card_desk, handler, signing, telling, writing
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
    "push is just another thing that is not there": "a2a.push.not-declared",
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
    for owner in (writing, telling):
        instead_of(owner, "write_status", _odd_status)
        instead_of(owner, "write_answer", _odd_answer)
    instead_of(handler, "write_answer", _odd_answer)
    instead_of(handler.Handler, "_read", _renamed)
    instead_of(telling.Telling, "_piece", _appended)
    instead_of(telling.Telling, "_status", _of_another_task)
    instead_of(telling.Telling, "_artifact", _of_another_task)
    instead_of(telling.Telling, "on", _with_another_task)
    instead_of(telling.Telling, "end", _not_ended)
    instead_of(handler.Handler, "on_cancel_task", _cancelled)
    instead_of(handler, "_no_push", _nothing_of_the_kind)
    instead_of(principal.Challenge, "missing", _without_challenge)


def _changed_afterwards(right: Callable[..., bytes]) -> Callable[..., bytes]:
    def signed(self: Any, card: Any) -> bytes:
        body = right(self, card)
        return body.replace(b'"name":"', b'"name":"The ', 1) if now("a card is changed after it was signed") else body

    return signed


def _made_anew(right: Callable[..., Any]) -> Callable[..., Any]:
    """What is kept would hide the faults of cards."""

    def page(self: Any, *rest: Any) -> Any:
        self._pages = card_desk._Pages(card_desk.KEPT_BYTES)
        return right(self, *rest)

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
    def write_card(*rest: Any) -> Any:
        card = right(*rest)
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


def _odd_status(right: Callable[..., wire.TaskStatus]) -> Callable[..., wire.TaskStatus]:
    def write_status(*rest: Any, **more: Any) -> wire.TaskStatus:
        status = right(*rest, **more)
        if status.HasField("message"):
            _spoil(status.message)
        return status

    return write_status


def _odd_answer(right: Callable[..., wire.Message | wire.Task]) -> Callable[..., wire.Message | wire.Task]:
    def write_answer(*rest: Any) -> wire.Message | wire.Task:
        answer = right(*rest)
        if isinstance(answer, wire.Message):
            _spoil(answer)
        return answer

    return write_answer


def _spoil(message: wire.Message) -> None:
    if now("answers speak as the user"):
        message.role = wire.ROLE_USER
    if now("messages have no context"):
        message.ClearField("context_id")


def _renamed(right: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: Any, params: wire.SendMessageRequest, terms: asked.Asked) -> Any:
        if now("a conversation is given another name"):
            params.message.ClearField("context_id")
        return right(self, params, terms)

    return read


def _appended(right: Callable[..., Any]) -> Callable[..., Any]:
    def piece(self: Any, *rest: Any) -> Any:
        event = right(self, *rest)
        event.append = event.append or now("the first piece is appended to nothing")
        return event

    return piece


def _of_another_task(right: Callable[..., Any]) -> Callable[..., Any]:
    def update(self: Any, *rest: Any, **more: Any) -> Any:
        event = right(self, *rest, **more)
        if now("updates are of another task"):
            event.task_id = "another"
        return event

    return update


def _with_another_task(right: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def on(self: Any, emission: Any) -> Iterator[Any]:
        for event in right(self, emission):
            yield event
            if isinstance(event, wire.Task) and now("a task is made anew on the way"):
                yield event

    return on


def _not_ended(right: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def end(self: Any, result: Any) -> Iterator[Any]:
        events = list(right(self, result))
        yield from events
        if now("a stream goes on after its end") and isinstance(events[-1], wire.TaskStatusUpdateEvent):
            yield events[-1]

    return end


def _cancelled(right: Callable[..., Any]) -> Callable[..., Any]:
    async def on_cancel_task(self: Any, params: wire.CancelTaskRequest, context: Any) -> Any:
        if now("any task can be cancelled") and params.id.startswith("examiner-"):
            return wire.Task(id=params.id, status=wire.TaskStatus(state=wire.TASK_STATE_CANCELED))
        return await right(self, params, context)

    return on_cancel_task


def _nothing_of_the_kind(right: Callable[[Any], NoReturn]) -> Callable[[Any], NoReturn]:
    def no_push(context: Any) -> NoReturn:
        if now("push is just another thing that is not there"):
            raise UnsupportedOperationError("There is no such thing here.")
        right(context)

    return no_push


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
