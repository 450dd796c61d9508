"""Marks: where a list or a stream goes on, as text that its reader keeps and gives back."""

import re

from adapters.messaging.log import LetterMark
from adapters.messaging.messages import DeadLetter
from adapters.messaging.overview import Envelope, RecentMark
from gateway.messages.requests import GREATEST, read_text
from registry.model import AgentName, BadRequest, ConversationId, JsonObject

_MARK = re.compile(
    r"(?P<at>[0-9]{1,12}\.[0-9]{1,9})/(?P<seq>[0-9]{1,15})/(?P<agent>[^/\0]{0,256})/(?P<conversation>[^\0]{0,256})"
)


def write_recent_mark(envelope: Envelope) -> str:
    """Behind this message of the whole log."""
    return _write(envelope.at, envelope.seq, "", envelope.conversation)


def write_letter_mark(letter: DeadLetter) -> str:
    """Behind this dead letter."""
    return _write(letter.at, letter.seq, letter.of.agent, letter.of.conversation)


def read_recent_mark(content: JsonObject) -> RecentMark | None:
    """The mark of a request, if it has one.

    Raises:
        BadRequest: it is not one that we gave.
    """
    found = _read(content)
    if found is None:
        return None
    return RecentMark(float(found["at"]), ConversationId(found["conversation"]), int(found["seq"]))


def read_letter_mark(content: JsonObject) -> LetterMark | None:
    """The same of a list of dead letters."""
    found = _read(content)
    if found is None:
        return None
    return LetterMark(
        at=float(found["at"]),
        conversation=ConversationId(found["conversation"]),
        seq=int(found["seq"]),
        agent=AgentName(found["agent"]),
    )


def read_seq_mark(content: JsonObject) -> int | None:
    """The mark of one conversation's stream, if a request has one: the number of a message.

    Raises:
        BadRequest: it is not one that we gave.
    """
    mark = read_text(content, "mark")
    if not mark:
        return None
    if not mark.isdecimal() or not mark.isascii() or int(mark[:17]) >= GREATEST:
        raise _no_mark()
    return int(mark)


def _write(at: float, seq: int, agent: str, conversation: str) -> str:
    return f"{at:.9f}/{seq}/{agent}/{conversation}"


def _read(content: JsonObject) -> re.Match[str] | None:
    mark = read_text(content, "mark")
    if not mark:
        return None
    found = _MARK.fullmatch(mark)
    if found is None:
        raise _no_mark()
    return found


def _no_mark() -> BadRequest:
    return BadRequest("mark: this is not one that was given with an answer.")
