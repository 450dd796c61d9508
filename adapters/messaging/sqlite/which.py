"""Which turns are asked for, as SQL: only what restricts is part of the statement, so that an index is found for it.

What leads to the fewest turns has the word: a conversation or ids, else a root, else an owner. Where one of these is
given, the indexes of those behind it are not to be used, however good they look: who owns a million turns and asks for
those of one conversation is not to wait until all are looked at.
"""

import json
from collections.abc import Sequence

from adapters.messaging.log import TurnMark, WhichTurns


def conditions(which: WhichTurns, behind: TurnMark | None = None) -> tuple[str, list[object]]:
    """What stands behind WHERE, and its values in order."""
    found: list[tuple[str, tuple[object, ...]]] = []
    if which.conversation is not None:
        found.append(("conversation = ?", (which.conversation,)))
    for column, names in (("id", which.turns), ("agent", which.agents), ("state", which.states)):
        if names:
            found.append(_one_of(column, names))
    if which.started_by:
        found.append(("started_by = ?", (which.started_by,)))
    leads = which.conversation is None and not which.turns
    for column, name in (("root", which.root), ("owner", which.owner)):
        if name:  # without its second half SQLite does not take the index, which has only those that are not empty
            found.append((f"{column} = ? AND {column} <> ''" if leads else f"{column} = ?", (name,)))
            leads = False
    if which.changed_after is not None:
        found.append(("changed_at >= ?", (which.changed_after,)))
    if behind is not None:
        found.append(("(changed_at, id) < (?, ?)", (behind.changed_at, behind.turn)))
    together = " AND ".join(condition for condition, _ in found) or "true"
    return together, [value for _, values in found for value in values]


def _one_of(column: str, names: Sequence[str]) -> tuple[str, tuple[object, ...]]:
    """One name is compared, so that an index also gives the order; many are a list of their own."""
    if len(names) == 1:
        return f"{column} = ?", (str(names[0]),)
    return f"{column} IN (SELECT value FROM json_each(?))", (json.dumps(names),)  # noqa: S608  columns are ours
