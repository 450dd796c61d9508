"""`interchange messages …`: look at the conversation log, and keep it in order.

A client of the operators' door like any other. Each command is one row of arguments and one function from options to
what it prints; `gateway.cli.messages_output` has the tables.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from interchange.v1 import messages_pb2

from gateway.cli.commands import Commands
from gateway.cli.door import Door, Operations, add_door, find_operations
from gateway.cli.messages_output import (
    print_erased,
    print_held,
    print_letters,
    print_message,
    print_redriven,
    print_shown,
    print_status,
    unfolded,
)
from registry.model import BadRequest, InterchangeError, JsonObject

SERVICE = messages_pb2.DESCRIPTOR.services_by_name["Messages"]

AGAIN_SECONDS = 1.0
"""Between the end of a stream and the next: the gateway ends each after some minutes."""

LETTERS = 100
"""Dead letters that one call redrives."""

PAGE = 500
"""Dead letters that one call lists."""

Reach = Callable[[], Operations]
Command = Callable[[argparse.Namespace, Reach], int]


def add_commands(commands: Commands) -> None:
    messages = commands.add_parser("messages", help="look at conversations, redrive, hold, erase, export")
    verbs = messages.add_subparsers(required=True, metavar="COMMAND")
    _add_readers(verbs)
    _add_letters(verbs)
    _add_keepers(verbs)


def _verb(verbs: Commands, name: str, summary: str, command: Command) -> argparse.ArgumentParser:
    """A subcommand, with the options that all of them have."""
    parser = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    add_door(parser, "which gateway, and as whom")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.set_defaults(run=partial(_run, command))
    return parser


def _run(command: Command, options: argparse.Namespace) -> int:
    return command(options, lambda: find_operations(options, DOOR))


def _offline(state: Path) -> Operations:
    from gateway.offline import offline_messages  # noqa: PLC0415  the whole gateway, which a client has no need of

    return offline_messages(state)


DOOR = Door(SERVICE, _offline)


def _add_readers(verbs: Commands) -> None:
    _verb(verbs, "status", "how much there is in the log, and what waits", status)
    tailing = _verb(verbs, "tail", "the last messages of one conversation; of all of them, who wrote to whom", tail)
    tailing.add_argument("conversation", nargs="?", default="", help="absent: all, without what was said")
    tailing.add_argument("-n", "--last", type=_count, default=10, metavar="N", help="how many (default: 10)")
    tailing.add_argument("-f", "--follow", action="store_true", help="then those to come, until Ctrl-C")
    showing = _verb(verbs, "show", "one conversation: messages, turns, mailboxes, devices", show)
    showing.add_argument("conversation", nargs="?", default="", help="may be left out with --turn")
    showing.add_argument("--turn", default="", metavar="ID", help="only this turn, and its messages")
    showing.add_argument("--after", type=_number, default=0, metavar="N", help="messages behind this number")
    showing.add_argument("--before", type=_number, default=0, metavar="N", help="the last ones in front of this number")
    showing.add_argument("--limit", type=_count, default=20, metavar="N", help="messages (default: 20)")
    exporting = _verb(verbs, "export", "a whole conversation as JSON lines", export)
    exporting.add_argument("conversation")
    exporting.add_argument("--out", type=Path, metavar="FILE", help="checked when it is complete (default: print it)")


def _add_letters(verbs: Commands) -> None:
    listing = _verb(verbs, "dead", "deliveries that were given up, the oldest first", dead)
    listing.add_argument("conversation", nargs="?", default="", help="of this one only")
    listing.add_argument("--agent", default="", metavar="NAME", help="to this agent only")
    listing.add_argument("--redriven", action="store_true", help="those that were redriven, instead")
    listing.add_argument("--limit", type=_count, default=0, metavar="N", help="at most so many (default: all)")
    redriving = _verb(verbs, "redrive", "append what dead letters said anew, each for a new turn", redrive)
    redriving.add_argument("letters", nargs="*", metavar="LETTER", help="as `dead` lists them: CONVERSATION/AGENT/N")
    redriving.add_argument("--agent", default="", metavar="NAME", help="all dead letters to this agent")
    redriving.add_argument("--conversation", default="", metavar="ID", help="all dead letters of this conversation")


def _add_keepers(verbs: Commands) -> None:
    holding = _verb(verbs, "hold", "put a conversation under legal hold: nothing of it may be erased", hold)
    holding.add_argument("conversation")
    holding.add_argument("--reason", required=True, help="whoever wants to erase it is told")
    releasing = _verb(verbs, "release", "end a legal hold", release)
    releasing.add_argument("conversation")
    erasing = _verb(verbs, "erase", "blank what was said in a conversation, for good", erase)
    erasing.add_argument("conversation")
    erasing.add_argument("--reason", required=True, help="stays in the log, with who erased it")
    erasing.add_argument("--sender", default="", metavar="WHO", help="only what this one said, as person:alice")
    erasing.add_argument("--up-to", type=_number, default=0, metavar="N", help="up to this message (default: all)")
    erasing.add_argument("--id", default="", help="of the message that says so; the same again does nothing")


# ---- looking


def status(options: argparse.Namespace, reach: Reach) -> int:
    _print(options, reach().perform("Status", {}), print_status)
    return 0


def tail(options: argparse.Namespace, reach: Reach) -> int:
    """The last messages, and those to come. The gateway ends a stream after some minutes, or with the token: then it is
    asked again, from where it was."""
    content = {"conversation": options.conversation, "last": options.last, "follow": options.follow}
    operations, marks = reach(), [""]
    if options.follow and not operations.lasts:
        raise BadRequest("No gateway runs on this folder, so there is nothing to follow: leave out --follow.")

    def tell(piece: Any) -> None:
        marks[0] = piece["mark"]
        if options.json:
            print(json.dumps(unfolded(piece["message"])), flush=True)
        else:
            print_message(piece["message"], whole_log=not options.conversation)

    while True:
        operations.stream("Tail", {**content, "mark": marks[0]}, tell)
        if not options.follow:
            return 0
        time.sleep(AGAIN_SECONDS)
        operations = reach()


def show(options: argparse.Namespace, reach: Reach) -> int:
    if not options.conversation and not options.turn:
        raise BadRequest("Which conversation? Name it by its id, or one of its turns with --turn.")
    content = {
        "conversation": options.conversation,
        "turn": options.turn,
        "after": options.after,
        "before": options.before,
        "limit": options.limit,
    }
    _print(options, reach().perform("Show", content), print_shown)
    return 0


def export(options: argparse.Namespace, reach: Reach) -> int:
    """Print the lines, or write them to a file that is there only once it is complete."""
    content = {"conversation": options.conversation}
    if options.out is None:
        reach().stream("Export", content, lambda piece: print(piece.get("lines", ""), end=""))
        return 0
    from adapters.messaging.export import check_export  # noqa: PLC0415  only where there is something to check

    unchecked = options.out.with_name(f"{options.out.name}.part")
    with os.fdopen(os.open(unchecked, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        reach().stream("Export", content, lambda piece: _write(file, str(piece.get("lines", ""))))
    with unchecked.open("rb") as file:
        counts = check_export(file)
    unchecked.replace(options.out)
    _print(options, counts, lambda _: print(f"{options.out}: {counts['messages']} messages, complete and unchanged."))
    return 0


def _write(file: Any, lines: str) -> None:
    file.write(lines.encode())


# ---- dead letters


class Letter(NamedTuple):
    """A dead letter, by what `dead` prints."""

    conversation: str
    agent: str
    seq: int


def dead(options: argparse.Namespace, reach: Reach) -> int:
    which = {"conversation": options.conversation, "agent": options.agent, "redriven": options.redriven}
    listed = _listed(reach(), which)
    _print(options, {"letters": list(islice(listed, options.limit or None))}, print_letters)
    return 0


def redrive(options: argparse.Namespace, reach: Reach) -> int:
    """Redrive what is named, and say of each what came of it; one that fails keeps none of the others from it."""
    operations = reach()
    letters = [_letter(word) for word in options.letters]
    if bool(letters) == bool(options.agent or options.conversation):
        raise BadRequest(
            "Which dead letters? Name them as `interchange messages dead` does, or all of one --agent or"
            " one --conversation."
        )
    if not letters:
        listed = _listed(operations, {"conversation": options.conversation, "agent": options.agent})
        letters = [Letter(each["conversation"], each["agent"], int(each["seq"])) for each in listed]
    outcomes = [outcome for together in _together(letters) for outcome in _redriven(operations, together)]
    _print(options, {"letters": outcomes}, print_redriven)
    return 1 if any("error" in outcome for outcome in outcomes) else 0


def _listed(operations: Operations, asked: JsonObject) -> Iterator[Any]:
    """All dead letters that are asked for, page after page."""
    mark = ""
    while True:
        answer: Any = operations.perform("Dead", {**asked, "limit": PAGE, "mark": mark})
        yield from answer.get("letters", [])
        mark = answer.get("mark", "")
        if not mark:
            return


def _together(letters: Sequence[Letter]) -> Iterator[Sequence[Letter]]:
    """Letters of one conversation, as many as one call redrives."""
    for _, found in groupby(sorted(letters), key=lambda letter: letter.conversation):
        same = list(found)
        for start in range(0, len(same), LETTERS):
            yield same[start : start + LETTERS]


def _redriven(operations: Operations, letters: Sequence[Letter]) -> Sequence[dict[str, Any]]:
    conversation = letters[0].conversation
    asked: list[Any] = [{"agent": letter.agent, "seq": letter.seq} for letter in letters]
    try:
        answer: Any = operations.perform("Redrive", {"conversation": conversation, "letters": asked})
        outcomes = answer.get("letters", [])
    except InterchangeError as error:
        outcomes = [{**each, "error": error.message} for each in asked]
    return [{"conversation": conversation, **outcome} for outcome in outcomes]


def _letter(word: str) -> Letter:
    parts = word.rsplit("/", 2)
    if len(parts) != 3 or not parts[2].isdecimal() or not all(parts):
        raise BadRequest(f"{word} is no dead letter: they are written CONVERSATION/AGENT/N, as `dead` lists them.")
    return Letter(parts[0], parts[1], int(parts[2]))


# ---- keeping


def hold(options: argparse.Namespace, reach: Reach) -> int:
    content = {"conversation": options.conversation, "reason": options.reason}
    _print(options, reach().perform("Hold", content), print_held)
    return 0


def release(options: argparse.Namespace, reach: Reach) -> int:
    _print(options, reach().perform("Release", {"conversation": options.conversation}), print_held)
    return 0


def erase(options: argparse.Namespace, reach: Reach) -> int:
    content = {
        "conversation": options.conversation,
        "reason": options.reason,
        "sender": options.sender,
        "upTo": options.up_to,
        "id": options.id,
    }
    _print(options, reach().perform("Erase", content), print_erased)
    return 0


# ---- options


def _count(word: str) -> int:
    """How many; argparse names the option where it is refused."""
    if not word.isdecimal() or not 0 <= int(word[:6]) <= 1000 or len(word) > 6:
        raise argparse.ArgumentTypeError(f"{word} is not a number up to 1000")
    return int(word)


def _number(word: str) -> int:
    """The number of a message."""
    if not word.isdecimal() or len(word) > 15:
        raise argparse.ArgumentTypeError(f"no message has the number {word}")
    return int(word)


def _print(options: argparse.Namespace, answer: JsonObject, for_people: Callable[[JsonObject], None]) -> None:
    if options.json:
        print(json.dumps(unfolded(answer), indent=2))
    else:
        for_people(answer)
