"""Export: one conversation as JSON lines, for whoever has to hand it over or keep it elsewhere.

The first line is the conversation, then come its messages in order, its turns, its dead letters and how far each device
has shown it; the last line counts them and has the SHA-256 of all lines before it. So a file that was cut or changed
gives itself away (`check_export`), and each message can be told from another by its own digest. Grants, owners, drafts,
held calls and search texts are not exported.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from adapters.messaging.log import History, LetterMark, TurnMark, WhichLetters, WhichTurns
from adapters.messaging.messages import (
    Conversation,
    DeadLetter,
    Kind,
    Message,
    New,
    QuestionRef,
    To,
    TurnRef,
    digest_of,
)
from adapters.messaging.turns import Turn
from registry.model import NO_TURN, AgentName, BadRequest, ConversationId, Unknown

_PAGE = 200
_PASSES = 10

_COUNTED = {"message": "messages", "turn": "turns", "dead_letter": "deadLetters", "device": "devices"}


async def export(history: History, conversation: ConversationId) -> AsyncIterator[bytes]:
    """The lines of a conversation as it is when this begins, each with its line feed; a page of it in memory.

    What is appended meanwhile is left out. A turn that changes meanwhile may come twice: the later line is the newer.

    Raises:
        Unknown: no such conversation.
    """
    digest, counts = hashlib.sha256(), Counter[str]()
    async for kind, line in _lines(history, conversation):
        counts[kind] += 1
        written = _line({"type": kind} | line)
        digest.update(written)
        yield written
    numbers = {name: counts[kind] for kind, name in _COUNTED.items()}
    yield _line({"type": "end", "counts": numbers, "sha256": digest.hexdigest()})


def check_export(lines: Iterable[bytes]) -> Mapping[str, int]:
    """Check that an export is whole and unchanged, and return how many there are of what.

    Raises:
        BadRequest: it is not; with the number of the line.
    """
    check = _Check()
    for line in lines:
        check.take(line)
    return check.finish()


def message_line(message: Message) -> dict[str, Any]:
    """A message as an export has it. A body that is not JSON as we write it is given as base64."""
    line: dict[str, Any] = {
        "seq": message.seq,
        "id": message.id,
        "sender": message.sender,
        "issuer": message.issuer,
        "kind": message.kind.value,
        "turn": message.turn,
        "to": list(message.to),
        "answers": message.answers,
        "updates": message.updates,
        "at": moment(message.at),
        "digest": message.digest.hex(),
        "erased": message.erased,
    }
    if not message.erased:
        line |= _body(message.body)
    return line


def moment(at: float) -> str:
    """Seconds since the epoch as RFC 3339 has it, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def _lines(history: History, conversation: ConversationId) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    found = await history.conversations(ids=(conversation,))
    if not found:
        raise Unknown(f"There is no conversation {conversation[:100]!r}.")
    tail = found[0].tail
    yield "conversation", _conversation_line(found[0])
    async for message in _messages(history, conversation, tail):
        yield "message", message_line(message)
    async for turn in _turns(history, conversation):
        if turn.opened <= tail:
            yield "turn", _turn_line(turn)
    async for letter in _letters(history, conversation):
        if letter.seq <= tail:
            yield "dead_letter", _letter_line(letter)
    for device, seq in sorted((await history.devices(conversation)).seen.items()):
        yield "device", {"device": device, "seq": min(seq, tail)}


async def _messages(history: History, conversation: ConversationId, tail: int) -> AsyncIterator[Message]:
    after = 0
    while after < tail:
        page = await history.page(conversation, after=after, limit=min(_PAGE, tail - after))
        for message in page:
            yield message
        after = page[-1].seq


async def _turns(history: History, conversation: ConversationId) -> AsyncIterator[Turn]:
    """All turns; and again those that changed while they were read, for these may have been passed over."""
    which = WhichTurns(conversation=conversation)
    seen_until = -1.0
    for _ in range(_PASSES):
        newest, behind = seen_until, None
        while page := await history.turns(which, behind=behind, limit=_PAGE):
            fresh = [turn for turn in page if turn.changed_at > seen_until]
            for turn in fresh:
                yield turn
                newest = max(newest, turn.changed_at)
            if len(fresh) < len(page):
                break
            behind = TurnMark(page[-1].changed_at, page[-1].id)
        if newest == seen_until:
            return
        seen_until = newest


async def _letters(history: History, conversation: ConversationId) -> AsyncIterator[DeadLetter]:
    for redriven in (False, True):
        which = WhichLetters(conversation=conversation, redriven=redriven)
        after: LetterMark | None = None
        while page := await history.dead(which, after=after, limit=_PAGE):
            for letter in page:
                yield letter
            after = LetterMark.behind(page[-1])


def _line(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def _body(body: bytes) -> dict[str, Any]:
    try:
        read: Any = orjson.loads(body)
        if orjson.dumps(read, option=orjson.OPT_SORT_KEYS) == body:
            return {"body": read}
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # deeper than it can be written again
        pass
    return {"bodyBase64": base64.b64encode(body).decode()}


def _conversation_line(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "tail": conversation.tail,
        "domain": conversation.domain,
        "startedBy": conversation.started_by,
        "startedByIssuer": conversation.started_by_issuer,
        "openedAt": moment(conversation.opened_at),
        "hold": conversation.hold,
    }


def _turn_line(turn: Turn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "agent": turn.agent,
        "opened": turn.opened,
        "state": turn.state.value,
        "startedBy": turn.started_by,
        "openedAt": moment(turn.opened_at),
        "changedAt": moment(turn.changed_at),
        "due": turn.due,
        "attempts": turn.attempts,
        "question": turn.question,
        "error": turn.error,
    }


def _letter_line(letter: DeadLetter) -> dict[str, Any]:
    return {
        "turn": letter.of.turn,
        "agent": letter.of.agent,
        "seq": letter.seq,
        "attempts": letter.attempts,
        "error": letter.error,
        "at": moment(letter.at),
        "redrivenAs": letter.redriven_as,
    }


class _Check:
    """Takes the lines of an export one after the other."""

    def __init__(self) -> None:
        self._number = 0
        self._tail = 0
        self._counts = Counter[str]()
        self._digest = hashlib.sha256()
        self._ended = False

    def take(self, line: bytes) -> None:
        self._number += 1
        if self._ended:
            raise self._wrong("comes behind the last line of an export")
        content = self._read(line)
        kind = content.pop("type", None)
        if (kind == "conversation") != (self._number == 1):
            raise self._wrong("is out of place: the conversation comes first, and once")
        try:
            self._take(kind, content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._wrong(f"lacks what such a line has ({type(error).__name__}: {error})") from None
        self._counts[kind] += 1
        self._digest.update(line)

    def finish(self) -> Mapping[str, int]:
        if not self._ended:
            raise BadRequest(f"The export is cut: it ends at line {self._number}, without its last one.")
        return {name: self._counts[kind] for kind, name in _COUNTED.items()}

    def _read(self, line: bytes) -> dict[str, Any]:
        try:
            content: Any = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise self._wrong("is not JSON, or was cut") from None
        if not isinstance(content, dict) or not line.endswith(b"\n"):
            raise self._wrong("is not a JSON object with a line feed behind it")
        return content  # pyright: ignore[reportUnknownVariableType]

    def _take(self, kind: object, content: Mapping[str, Any]) -> None:
        match kind:
            case "conversation":
                self._tail = content["tail"]
            case "message":
                self._take_message(content)
            case "end":
                self._take_end(content)
            case "turn" | "dead_letter" | "device":
                pass
            case _:
                raise self._wrong(f"is of no kind that there is: {kind!r}")

    def _take_message(self, content: Mapping[str, Any]) -> None:
        expected = self._counts["message"] + 1
        if content["seq"] != expected:
            raise self._wrong(f"is message {content['seq']}, and not {expected}")
        if not content["erased"] and _digest_in(content) != content["digest"]:
            raise self._wrong(f"is message {expected}, whose digest does not fit to what it says")

    def _take_end(self, content: Mapping[str, Any]) -> None:
        self._ended = True
        if content["counts"] != self.finish() or self._counts["message"] != self._tail:
            raise self._wrong("counts something else than there is")
        if content["sha256"] != self._digest.hexdigest():
            raise self._wrong("has another SHA-256 than the lines before it")

    def _wrong(self, what: str) -> BadRequest:
        return BadRequest(f"Line {self._number} of the export {what}.")


def _digest_in(content: Mapping[str, Any]) -> str:
    """The digest of a message as it was exported."""
    if "bodyBase64" in content:
        body = base64.b64decode(content["bodyBase64"])
    else:
        body = orjson.dumps(content["body"], option=orjson.OPT_SORT_KEYS)
    answered = TurnRef(conversation=ConversationId(""), agent=AgentName(""), turn=content["turn"])
    new = New(
        id=content["id"],
        sender=content["sender"],
        kind=Kind(content["kind"]),
        to=tuple(To(agent=agent, turn=NO_TURN) for agent in content["to"]),
        answers=QuestionRef(of=answered, question=content["answers"]) if content["answers"] else None,
        updates=content["updates"],
        body=body,
    )
    return digest_of(new).hex()
