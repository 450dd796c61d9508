"""Reading one file of policies: its rules, and everything that is wrong with its form, each mistake at its line.

A mistake in one policy hides none in another, and a rule with a mistake is still a rule, so that the validator can say
what else is wrong with it; what comes with problems is never put in force. The engine's errors carry no position, so
it is found again: the shortest beginning of the policy that the parser does not merely call unfinished.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from policies.cedar import CedarError, read_trees
from policies.nesting import Misshapen, Statement, statements, words
from policies.rules import Rule, objections, read_rule
from registry.model import JsonObject

MAX_SOURCE = 4 * 1024 * 1024

_UNFINISHED = "unexpected end of input"
_STOPPED = ("unexpected token", "invalid token")
_BEGINNINGS = ("permit", "forbid", "@")
_QUOTED = re.compile(r"[`'](\S+?)[`']|: (\w+)$")


@dataclass(frozen=True, slots=True)
class PolicySource:
    """One file of policies: the name that problems are reported under, and its text."""

    name: str
    text: str


class Problem(NamedTuple):
    """One mistake; `where` is `file:line`."""

    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"


class Reading(NamedTuple):
    """What one source says."""

    rules: list[Rule]
    problems: list[Problem]


def read_source(source: PolicySource) -> Reading:
    """Read one source; only if there are no problems are the rules all that was written."""
    if len(source.text) > MAX_SOURCE:
        return Reading([], [Problem(f"{source.name}:1", f"the file is over {MAX_SOURCE} characters")])
    found, misshapen = statements(source.text)
    placed, problems = _parsed(source, found, misshapen)
    lines: Counter[str] = Counter()
    rules: list[Rule] = []
    for statement, tree in placed:
        where = f"{source.name}:{statement.line}"
        problems += (Problem(where, sentence) for sentence in objections(tree))
        if not tree.get("template"):
            lines[where] += 1
            rules.append(read_rule(tree, text=statement.text, where=where, number=lines[where]))
    return Reading(rules, problems)


_Placed = list[tuple[Statement, JsonObject]]


def _parsed(
    source: PolicySource, found: Sequence[Statement], misshapen: Sequence[Misshapen]
) -> tuple[_Placed, list[Problem]]:
    """The policies that parse, all at once if all do. What is misshapen never reaches the engine."""
    if misshapen:
        return _one_by_one(source, found, misshapen)
    try:
        trees = read_trees(source.text)
    except CedarError as error:
        placed, problems = _one_by_one(source, found, ())
        return placed, problems or [Problem(f"{source.name}:1", str(error))]
    if len(trees) != len(found):
        odd = f"{len(found)} policies were written, {len(trees)} were read"
        return [], [Problem(f"{source.name}:1", odd)]
    return list(zip(found, trees, strict=True)), []


def _one_by_one(
    source: PolicySource, found: Sequence[Statement], misshapen: Sequence[Misshapen]
) -> tuple[_Placed, list[Problem]]:
    faults = {fault.number: fault.sentence for fault in misshapen}
    placed: _Placed = []
    problems: list[Problem] = []
    for number, statement in enumerate(found):
        if number in faults:
            problems.append(Problem(f"{source.name}:{statement.line}", faults[number]))
            continue
        try:
            placed += ((statement, tree) for tree in read_trees(statement.text))
        except CedarError as error:
            problems.append(_located(source, statement, str(error)))
    return placed, problems


def _located(source: PolicySource, statement: Statement, complaint: str) -> Problem:
    """Say where in a policy the parser stopped, and what is often the reason."""
    tokens = words(statement.text)
    stop = _stop(statement.text, tokens, complaint)
    begin = 0 if stop is None else tokens[stop][0]
    line = statement.line + statement.text.count("\n", 0, begin)
    reason = "" if stop is None else _likely(tokens, stop, complaint)
    whole = f" (in the policy that begins at line {statement.line})" if line != statement.line else ""
    return Problem(f"{source.name}:{line}", f"{complaint}{reason}{whole}")


def _stop(text: str, tokens: Sequence[tuple[int, str]], complaint: str) -> int | None:
    """The word at which the parser stopped."""
    if complaint == _UNFINISHED:
        return len(tokens) - 1
    if complaint.startswith(_STOPPED):
        ends = [start + len(word) for start, word in tokens]
        return min(bisect_left(ends, True, key=lambda end: not _unfinished(text[:end])), len(tokens) - 1)
    named = {name for pair in _QUOTED.findall(complaint) for name in pair if name}
    places = [number for number, (_, word) in enumerate(tokens) if word in named]
    return places[0] if len(places) == 1 else None


def _unfinished(beginning: str) -> bool:
    """Whether the parser has nothing against a beginning but that it ends."""
    try:
        read_trees(beginning)
    except CedarError as error:
        return str(error) == _UNFINISHED
    return False


def _likely(tokens: Sequence[tuple[int, str]], stop: int, complaint: str) -> str:
    """What is most often behind a complaint: another policy, or the end, where this one should have ended."""
    if complaint == _UNFINISHED:
        return "; is its `;` missing?"
    here, before = tokens[stop][1], tokens[max(stop - 1, 0)][1]
    if stop and (here in _BEGINNINGS or before in _BEGINNINGS):
        return f"; is a `;` missing before `{here if here in _BEGINNINGS else before}`?"
    return ""
