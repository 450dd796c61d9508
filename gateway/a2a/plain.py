"""Plain messages: of texts and data, as nearly all are, read several times as fast as by protobuf's parser of JSON.

A message is plain where nothing in it is for that parser alone to judge: each field that it may have is there in the
one form that A2A gives it. Any other, a mistaken one above all, is left to the parser. What both read is the same,
which `tests/property/test_a2a_plain.py` holds.
"""

from typing import Any, Final, cast

from a2a.types import a2a_pb2 as wire

from gateway.a2a.parts import fill
from registry.checks import weigh
from registry.messages import LEVELS
from registry.model import JsonObject, JsonValue

_PARAMS: Final = {"message", "configuration"}
_IDS: Final = {"messageId": "message_id", "contextId": "context_id", "taskId": "task_id"}
_MESSAGE: Final = {*_IDS, "role", "parts", "metadata"}
_NOTES: Final = {"mediaType": "media_type", "filename": "filename"}
_PARTS: Final = ({"text"}, {"data"})
_CONFIGURATION: Final = {"acceptedOutputModes", "historyLength", "returnImmediately"}
_LONGEST: Final = 2**31 - 1


def read_plain(params: object) -> wire.SendMessageRequest | None:
    """The request that plain params are; None where they are not plain."""
    if not isinstance(params, dict):
        return None
    given = cast("dict[str, Any]", params)
    if not given.keys() <= _PARAMS:
        return None
    read = wire.SendMessageRequest()
    try:
        if _read_message(given.get("message"), read.message) and (
            "configuration" not in given or _read_configuration(given["configuration"], read.configuration)
        ):
            return read
    except (ValueError, OverflowError):  # a text that UTF-8 has not, or a number that no double holds
        return None
    return None


def _read_message(given: object, message: wire.Message) -> bool:
    """Read a message; whether it is plain."""
    if not isinstance(given, dict):
        return False
    found = cast("dict[str, Any]", given)
    if not found.keys() <= _MESSAGE or found.get("role") != "ROLE_USER":
        return False
    message.role = wire.ROLE_USER
    for name, field in _IDS.items():
        if name in found and not _read_text(found[name], message, field):
            return False
    if "metadata" in found:
        metadata = found["metadata"]
        if not isinstance(metadata, dict) or weigh(cast("JsonObject", metadata), levels=LEVELS) is None:
            return False
        fill(message.metadata, cast("JsonObject", metadata))
    parts = found.get("parts")
    return isinstance(parts, list) and all(_read_part(part, message.parts.add()) for part in cast("list[Any]", parts))


def _read_part(given: object, part: wire.Part) -> bool:
    """Read a part; whether it is plain: a text, or data."""
    if not isinstance(given, dict):
        return False
    found = cast("dict[str, Any]", given)
    if found.keys() - _NOTES.keys() not in _PARTS:
        return False
    for name, field in _NOTES.items():
        if name in found and not _read_text(found[name], part, field):
            return False
    if "text" in found:
        return _read_text(found["text"], part, "text")
    data: JsonValue = found["data"]
    if data is None or weigh(data, levels=LEVELS) is None:
        return False
    fill(part.data, data)
    return True


def _read_configuration(given: object, configuration: wire.SendMessageConfiguration) -> bool:
    """Read how an answer is wanted; whether that is plain."""
    if not isinstance(given, dict):
        return False
    found = cast("dict[str, Any]", given)
    modes, at_once = found.get("acceptedOutputModes", []), found.get("returnImmediately", False)
    length = found.get("historyLength", 0)
    if not found.keys() <= _CONFIGURATION or type(at_once) is not bool or type(length) is not int:
        return False
    if not isinstance(modes, list) or not all(isinstance(mode, str) for mode in cast("list[Any]", modes)):
        return False
    if not 0 <= length <= _LONGEST:
        return False
    configuration.SetInParent()
    configuration.accepted_output_modes.extend(cast("list[str]", modes))
    configuration.return_immediately = at_once
    if "historyLength" in found:
        configuration.history_length = length
    return True


def _read_text(given: object, message: wire.Message | wire.Part, field: str) -> bool:
    """Read a text; whether it is one."""
    if not isinstance(given, str):
        return False
    setattr(message, field, given)
    return True
