"""The guard in front of the Cedar parser, which also finds where each policy of a file begins.

The engine dies (SIGSEGV, not an exception) on text nested some 650 deep, and on a single expression with some 1,200
operators in a row, whether brackets, `if … else if …`, `||` or `.attribute`. So nothing reaches it that this scanner
has not bounded. Positions are needed because the engine's own messages carry none.
"""

import re
from dataclasses import dataclass

MAX_DEPTH = 64
MAX_OPERATORS = 200
MAX_POLICY = 64 * 1024

_LEAD = re.compile(r"(?:\s++|//[^\n]*+)*+")
_TOKEN = re.compile(
    r"""//[^\n]*+
      | (?P<string>"(?:[^"\\]|\\.)*+")
      | (?P<unclosed>")
      | (?P<open>[(\[{])
      | (?P<close>[)\]}])
      | (?P<end>;)
      | (?P<operator>&&|\|\||[-+*.!<>]|[=]=|\b(?:if|has|in|is|like|when|unless)\b)
    """,
    re.VERBOSE | re.DOTALL,
)

_HEAD = re.compile(
    r"""//[^\n]*+ | "(?:[^"\\]|\\.)*+" | (?P<open>[(\[{]) | (?P<close>[)\]}]) | (?P<effect>\b(?:permit|forbid)\b)""",
    re.VERBOSE | re.DOTALL,
)


_WORD = re.compile(r"""//[^\n]*+|(?P<word>"(?:[^"\\]|\\.)*+"|\w++|::|&&|\|\||[=!<>]=|[^\s])""", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One policy as written, from its first annotation to its semicolon, and the line (from 1) where it begins."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Misshapen:
    """A statement that must not be parsed, by its place among all (from 0), and why."""

    number: int
    line: int
    sentence: str


def statements(text: str) -> tuple[tuple[Statement, ...], tuple[Misshapen, ...]]:
    """Split policy text at its semicolons; where the second part is not empty, do not hand the text to the engine."""
    found: list[Statement] = []
    wrong: list[Misshapen] = []
    begin, line = _skip(text, 0, 1)
    while begin < len(text):
        end, fault = _measure(text, begin)
        found.append(Statement(line=line, text=text[begin:end]))
        if fault:
            wrong.append(Misshapen(number=len(found) - 1, line=line, sentence=fault))
        line += text.count("\n", begin, end)
        begin, line = _skip(text, end, line)
    return tuple(found), tuple(wrong)


def clauses(text: str) -> str:
    """What follows the head of a policy that parsed: its `when` and `unless`, and the semicolon."""
    depth = 0
    in_head = False
    for token in _HEAD.finditer(text):
        kind = token.lastgroup
        if kind == "effect":
            in_head = in_head or depth == 0
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
            if in_head and depth == 0:
                return text[token.end() :]
    raise ValueError("this is not a policy")


def words(text: str) -> tuple[tuple[int, str], ...]:
    """Where each word, string and sign of a policy begins, and itself; comments left out."""
    return tuple((token.start(), token["word"]) for token in _WORD.finditer(text) if token["word"])


def _skip(text: str, position: int, line: int) -> tuple[int, int]:
    """The next position that is neither white space nor comment, and its line."""
    lead = _LEAD.match(text, position)
    end = lead.end() if lead else position
    return end, line + text.count("\n", position, end)


def _measure(text: str, begin: int) -> tuple[int, str]:
    """Where the policy that begins here ends, and what is too much about it (empty: nothing)."""
    depth = deepest = operators = 0
    end = len(text)
    for token in _TOKEN.finditer(text, begin):
        kind = token.lastgroup
        if kind == "operator":
            operators += 1
        elif kind == "open":
            depth += 1
            deepest = max(deepest, depth)
        elif kind == "close":
            depth = max(depth - 1, 0)
        elif kind == "unclosed":
            return len(text), "a string that begins in this policy is never closed"
        elif kind == "end":
            end = token.end()
            break
    return end, _too_much(deepest, operators, end - begin)


def _too_much(deepest: int, operators: int, size: int) -> str:
    if deepest > MAX_DEPTH:
        return f"the policy is nested {deepest} deep; {MAX_DEPTH} is the most"
    if operators > MAX_OPERATORS:
        return f"the policy uses {operators} operators; {MAX_OPERATORS} is the most: name things in a set, or split it"
    if size > MAX_POLICY:
        return f"the policy is {size} characters long; {MAX_POLICY} is the most"
    return ""
