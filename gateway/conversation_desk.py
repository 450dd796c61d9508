"""The desk of conversations: what the agent of a turn says there on its own, what it reads, and how it ends a turn that
it has put off; once policy has allowed it.

Whatever is written is written only while the attempt counts that the turn's token was made for: under its delivery, or
with the grant number of a turn that was put off. So an agent whose attempt was given to somebody else says nothing any
more, whatever this process believes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message as Wire
from interchange.v1 import conversations_pb2 as wire

from adapters.lifecycle.held import delivery_held, is_held, turn_held
from adapters.messaging.errors import Fenced, IdConflict, TailMoved, TurnOver
from adapters.messaging.messages import Kind, Message, New
from adapters.messaging.opening import OpenLog
from adapters.messaging.outcomes import ChangeTurn
from adapters.messaging.plan import Appended
from adapters.messaging.requests import agent_sender
from adapters.messaging.turns import Turn, TurnChange, TurnState
from gateway.conversation_saying import asked_by, end_of, message_of
from gateway.conversation_writing import write_message
from policies.facts import Facts
from registry.model import (
    BadRequest,
    Call,
    ConversationId,
    Emit,
    Item,
    JsonObject,
    Overloaded,
    Refused,
    Result,
    TurnId,
    Unknown,
)

OPERATIONS: Final = frozenset({"Say", "Update", "Read", "FollowMessages", "Ask", "Finish"})

MOST: Final = 900
"""Messages of a conversation, from the one that opened a turn on, after which its agent can only end it."""

PAGE: Final = 1_000
SHOWN: Final = 100

BEAT: Final = 20.0
"""Seconds without a message after which a stream says that it lives."""

SPARE: Final = 1.0
"""A stream ends well so many seconds before the call may last no longer."""

TRIES: Final = 20
"""How often something is appended behind a tail that moves."""

PATIENCE: Final = 3.0
"""Seconds in which an attempt that has put its turn off is settled; an agent may be faster than that."""
LOOK: Final = 0.05

_Request = TypeVar("_Request", bound=Wire)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One permitted call, and the turn that it is made in; `attempt` is that of the turn's token."""

    call: Call
    row: Turn
    attempt: int
    emit: Emit

    @property
    def fence(self) -> int:
        return self.call.fence

    @property
    def conversation(self) -> ConversationId:
        return self.row.conversation

    def read(self, request: type[_Request]) -> _Request:
        """What is asked.

        Raises:
            BadRequest: it names another conversation than the turn's.
        """
        known = [field.json_name for field in request.DESCRIPTOR.fields]
        content = {key: self.call.content[key] for key in known if key in self.call.content}
        named = content.get("conversationId", "")
        if named and named != self.row.conversation:
            raise BadRequest("The turn that this comes from belongs to another conversation.")
        return ParseDict(cast("dict[str, Any]", content), request())


class ConversationDesk:
    """Answers the operations in `OPERATIONS`. `call.content` has the turn, and the attempt of its token."""

    def __init__(self, opened: OpenLog) -> None:
        self._opened = opened
        self._log = opened.log
        self._history = opened.history
        self._operations: Mapping[str, Callable[[_Held], Awaitable[JsonObject]]] = {
            "Say": self._say,
            "Update": self._update,
            "Read": self._read,
            "FollowMessages": self._follow,
            "Ask": self._ask,
            "Finish": self._finish,
        }

    async def answer(self, call: Call, facts: Facts, emit: Emit) -> Result:
        """Do what `content["operation"]` says.

        Raises:
            BadRequest, TooLarge: it cannot be read or kept; it says why.
            Fenced, TurnOver: the attempt that it comes from is over, or its turn is.
            Refused: an id was used before for something else, or the turn is not in a state for it.
            LogUnavailable: the log cannot be read or written now.
        """
        operation = self._operations.get(str(call.content.get("operation", "")))
        if operation is None:
            raise BadRequest("There is no such operation on conversations.")
        return Result(structured=await operation(await self._held(call, facts, emit)))

    async def _held(self, call: Call, facts: Facts, emit: Emit) -> _Held:
        row = await turn_held(self._opened, TurnId(str(call.content.get("turn", ""))))
        found = facts.conversation
        if (str(call.chain.caller), call.turn) != (agent_sender(row.agent), row.id) or (
            found is None or found.id != row.conversation
        ):
            raise Unknown(f"There is no turn {row.id!r}.")
        return _Held(call=call, row=row, attempt=int(str(call.content.get("attempt", 1))), emit=emit)

    # ---- what is said on the way

    async def _say(self, held: _Held) -> JsonObject:
        return await self._append(held, message_of(held.row, held.read(wire.AppendRequest)))

    async def _update(self, held: _Held) -> JsonObject:
        request = held.read(wire.UpdateRequest)
        updates = await self._replaced(held, request.seq)
        return await self._append(held, message_of(held.row, request, updates=updates))

    async def _replaced(self, held: _Held, seq: int) -> str:
        """The id of the message that is replaced; of one that replaced another, the first one's.

        Raises:
            BadRequest: it is none of this agent's.
            Refused: it was erased.
        """
        page = await self._history.page(held.conversation, after=seq - 1, limit=1) if seq else ()
        if not page or page[0].seq != seq or page[0].sender != agent_sender(held.row.agent):
            raise BadRequest(f"seq: message {seq} is not one that this agent has said in this conversation.")
        if page[0].kind not in {Kind.SAID, Kind.UPDATED}:
            raise BadRequest(f"seq: message {seq} is not of the kind that can be replaced, it is {page[0].kind}.")
        if page[0].erased:
            raise Refused(f"Message {seq} was erased.")
        return page[0].updates or page[0].id

    async def _append(self, held: _Held, new: New) -> JsonObject:
        """Append while the attempt counts.

        Raises:
            Overloaded: others say so much that there is no place between.
        """
        for _ in range(TRIES):
            try:
                return _appended(held, new, await self._appended(held, new))
            except TailMoved:
                await asyncio.sleep(0)
            except IdConflict:
                raise Refused("id: something else was said under this id in this turn.") from None
        raise Overloaded("Too much is being said in this conversation: try again.")

    async def _appended(self, held: _Held, new: New) -> Appended:
        tail = await self._tail(held.conversation)
        row = await turn_held(self._opened, held.row.id)  # INVARIANT: behind the tail, which moves as a turn ends
        if tail - row.opened >= MOST:
            raise Refused(f"{MOST} messages were said since this turn was opened: it can only be ended any more.")
        if row.state is TurnState.DEFERRED and row.grant == held.fence:
            return await self._log.append(held.conversation, [new], expect_tail=tail)
        under = await delivery_held(self._opened, row, fence=held.fence, attempt=held.attempt)
        return await self._log.append(held.conversation, [new], under=under)

    async def _tail(self, conversation: ConversationId) -> int:
        found = await self._history.conversations(ids=[conversation])
        return found[0].tail if found else 0

    # ---- what is read

    async def _read(self, held: _Held) -> JsonObject:
        request = held.read(wire.ReadRequest)
        if request.limit > PAGE:
            raise BadRequest(f"limit: {request.limit} are too many at once; at most {PAGE:,} are given.")
        page = await self._history.page(
            held.conversation,
            after=request.after,
            before=request.before or None,
            limit=request.limit or SHOWN,
        )
        return {"messages": list(map(write_message, page)), "tail": await self._tail(held.conversation)}

    async def _follow(self, held: _Held) -> JsonObject:
        after = _read_after(held.read(wire.FollowRequest))
        await _beat(held, after)
        messages = self._history.follow(held.conversation, after=after)
        last: int | None = None
        while (left := held.call.deadline.remaining() - SPARE) > 0:
            message = None
            try:
                async with asyncio.timeout(min(left, BEAT)):
                    message = await anext(messages)
            except TimeoutError:
                await _beat(held, after)
            if message is not None and message.seq > after:
                after = message.seq
                await held.emit(Item({"message": write_message(message), "mark": str(after)}))
            if last is None and (message is None or message.turn == held.row.id) and await self._is_over(held):
                last = await self._tail(held.conversation)  # what ended the turn is not behind this
            if last is not None and after >= last:
                await held.emit(Item({"mark": str(after), "over": True}))
                break
        return {}

    async def _is_over(self, held: _Held) -> bool:
        """Whether the turn is, as far as this attempt at it goes."""
        return not await is_held(self._opened, await turn_held(self._opened, held.row.id), fence=held.fence)

    # ---- a turn that was put off

    async def _ask(self, held: _Held) -> JsonObject:
        question = asked_by(held.row, held.read(wire.AskRequest).question)
        row = await self._put_off(held)
        if row.state is TurnState.WAITING and row.question == question.id:
            return {"repeated": True}
        effect = ChangeTurn(of=held.row.of, change=TurnChange.ASKED, grant=held.fence, question=question)
        await self._log.append(held.conversation, [], effects=[effect])
        return {"repeated": False}

    async def _finish(self, held: _Held) -> JsonObject:
        new, change = end_of(held.row, held.read(wire.FinishRequest), fence=held.fence)
        await self._put_off(held)
        effect = ChangeTurn(of=held.row.of, change=change, grant=held.fence)
        try:
            return _appended(held, new, await self._log.append(held.conversation, [new], effects=[effect]))
        except IdConflict:
            raise TurnOver("The turn was finished before, and otherwise.") from None

    async def _put_off(self, held: _Held) -> Turn:
        """The turn, once it was put off: what the agent has said of it in its stream may be on its way yet.

        Raises:
            Refused: it is in hand.
        """
        row = held.row
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while row.state is TurnState.WORKING and loop.time() < until:
            if not await is_held(self._opened, row, fence=held.fence):
                raise Fenced("The attempt that this comes from is over: another one is made.")
            await asyncio.sleep(LOOK)
            row = await turn_held(self._opened, row.id)
        if row.state is TurnState.WORKING:
            raise Refused("The turn is in hand: its stream of events ends it, or puts it off first.")
        return row


def _appended(held: _Held, new: New, appended: Appended) -> JsonObject:
    """What was logged, without its content."""
    message = Message(
        conversation=held.conversation,
        seq=appended.seq,
        id=new.id,
        sender=new.sender,
        issuer=new.issuer,
        kind=new.kind,
        turn=new.turn,
        to=(),
        answers="",
        updates=new.updates,
        body=b"",
        text="",
        digest=b"",
        at=appended.at,
    )
    return {"message": write_message(message), "repeated": appended.duplicate}


def _read_after(request: wire.FollowRequest) -> int:
    """Where a stream begins.

    Raises:
        BadRequest: the mark is none.
    """
    if not request.mark:
        return request.after
    if not (request.mark.isascii() and request.mark.isdecimal() and len(request.mark) <= 18):
        raise BadRequest("mark: this is not where a stream of this kind ended.")
    return int(request.mark)


async def _beat(held: _Held, after: int) -> None:
    await held.emit(Item({"mark": str(after)}))
