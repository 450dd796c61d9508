"""Which turns are asked for, as SQL: only what restricts is part of the statement, so that an index is found for it.

What leads to the fewest turns has the word: a conversation or ids, else a root, else an owner. Where one of these is
given, the indexes of those behind it are not to be used, however good they look: who owns a million turns and asks for
those of one conversation is not to wait until all are looked at.
"""

from collections.abc import Sequence

from adapters.messaging.log import TurnMark, WhichTurns


def conditions(which: WhichTurns, behind: TurnMark | None = None) -> tuple[str, list[object]]:
    """What stands behind WHERE, and its values in order, from `$1` on."""
    found = _Conditions()
    if which.conversation is not None:
        found.add("conversation = {}", which.conversation)
    for column, names in (("id", which.turns), ("agent", which.agents), ("state", which.states)):
        if names:
            found.add_one_of(column, names)
    if which.started_by:
        found.add("started_by = {}", which.started_by)
    leads = which.conversation is None and not which.turns
    for column, name in (("root", which.root), ("owner", which.owner)):
        if name:  # the second half is what the index asks for; and what is calculated is not in it
            found.add(f"{column} = {{}} AND {column} <> ''" if leads else f"{column} || '' = {{}}", name)
            leads = False
    if which.changed_after is not None:
        found.add("changed_at >= {}", which.changed_after)
    if behind is not None:
        found.add("(changed_at, id) < ({}, {})", behind.changed_at, behind.turn)
    return found.together, found.values


class _Conditions:
    """Conditions as they come together, with the numbers of their values."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._parts: list[str] = []

    @property
    def together(self) -> str:
        return " AND ".join(self._parts) or "true"

    def add(self, condition: str, *values: object) -> None:
        first = len(self.values) + 1
        self.values += values
        self._parts.append(condition.format(*(f"${first + number}" for number in range(len(values)))))

    def add_one_of(self, column: str, names: Sequence[str]) -> None:
        """One name is compared, so that an index also gives the order."""
        if len(names) == 1:
            self.add(f"{column} = {{}}", str(names[0]))
        else:
            self.add(f"{column} = ANY ({{}}::text[])", list(map(str, names)))
