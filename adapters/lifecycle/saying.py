"""Saying: what one attempt has said so far, told to whoever follows it, and ready to be kept as its draft.

An agent's pieces become pieces of artifacts, the answer itself one among them. What comes faster than it can be told is
told together: the first piece goes out at once, and those of the next moment in one chunk.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from adapters.lifecycle.feeds import Chunk, Drafted, Feeds, Piece
from adapters.messaging.bodies import write_body
from adapters.messaging.drafts import Draft
from adapters.messaging.messages import TurnRef
from adapters.turn_events import joined
from registry.model import Artifact, Delta, Part, Progress, Said

GATHERING: Final = 0.01
"""Seconds in which what comes faster is put together."""

ANSWER: Final = ""
"""The id of the answer itself, among the artifacts."""


@dataclass(slots=True)
class _Grown:
    """An artifact as it is by now."""

    head: Artifact
    parts: list[Part]

    def whole(self) -> Artifact:
        """All of it."""
        self.parts = list(joined(self.parts))
        return replace(self.head, parts=tuple(self.parts))


class Saying:
    """What one attempt says, from its begin to its end."""

    def __init__(self, of: TurnRef, *, fence: int, feeds: Feeds) -> None:
        self.of = of
        self._fence = fence
        self._feeds = feeds
        self._number: int = 0
        self._waiting: list[Piece] = []
        self._timer: asyncio.TimerHandle | None = None
        self._grown: dict[str, _Grown] = {}
        self._drafted: int = 0
        self.has_draft = False

    def say(self, emission: Delta | Artifact | Progress) -> None:
        """Tell one thing, now or in a moment."""
        piece = self._piece(emission)
        self._waiting.append(piece)
        if self._timer is None:
            self._tell()
            self._timer = asyncio.get_running_loop().call_later(GATHERING, self._gathered)

    def said(self, message: Said) -> None:  # noqa: ARG002  it is in the log; what matters here is that it was
        """A whole message was logged. The pieces of the answer before it were pieces of it: what follows is new."""
        self.flush()
        self._grown.pop(ANSWER, None)

    def flush(self) -> None:
        """Tell what still waits."""
        if self._waiting:
            self._tell()

    def close(self) -> None:
        """There is nothing more to be told: the log has it all now."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def draft(self) -> Draft | None:
        """Everything that was said, to be kept; None where nothing was said since the last time."""
        self.flush()  # INVARIANT: a draft has what was told up to its number, and nothing that is still to be told
        if self._number == self._drafted or not self._grown:
            return None
        self._drafted = self._number
        self.has_draft = True
        return Draft(
            conversation=self.of.conversation,
            turn=self.of.turn,
            fence=self._fence,
            number=self._number,
            body=write_body(artifacts=[each.whole() for each in self._grown.values()]),
        )

    def drafted(self, draft: Draft) -> None:
        """A draft is kept: whoever missed something may look there."""
        self._feeds.tell(self.of.turn, Drafted(fence=draft.fence, number=draft.number))

    def _piece(self, emission: Delta | Artifact | Progress) -> Piece:
        if isinstance(emission, Progress):
            return emission
        if isinstance(emission, Delta):
            return self._grow(Artifact(id=emission.artifact, parts=(emission.part,), append=True))
        return self._grow(emission)

    def _grow(self, artifact: Artifact) -> Artifact:
        """The artifact with this piece, and the piece as whoever follows needs it: `append` only to what there is."""
        grown = self._grown.get(artifact.id)
        if grown is None or not artifact.append:
            head = replace(artifact, parts=(), append=False)
            self._grown[artifact.id] = _Grown(head, list(artifact.parts))
            return replace(artifact, append=False)
        grown.parts += artifact.parts
        grown.head = replace(grown.head, last=artifact.last)
        return artifact

    def _gathered(self) -> None:
        self._timer = None
        if self._waiting:
            self._tell()
            self._timer = asyncio.get_running_loop().call_later(GATHERING, self._gathered)

    def _tell(self) -> None:
        pieces, self._waiting = tuple(_together(self._waiting)), []
        self._number += 1
        self._feeds.tell(self.of.turn, Chunk(fence=self._fence, number=self._number, pieces=pieces))


def _together(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces in order, neighbouring ones of one artifact made one."""
    run: list[Artifact] = []
    for piece in pieces:
        if run and not (isinstance(piece, Artifact) and _goes_on(run[-1], piece)):
            yield _one(run)
            run = []
        if isinstance(piece, Artifact):
            run.append(piece)
        else:
            yield piece
    if run:
        yield _one(run)


def _goes_on(before: Artifact, piece: Artifact) -> bool:
    return piece.id == before.id and piece.append and not before.last


def _one(run: Sequence[Artifact]) -> Artifact:
    if len(run) == 1:
        return run[0]
    parts = joined(part for artifact in run for part in artifact.parts)
    return replace(run[0], parts=tuple(parts), last=run[-1].last)
