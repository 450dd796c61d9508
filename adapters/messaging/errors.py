"""What can be wrong with a request to the log. Nothing was written where one of these is raised.

The exception is `LogUnavailable`: a connection that broke while it committed leaves the outcome unknown. Repeating the
same request, with the same ids, is always safe.
"""

from registry.model import InterchangeError, Refused


class IdConflict(Refused):
    """This sender has used this id in this conversation for something else."""


class TailMoved(Refused):
    """The conversation does not end where the writer expected; `tail` is where it ends."""

    def __init__(self, message: str, *, tail: int) -> None:
        super().__init__(message)
        self.tail = tail


class Fenced(Refused):
    """The delivery is no longer its holder's: the lease ended and somebody else has it, or its turn was cancelled."""


class AlreadySettled(Fenced):
    """This very delivery was settled before, and its outcome stands."""


class TurnOver(Refused):
    """The turn is not in a state that permits this; often it has ended."""


class NotDead(Refused):
    """There is no such dead letter, or it was redriven before."""


class OnHold(Refused):
    """A legal hold forbids to erase anything of this conversation."""


class LogUnavailable(InterchangeError):
    """The database cannot be written or read now. Once it can, everything goes on by itself."""

    code = "unavailable"
