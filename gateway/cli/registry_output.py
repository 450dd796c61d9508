"""What `interchange registry` prints: aligned tables and sentences for people.

Names, titles and differences come from whoever published them, so nothing is printed that a terminal would obey.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from registry.model import JsonObject

INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def print_changes(answer: JsonObject) -> None:
    """What happened, or would happen, to each name."""
    changes = _rows(answer, "changes")
    if not changes:
        print("Nothing changes.")
        return
    widths = [max(len(_cell(change, key)) for change in changes) for key in ("name", "outcome")]
    for change in changes:
        name, outcome = _cell(change, "name").ljust(widths[0]), _cell(change, "outcome").ljust(widths[1])
        breaking = "  BREAKING" if change.get("breaking") else ""
        print(f"{name}  {outcome}  revision {change.get('revision', 0)}{breaking}")
        for difference in change.get("differences", []):
            print(f"    {visible(str(difference))}")


def print_version(answer: JsonObject) -> None:
    """Which catalog the answer left behind, and what is left to do."""
    waiting = [change for change in _rows(answer, "changes") if change.get("outcome") == "waiting"]
    if waiting:
        first = _cell(waiting[0], "name").partition(".")[0]
        print(
            f"{len(waiting)} of them wait for approval and what was live serves on: interchange registry diff {first},"
            f" then interchange registry approve {first}."
        )
    print(f"Catalog version {answer.get('catalogVersion', '0')}.")


def print_list(answer: JsonObject) -> None:
    """One line for each agent and skill."""
    items = _rows(answer, "items")
    if not items:
        print("Nothing is registered that you may list.")
        return
    table = [("NAME", "KIND", "REVISION", "STATE", "HINTS", "TARGETS", "TITLE")]
    table += [
        (
            _cell(item, "name"),
            _cell(item, "kind"),
            _cell(item, "revision"),
            _cell(item, "state"),
            _joined(item, "hints"),
            _joined(item, "targets"),
            _cell(item, "title"),
        )
        for item in items
    ]
    _print_table(table)


def visible(text: str, *, lines: bool = False) -> str:
    """Text without control characters, escape sequences and marks that turn its direction."""
    return "".join(
        character
        if (lines and character == "\n") or unicodedata.category(character) not in INVISIBLE
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _print_table(table: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rows(answer: JsonObject, key: str) -> list[dict[str, Any]]:
    found: Any = answer.get(key) or []
    return list(found)


def _cell(row: dict[str, Any], key: str) -> str:
    return visible(str(row.get(key, "")))


def _joined(row: dict[str, Any], key: str) -> str:
    found: Iterable[Any] = row.get(key, [])
    return visible(",".join(map(str, found))) or "-"
