"""Mistakes that the examiner makes on purpose, to see how they are answered. None of them needs an agent's consent."""

import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.a2a.answers import Answer, Refusal
from conformance.a2a.protocol import (
    ERRORS,
    PUSH_NOT_SUPPORTED,
    TASK_NOT_FOUND,
    UNSUPPORTED_OPERATION,
    VERSION_NOT_SUPPORTED,
    Binding,
)
from conformance.a2a.speaking import USUAL, Manner, Speaker
from conformance.a2a.survey import A2aSubject
from conformance.verdict import CannotExamine


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A request that must be refused. `error` is the error of A2A it deserves, empty for invalid parameters."""

    name: str
    operation: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    manner: Manner = USUAL
    error: str = ""


def mistakes(subject: A2aSubject) -> list[Mistake]:
    """What can be done wrong with an agent of this card."""
    missing = f"examiner-{secrets.token_hex(8)}"
    made = [
        Mistake(name="a task that is not there", operation="GetTask", params={"id": missing}, error=TASK_NOT_FOUND),
        Mistake(
            name="a version that is not spoken",
            operation="ListTasks",
            manner=Manner(version="99.0"),
            error=VERSION_NOT_SUPPORTED,
        ),
        Mistake(name="a message without parts", operation="SendMessage", params={"message": subject.message(parts=[])}),
    ]
    if not subject.declares("pushNotifications"):
        params = {"taskId": missing, "url": "https://examiner.example/webhook"}
        operation = "CreateTaskPushNotificationConfig"
        made.append(Mistake(name="push notifications", operation=operation, params=params, error=PUSH_NOT_SUPPORTED))
    if not subject.declares("extendedAgentCard"):
        made.append(Mistake(name="the extended card", operation="GetExtendedAgentCard", error=UNSUPPORTED_OPERATION))
    return made


async def make(mistake: Mistake, speaker: Speaker) -> Answer:
    """Make a mistake."""
    return await speaker.ask(mistake.operation, mistake.params, mistake.manner)


async def refusals(subject: A2aSubject, speaker: Speaker) -> AsyncIterator[tuple[Mistake, Refusal]]:
    """Make them all, and see those that were refused; that the others were not is judged elsewhere.

    Raises:
        CannotExamine: none was.
    """
    found = False
    for mistake in mistakes(subject):
        refusal = (await make(mistake, speaker)).refusal
        if refusal is not None:
            found = True
            yield mistake, refusal
    if not found:
        raise CannotExamine("Nothing that the examiner did wrong was refused.")


def deserved(mistake: Mistake, refusal: Refusal) -> bool:
    """Whether a mistake of A2A got the error it deserves, so that the error's form may be judged."""
    return bool(mistake.error) and refusal.is_error(mistake.error)


def meaning(answer: Answer) -> str:
    """What an answer means, in words that are the same for both bindings."""
    refusal = answer.refusal
    if refusal is None:
        return "no error"
    if named := next((name for name in ERRORS if refusal.is_error(name)), ""):
        return named
    if refusal.is_invalid:
        return "invalid parameters"
    return refusal.told if answer.binding is Binding.REST else f"error {refusal.code}"
