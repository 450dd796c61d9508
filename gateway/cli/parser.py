"""The parser of the command line: a missing or mistyped command is answered by one sentence, not by a page of usage."""

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn, cast

from gateway.cli.commands import Commands


class CommandParser(argparse.ArgumentParser):
    """Like its parent; parsers of subcommands are made of the same class, so theirs are answered the same way."""

    _commands: "Commands | None" = None

    def add_subparsers(self, **settings: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See the parent."""
        self._commands = cast("Commands", super().add_subparsers(**settings))
        return self._commands

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See the parent."""
        if self._commands is not None and args is not None:
            self._check_command(args, list(self._commands.choices))
        return super().parse_known_args(args, namespace)

    def _check_command(self, words: Sequence[str], known: list[str]) -> None:
        if not words:
            self._misunderstood(f"Which command? There are {', '.join(known)}")
        word = words[0]
        if word.startswith("-") or word in known:
            return
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
        self._misunderstood(
            f"There is no command {word!r}" + (f"; did you mean `{self.prog} {near[0]}`?" if near else "")
        )

    def _misunderstood(self, sentence: str) -> NoReturn:
        mark = "" if sentence.endswith("?") else "."
        self.exit(2, f"interchange: {sentence}{mark} See `{self.prog} --help`.\n")
