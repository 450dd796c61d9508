"""Feeds: pieces of what is being said, on their way from the attempt that says them to whoever follows its turn.

Pieces are lossy: they are told on the fabric, numbered within their attempt, and never kept. Whoever missed one finds
all of it in the turn's draft, at most a second old, and whatever counts in the log. A `Lane` puts what is heard in
order: it hands on no piece twice and none out of its order, and says when it needs the draft.
"""

import asyncio
import os
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, cast

import orjson

from adapters.messaging.bodies import read_body, write_body
from adapters.messaging.fabric import Fabric, Stop
from registry.model import Artifact, BadRequest, Progress, TurnId

Piece: TypeAlias = Artifact | Progress
"""A piece of an artifact, of the answer itself where its id is empty; or how far the agent is."""

WAITING: Final = 1_000
"""Notices that may wait to be read by one who follows; more are dropped, and the draft has what they said."""

LARGEST: Final = 512 << 10
"""Bytes of one notice on the fabric. What is larger waits for the draft."""

_ORIGIN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Pieces that were told together: number `number`, from 1, of the attempt that holds `fence`."""

    fence: int
    number: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """Everything up to chunk `number` of the attempt that holds `fence` is in the turn's draft."""

    fence: int
    number: int


Notice: TypeAlias = Chunk | Drafted


class Hearing:
    """What is heard of one turn, and was not read yet."""

    __slots__ = ("_notices", "_some")

    def __init__(self) -> None:
        self._notices: deque[Notice] = deque(maxlen=WAITING)
        self._some = asyncio.Event()

    def heard(self, notice: Notice) -> None:
        """Keep one for whoever reads."""
        self._notices.append(notice)
        self._some.set()

    async def some(self) -> None:
        """Wait until there is something to read."""
        await self._some.wait()

    def read(self) -> Sequence[Notice]:
        """What has come since the last time."""
        notices = tuple(self._notices)
        self._notices.clear()
        self._some.clear()
        return notices


class Feeds:
    """Who follows which turn in this process. `fabric` reaches the others; None where there are none."""

    def __init__(self, fabric: Fabric | None) -> None:
        self._fabric = fabric
        self._origin = os.urandom(_ORIGIN)
        self._hearings: dict[TurnId, set[Hearing]] = {}
        self._stops: dict[TurnId, Stop] = {}

    def tell(self, turn: TurnId, notice: Notice) -> None:
        """Tell whoever follows this turn, here at once and elsewhere soon, or never."""
        for hearing in self._hearings.get(turn, ()):
            hearing.heard(notice)
        if self._fabric is not None:
            payload = self._origin + write_notice(notice)
            if len(payload) <= LARGEST:
                self._fabric.tell(_topic(turn), payload)

    @contextmanager
    def hearing(self, turn: TurnId) -> Generator[Hearing]:
        """Hear of a turn while this lasts."""
        hearing = Hearing()
        if turn not in self._hearings:
            self._hearings[turn] = set()
            if self._fabric is not None:
                self._stops[turn] = self._fabric.hear(_topic(turn), partial(self._hear, turn))
        self._hearings[turn].add(hearing)
        try:
            yield hearing
        finally:
            hearings = self._hearings[turn]
            hearings.discard(hearing)
            if not hearings:
                del self._hearings[turn]
                if (stop := self._stops.pop(turn, None)) is not None:
                    stop()

    def _hear(self, turn: TurnId, payload: bytes) -> None:
        """Something was told on the fabric, read once for all; what this process told itself was heard before."""
        if payload.startswith(self._origin):
            return
        notice = read_notice(payload[_ORIGIN:])
        if notice is not None:
            for hearing in self._hearings.get(turn, ()):
                hearing.heard(notice)


@dataclass(slots=True)
class Lane:
    """The pieces of one turn, put in order for one who follows it. Pure.

    `fence` and `number` are of the last chunk that was handed on, or of the draft that was begun with.
    """

    fence: int = 0
    number: int = 0
    _early: list[Chunk] = field(default_factory=list[Chunk])

    @property
    def is_short(self) -> bool:
        """Whether something was missed, so that only the draft helps."""
        return bool(self._early)

    def hear(self, chunk: Chunk) -> tuple[Piece, ...]:
        """What can be handed on now that this was heard; nothing where something before it is missing."""
        if chunk.fence < self.fence or (chunk.fence == self.fence and chunk.number <= self.number):
            return ()
        if chunk.fence > self.fence:
            self._early = []
            self.fence, self.number = chunk.fence, 0
        if self._early or chunk.number != self.number + 1:
            self._early.append(chunk)
            del self._early[:-WAITING]
            return ()
        self.number = chunk.number
        return chunk.pieces

    def is_behind(self, drafted: Drafted) -> bool:
        """Whether that draft has what was not handed on yet."""
        return (drafted.fence, drafted.number) > (self.fence, self.number)

    def restart(self, drafted: Drafted, pieces: Iterable[Piece]) -> tuple[Piece, ...]:
        """Begin again from a draft, whose `pieces` are whole; nothing where it has nothing new."""
        if not self.is_behind(drafted):
            return ()
        early, self._early = self._early, []
        self.fence, self.number = drafted.fence, drafted.number
        return (*pieces, *(piece for chunk in early for piece in self.hear(chunk)))


def write_notice(notice: Notice) -> bytes:
    """A notice for the fabric; empty where it cannot be written, and nobody hears of it."""
    try:
        if isinstance(notice, Drafted):
            return orjson.dumps({"f": notice.fence, "d": notice.number})
        pieces = [_write_piece(piece) for piece in notice.pieces]
        return orjson.dumps({"f": notice.fence, "n": notice.number, "p": pieces})
    except (BadRequest, orjson.JSONEncodeError):
        return b""


def read_notice(payload: bytes) -> Notice | None:
    """What another process told; None where it makes no sense."""
    try:
        told = cast("Mapping[str, Any]", orjson.loads(payload))
        if "d" in told:
            return Drafted(fence=int(told["f"]), number=int(told["d"]))
        pieces = tuple(_read_piece(piece) for piece in told["p"])
        return Chunk(fence=int(told["f"]), number=int(told["n"]), pieces=pieces)
    except (BadRequest, KeyError, TypeError, ValueError, IndexError):
        return None


def _write_piece(piece: Piece) -> object:
    if isinstance(piece, Progress):
        return {"progress": piece.progress, "total": piece.total, "text": piece.text}
    return write_body(artifacts=[piece]).decode()


def _read_piece(written: Any) -> Piece:
    if isinstance(written, str):
        return read_body(written.encode()).artifacts[0]
    total = written["total"]
    return Progress(
        progress=float(written["progress"]), total=None if total is None else float(total), text=str(written["text"])
    )


def _topic(turn: TurnId) -> str:
    return f"turn.{turn}"
