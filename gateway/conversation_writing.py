"""What the log has of a conversation, as the proto3 JSON of `interchange.v1.Message`: for agents that hold its turns.

A body is in these words already. What an agent cannot be brought, whatever it is, is one sentence in its place: nobody
loses the rest of a conversation over it.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

import orjson

from adapters.messaging.bodies import read_body
from adapters.messaging.messages import Kind, Message
from adapters.values import DEEPEST
from gateway.messages.writing import write_time
from registry.model import BadRequest, JsonObject

UNTOLD: Final[JsonObject] = {"text": "(Something was said here that cannot be told.)"}

_KINDS: Final = frozenset({"person", "agent", "service"})


def write_message(message: Message) -> JsonObject:
    """A message with all that was said."""
    return {
        "id": message.id,
        "conversationId": message.conversation,
        "seq": message.seq,
        "kind": message.kind.value.upper(),
        "sender": _write_sender(message.sender, message.issuer),
        "turnId": message.turn,
        "answers": message.answers,
        "updates": message.updates,
        "at": write_time(message.at),
        **_write_body(message),
    }


def _write_sender(sender: str, issuer: str) -> JsonObject:
    kind, _, name = sender.partition(":")
    return {"kind": kind.upper() if kind in _KINDS else 0, "issuer": issuer, "name": name}


def _write_body(message: Message) -> JsonObject:
    if message.kind is Kind.ERASED:  # the reason, as plain text
        return {"parts": [{"text": message.body.decode(errors="replace")}]}
    try:
        read_body(message.body)
    except BadRequest:
        return {"parts": [UNTOLD]}
    body = cast("dict[str, Any]", orjson.loads(message.body)) if message.body else {}
    body.pop("metadata", None)  # it is for those who asked
    if _is_deep(body.get("question")):
        del body["question"]
    for holder in (body, *body.get("artifacts", ())):
        if "parts" in holder:
            holder["parts"] = [UNTOLD if _is_deep(part) else part for part in holder["parts"]]
    return body


def _is_deep(value: object, levels: int = DEEPEST) -> bool:
    """Whether what is inside something is nested deeper than protobuf's readers go."""
    match value:
        case Mapping():
            inner = list(cast("Mapping[str, object]", value).values())
        case list():
            inner = cast("list[object]", value)
        case _:
            return False
    return levels < 0 or any(_is_deep(each, levels - 1) for each in inner)
