"""Reads SQL from `.sql` files: named queries, and scripts of statements.

A query begins with a line that is its name, `-- find_turn`, and ends with a semicolon at the end of a line; the comment
lines in between say why it is there. A comment above an empty line is about the file. A script has statements only.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

_NAME = re.compile(r"-- ([a-z][a-z0-9_]*)")


def load_queries(path: Path) -> Mapping[str, str]:
    """The queries of a file by name, without their comments.

    Raises:
        ValueError: a query without a name, or a name that is used twice.
    """
    found: dict[str, str] = {}
    for lines in _statements(path.read_text(encoding="utf-8")):
        named = _NAME.fullmatch(lines[0].strip())
        if named is None or named[1] in found:
            raise ValueError(f"{path.name}: {lines[0]!r} should be the name of a query, and of no other one.")
        found[named[1]] = _without_comments(lines)
    return MappingProxyType(found)


def load_script(path: Path) -> tuple[str, ...]:
    """The statements of a script, in order, without comments."""
    return tuple(_without_comments(lines) for lines in _statements(path.read_text(encoding="utf-8")))


def _statements(text: str) -> Iterator[list[str]]:
    """The lines of each statement, with the comment right above it."""
    lines: list[str] = []
    for line in map(str.rstrip, text.splitlines()):
        if line:
            lines.append(line)
        elif all(map(_is_comment, lines)):
            lines = []  # a comment that stands alone is about the file
        if line.endswith(";") and not _is_comment(line):
            yield lines
            lines = []
    if not all(map(_is_comment, lines)):
        raise ValueError(f"The last statement has no end: {lines[-1]!r}.")


def _without_comments(lines: list[str]) -> str:
    return "\n".join(line for line in lines if not _is_comment(line)).rstrip(";")


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("--")
