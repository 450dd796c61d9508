"""The identity of a log: which one a file holds, and how far it has come.

A backup that is put in place of a log that is in use has other messages under the same numbers, and fences that were
passed before. So every commit is counted in the file, and a process that has written to it goes on only with the same
log, at least as far on; whoever means to go on with a backup restarts what uses it.
"""

import sqlite3
from pathlib import Path

from adapters.messaging.errors import LogUnavailable


class Identity:
    """What one process remembers of the log that it writes to."""

    def __init__(self) -> None:
        self._log = ""
        self._commits = 0
        self._found = 0

    def check(self, connection: sqlite3.Connection, path: Path) -> None:
        """See that this is the log of before, with all that was committed; inside a transaction that may write.

        Raises:
            LogUnavailable: it is another one, or an older copy.
        """
        log, self._found = connection.execute("SELECT log, commits FROM identity").fetchone()
        if log != (self._log or log):
            raise LogUnavailable(f"{path} is another log than the one that was in use. Put that one back, or restart.")
        if self._found < self._commits:
            raise LogUnavailable(
                f"{path} is an older copy of the log that was in use, without messages that were acknowledged. Put the"
                " newer one back, or restart to go on with this one."
            )
        self._log = log

    def count(self, connection: sqlite3.Connection) -> None:
        """Count this transaction, which is going to be committed."""
        connection.execute("UPDATE identity SET commits = commits + 1")

    def kept(self) -> None:
        """Remember the transaction, which was committed."""
        self._commits = self._found + 1
