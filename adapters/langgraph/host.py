"""Hosts graphs inside the gateway process: turns in, emissions and results out, like any other agent's.

Each graph has a room of its own (`room`) and is run by the runner that agents' processes use, so what works here works
there, and the other way round. A turn ends when its answer is there, when it is cancelled or when its time is up,
whatever the graph does meanwhile. One that blocks its room is left there, with the turns that it has in hand; those
that come later get a new room. Neither the gateway nor any other graph waits for it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from interchange.v1 import agent_pb2 as wire
from interchange_client.gateway import BoundGateway
from interchange_client.langgraph_loading import UnfitGraph, load_graph, open_answer
from interchange_client.langgraph_spans import record_spans
from interchange_client.speaking import speak
from interchange_client.turns import Answer, TurnInHand

from adapters.base import OpenTurn
from adapters.langgraph.inward import Deliver, Inward
from adapters.langgraph.passage import Passage
from adapters.langgraph.room import Room
from adapters.turn_events import TURN_LIMITS, TurnLimits, read_turn
from adapters.turns import deadline_of, write_turn
from registry.catalog import Catalog
from registry.model import (
    AgentName,
    BadRequest,
    Deadline,
    DeadlinePassed,
    Emit,
    FarSideError,
    FarSideFault,
    Overloaded,
    Principal,
    Result,
)

logger = logging.getLogger(__name__)

PATIENCE: Final = 0.5
"""Seconds in which a room that is not stuck says so."""

CLOSING: Final = 2.0
"""Seconds that rooms have to close when the gateway stops."""

STUCK: Final = 8
"""Rooms of one graph that may be left behind, stuck; with as many it takes no more turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What a host needs of the gateway: its corridor, its catalog, and who an agent that it runs is to policies."""

    deliver: Deliver
    catalog: Callable[[], Catalog]
    principal: Callable[[AgentName], Principal]


@asynccontextmanager
async def hosting(
    graphs: Mapping[str, str], house: House, *, limits: TurnLimits = TURN_LIMITS, in_hand: int = 64
) -> "AsyncGenerator[GraphHost]":
    """A `Converser` for agents that are graphs in this process: by agent, `module:attribute` or `file.py:attribute`.

    `in_hand` is how many turns each may have at once.

    Raises:
        BadRequest: there is no such graph, or it cannot answer messages.
    """
    host = GraphHost(graphs, house, limits=limits, in_hand=in_hand)
    try:
        await host.open()
        yield host
    finally:
        await host.close()


class GraphHost:
    """See `hosting`, which opens and closes it."""

    def __init__(self, graphs: Mapping[str, str], house: House, *, limits: TurnLimits, in_hand: int) -> None:
        self._graphs = {AgentName(name): _Hosted(AgentName(name), where, in_hand) for name, where in graphs.items()}
        self._house = house
        self._limits = limits

    async def open(self) -> None:
        """Load every graph, so that a mistake shows now and not when somebody asks."""
        for name, hosted in self._graphs.items():
            try:
                await hosted.answer()
            except UnfitGraph as error:
                raise BadRequest(f"[graphs.{name}] {error}") from error
        if self._graphs:
            record_spans()

    async def close(self) -> None:
        """Close the rooms, those that are stuck excepted."""
        await asyncio.gather(*(hosted.close() for hosted in self._graphs.values()))

    async def converse(self, open_turn: OpenTurn, emit: Emit) -> Result:
        """Have the graph answer (`adapters.base.Converser` says what is raised)."""
        name = open_turn.turn.agent
        if (hosted := self._graphs.get(name)) is None:
            logger.warning("An agent is bound to a graph in this process; name it in [graphs.%s].", name)
            raise FarSideError(f"{name} is not available.", fault=FarSideFault.UNAVAILABLE)
        deadline = deadline_of(open_turn)
        limit = asyncio.timeout(deadline.remaining())
        try:
            with hosted.place():
                async with limit, self._speaking(hosted, open_turn, deadline) as events:
                    return await read_turn(events, emit, turn=open_turn.turn, limits=self._limits)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed(f"{name} did not answer in time.") from None

    @asynccontextmanager
    async def _speaking(self, hosted: "_Hosted", open_turn: OpenTurn, deadline: Deadline) -> AsyncGenerator[Passage]:
        """The events of a turn, which has left its room, or is left there, when this is left."""
        room, answer = await self._opened(hosted)
        inward = Inward(
            open_turn=open_turn,
            agent=self._house.principal(open_turn.turn.agent),
            deliver=self._house.deliver,
            catalog=self._house.catalog,
        )
        passage = Passage()
        turn = write_turn(open_turn, deadline, now=time.time())
        work = room.begin(_speak(answer, turn, inward, deadline, call=open_turn.call.id, passage=passage))
        try:
            yield passage
        finally:
            work.cancel()
            inward.end()

    async def _opened(self, hosted: "_Hosted") -> tuple[Room[Answer], Answer]:
        try:
            return await hosted.answer()
        except UnfitGraph as error:
            logger.warning("A graph cannot be opened again: %s", error, extra={"agent": hosted.name})
            message = f"{hosted.name} cannot be reached at the moment."
            raise FarSideError(message, fault=FarSideFault.UNAVAILABLE, retryable=True) from error


async def _speak(
    answer: Answer, turn: wire.Turn, inward: Inward, deadline: Deadline, *, call: str, passage: Passage
) -> None:
    """In the room: run the graph and send out what it says."""
    ends_at = asyncio.get_running_loop().time() + deadline.remaining()
    gateway = BoundGateway(gateway=inward, turn_token=turn.turn_token, ends_at=ends_at)
    try:
        async with aclosing(speak(answer, TurnInHand(turn=turn, gateway=gateway, call=call))) as events:
            async for event in events:
                await passage.give(event)
    finally:
        passage.end()


class _Hosted:
    """One graph: the room that takes turns, and those left behind because they are stuck."""

    def __init__(self, name: AgentName, reference: str, in_hand: int) -> None:
        self.name = name
        self._reference = reference
        self._most = in_hand
        self._in_hand = 0
        self._room: Room[Answer] | None = None
        self._left: list[Room[Answer]] = []

    @contextmanager
    def place(self) -> Generator[None]:
        """One of the turns that may be in hand."""
        if self._in_hand >= self._most:
            raise Overloaded(f"{self.name} has {self._most} turns in hand, the most it may.")
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1

    async def answer(self) -> tuple[Room[Answer], Answer]:
        """A room that takes turns, and the answer in there.

        Raises:
            UnfitGraph: it cannot be opened.
            Overloaded: too many rooms are stuck.
        """
        room = self._room
        if room is None or (room.is_open and not await room.is_awake(PATIENCE)):
            room = self._another(room)
        try:
            return room, await room.opened()
        except UnfitGraph:
            self._room = None
            raise

    def _another(self, stuck: Room[Answer] | None) -> Room[Answer]:
        """A new room, unless somebody has made one meanwhile."""
        if self._room is not stuck and self._room is not None:
            return self._room
        if stuck is not None:
            logger.warning("A graph blocks its event loop; its turns go on in another.", extra={"agent": self.name})
            stuck.leave()
            self._left = [room for room in (*self._left, stuck) if not room.is_left]
            self._room = None
        if len(self._left) >= STUCK:
            raise Overloaded(f"{self.name} is stuck in {STUCK} turns and takes no more.")
        self._room = Room(self.name, partial(_open, self._reference))
        return self._room

    async def close(self) -> None:
        """Close the rooms, and give them some time for it."""
        rooms = [*self._left, *([self._room] if self._room else [])]
        for room in rooms:
            room.close()
        await asyncio.gather(*(room.closed(CLOSING) for room in rooms))


@asynccontextmanager
async def _open(reference: str) -> AsyncGenerator[Answer]:
    """Load a graph and open it, both where it will run."""
    try:
        async with open_answer(load_graph(reference), named=reference) as answer:
            yield answer
    except UnfitGraph:
        raise
    except (Exception, SystemExit) as error:
        raise UnfitGraph(f"{reference} cannot be opened: {type(error).__name__}: {error}") from error
