"""Attachments: which processes of agents are attached to this gateway, how much each takes, and what each has in hand.

No transport and no policy: a face (`gateway.platform.work`) opens an attachment for whom policy lets attach, passes in
what the process says, and carries to it what is to be told. `converse` and `adapter` beside this take seats. All of it
lives in one event loop, and nothing of it outlives the process: what is to be done is in the log.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from interchange.v1 import work_pb2 as wire

from adapters.base import HandedBack
from adapters.mailbox.hearing import Hearing, key_of
from adapters.mailbox.limits import MAILBOX_LIMITS, PIECE_COST, MailboxLimits
from registry.model import (
    AgentName,
    BadRequest,
    DeadlinePassed,
    FarSideError,
    FarSideFault,
    InterchangeError,
    Overloaded,
)

Suits = Callable[["Attachment"], bool]


class Stopping(InterchangeError):
    """The gateway stops, and takes no more attachments."""

    code = "unavailable"


class Attachment:
    """One process that has attached. `seats` is how much it takes at a time, `methods` what skill calls it answers."""

    def __init__(
        self, agent: AgentName, hello: wire.Hello, *, limits: MailboxLimits, changed: Callable[[], None]
    ) -> None:
        self.agent = agent
        self.seats = min(hello.seats, limits.seats)
        self.converses = hello.converses
        self.methods = frozenset(hello.methods)
        self.taken = 0
        """When it last took something, counted in assignments: of equals, the one goes first that waits longest."""
        self._limits = limits
        self._changed = changed
        self._in_hand: dict[object, Hearing] = {}
        self._buffered = 0
        self._untold: deque[wire.AttachResponse] = deque()
        self._untold_bytes = 0
        self._failure: InterchangeError | None = None
        self._is_leaving = False
        self._is_draining = False
        self._is_over = False
        self._to_tell, self._room = asyncio.Event(), asyncio.Event()

    @property
    def free(self) -> int:
        """Attempts that it takes at the moment."""
        if self._is_over or self._is_draining or self._is_leaving or self._untold_bytes > self._limits.buffered:
            return 0
        return max(self.seats - len(self._in_hand), 0)

    @property
    def in_hand(self) -> int:
        """Attempts that it has."""
        return len(self._in_hand)

    def has(self, attempt: wire.Attempt) -> bool:
        """Whether it has this attempt in hand."""
        return key_of(attempt) in self._in_hand

    def take(self, assignment: wire.Assignment) -> Hearing:
        """Have it make an attempt, and return what comes of it; there must be a free seat."""
        key = key_of(assignment.attempt)
        hearing = Hearing(key, window=self._limits.window, dealt_with=self._dealt_with)
        self._in_hand[key] = hearing
        self._tell(wire.AttachResponse(assignment=assignment))
        return hearing

    def release(self, hearing: Hearing, reason: str) -> None:
        """Free the seat of an attempt; where its end has not come, the process is told that nobody waits for it."""
        self._buffered -= hearing.waiting
        self._make_room()
        if self._in_hand.pop(hearing.key, None) is not None and not hearing.ended:
            self._tell(wire.AttachResponse(withdrawn=wire.Withdrawn(attempt=_attempt(hearing), reason=reason)))
        self._close_if_idle()
        self._changed()

    async def hear(self, request: wire.AttachRequest, size: int) -> None:
        """Take in what the process says, `size` bytes; waits while too much of it has not been dealt with.

        Raises:
            BadRequest: what may not come now.
        """
        match request.WhichOneof("request"):
            case "piece":
                self._hear_piece(request.piece, size + PIECE_COST)
            case "hand_back":
                self._take_back(request.hand_back)
            case "seats":
                self._resize(request.seats.seats)
            case "hello":
                raise BadRequest("Hello is said first, and once.")
            case _:
                pass  # of a later revision of the protocol
        while self._buffered > self._limits.buffered and not self._is_over:
            self._room.clear()
            await self._room.wait()

    def drain(self, reason: str) -> None:
        """Give it nothing more; once nothing is in hand, it is over."""
        if not self._is_draining:
            self._is_draining = True
            self._tell(wire.AttachResponse(draining=wire.Draining(reason=reason)))
            self._close_if_idle()
            self._changed()

    def end(self, error: InterchangeError) -> None:
        """End it with an error: what is in hand is handed back."""
        if self._failure is None:
            self._failure = error
            self._is_over = True
            self._wake()
            self._changed()

    def leave(self) -> None:
        """The process has nothing more to say; what it still has in hand is handed back."""
        self._is_over = True
        self._wake()

    def close(self) -> None:
        """Hand back what is in hand, once nothing more can be heard."""
        orderly = self._is_leaving or self._is_draining or self._failure is not None
        self._is_over = True
        self._wake()
        held, self._in_hand = list(self._in_hand.values()), {}
        for hearing in held:
            hearing.fail(HandedBack(f"The process of {self.agent} that had it has gone.", lost=not orderly))

    async def to_tell(self) -> wire.AttachResponse | None:
        """What the process is to be told next; None once there will be nothing more.

        Raises:
            InterchangeError: what ended the attachment.
        """
        while True:
            if self._failure is not None:
                raise self._failure
            if self._untold:
                response = self._untold.popleft()
                self._untold_bytes -= response.ByteSize()
                return response
            if self._is_over:
                return None
            self._to_tell.clear()
            await self._to_tell.wait()

    def _hear_piece(self, piece: wire.Piece, cost: int) -> None:
        hearing = self._in_hand.get(key_of(piece.attempt))
        if hearing is not None:  # else it was withdrawn meanwhile
            before = hearing.waiting
            hearing.hear(piece, cost)
            self._buffered += hearing.waiting - before

    def _take_back(self, hand_back: wire.HandBack) -> None:
        hearing = self._in_hand.get(key_of(hand_back.attempt))
        if hearing is not None and not hearing.ended:
            del self._in_hand[hearing.key]
            hearing.handed_back = True
            hearing.fail(HandedBack(f"{self.agent} has put it back."))

    def _resize(self, seats: int) -> None:
        self.seats = min(seats, self._limits.seats)
        self._is_leaving = not seats
        self._changed()

    def _dealt_with(self, hearing: Hearing, cost: int, told: int) -> None:
        self._buffered -= cost
        self._make_room()
        if told and hearing.key in self._in_hand:
            self._tell(wire.AttachResponse(heard=wire.Heard(attempt=_attempt(hearing), bytes=told)))

    def _tell(self, response: wire.AttachResponse) -> None:
        if len(self._untold) >= self._limits.untold:
            self.end(Overloaded("What is said to this attachment is not read."))
            return
        self._untold.append(response)
        self._untold_bytes += response.ByteSize()
        self._to_tell.set()

    def _close_if_idle(self) -> None:
        if self._is_draining and not self._in_hand:
            self._is_over = True
            self._wake()

    def _make_room(self) -> None:
        if self._buffered <= self._limits.buffered:
            self._room.set()

    def _wake(self) -> None:
        self._to_tell.set()
        self._room.set()


class Attachments:
    """All attachments of this gateway."""

    def __init__(self, limits: MailboxLimits = MAILBOX_LIMITS) -> None:
        self.limits = limits
        self._attached: dict[AgentName, list[Attachment]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._taken = 0
        self._draining = ""

    def when_changed(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever there may be other free seats than before. It must return at once."""
        self._listeners.append(listener)

    def seats(self) -> Mapping[AgentName, int]:
        """Free seats, of each agent that has any."""
        found: Counter[AgentName] = Counter()
        for agent, attachments in self._attached.items():
            found[agent] = sum(attachment.free for attachment in attachments)
        return +found

    def places(self) -> Mapping[AgentName, int]:
        """What each agent takes at a time, whether or not it is free: what it is being given is not seen yet."""
        return {agent: sum(each.free + each.in_hand for each in held) for agent, held in self._attached.items()}

    @contextmanager
    def attached(self, agent: AgentName, hello: wire.Hello) -> Generator[Attachment]:
        """An attachment of an agent, there for work until it is left: then what it has in hand is handed back.

        Raises:
            BadRequest: it names too many methods.
            Stopping: the gateway takes no more.
        """
        if self._draining:
            raise Stopping(self._draining)
        if len(hello.methods) > self.limits.methods:
            raise BadRequest(
                f"Hello names {len(hello.methods)} methods; an attachment has at most {self.limits.methods}."
            )
        attachment = Attachment(agent, hello, limits=self.limits, changed=self._changed)
        attachments = self._attached.setdefault(agent, [])
        attachments.append(attachment)
        self._changed()
        try:
            yield attachment
        finally:
            attachments.remove(attachment)
            if not attachments and self._attached.get(agent) is attachments:
                del self._attached[agent]
            attachment.close()
            self._changed()

    @contextmanager
    def taking(self, agent: AgentName, assignment: wire.Assignment, *, suits: Suits) -> Generator[Hearing]:
        """A seat of an attachment that suits, for one attempt. The attempt is withdrawn when this is left before its
        end has come.

        Raises:
            FarSideError: UNAVAILABLE, there is none; to be tried again when there is.
        """
        attachment = self._seated(agent, assignment.attempt, suits)
        self._taken += 1
        attachment.taken = self._taken
        hearing, reason = attachment.take(assignment), "nobody waits for it any more"
        try:
            yield hearing
        except DeadlinePassed:
            reason = "its time is up"
            raise
        except InterchangeError as error:
            reason = error.message
            raise
        finally:
            attachment.release(hearing, reason)

    def drain(self, reason: str) -> None:
        """Take no more attachments, and give those that there are nothing more."""
        self._draining = reason
        for attachment in [each for attachments in self._attached.values() for each in attachments]:
            attachment.drain(reason)

    def _seated(self, agent: AgentName, attempt: wire.Attempt, suits: Suits) -> Attachment:
        """The one with the most free seats, and of equals the one that took something longest ago."""
        attachments = self._attached.get(agent, ())
        free = [each for each in attachments if each.free and suits(each) and not each.has(attempt)]
        if not free:
            why = "has no seat free" if attachments else "is not attached to this gateway"
            message = f"{agent} {why} at the moment; try again later."
            raise FarSideError(message, fault=FarSideFault.UNAVAILABLE, retryable=True)
        return max(free, key=lambda each: (each.free, -each.taken))

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _attempt(hearing: Hearing) -> wire.Attempt:
    key = hearing.key
    return wire.Attempt(delivery_id=key.delivery, number=key.number, fence=key.fence)
