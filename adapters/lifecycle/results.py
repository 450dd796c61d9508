"""What became of a turn, for whoever attended it: its result, or the error that kept it from succeeding. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from adapters.lifecycle.attempts import Ending
from adapters.lifecycle.views import TurnView
from adapters.messaging.bodies import Body, read_body
from adapters.messaging.messages import Kind, TurnRef
from adapters.messaging.requests import agent_sender
from adapters.messaging.turns import TurnState
from registry.model import (
    BadRequest,
    DeadlinePassed,
    Denied,
    FarSideError,
    FarSideFault,
    InterchangeError,
    Overloaded,
    Part,
    Question,
    Result,
    TooLarge,
    Unknown,
)

_ERRORS: Final[Mapping[str, type[InterchangeError]]] = MappingProxyType(
    {error.code: error for error in (BadRequest, DeadlinePassed, Denied, Overloaded, TooLarge, Unknown)}
)


def told(ending: Ending, of: TurnRef) -> Result:
    """The result of an attempt that ended its turn here.

    Raises:
        InterchangeError: what kept it from succeeding.
    """
    if ending.error is not None or ending.result is None:
        raise ending.error or FarSideError(f"{of.agent} did not answer.", fault=FarSideFault.BROKEN)
    return Result(
        structured=ending.result.structured,
        text=ending.result.text,
        parts=ending.result.parts,
        is_error=ending.result.is_error,
        artifacts=ending.result.artifacts,
        metadata=ending.result.metadata,
        said=ending.result.said,
        question=ending.result.question,
        deferral=ending.result.deferral,
        turn=of.turn,
        conversation=of.conversation,
    )


def result_of(view: TurnView) -> Result:
    """The result of a turn, as the log has it.

    Raises:
        InterchangeError: what kept it from succeeding.
    """
    turn, end = view.turn, view.end() or Body()
    if turn.state in {TurnState.FAILED, TurnState.REJECTED}:
        raise _error(end, refused=turn.state is TurnState.REJECTED)
    if turn.state is TurnState.CANCELLED:
        raise FarSideError(f"What {turn.agent} was asked was cancelled.", fault=FarSideFault.CONFLICT)
    parts = _said(view)
    return Result(
        parts=parts,
        said=max(len(parts) - len(end.parts), 0),
        artifacts=end.artifacts,
        metadata=end.metadata,
        question=_question(end) if turn.state is TurnState.WAITING else None,
        turn=turn.id,
        conversation=turn.conversation,
    )


def _said(view: TurnView) -> tuple[Part, ...]:
    """All that the agent said, in order; its question is not among it."""
    ours = agent_sender(view.turn.agent)
    bodies = [read_body(each.body) for each in view.messages if each.sender == ours and each.kind is Kind.SAID]
    return tuple(part for body in bodies for part in body.parts)


def _error(end: Body, *, refused: bool) -> InterchangeError:
    text = "\n".join(part.text for part in end.parts if part.text is not None) or "It failed."
    code = str(end.metadata.get("interchange/error", ""))
    if (kind := _ERRORS.get(code)) is not None:
        return kind(text)
    if refused:
        return Denied(text)
    fault = str(end.metadata.get("interchange/fault", ""))
    known = FarSideFault(fault) if fault in set(FarSideFault) else FarSideFault.BROKEN
    return FarSideError(text, fault=known, retryable=end.metadata.get("interchange/retryable") is True)


def _question(end: Body) -> Question | None:
    if end.question is None:
        return None
    schema = end.question.get("answerSchema")
    return Question(
        id=str(end.question.get("id", "")),
        kind=str(end.question.get("kind", "")).lower(),
        text=str(end.question.get("text", "")),
        schema=schema if isinstance(schema, Mapping) else {},
    )
