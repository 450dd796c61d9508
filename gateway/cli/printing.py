"""How commands print: aligned tables, and nothing that a terminal would obey.

What is printed was written by others: whoever published a skill, whoever spoke in a conversation.
"""

import unicodedata
from collections.abc import Sequence

INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def visible(text: str, *, lines: bool = False) -> str:
    """Text without control characters, escape sequences and marks that turn its direction."""
    return "".join(
        character
        if (lines and character == "\n") or unicodedata.category(character) not in INVISIBLE
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def print_table(table: Sequence[tuple[str, ...]], *, indent: str = "") -> None:
    """Rows of cells, aligned. The first one is the head."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print(indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
