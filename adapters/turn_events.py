"""What an agent answers: a stream of `interchange.v1.TurnEvent`, read into emissions and the result of the turn.

It knows no transport: `adapters.grpc.converse` brings the events from another process, `adapters.langgraph` from this
one. An event is taken when all that the one before it said has been emitted, so whoever listens slowly slows the agent
down, not the gateway.

What counts is what was said whole. Pieces (`Delta`) go out at once and are then only remembered until the message, the
artifact or the end that they were pieces of; where that never comes, they are what was said. Of a message nothing but
its content counts: who sent it, when and in which turn is for the gateway to say.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from interchange.v1 import agent_pb2 as wire

from adapters.parts import read_part
from adapters.text import clean, cut
from adapters.values import read_struct
from registry.model import (
    Artifact,
    Deferral,
    Delta,
    Emission,
    Emit,
    FarSideError,
    FarSideFault,
    Part,
    Progress,
    Question,
    Result,
    Said,
    TooLarge,
    Turn,
)

ENDS: Final = frozenset({"done", "failed", "question", "deferred"})
"""The events of which exactly one ends a turn, by their names in `TurnEvent.event`."""

PART_COST: Final = 64
"""Bytes that a part counts for beside its own, so that a stream of next to nothing is bounded too."""

SHOWN: Final = 1_024
"""Bytes of an agent's reason to give up that are shown, and below of its code for it."""

CODE_SHOWN: Final = 64

QUESTIONS: Final = MappingProxyType(
    {
        wire.Question.KIND_UNSPECIFIED: "clarification",
        wire.Question.CLARIFICATION: "clarification",
        wire.Question.FEEDBACK: "feedback",
    }
)
"""The kinds of questions that go to whoever started a turn. Approval, review and consent are other people's."""

LONGEST: Final = 86_400.0
"""Seconds that a question may be open, and an answer put off."""

REPLIES: Final = frozenset({wire.Message.KIND_UNSPECIFIED, wire.Message.SAID})


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits:
    """How much one turn may bring: all its pieces, artifacts, messages and the end together `answer` bytes; so many
    `artifacts`; ids of so many characters. Of a status, `progress` bytes of text are passed on. `closing` is how many
    seconds a stream may stay open after its end before nobody listens any more."""

    answer: int = 16 * 1024 * 1024
    artifacts: int = 100
    identifier: int = 256
    progress: int = 1_024
    closing: float = 1.0


TURN_LIMITS = TurnLimits()


async def read_turn(
    events: AsyncIterator[wire.TurnEvent], emit: Emit, *, turn: Turn, limits: TurnLimits = TURN_LIMITS
) -> Result:
    """What the agent answered in the end; what it said on the way has been emitted.

    What `events` itself raises passes through. Whoever made it closes it.

    Raises:
        FarSideError: REJECTED, the agent gave up; UNSUPPORTED, it asks what nobody can be asked here; GARBLED, an event
            cannot be read, there is no end, or something after it.
        TooLarge: it said more than the limits allow.
    """
    transcript = Transcript(turn, limits)
    async for event in events:
        if event.WhichOneof("event") in ENDS:
            result = transcript.end(event)
            await _nothing_more(events, turn, limits)
            return result
        for emission in transcript.hear(event):
            await emit(emission)
    raise garbled(turn, "it stopped without an end")


class Transcript:
    """What an agent has said in one turn so far. Pure: it awaits nothing and emits nothing."""

    def __init__(self, turn: Turn, limits: TurnLimits = TURN_LIMITS) -> None:
        self._turn = turn
        self._limits = limits
        self._size = 0
        self._statuses = 0
        self._said = 0
        self._answer = _Growing(Artifact(id="", parts=()))
        self._artifacts: dict[str, _Growing] = {}

    def hear(self, event: wire.TurnEvent) -> Sequence[Emission]:
        """Take in an event that does not end the turn, and return what is to be emitted for it.

        Raises:
            FarSideError: GARBLED.
            TooLarge: it goes over a limit.
        """
        try:
            return self._heard(event)
        except ValueError as error:
            raise garbled(self._turn, str(error)) from error

    def end(self, event: wire.TurnEvent) -> Result:
        """The result, where the event is a good end.

        Raises:
            FarSideError: it is no good one, or GARBLED.
            TooLarge: it goes over a limit.
        """
        match event.WhichOneof("event"):
            case "done":
                return self._done(event.done)
            case "failed":
                raise _given_up(self._turn, event.failed)
            case "question":
                return replace(self._done(wire.Done()), question=self._question(event.question))
            case _:
                return replace(self._done(wire.Done()), deferral=_deferral(event.deferred))

    def _heard(self, event: wire.TurnEvent) -> Sequence[Emission]:
        match event.WhichOneof("event"):
            case "delta":
                return self._piece(event.delta)
            case "artifact":
                return (self._artifact(event.artifact),)
            case "message":
                return self._message(event.message)
            case "status":
                return (self._status(event.status),)
            case _:
                raise ValueError("an event that says nothing this gateway knows")

    def _done(self, done: wire.Done) -> Result:
        try:
            self._answer.grow(self._parts(done.parts))
            self._take(done.metadata.ByteSize())
            metadata = read_struct(done.metadata)
        except ValueError as error:
            raise garbled(self._turn, str(error)) from error
        whole = self._answer.whole()
        return Result(
            parts=whole,
            said=min(self._said, len(whole)),
            artifacts=tuple(artifact.made() for artifact in self._artifacts.values()),
            metadata=metadata,
            turn=self._turn.id,
            conversation=self._turn.conversation,
        )

    def _piece(self, delta: wire.Delta) -> Sequence[Emission]:
        growing = self._growing(delta.artifact_id) if delta.artifact_id else self._answer
        parts = self._parts((delta.part,))
        if parts[0].text == "":
            return ()  # models stream these, and they say nothing
        growing.pieces += parts
        return (Delta(part=parts[0], artifact=delta.artifact_id),)

    def _message(self, message: wire.Message) -> Sequence[Emission]:
        if message.kind not in REPLIES:
            raise ValueError(f"a message of kind {message.kind}, which is no reply")
        if not message.parts and not message.artifacts:
            raise ValueError("a message without content")
        parts = self._parts(message.parts)
        self._answer.grow(parts)
        self._said = len(self._answer.parts)
        artifacts = [self._artifact(artifact) for artifact in message.artifacts]
        return (Said(parts=parts), *artifacts) if parts else artifacts

    def _artifact(self, artifact: wire.Artifact) -> Artifact:
        growing = self._growing(artifact.id)
        self._take(len(artifact.name) + len(artifact.description))
        read = Artifact(
            id=artifact.id,
            parts=self._parts(artifact.parts),
            name=artifact.name,
            description=artifact.description,
            append=artifact.append and growing.begun,
            last=artifact.last,
        )
        if not read.parts and not read.append:
            raise ValueError(f"the artifact {_shown(artifact.id)} without content")
        return growing.go_on(read)

    def _question(self, question: wire.Question) -> Question:
        """What is asked. Of what may be asked, only what the starter of the turn can be asked."""
        if question.kind not in QUESTIONS:
            raise _unsupported(self._turn, "asks for what nobody here can give yet")
        if not 0 < len(question.id) <= self._limits.identifier or not question.id.isprintable():
            raise garbled(self._turn, f"the question id {_shown(question.id)}, which is empty, too long or odd")
        self._take(question.ByteSize())
        try:
            expires_in = None
            if question.HasField("expires_at"):
                expires_in = question.expires_at.ToMicroseconds() / 1e6 - time.time()
            return Question(
                id=question.id,
                kind=QUESTIONS[question.kind],
                text=question.text,
                schema=read_struct(question.answer_schema),
                addressees=tuple(question.addressees),
                context=self._parts(question.context),
                expires_in=None if expires_in is None else min(max(expires_in, 1.0), LONGEST),
            )
        except KeyError:
            raise _unsupported(self._turn, "asks for what nobody here can give yet") from None
        except ValueError as error:
            raise garbled(self._turn, str(error)) from error

    def _status(self, status: wire.Status) -> Progress:
        if not (math.isfinite(status.progress) and math.isfinite(status.total)):
            raise ValueError("a status whose numbers are none")
        self._statuses += 1
        return Progress(
            progress=status.progress or self._statuses,
            total=status.total or None,
            text=cut(status.text, self._limits.progress),
        )

    def _growing(self, name: str) -> "_Growing":
        """The artifact of that id, which may be a new one."""
        found = self._artifacts.get(name)
        if found is None:
            if not name or len(name) > self._limits.identifier or not name.isprintable():
                raise ValueError(f"the artifact id {_shown(name)}, which is empty, too long or does not print")
            if len(self._artifacts) >= self._limits.artifacts:
                raise TooLarge(
                    f"{self._turn.agent} made more than {self._limits.artifacts} artifacts, the most it may."
                )
            found = self._artifacts[name] = _Growing(Artifact(id=name, parts=()))
        if found.head.last:
            raise ValueError(f"more of the artifact {_shown(name)} after its last piece")
        return found

    def _parts(self, parts: Iterable[wire.Part]) -> tuple[Part, ...]:
        for part in parts:
            self._take(part.ByteSize() + PART_COST)
        return tuple(map(read_part, parts))

    def _take(self, size: int) -> None:
        self._size += size
        if self._size > self._limits.answer:
            raise TooLarge(f"The answer of {self._turn.agent} is over the limit of {self._limits.answer} bytes.")


class _Growing:
    """Something said bit by bit, the answer or an artifact: what is said whole, and the pieces of what follows it."""

    __slots__ = ("head", "parts", "pieces")

    def __init__(self, head: Artifact) -> None:
        self.head = head
        self.parts: list[Part] = []
        self.pieces: list[Part] = []

    @property
    def begun(self) -> bool:
        return bool(self.parts or self.pieces)

    def grow(self, parts: Sequence[Part]) -> None:
        """Say something whole; the pieces before were pieces of it."""
        if parts:
            self.parts += parts
            self.pieces = []

    def go_on(self, artifact: Artifact) -> Artifact:
        """Be that artifact, or go on with its parts; return what is to be told of it: the whole where pieces went out,
        for whoever has them must not append to them what they were pieces of."""
        anew = bool(self.pieces) and artifact.append
        if not artifact.append:
            self.parts = []
        self.grow(artifact.parts)
        self.head = replace(
            artifact,
            name=artifact.name or self.head.name,
            description=artifact.description or self.head.description,
            parts=(),
        )
        return replace(self.head, parts=self.whole(), append=False) if anew else artifact

    def whole(self) -> tuple[Part, ...]:
        """All of it; pieces that nothing followed are as good as said."""
        return (*self.parts, *joined(self.pieces))

    def made(self) -> Artifact:
        """The artifact, whole."""
        return replace(self.head, parts=self.whole(), append=False, last=True)


def joined(pieces: Iterable[Part]) -> Iterator[Part]:
    """Parts put together: neighbouring texts that differ in nothing else are one."""
    run: list[Part] = []
    for piece in pieces:
        if run and not _goes_on(run[-1], piece):
            yield _one(run)
            run = []
        run.append(piece)
    if run:
        yield _one(run)


def _goes_on(before: Part, piece: Part) -> bool:
    alike = (before.media_type, before.filename, before.metadata) == (piece.media_type, piece.filename, piece.metadata)
    return alike and before.text is not None and piece.text is not None


def _one(run: Sequence[Part]) -> Part:
    return run[0] if len(run) == 1 else replace(run[0], text="".join(piece.text or "" for piece in run))


async def _nothing_more(events: AsyncIterator[wire.TurnEvent], turn: Turn, limits: TurnLimits) -> None:
    """Hear that nothing comes after the end. The answer of an agent that only hangs up late is as good as any."""
    patience = asyncio.timeout(limits.closing)
    try:
        async with patience:
            async for _ in events:
                raise garbled(turn, "something after its end")
    except TimeoutError:
        if not patience.expired():
            raise


def _given_up(turn: Turn, failed: wire.Failed) -> FarSideError:
    code, text = clean(failed.code, CODE_SHOWN), clean(failed.text, SHOWN)
    message = f"{turn.agent} gave up" + (f" ({code})" if code else "") + (f": {text}" if text else ".")
    return FarSideError(message, fault=FarSideFault.REJECTED, retryable=failed.retryable)


def _deferral(deferred: wire.Deferred) -> Deferral:
    seconds = LONGEST
    if deferred.HasField("until"):
        seconds = deferred.until.ToMicroseconds() / 1e6 - time.time()
    return Deferral(seconds=min(max(seconds, 1.0), LONGEST), reason=clean(deferred.reason, SHOWN))


def _unsupported(turn: Turn, does: str) -> FarSideError:
    message = f"{turn.agent} {does}."
    return FarSideError(message, fault=FarSideFault.UNSUPPORTED)


def garbled(turn: Turn, sentence: str) -> FarSideError:
    """The error that says which rule an answer breaks."""
    message = f"{turn.agent} answered with what cannot be read: {sentence}."
    return FarSideError(message, fault=FarSideFault.GARBLED)


def _shown(name: str) -> str:
    return repr(clean(name, 64))
