"""Mistakes in protos and overlays, gathered so that an author sees all of them at once, each where it was written."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.model import BadRequest


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something is written; `line` counts from 1 and is 0 where the descriptors carry no source information."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class ManifestProblems(BadRequest):
    """The protos (or their overlay) cannot become a manifest; `problems` are sentences, each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Problems:
    """A list of mistakes that ends the build once everything was looked at."""

    def __init__(self) -> None:
        self._found: dict[tuple[Place, str], None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, sentence: str) -> None:
        """Remember a mistake; the same one at the same place is said once."""
        self._found[(place, sentence)] = None

    def end(self) -> None:
        """Raise `ManifestProblems` if there are any, in the order of files and lines."""
        if self._found:
            raise ManifestProblems([f"{place}: {sentence}" for place, sentence in sorted(self._found)])
