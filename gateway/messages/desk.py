"""The desk of the conversation log: does what operators ask, once policy has allowed it.

What is about one conversation is about `facts.conversation`, which was found before anything was decided; whatever
else a request names is looked for in there and nowhere else.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from adapters.messaging.checks import check_id
from adapters.messaging.export import export
from adapters.messaging.log import WhichLetters, WhichTurns
from adapters.messaging.messages import Conversation
from adapters.messaging.opening import OpenLog
from gateway.messages.marks import read_letter_mark, write_letter_mark
from gateway.messages.requests import read_limit, read_number, read_reason, read_rows, read_text
from gateway.messages.tailing import tail_all, tail_one
from gateway.messages.writing import (
    write_conversation,
    write_letter,
    write_mailbox,
    write_message,
    write_tally,
    write_turn,
)
from policies.facts import Facts, OpenedConversation
from registry.model import (
    AgentName,
    BadRequest,
    Call,
    ConversationId,
    Domain,
    Emit,
    InterchangeError,
    Item,
    JsonObject,
    JsonValue,
    Result,
    TurnId,
    Unknown,
    new_call_id,
    new_turn_id,
)

SHOWN = 20
"""Messages of a conversation, where nobody says how many."""

LETTERS = 100
"""Dead letters that are redriven by one call."""

TOGETHER = 256 << 10
"""Bytes of an export from which on they are sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One permitted call. `conversation` is empty where it is about the whole log."""

    call: Call
    conversation: ConversationId
    emit: Emit

    @property
    def content(self) -> JsonObject:
        """The request."""
        return self.call.content


class MessageDesk:
    """Answers calls about conversations and about the message log. `about` is what the log says of itself."""

    def __init__(self, opened: OpenLog, *, about: JsonObject) -> None:
        self._log = opened.log
        self._history = opened.history
        self._keeping = opened.keeping
        self._overview = opened.overview
        self._about = about
        self._operations: Mapping[str, Callable[[Asked], Awaitable[JsonValue]]] = {
            "Status": self._status,
            "Tail": self._tail,
            "Show": self._show,
            "Dead": self._dead,
            "Redrive": self._redrive,
            "Export": self._export,
            "Hold": self._hold,
            "Release": self._release,
            "Erase": self._erase,
        }

    async def find(self, call: Call) -> OpenedConversation | None:
        """The conversation that a call names, by its id or by the id of a turn; None where there is none."""
        try:
            named = ConversationId(read_text(call.content, "conversation"))
            conversation = named or await self._of_turn(read_text(call.content, "turn"))
            check_id("conversation", conversation)
        except BadRequest:
            return None  # no database could have it
        found = await self._history.conversations(ids=[conversation])
        return OpenedConversation(id=found[0].id, domain=Domain(found[0].domain)) if found else None

    async def answer(self, call: Call, facts: Facts, emit: Emit) -> Result:
        """Do what `content["operation"]` says.

        Raises:
            BadRequest, Unknown, Refused: the log does not accept it.
            LogUnavailable: it cannot be read or written now.
        """
        operation = self._operations.get(read_text(call.content, "operation"))
        if operation is None:
            raise BadRequest("This is only possible while no gateway runs.")
        conversation = facts.conversation.id if facts.conversation else ConversationId("")
        return Result(structured=await operation(Asked(call=call, conversation=conversation, emit=emit)))

    async def _of_turn(self, turn: str) -> ConversationId:
        check_id("turn", turn)
        turns = await self._history.turns(WhichTurns(turns=(TurnId(turn),)), limit=1)
        return turns[0].conversation if turns else ConversationId("")

    async def _row(self, conversation: ConversationId) -> Conversation:
        found = await self._history.conversations(ids=[conversation])
        if not found:
            raise Unknown(f"There is no conversation named {conversation!r}.")
        return found[0]

    # ---- the whole log

    async def _status(self, asked: Asked) -> JsonObject:  # noqa: ARG002  there is nothing to be asked
        return {**self._about, **write_tally(await self._overview.tally())}

    async def _tail(self, asked: Asked) -> JsonObject:
        if asked.conversation:
            await tail_one(self._history, await self._row(asked.conversation), asked.call, asked.emit)
        else:
            await tail_all(self._overview, asked.call, asked.emit)
        return {}

    async def _dead(self, asked: Asked) -> JsonObject:
        content, limit = asked.content, read_limit(asked.content, "limit", default=100)
        which = WhichLetters(
            conversation=asked.conversation or None,
            agent=_agent(content) if content.get("agent") else None,
            redriven=bool(content.get("redriven")),
        )
        letters = await self._history.dead(which, after=read_letter_mark(content), limit=limit)
        mark = write_letter_mark(letters[-1]) if len(letters) == limit else ""
        return {"letters": [write_letter(letter) for letter in letters], "mark": mark}

    # ---- one conversation

    async def _show(self, asked: Asked) -> JsonObject:
        content, conversation = asked.content, asked.conversation
        row, turn = await self._row(conversation), TurnId(read_text(content, "turn"))
        turns = await self._history.turns(WhichTurns(conversation=conversation, turns=(turn,) if turn else ()))
        if turn and not turns:
            raise Unknown(f"There is no turn {turn!r} in this conversation.")
        first = read_number(content, "after") or (turns[0].opened - 1 if turn else 0)
        before = read_number(content, "before") or (None if first else row.tail + 1)
        limit = read_limit(content, "limit", default=SHOWN)
        page = await self._history.page(conversation, after=first, before=before, limit=limit)
        devices = await self._history.devices(conversation)
        return {
            "conversation": write_conversation(row),
            "messages": [write_message(message) for message in page if turn in ("", message.turn)],
            "turns": [write_turn(each) for each in turns],
            "mailboxes": [write_mailbox(each) for each in await self._overview.mailboxes(conversation)],
            "seen": dict(devices.seen),
        }

    async def _export(self, asked: Asked) -> JsonObject:
        together = bytearray()
        async for line in export(self._history, asked.conversation):
            together += line
            if len(together) >= TOGETHER:
                await asked.emit(Item({"lines": together.decode()}))
                together.clear()
        await asked.emit(Item({"lines": together.decode()}))
        return {}

    async def _redrive(self, asked: Asked) -> JsonObject:
        letters = read_rows(asked.content, "letters")
        if not 1 <= len(letters) <= LETTERS:
            raise BadRequest(f"letters: 1 to {LETTERS} dead letters are redriven at once, and not {len(letters)}.")
        return {"letters": [await self._redriven(asked.conversation, letter) for letter in letters]}

    async def _redriven(self, conversation: ConversationId, letter: JsonObject) -> JsonObject:
        """What came of one letter; one that cannot be redriven keeps none of the others from it."""
        agent, seq = _agent(letter), read_number(letter, "seq")
        try:
            done = await self._log.redrive(conversation, agent, seq, turn=new_turn_id())
        except InterchangeError as error:
            return {"agent": agent, "seq": seq, "error": error.message}
        return {"agent": agent, "seq": seq, "redrivenAs": done.seq, "turn": done.placed[0].turn}

    async def _hold(self, asked: Asked) -> JsonObject:
        await self._keeping.hold(asked.conversation, reason=read_reason(asked.content))
        return {"conversation": write_conversation(await self._row(asked.conversation))}

    async def _release(self, asked: Asked) -> JsonObject:
        await self._keeping.release(asked.conversation)
        return {"conversation": write_conversation(await self._row(asked.conversation))}

    async def _erase(self, asked: Asked) -> JsonObject:
        content, caller = asked.content, asked.call.chain.caller
        done = await self._keeping.erase(
            asked.conversation,
            id=read_text(content, "id") or new_call_id(),
            by=str(caller),
            issuer=caller.issuer,
            reason=read_reason(content),
            sender=read_text(content, "sender"),
            up_to=read_number(content, "upTo"),
        )
        return {"seq": done.seq}


def _agent(content: JsonObject) -> AgentName:
    agent = read_text(content, "agent")
    check_id("agent", agent)
    return AgentName(agent)
