"""Logs for operators: one line each on standard error, a sentence and then its values as `key=value`.

What a caller may not know goes here. Values are quoted as JSON strings: nothing that a client sends can forge a line.
"""

import json
import logging

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Fields(logging.Formatter):
    """Writes a record's extra values behind its sentence."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; an exception's trace follows on lines of its own."""
        values = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        fields = "".join(f" {name}={json.dumps(value, default=str)}" for name, value in values.items())
        return super().format(record) + fields


def log_to_stderr() -> None:
    """Log warnings and worse of everything in this process."""
    handler = logging.StreamHandler()
    handler.setFormatter(Fields("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
