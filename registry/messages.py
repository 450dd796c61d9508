"""Messages to agents that came as fields: what they may say, for clients to read, and what is wrong with one.

A face that has only arguments (MCP) puts a message's words and data in `Call.content`; one that speaks in parts puts
them in `Call.parts`, and the content then names the conversation at most. What is for the agent to understand is not
looked at: only the form is.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final, cast

from registry.checks import Validator, compile_schema, faults_in, weigh
from registry.model import Fault, JsonObject, Part

CONVERSATION: Final = 256
"""Characters of a name that a caller gives a conversation."""

PARTS: Final = 1_000
"""Parts of one message, whichever face it came through."""

LEVELS: Final = 30
"""How deep data may nest: one level of JSON is up to three of protobuf, whose parsers stop at 100."""

_CONVERSATION: Final[JsonObject] = {
    "type": "string",
    "maxLength": CONVERSATION,
    "description": "The conversation that this continues, as an earlier answer named it. Leave it out to begin one.",
}

MESSAGE_INPUT: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "minLength": 1, "description": "What you say to the agent."},
        "conversation": _CONVERSATION,
        "data": {"type": "object", "description": "What the message is about, where words are not enough."},
    },
    "required": ["message"],
    "additionalProperties": False,
}
"""The schema of a message as arguments: the input of the tool that a conversing agent is."""

MESSAGE_OUTPUT: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "conversation": {
            "type": "string",
            "description": "To be sent along with the next message of this conversation.",
        },
        "turn": {"type": "string", "description": "The id of this turn."},
        "state": {"type": "string", "description": "How the turn stands: completed, unless said otherwise."},
        "text": {"type": "string", "description": "What the agent said."},
        "data": {"description": "What the agent answered as data; null if it did not."},
    },
    "required": ["conversation", "turn", "state", "text"],
}
"""The schema of what a conversing agent answers as a tool."""

_TOO_DEEP: Final = f"nests deeper than {LEVELS} levels"

_BESIDE_PARTS: Final[JsonObject] = {
    "type": "object",
    "properties": {"conversation": _CONVERSATION},
    "additionalProperties": False,
}


def message_faults(content: JsonObject, parts: tuple[Part, ...]) -> tuple[Fault, ...]:
    """Everything that is wrong with a message, by JSON pointers; empty if an agent may be given it."""
    given = content if isinstance(content, dict) else dict(content)
    schema, validator = (_BESIDE_PARTS, _beside_parts()) if parts else (MESSAGE_INPUT, _whole())
    return faults_in(given, validator, schema) or (*_in_fields(given), *_in_parts(parts))


def read_parts(content: JsonObject) -> tuple[Part, ...]:
    """The parts of a message that came as fields: its words, and its data if there are any."""
    words, data = content.get("message"), content.get("data")
    said = (Part(text=words),) if isinstance(words, str) else ()
    return said if data is None else (*said, Part(data=data))


def _in_fields(content: JsonObject) -> Iterator[Fault]:
    """What a schema cannot say."""
    if not cast("str", content.get("conversation", "")).isprintable():
        yield Fault("/conversation", "must be printable characters only")
    if weigh(content.get("data"), levels=LEVELS) is None:
        yield Fault("/data", _TOO_DEEP)


def _in_parts(parts: tuple[Part, ...]) -> Iterator[Fault]:
    """What no agent could be handed."""
    if len(parts) > PARTS:
        yield Fault("/parts", f"has {len(parts):,} items; {PARTS:,} are allowed")
        return
    for number, part in enumerate(parts):
        for name, value in (("data", part.data), ("metadata", part.metadata)):
            if weigh(value, levels=LEVELS) is None:
                yield Fault(f"/parts/{number}/{name}", _TOO_DEEP)


@cache
def _whole() -> Validator:
    return compile_schema(MESSAGE_INPUT)


@cache
def _beside_parts() -> Validator:
    return compile_schema(_BESIDE_PARTS)
