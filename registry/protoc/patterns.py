"""RE2 expressions (buf.validate's `pattern`) as expressions that ECMA-262, Python and Rust read alike.

Only what certainly means the same everywhere passes; of anything else the schema says nothing, and the rule is still
enforced at run time. Classes such as `\\d` are spelt out, since Python's also match other scripts' digits.
"""

import re

_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
_CONTROLS = frozenset("tnrfv")
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
_REPEAT = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_QUANTIFIERS = frozenset("*+?")
_LIMIT = 1_000


class _UnreadableError(Exception):
    """The expression uses something that other dialects read differently."""


def portable_pattern(expression: str) -> str | None:
    """The same expression for a JSON Schema, or None where other dialects would read it differently."""
    if len(expression) > _LIMIT:
        return None
    try:
        found = _Translation(expression).text()
        re.compile(found)
    except (_UnreadableError, re.error, RecursionError, OverflowError):
        return None
    return found


def literal(text: str) -> str:
    """An expression that matches exactly this text."""
    return "".join(f"\\{character}" if character in _SYNTAX else character for character in text)


class _Translation:
    """One pass over an expression; `_at` is the next character to read."""

    def __init__(self, expression: str) -> None:
        self._source = expression
        self._at = 0
        self._quantifiable = False

    def text(self) -> str:
        parts: list[str] = []
        while self._at < len(self._source):
            parts.append(self._item())
        return "".join(parts)

    def _item(self) -> str:
        character = self._source[self._at]
        if character in _QUANTIFIERS or character == "{":
            return self._quantifier()
        self._quantifiable = character not in "^|("
        if character == "\\":
            return self._escape()
        if character == "[":
            return self._class()
        if self._source.startswith("(?", self._at) and not self._source.startswith("(?:", self._at):
            raise _UnreadableError
        if character in "]}":
            raise _UnreadableError
        if self._source.startswith("(?:", self._at):
            self._at += 3
            return "(?:"
        self._at += 1
        return character

    def _quantifier(self) -> str:
        repeat = _REPEAT.match(self._source, self._at)
        text = repeat.group() if repeat else self._source[self._at]
        if not self._quantifiable or text == "{":
            raise _UnreadableError
        self._quantifiable = False
        self._at += len(text)
        if self._source.startswith("?", self._at):
            self._at += 1
            return f"{text}?"
        return text

    def _escape(self) -> str:
        escaped = self._source[self._at + 1 : self._at + 2]
        self._at += 2
        if escaped in _CLASSES:
            return f"[{_CLASSES[escaped]}]"
        if escaped.lower() in _CLASSES and escaped:
            return f"[^{_CLASSES[escaped.lower()]}]"
        return self._literal_escape(escaped, bare="")

    def _literal_escape(self, escaped: str, *, bare: str) -> str:
        """An escaped character that stands for itself; ECMA-262 refuses escapes that are not needed."""
        if escaped in _CONTROLS or escaped in _SYNTAX or escaped in bare:
            return f"\\{escaped}" if escaped else self._refuse()
        if escaped.isalnum() or not escaped.isascii():
            return self._refuse()
        return escaped

    def _class(self) -> str:
        self._at += 1
        parts = ["["]
        if self._source.startswith("^", self._at):
            parts.append("^")
            self._at += 1
        if self._source.startswith("]", self._at):
            self._refuse()
        while not self._source.startswith("]", self._at):
            parts.append(self._class_item())
        self._at += 1
        return "".join([*parts, "]"])

    def _class_item(self) -> str:
        character = self._source[self._at : self._at + 1]
        if character in ("", "["):
            return self._refuse()
        if character != "\\":
            doubled = self._source.startswith((character * 2,), self._at) and character in "-&~|"
            self._at += 1
            return self._refuse() if doubled else character
        escaped = self._source[self._at + 1 : self._at + 2]
        self._at += 2
        return _CLASSES[escaped] if escaped in _CLASSES else self._literal_escape(escaped, bare="-")

    def _refuse(self) -> str:
        raise _UnreadableError
