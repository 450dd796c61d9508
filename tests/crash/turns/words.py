"""What clients say to agents in a run, and what agents answer: deterministic, so that the checks know it as well.

A message is a word, a key that is unique in the run (and the id of the message), and a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.errand_agent import told
from tests.support.telling import notes_until, whole

SAY: Final = "say"
"""Answer at once."""

TAKE: Final = "take"
"""Answer after so many milliseconds."""

TELL: Final = "tell"
"""Say so many numbered pieces, a table that grows beside them, and notes."""

FLAKY: Final = "flaky"
"""Fail the first attempt, so that another one helps."""

DEFER: Final = "defer"
"""Put the answer off, and finish so many milliseconds later."""

ASK: Final = "ask"
"""Ask something, and answer once that was answered."""

PIECE_SECONDS: Final = 0.02
QUESTION: Final = "which one?"


@dataclass(frozen=True, slots=True)
class Words:
    """A message."""

    word: str
    key: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.word} {self.key} {self.number}"

    @classmethod
    def read(cls, text: str) -> "Words":
        """What a message says."""
        word, key, number = text.split()
        return cls(word, key, int(number))

    @property
    def seconds(self) -> float:
        """How long an agent takes for it, whoever disturbs it not."""
        return self.number * PIECE_SECONDS if self.word == TELL else self.number / 1000

    @property
    def artifacts(self) -> Mapping[str, str]:
        """What a task that was asked so ends with."""
        made = whole(self.number) if self.word == TELL else {"answer": told(0)}
        return {**made, "key": self.key}

    @property
    def notes(self) -> list[str]:
        """What is said on the way."""
        return list(notes_until(self.number)) if self.word == TELL else []
