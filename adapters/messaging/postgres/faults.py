"""What an error of PostgreSQL means: whether to repeat, whether a request is at fault, and what to tell people."""

from enum import StrEnum
from types import MappingProxyType

import asyncpg

from adapters.messaging.errors import IdConflict, LogUnavailable
from registry.model import BadRequest

BROKEN = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a connection may raise; a TimeoutError is an OSError. The last one means that the server has ended it, and the
driver has not seen so yet."""


class Fault(StrEnum):
    """What to do about an error, where nothing was written yet."""

    REPEAT = "repeat"  # others were in the way: the same may succeed now
    LOST = "lost"  # the connection is gone
    UNAVAILABLE = "unavailable"  # the database does not serve
    POISON = "poison"  # the database does not take, or not in time, what one of the requests wants


_REPEATED = frozenset({"40P01", "40001"})
_LOST = frozenset({"57P01", "57P02", "25P03", "08000", "08001", "08003", "08004", "08006", "08P01"})
_POISON = ("22", "23", "54", "57014")

UNIQUE, SLOW = "23505", "57014"

_SENTENCES = MappingProxyType(
    {
        "53100": "its disk is full",
        "53200": "it has no memory left",
        "53300": "it has too many connections",
        "25006": "it is read-only",
        "57P01": "it is being shut down",
        "57P02": "it broke down",
        "57P03": "it is starting or stopping",
        "57014": "it took too long",
        "55P03": "somebody else kept what was needed locked for too long",
        "25P03": "this process stood still within a transaction for too long",
        "28P01": "it does not accept the password",
        "28000": "it does not let this user in",
        "3D000": "there is no such database",
        "42501": "this user may not do that there",
        "42P01": "it does not have the log's tables",
    }
)


def fault_of(error: BaseException) -> Fault:
    """What one of `BROKEN` means for the transaction in which it happened, before that was committed."""
    code = sqlstate(error)
    if code is None:
        if isinstance(error, ValueError):  # asyncpg cannot even write it down
            return Fault.POISON
        return Fault.UNAVAILABLE if isinstance(error, TimeoutError) else Fault.LOST
    if code in _REPEATED:
        return Fault.REPEAT
    if code in _LOST:
        return Fault.LOST
    return Fault.POISON if code.startswith(_POISON) else Fault.UNAVAILABLE


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code of an error, if it is one of PostgreSQL's."""
    return getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None


def unavailable(error: BaseException, where: str) -> LogUnavailable:
    """Nothing was written, and this is why."""
    return LogUnavailable(f"The log's database ({where}) cannot be used: {reason(error)}.")


def unknown_outcome(error: BaseException, where: str) -> LogUnavailable:
    """The commit was sent, and no answer came."""
    return LogUnavailable(
        f"The log's database ({where}) did not say whether this was written: {reason(error)}."
        " It may have been; to repeat it as it was is safe."
    )


def refused(error: Exception, where: str) -> Exception:
    """What to tell the one caller whose request the database does not take; what is no error of its own, as it is."""
    if not isinstance(error, BROKEN):
        return error
    match sqlstate(error):
        case "23505":
            return IdConflict("An id in this request is used for something else already.")
        case "57014":
            return unavailable(error, where)
        case _:
            return BadRequest(f"The log's database cannot keep this: {_first_line(error)}.")


def reason(error: BaseException) -> str:
    """What is wrong, as half a sentence."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    known = _SENTENCES.get(sqlstate(error) or "")
    said = _first_line(error)
    return f"{known} ({said})" if known and said else known or said or type(error).__name__


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")
