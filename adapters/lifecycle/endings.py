"""Endings: what an attempt comes to, by what its call returned or raised. Pure.

What the agent or the policies decided is the end of the turn. What merely did not work is tried again: the far side was
not there, had its hands full, or the gateway itself had to stop. Whoever wrote a skill says whether it may be tried
again once it may have begun; an agent may always, since it is told which delivery it is.
"""

from dataclasses import dataclass, replace
from typing import Final

from adapters.base import HandedBack
from adapters.messaging.bodies import text_of, write_body
from adapters.messaging.outcomes import Ask, Asked, Dead, Deferred, Delivery, Done, Outcome, Rejected, Reply, Retry
from adapters.messaging.retry import RetryRule, after_failure
from adapters.values import DEEPEST
from registry.checks import weigh
from registry.model import (
    BadRequest,
    FarSideError,
    FarSideFault,
    InterchangeError,
    JsonObject,
    JsonValue,
    Part,
    Question,
    Result,
)

REFUSED: Final = frozenset({"denied", "needs_approval", "needs_scope", "unknown", "invalid_arguments"})
"""Codes of errors that say that an attempt may not be made: to try again would not help."""

PASSING: Final = frozenset({"unavailable", "audit_unavailable", "overloaded", "unsealable"})
"""Codes of errors that pass by themselves, and that come before anything was begun: a key that another gateway has
already is soon here, too."""

REVIEW_SECONDS: Final = 7 * 86_400.0
"""How long the outcome of work in the background waits for its owner."""

UNSENT: Final = RetryRule(attempts=16, first=0.25, growth=2.0, longest=60.0)
"""For agents that are not there: some minutes, and never much longer between two attempts than they have been away, so
that one that is deployed anew soon finds its work again."""

AGAIN: Final = RetryRule(first=0.25, growth=4.0, longest=60.0)
"""For agents that are there and did not manage; how often is for them to say."""

SHOWN: Final = 2_000
"""Characters of an error that a turn keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an attempt may come to. `attempts` is how many there may be of one delivery; `repeatable`: another may
    follow although this one may have begun, and otherwise none does; `attended`: somebody waits who would rather know;
    `background`: its outcome is reviewed."""

    attempts: int = 5
    repeatable: bool = True
    attended: bool = False
    background: bool = False


def after_result(result: Result, terms: Terms) -> Outcome:
    """The outcome of an attempt that was answered. What was said as messages before is in the log already.

    Raises:
        BadRequest: the answer cannot be written down.
    """
    parts = result.parts[result.said :]
    if result.question is not None:
        return Asked(question=_ask(result.question), replies=_replies(result, parts))
    if result.deferral is not None:
        return Deferred(within=result.deferral.seconds, replies=_replies(result, parts))
    if not result.parts and result.structured is not None:
        if weigh(result.structured, levels=DEEPEST) is None:
            raise BadRequest(f"it is nested more than {DEEPEST} deep")
        parts = (Part(data=result.structured, media_type="application/json"),)
    metadata: dict[str, JsonValue] = dict(result.metadata)
    if result.is_error:
        metadata["interchange/isError"] = True
    reply = _reply(parts, result, metadata)
    return Done(replies=(reply,), review_within=REVIEW_SECONDS if terms.background else None)


def after_error(error: InterchangeError, delivery: Delivery, terms: Terms, *, call: str) -> Outcome:
    """The outcome of an attempt that failed."""
    body = failure_body(error, call=call)
    reason = _storable(error.message)[:SHOWN]
    if error.code in REFUSED:
        return Rejected(reason=reason, body=body)
    if isinstance(error, HandedBack) and terms.repeatable and not error.lost:
        return Retry(after=0.0, error=reason)
    outcome = after_failure(
        _rule(error, terms),
        delivery=delivery.id,
        attempt=delivery.attempt,
        error=reason,
        retryable=_may_repeat(error),
        wait=error.retry_after or 0.0 if isinstance(error, FarSideError) else 0.0,
    )
    return replace(outcome, body=body) if isinstance(outcome, Dead) else outcome


def failure_body(error: InterchangeError, *, call: str) -> bytes:
    """What the log says of a turn that failed or was refused, for its starter."""
    metadata: dict[str, JsonValue] = {"interchange/error": error.code, "interchange/call": call}
    if isinstance(error, FarSideError):
        metadata["interchange/retryable"] = error.retryable
        metadata["interchange/fault"] = error.fault.value
    return write_body([Part(text=_storable(error.message))], metadata=metadata)


def _storable(text: str) -> str:
    """Text as every database keeps it."""
    return text.replace("\0", " ").encode(errors="replace").decode()


def _rule(error: InterchangeError, terms: Terms) -> RetryRule:
    """How often, and when. An agent that is not there has not begun, which costs it no attempts of its own."""
    if terms.attended or not terms.repeatable:
        return RetryRule(attempts=1)
    if error.code in PASSING or (isinstance(error, FarSideError) and error.fault is FarSideFault.UNAVAILABLE):
        return replace(UNSENT, attempts=max(UNSENT.attempts, terms.attempts))
    return replace(AGAIN, attempts=terms.attempts)


def _may_repeat(error: InterchangeError) -> bool:
    if isinstance(error, FarSideError):
        return error.retryable or error.fault in {FarSideFault.UNAVAILABLE, FarSideFault.EXHAUSTED}
    return error.code in PASSING or error.code == "internal"


def _reply(parts: tuple[Part, ...], result: Result, metadata: JsonObject) -> Reply:
    return Reply(
        body=write_body(parts, artifacts=result.artifacts, metadata=metadata),
        text=text_of(parts, artifacts=result.artifacts),
    )


def _replies(result: Result, parts: tuple[Part, ...]) -> tuple[Reply, ...]:
    """What was said before a question or before the answer was put off; nothing, where nothing was."""
    return (_reply(parts, result, result.metadata),) if parts or result.artifacts else ()


def _ask(question: Question) -> Ask:
    written: dict[str, JsonValue] = {"id": question.id, "kind": question.kind.upper(), "text": question.text}
    if question.schema:
        written["answerSchema"] = question.schema
    if question.addressees:
        written["addressees"] = list(question.addressees)
    parts = (Part(text=question.text), *question.context)
    return Ask(
        id=question.id,
        body=write_body(parts, question=written),
        text=text_of(parts),
        expires_in=question.expires_in,
    )
