"""From what an agent's code yields to the events of its turn, always ended by exactly one end.

Pieces of the answer are joined, so that the end says it whole; an artifact that came in pieces only is made whole too.
What goes wrong in the agent's code ends the turn as failed: its traceback is in the log here, its text goes nowhere.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Final, cast

from interchange.v1 import agent_pb2

from interchange_client.errors import AgentFailure, GatewayError
from interchange_client.turns import Answer, TurnInHand

logger = logging.getLogger(__name__)

ENDS: Final = frozenset({"question", "deferred", "done", "failed"})
SILENT: Final = "The agent failed."
"""What a caller learns of an exception that was not meant for it."""

Saying = AsyncIterator[str | agent_pb2.TurnEvent]


async def speak(answer: Answer, turn: TurnInHand) -> AsyncGenerator[agent_pb2.TurnEvent]:
    """Run an agent's code on a turn and yield the events of it, the last of which is its end.

    Never raises what the agent's code raised; cancelling it cancels that code.
    """
    told = _Told(turn.turn)
    try:
        saying = answer(turn)
        async with _closing(saying):
            async for said in saying:
                event = told.event(said)
                if event is not None:
                    yield event
                    if event.WhichOneof("event") in ENDS:
                        return
    except AgentFailure as failure:
        yield _failed(failure.code, failure.text, retryable=failure.retryable)
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        yield _broken(turn)  # something inside the agent's code was cancelled, not the turn
    except Exception as error:
        yield _broken(turn, retryable=isinstance(error, GatewayError) and error.retryable)
    else:
        for event in told.ending():
            yield event


class _Told:
    """What one turn has said so far, as far as its end has to say it again."""

    def __init__(self, turn: agent_pb2.Turn) -> None:
        self._turn = turn
        self._messages = 0
        self._pieces: dict[str, _Joined] = {"": _Joined()}
        """By the artifact that they are of; those of the answer itself under the empty name."""

    def event(self, said: object) -> agent_pb2.TurnEvent | None:
        """What was yielded, as an event; None where it is nothing.

        Raises:
            TypeError: it is nothing that an agent can say.
        """
        if isinstance(said, str):
            said = agent_pb2.TurnEvent(delta=agent_pb2.Delta(part=agent_pb2.Part(text=said))) if said else None
        elif not isinstance(said, agent_pb2.TurnEvent) or said.WhichOneof("event") is None:
            raise TypeError(f"an agent yields text or a TurnEvent that says something, not {type(said).__name__}")
        if said is not None:
            self._note(said)
        return said

    def ending(self) -> list[agent_pb2.TurnEvent]:
        """The events after the last: artifacts that came in pieces, then the whole answer."""
        answer = self._pieces.pop("").parts()
        whole = [
            agent_pb2.TurnEvent(artifact=agent_pb2.Artifact(id=name, parts=pieces.parts(), last=True))
            for name, pieces in self._pieces.items()
        ]
        return [*whole, agent_pb2.TurnEvent(done=agent_pb2.Done(parts=answer))]

    def _note(self, event: agent_pb2.TurnEvent) -> None:
        kind = event.WhichOneof("event")
        if kind == "delta":
            self._pieces.setdefault(event.delta.artifact_id, _Joined()).add(event.delta.part)
        elif kind == "artifact" and event.artifact.id:
            self._pieces.pop(event.artifact.id, None)
        elif kind == "message":
            self._name(event.message)

    def _name(self, message: agent_pb2.Message) -> None:
        """Fill in what the agent's code need not say. A repeated attempt gives its n-th message the same id."""
        self._messages += 1
        message.id = message.id or f"{self._turn.turn_id}/{self._messages}"
        message.turn_id = message.turn_id or self._turn.turn_id
        message.conversation_id = message.conversation_id or self._turn.conversation_id


class _Joined:
    """Parts, with pieces of text that follow each other made one."""

    def __init__(self) -> None:
        self._parts: list[agent_pb2.Part] = []
        self._texts: list[str] = []

    def add(self, part: agent_pb2.Part) -> None:
        """Take one more piece."""
        is_text = part.WhichOneof("content") == "text"
        if not (is_text and self._texts and _is_alike(self._parts[-1], part)):
            self._finish()
            self._parts.append(agent_pb2.Part())
            self._parts[-1].CopyFrom(part)
        if is_text:
            self._texts.append(part.text)

    def parts(self) -> list[agent_pb2.Part]:
        """All of them."""
        self._finish()
        return self._parts

    def _finish(self) -> None:
        if self._texts:
            self._parts[-1].text = "".join(self._texts)
            self._texts = []


def _is_alike(one: agent_pb2.Part, other: agent_pb2.Part) -> bool:
    """Whether two texts differ in nothing but what they say."""
    return (one.media_type, one.filename) == (other.media_type, other.filename) and one.metadata == other.metadata


def _closing(saying: Saying) -> AbstractAsyncContextManager[object]:
    """Generators are closed when a turn ends before they do; other iterators have nothing to close."""
    return aclosing(cast("AsyncGenerator[object]", saying)) if hasattr(saying, "aclose") else nullcontext()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _broken(turn: TurnInHand, *, retryable: bool = False) -> agent_pb2.TurnEvent:
    logger.exception("turn %s of %s failed (call %s)", turn.turn.turn_id, turn.turn.agent, turn.call or "unknown")
    return _failed("internal", SILENT, retryable=retryable)


def _failed(code: str, text: str, *, retryable: bool = False) -> agent_pb2.TurnEvent:
    return agent_pb2.TurnEvent(failed=agent_pb2.Failed(code=code, text=text, retryable=retryable))
