"""One stream of work from a gateway: attempts come in, what is said in them goes out, many at a time.

Nobody has to prove anything to this process. It opened the stream itself, to a gateway that it trusts (by TLS, or on
this machine), so whatever comes over it the gateway says: an internal token would say no more than that. The chain is
the one on the turn. A call of a skill carries its internal token all the same, for servicers that look at it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, cast

import grpc
import grpc.aio
from interchange.v1 import agent_pb2, work_pb2

from interchange_client.errors import GatewayError
from interchange_client.gateway import BoundGateway, Gateway
from interchange_client.hands import IN_HAND, SUPERSEDED, Hands, InHandError, SupersededError
from interchange_client.publish import CODES
from interchange_client.servicing import CallContext, Metadatum, SkillEnded, Skills, perform
from interchange_client.speaking import ENDS, speak
from interchange_client.traces import continued_trace
from interchange_client.turns import Answer, TurnInHand

logger = logging.getLogger(__name__)

ATTACH: Final = "/interchange.v1.Work/Attach"
LIBRARY: Final = "interchange-client (Python) 0.1.0"
PIECE_COST: Final = 64
"""Bytes that a piece counts for beside its own (`Heard` in work.proto)."""

GOODBYE: Final = 2.0
"""Seconds that a gateway has to end a stream that this process has said goodbye to."""

WELCOME: Final = 10.0
"""Seconds that a gateway has to say Welcome."""

STREAM_BROKE: Final = (grpc.aio.AioRpcError, asyncio.InvalidStateError)
"""What is raised where something is said on a stream that has ended."""

Key = tuple[str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What this process does, whichever stream it comes by. `seats` are those of all streams together."""

    name: str
    answer: Answer | None
    skills: Skills
    gateway: Gateway
    seats: int
    hands: Hands = field(default_factory=Hands)
    seat: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "seat", asyncio.Semaphore(self.seats))

    def hello(self) -> work_pb2.AttachRequest:
        """What is said first."""
        hello = work_pb2.Hello(
            agent=self.name,
            seats=self.seats,
            converses=self.answer is not None,
            methods=sorted(self.skills),
            library=LIBRARY,
        )
        return work_pb2.AttachRequest(hello=hello)


class Stream:
    """An open stream. `draining` is set once it brings nothing new."""

    def __init__(self, call: Any, work: Work, welcome: work_pb2.Welcome) -> None:
        self.draining = asyncio.Event()
        self._call = call
        self._work = work
        self._window = welcome.window
        self._largest = welcome.largest
        self._attempts: dict[Key, _Attempt] = {}
        self._writing = asyncio.Lock()
        self._is_leaving = False

    async def run(self) -> None:
        """Work until the stream ends; what is in hand then is nobody's any more and is cancelled.

        Raises:
            GatewayError: it did not end in order.
        """
        try:
            while isinstance(response := await self._call.read(), work_pb2.AttachResponse):
                await self._hear(response)
            if (code := await self._call.code()) is not grpc.StatusCode.OK:
                raise ended(code, await self._call.details(), await self._call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            raise of_status(error) from None
        finally:
            await self._drop(list(self._attempts.values()))
            self._call.cancel()

    async def leave(self, grace: float) -> None:
        """Take nothing more, hand back what has not begun, and what has not ended in so many seconds; say goodbye."""
        self._is_leaving = True
        with contextlib.suppress(TimeoutError, *STREAM_BROKE):  # it has ended before, or the gateway takes its time
            await self.say(work_pb2.AttachRequest(seats=work_pb2.Seats(seats=0)))
            await self._drop([each for each in self._attempts.values() if not each.begun])
            if rest := [each.task for each in self._attempts.values()]:
                await asyncio.wait(rest, timeout=grace)
            await self._drop(list(self._attempts.values()))
            async with self._writing:
                await self._call.done_writing()
            await asyncio.wait_for(self._call.code(), GOODBYE)
        self._call.cancel()

    async def say(self, request: work_pb2.AttachRequest) -> None:
        """Send one message; the next waits until it has gone out."""
        async with self._writing:
            await self._call.write(request)

    async def _hear(self, response: work_pb2.AttachResponse) -> None:
        match response.WhichOneof("response"):
            case "assignment":
                await self._begin(response.assignment)
            case "heard":
                if attempt := self._attempts.get(_key(response.heard.attempt)):
                    attempt.credit.give(response.heard.bytes)
            case "withdrawn":
                if attempt := self._attempts.get(_key(response.withdrawn.attempt)):
                    attempt.withdrawn = True
                    attempt.task.cancel()
            case "draining":
                self.draining.set()
            case _:
                pass  # of a later revision of the protocol

    async def _begin(self, assignment: work_pb2.Assignment) -> None:
        if self._is_leaving:
            await self.say(_hand_back(assignment.attempt, "the process is stopping"))
            return
        attempt = _Attempt(assignment, stream=self, work=self._work, credit=_Credit(self._window), most=self._largest)
        key = _key(assignment.attempt)
        self._attempts[key] = attempt
        attempt.task.add_done_callback(lambda _: self._forget(key, attempt))

    def _forget(self, key: Key, attempt: "_Attempt") -> None:
        if self._attempts.get(key) is attempt:
            del self._attempts[key]

    async def _drop(self, attempts: "Iterable[_Attempt]") -> None:
        tasks = [attempt.task for attempt in attempts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Credit:
    """How much of an attempt may still be said before the gateway has heard some of it."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._unheard = 0
        self._room = asyncio.Event()

    async def spend(self, cost: int) -> None:
        """Wait until there is room, and take it."""
        while self._window and self._unheard >= self._window:
            self._room.clear()
            await self._room.wait()
        self._unheard += cost

    def give(self, heard: int) -> None:
        self._unheard -= heard
        self._room.set()


class _TooLargeError(Exception):
    """A piece is larger than the gateway takes."""


class _Attempt:
    """One attempt in hand: a task that waits for a seat, works, says what comes of it, and says how it ended."""

    def __init__(
        self, assignment: work_pb2.Assignment, *, stream: Stream, work: Work, credit: _Credit, most: int
    ) -> None:
        self.credit = credit
        self.begun = False
        self.withdrawn = False
        self._assignment = assignment
        self._stream = stream
        self._work = work
        self._most = most
        left = assignment.time_left.ToNanoseconds() / 1e9
        self._ends_at = asyncio.get_running_loop().time() + left
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            async with self._work.seat:
                self.begun = True
                with continued_trace(dict(self._assignment.trace)):
                    await self._carry_out()
        except asyncio.CancelledError:
            if not self.withdrawn:
                await self._give_back()
            raise
        except STREAM_BROKE:
            pass  # and so this attempt is the gateway's again
        except Exception:
            logger.exception("an attempt failed (call %s)", self._assignment.call_id or "unknown")
            with contextlib.suppress(*STREAM_BROKE):
                await self._end(grpc.StatusCode.INTERNAL, "The agent failed.")

    async def _carry_out(self) -> None:
        attempt = self._assignment.attempt
        try:
            with self._work.hands.taking(attempt.delivery_id, number=attempt.number, fence=attempt.fence):
                match self._assignment.WhichOneof("work"):
                    case "turn" if self._work.answer is not None:
                        await self._converse(self._assignment.turn, self._work.answer)
                    case "call":
                        await self._perform(self._assignment.call)
                    case _:
                        await self._end(grpc.StatusCode.UNIMPLEMENTED, "This process does not do that.")
        except InHandError:
            await self._end(grpc.StatusCode.ALREADY_EXISTS, IN_HAND)
        except SupersededError:
            await self._end(grpc.StatusCode.ABORTED, SUPERSEDED)

    async def _converse(self, turn: agent_pb2.Turn, answer: Answer) -> None:
        if not turn.chain:
            await self._end(grpc.StatusCode.INVALID_ARGUMENT, "The turn is nobody's: its chain is empty.")
            return
        gateway = BoundGateway(gateway=self._work.gateway, turn_token=turn.turn_token, ends_at=self._ends_at)
        in_hand = TurnInHand(turn=turn, gateway=gateway, call=self._assignment.call_id)
        async with aclosing(speak(answer, in_hand)) as events:
            async for event in events:
                piece = work_pb2.Piece(attempt=self._assignment.attempt, event=event)
                if event.WhichOneof("event") in ENDS:
                    piece.ended.SetInParent()
                try:
                    await self._say(piece)
                except _TooLargeError as error:
                    await self._say(self._too_large(str(error)))
                    return

    async def _perform(self, call: work_pb2.SkillCall) -> None:
        method = self._work.skills.get(call.method)
        if method is None:
            await self._end(grpc.StatusCode.UNIMPLEMENTED, "This process has no such method.")
            return
        said: list[bytes] = []  # of a unary method the one message, which goes with the end

        async def send(message: bytes) -> None:
            if method.streams:
                await self._say(work_pb2.Piece(attempt=self._assignment.attempt, message=message))
            else:
                said.append(message)

        context = CallContext(method, metadata=_metadata(call), ends_at=self._ends_at, send=send)
        try:
            await perform(method, call.request, context)
            last = work_pb2.Piece(attempt=self._assignment.attempt, ended=work_pb2.Ended())
            if said:
                last.message = said[0]
            await self._say(last)
        except SkillEnded as end:
            await self._end(end.code, end.details)
        except _TooLargeError as error:
            await self._end(grpc.StatusCode.OUT_OF_RANGE, str(error))

    async def _say(self, piece: work_pb2.Piece) -> None:
        request = work_pb2.AttachRequest(piece=piece)
        size = request.ByteSize()
        if self._most and size > self._most:
            raise _TooLargeError(f"It says something of {size} bytes; the gateway takes {self._most}.")
        await self.credit.spend(size + PIECE_COST)
        await self._stream.say(request)

    async def _end(self, code: grpc.StatusCode, message: str) -> None:
        number = cast("tuple[int, str]", code.value)[0]
        end = work_pb2.Ended(code=number, message=message[:4_000])
        await self._say(work_pb2.Piece(attempt=self._assignment.attempt, ended=end))

    async def _give_back(self) -> None:
        """Of a call that has begun nobody can say whether it was carried out, so it is not put back but ended."""
        with contextlib.suppress(*STREAM_BROKE):  # which says the same
            if self.begun and self._assignment.WhichOneof("work") == "call":
                await self._end(grpc.StatusCode.UNAVAILABLE, "the process is stopping")
            else:
                await self._stream.say(_hand_back(self._assignment.attempt, "the process is stopping"))

    def _too_large(self, sentence: str) -> work_pb2.Piece:
        failed = agent_pb2.TurnEvent(failed=agent_pb2.Failed(code="too_large", text=sentence))
        return work_pb2.Piece(attempt=self._assignment.attempt, event=failed, ended=work_pb2.Ended())


async def attach(channel: Any, work: Work, token: str) -> Stream:
    """Open a stream of work on a channel.

    Raises:
        GatewayError: the gateway does not have it, or says nothing.
    """
    method = channel.stream_stream(
        ATTACH,
        request_serializer=work_pb2.AttachRequest.SerializeToString,
        response_deserializer=work_pb2.AttachResponse.FromString,
    )
    call = method(metadata=(("authorization", f"Bearer {token}"),))
    try:
        async with asyncio.timeout(WELCOME):
            await call.write(work.hello())
            first = await call.read()
            if isinstance(first, work_pb2.AttachResponse) and first.WhichOneof("response") == "welcome":
                return Stream(call, work, first.welcome)
            raise ended(await call.code(), await call.details(), await call.trailing_metadata())
    except TimeoutError:
        call.cancel()
        raise GatewayError(f"The gateway did not say Welcome within {WELCOME:g} s.", "deadline_passed") from None
    except grpc.aio.AioRpcError as error:
        raise of_status(error) from None
    except asyncio.InvalidStateError:  # the call ended before Hello was out
        raise ended(await call.code(), await call.details(), await call.trailing_metadata()) from None
    except asyncio.CancelledError:
        call.cancel()
        raise


def of_status(error: grpc.aio.AioRpcError) -> GatewayError:
    """An RPC's end, in the gateway's words."""
    return ended(error.code(), error.details(), error.trailing_metadata())


def ended(code: grpc.StatusCode, details: str | None, trailers: Any) -> GatewayError:
    """The same, by its parts."""
    said = dict(cast("Iterable[tuple[str, str]]", trailers or ()))
    if "ix-error" not in said and code is grpc.StatusCode.UNAVAILABLE:
        return GatewayError("No gateway answers there.", "unavailable")
    return GatewayError(details or code.name.lower(), said.get("ix-error") or CODES.get(code, "internal"))


def _key(attempt: work_pb2.Attempt) -> Key:
    return (attempt.delivery_id, attempt.number, attempt.fence)


def _hand_back(attempt: work_pb2.Attempt, reason: str) -> work_pb2.AttachRequest:
    return work_pb2.AttachRequest(hand_back=work_pb2.HandBack(attempt=attempt, reason=reason))


def _metadata(call: work_pb2.SkillCall) -> list[Metadatum]:
    """As gRPC gives it: text, unless the key says otherwise."""
    return [
        Metadatum(each.key, each.value if each.key.endswith("-bin") else each.value.decode(errors="replace"))
        for each in call.metadata
    ]
