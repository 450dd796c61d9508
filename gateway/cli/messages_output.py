"""What `interchange messages` prints: messages as one reads them, tables, and sentences.

Everything in a conversation was written by others, and so were the errors of far sides.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from adapters.messaging.bodies import read_body
from gateway.cli.printing import print_table, visible
from registry.model import BadRequest, JsonObject, Part

INDENT = "    "


def print_status(answer: JsonObject) -> None:
    """The log in a few lines."""
    oldest = float(str(answer.get("oldestSeconds", 0)))
    waiting = f", the oldest for {oldest:.0f} s" if oldest >= 1 else ""
    rows = (
        ("log", f"{_cell(answer, 'engine')}, tables of revision {_cell(answer, 'revision')}"),
        ("conversations", _number(answer, "conversations")),
        ("messages", _number(answer, "messages")),
        ("to be delivered", f"{_number(answer, 'ready')} waiting{waiting}, {_number(answer, 'leased')} in hand"),
        ("parked", f"{_number(answer, 'parked')} waiting for an answer"),
        ("dead letters", _number(answer, "dead")),
    )
    print_table(rows)


def print_message(message: Mapping[str, Any], *, whole_log: bool = False) -> None:
    """One message: who wrote to whom, and what, unless it is of the whole log."""
    where = f"{_cell(message, 'conversation')} " if whole_log else ""
    to = f" → {', '.join(map(visible, message.get('to', [])))}" if message.get("to") else ""
    kind = _cell(message, "kind")
    said = "" if kind == "said" else f"  ({kind})"
    size = f"  {_number(message, 'size')} bytes" if whole_log else ""
    print(
        f"{_time(message, 'at')}  {where}#{_cell(message, 'seq')}  {_cell(message, 'sender')}{to}{said}{size}",
        flush=True,
    )
    if not whole_log:
        for line in words_of(message).splitlines():
            print(f"{INDENT}{line}", flush=True)


def print_shown(answer: JsonObject) -> None:
    """A conversation: where it is, what was said, and what is still to be done."""
    row = _object(answer, "conversation")
    print(f"conversation  {_cell(row, 'id')}")
    started = f", started by {_cell(row, 'startedBy')}" if row.get("startedBy") else ""
    domain = f" in {_cell(row, 'domain')}" if row.get("domain") else ""
    print(f"{INDENT}{_number(row, 'tail')} messages{domain}{started}, opened {_time(row, 'openedAt')}")
    if row.get("hold"):
        print(f"{INDENT}under legal hold: {_cell(row, 'hold')}")
    for message in _rows(answer, "messages"):
        print()
        print_message(message)
    _print_rows("turns", _rows(answer, "turns"), TURNS)
    _print_rows("mailboxes", _rows(answer, "mailboxes"), MAILBOXES)
    seen = [{"device": device, "seq": seq} for device, seq in _object(answer, "seen").items()]
    _print_rows("devices", seen, {"DEVICE": "device", "HAS SHOWN": "seq"})


TURNS = {
    "TURN": "id",
    "AGENT": "agent",
    "STATE": "state",
    "OPENED BY": "opened",
    "TO BE DELIVERED": "due",
    "ATTEMPTS": "attempts",
    "QUESTION": "question",
    "ERROR": "error",
}
MAILBOXES = {
    "AGENT": "agent",
    "STATE": "state",
    "DELIVERED": "cursor",
    "HEAD": "head",
    "ATTEMPTS": "attempts",
    "IN HAND OF": "owner",
    "WAITS FOR": "parked",
}


def print_letters(answer: JsonObject) -> None:
    """Dead letters, each by the name that `redrive` takes."""
    letters = _rows(answer, "letters")
    if not letters:
        print("There are no dead letters.")
        return
    table = [("LETTER", "AT", "ATTEMPTS", "ERROR")]
    for letter in letters:
        error = f"redriven as #{letter['redrivenAs']}" if letter.get("redrivenAs") else _cell(letter, "error")
        table.append((_letter(letter), _time(letter, "at"), _number(letter, "attempts"), error))
    print_table(table)


def print_redriven(answer: JsonObject) -> None:
    """What came of each letter."""
    for letter in _rows(answer, "letters"):
        if "error" in letter:
            print(f"{_letter(letter)}  failed: {_cell(letter, 'error')}")
        else:
            print(f"{_letter(letter)}  redriven as #{_cell(letter, 'redrivenAs')}, turn {_cell(letter, 'turn')}")
    if not answer.get("letters"):
        print("There are no dead letters.")


def print_held(answer: JsonObject) -> None:
    """A conversation's hold, or that there is none."""
    row = _object(answer, "conversation")
    held = f"is under legal hold: {_cell(row, 'hold')}" if row.get("hold") else "is under no legal hold."
    print(f"{_cell(row, 'id')} {held}")


def print_erased(answer: JsonObject) -> None:
    """Where the log says so."""
    print(f"Erased; message #{_cell(answer, 'seq')} says so.")


def unfolded(value: Any) -> Any:
    """An answer whose bodies are JSON instead of JSON in a string, wherever they can be."""
    if isinstance(value, Mapping):
        read = {key: unfolded(each) for key, each in cast("Mapping[str, Any]", value).items()}
        return read | {"body": _body(str(read["body"]))} if "body" in read else read
    if isinstance(value, list):
        return [unfolded(each) for each in cast("list[Any]", value)]
    return value


def words_of(message: Mapping[str, Any]) -> str:
    """What was said, for people; a body that is not as we write them, as it is."""
    if message.get("erased"):
        return "[erased]"
    if "raw" in message:
        return f"[{_number(message, 'size')} bytes that are no text]"
    written = str(message.get("body", ""))
    try:
        body = read_body(written.encode())
    except BadRequest:
        return visible(written, lines=True)
    lines = [_part(part) for part in body.parts]
    for artifact in body.artifacts:
        lines += [f"[{visible(artifact.name or artifact.id)}]", *map(_part, artifact.parts)]
    if body.question is not None:
        lines.append(visible(str(body.question.get("text", "[a question]")), lines=True))
    return "\n".join(lines)


def _part(part: Part) -> str:
    if part.text is not None:
        return visible(part.text, lines=True)
    if part.raw is None and part.url is None:
        return visible(json.dumps(part.data, ensure_ascii=False))
    told = (part.media_type or "a file", part.filename, part.url or f"{len(part.raw or b''):,} bytes")
    return f"[{visible(' '.join(filter(None, told)))}]"


def _body(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _print_rows(title: str, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """A table of those columns in which there is something."""
    if not rows:
        return
    print(f"\n{title}")
    kept = {head: key for head, key in columns.items() if any(row.get(key) for row in rows)}
    print_table([tuple(kept), *(tuple(_cell(row, key) for key in kept.values()) for row in rows)], indent=INDENT)


def _letter(letter: Mapping[str, Any]) -> str:
    return f"{_cell(letter, 'conversation')}/{_cell(letter, 'agent')}/{_cell(letter, 'seq')}"


def _time(row: Mapping[str, Any], key: str) -> str:
    """In this machine's zone, to the second."""
    try:
        return f"{datetime.fromisoformat(str(row[key])).astimezone():%Y-%m-%d %H:%M:%S}"
    except (KeyError, ValueError):
        return "-"


def _number(row: Mapping[str, Any], key: str) -> str:
    return f"{int(str(row.get(key, 0))):,}"


def _cell(row: Mapping[str, Any], key: str) -> str:
    return visible(str(row.get(key, "")))


def _rows(row: Mapping[str, Any], key: str) -> Sequence[dict[str, Any]]:
    found = row.get(key)
    return cast("list[dict[str, Any]]", found) if isinstance(found, list) else []


def _object(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = row.get(key)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
