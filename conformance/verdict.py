"""Verdicts: what an examination says of one requirement.

A check returns `Held`, `Broke` or `NotOffered`. What stops it before it could judge (no connection, a crash of the
check, an answer that is another requirement's business) is `Unexamined`, which is never as good as held. The evidence,
the exchanges that led to a verdict, is added by the runner.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Held:
    """The server does what is demanded. `note` may say how much was seen."""

    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broke:
    """The server does not: what was expected of its answer, and what was found there instead."""

    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class NotOffered:
    """The server has nothing the requirement speaks of, or the examiner was not told enough: `why` says which."""

    why: str


@dataclass(frozen=True, slots=True)
class Unexamined:
    """It could not be examined."""

    why: str


class CannotExamine(Exception):
    """Raised by a check that cannot come to a verdict: something it stands on, and does not judge, is missing."""


class Inapplicable(Exception):
    """Raised where a check finds that there is nothing to judge: the same as returning `NotOffered`."""


Verdict: TypeAlias = Held | Broke | NotOffered
Outcome: TypeAlias = Verdict | Unexamined


def word(outcome: Outcome) -> str:
    """The outcome in one word, as reports have it."""
    return _WORDS[type(outcome)]


_WORDS: dict[type[Outcome], str] = {
    Held: "held",
    Broke: "broke",
    NotOffered: "not offered",
    Unexamined: "unexamined",
}
