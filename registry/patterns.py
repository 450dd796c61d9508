"""Regular expressions in schemas, matched without a way to hang.

The engine is the one without backtracking, whose time is at worst the size of the compiled expression times the length
of the text. A budget holds that product for one check of one call: 4 MB of base64 pass, 8,000 characters against the
largest expression that is accepted at all.
"""

import threading
from collections.abc import Mapping

import jsonschema_rs
from jsonschema_rs import RegexOptions

SIZES = (8 << 10, 64 << 10, 512 << 10, 4 << 20)
"""Bytes an expression may take compiled; the smallest that is enough is its cost per character."""

BUDGET = SIZES[0] * (4 << 20)
"""Bytes times characters: some 5 s for an expression made to be slow, milliseconds for any other."""


class PatternError(ValueError):
    """An expression that is not one, or that is too large."""


class Pattern:
    """The keyword `pattern`, as jsonschema_rs calls it: made when a schema is compiled, asked for each text."""

    def __init__(
        self,
        parent_schema: Mapping[str, object],  # noqa: ARG002 the signature is the library's
        value: object,
        schema_path: object,  # noqa: ARG002
    ) -> None:
        self._expression = str(value)
        self._cost, self._matches = _compiled(self._expression)

    def validate(self, instance: object) -> None:
        """Refuse a text that does not match.

        Raises:
            ValueError: the sentence for the fault.
        """
        if not isinstance(instance, str):
            return
        if not _spent(self._cost * len(instance)):
            raise ValueError("is too long to be checked against its pattern")
        if not self._matches.is_valid(instance):
            raise ValueError(f"must match the pattern {_shown(self._expression)}")


def _compiled(expression: str) -> tuple[int, jsonschema_rs.Draft202012Validator]:
    for size in SIZES:
        options = RegexOptions(size_limit=size, dfa_size_limit=1 << 20)
        try:
            return size, jsonschema_rs.Draft202012Validator({"pattern": expression}, pattern_options=options)
        except jsonschema_rs.ValidationError:
            continue
    raise PatternError(
        f"the pattern {_shown(expression)} is too large or not a regular expression; repeat counts make patterns"
        " large, minLength and maxLength do not"
    )


def _shown(expression: str) -> str:
    return expression if len(expression) <= 100 else f"{expression[:100]}…"


_budget = threading.local()


def renew_budget() -> None:
    """Give this thread's next check all of its budget."""
    _budget.left = BUDGET


def _spent(cost: int) -> bool:
    _budget.left = getattr(_budget, "left", BUDGET) - cost
    return _budget.left >= 0
