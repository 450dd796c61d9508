"""What `interchange registry` prints: aligned tables and sentences for people.

Names, titles and differences come from whoever published them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.cli.printing import print_table, visible
from registry.model import JsonObject


def print_changes(answer: JsonObject, *, bound_to: str = "") -> None:
    """What happened, or would happen, to each name. `bound_to` is the binding that was asked for, in words."""
    changes = _rows(answer, "changes")
    if not changes:
        print("Nothing changes.")
        return
    widths = [max(len(_cell(change, key)) for change in changes) for key in ("name", "outcome")]
    for change in changes:
        name, outcome = _cell(change, "name").ljust(widths[0]), _cell(change, "outcome").ljust(widths[1])
        breaking = "  BREAKING" if change.get("breaking") else ""
        where = f"  to {bound_to}" if bound_to and change.get("outcome") == "bound" else ""
        print(f"{name}  {outcome}  revision {change.get('revision', 0)}{breaking}{where}")
        for difference in change.get("differences", []):
            print(f"    {visible(str(difference))}")


def print_version(answer: JsonObject) -> None:
    """Which catalog the answer left behind, and what is left to do."""
    waiting = [change for change in _rows(answer, "changes") if change.get("outcome") == "waiting"]
    if waiting:
        print(_waiting(waiting))
    for agent in dict.fromkeys(_cell(change, "name").partition(".")[0] for change in waiting):
        print(f"    interchange registry diff {agent}, then interchange registry approve {agent}")
    print(f"Catalog version {answer.get('catalogVersion', '0')}.")


def _waiting(changes: Sequence[dict[str, Any]]) -> str:
    """Who waits, and what serves until then. What waits is compared with what is live: no differences, nothing live."""
    serving = sum(bool(change.get("differences")) for change in changes)
    if len(changes) == 1:
        until_then = "the live revision serves on" if serving else "nothing is live under this name"
        return f"{_cell(changes[0], 'name')} waits for approval; until then {until_then}."
    if serving == len(changes):
        until_then = "their live revisions serve on"
    else:
        until_then = f"the live revisions of {serving} of them serve on" if serving else "none of them is live"
    return f"{len(changes)} of these wait for approval; until then {until_then}."


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
            _hints(item),
            _joined(item, "targets"),
            _cell(item, "title"),
        )
        for item in items
    ]
    print_table(table)


def _rows(answer: JsonObject, key: str) -> list[dict[str, Any]]:
    found: Any = answer.get(key) or []
    return list(found)


def _cell(row: dict[str, Any], key: str) -> str:
    return visible(str(row.get(key, "")))


def _hints(row: dict[str, Any]) -> str:
    """A skill's hints. One that writes without destroying has no hint to say so, so that it writes is said here."""
    found = set(row.get("hints", ()))
    if row.get("kind") != "skill" or found & {"read-only", "destructive"}:
        return _joined(row, "hints")
    return _joined({"hints": ["writes", *row.get("hints", ())]}, "hints")


def _joined(row: dict[str, Any], key: str) -> str:
    found: Iterable[Any] = row.get(key, [])
    return visible(",".join(map(str, found))) or "-"
