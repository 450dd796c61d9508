"""One tree of errors, each with a code; every face turns a code into its protocol's reply by one table.

What the caller may be told is the message. What only operators may know goes to the log, never in here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class InterchangeError(Exception):
    """Root of all errors that a caller may be told of."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(InterchangeError):
    """The request is not well-formed: it broke a rule of the wire or of a command's input."""

    code = "bad_request"


class TooLarge(InterchangeError):
    """A body, a result or a part is over its limit; the message names both."""

    code = "too_large"


class Unauthenticated(InterchangeError):
    """No credential, or one that does not hold. `reason` is for the log and the audit, not for the caller."""

    code = "unauthenticated"

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class Unknown(InterchangeError):
    """There is no such name, or the caller may not know that there is: the two must look the same."""

    code = "unknown"


class Denied(InterchangeError):
    """Policy does not allow this call. `policies` are the ids of the determining ones."""

    code = "denied"

    def __init__(self, message: str, *, policies: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.policies = tuple(policies)


class NeedsApproval(Denied):
    """Policy allows this call once somebody else approves it."""

    code = "needs_approval"


class NeedsScope(Denied):
    """The token lacks scopes; `scopes` are all that this call needs (RFC 6750 §3.1, insufficient_scope)."""

    code = "needs_scope"

    def __init__(self, message: str, *, scopes: Sequence[str]) -> None:
        super().__init__(message)
        self.scopes = tuple(scopes)


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong place in some input: a JSON pointer (RFC 6901; empty for the whole) and a sentence."""

    path: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path or '(arguments)'}: {self.sentence}"


class InvalidArguments(InterchangeError):
    """The arguments do not fit the skill's input; every fault is named."""

    code = "invalid_arguments"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("The arguments do not fit: " + "; ".join(map(str, faults)))
        self.faults = tuple(faults)


class Refused(InterchangeError):
    """The registry does not accept a change: a clash, a breaking change, a state that does not permit it."""

    code = "refused"


class Overloaded(InterchangeError):
    """A limit on concurrent work is reached; trying again later is sensible."""

    code = "overloaded"


class DeadlinePassed(InterchangeError):
    """Time ran out before the far side answered."""

    code = "deadline_passed"


class FarSideFault(StrEnum):
    """What went wrong on the far side, as the caller may understand it."""

    REJECTED = "rejected"  # it read the request and would not do it: INVALID_ARGUMENT, FAILED_PRECONDITION, …
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"  # ALREADY_EXISTS, ABORTED
    EXHAUSTED = "exhausted"  # RESOURCE_EXHAUSTED
    UNAVAILABLE = "unavailable"  # down, refusing, circuit open
    REFUSED_US = "refused_us"  # UNAUTHENTICATED: our credential, so our fault
    REFUSED_CALLER = "refused_caller"  # PERMISSION_DENIED
    UNSUPPORTED = "unsupported"  # UNIMPLEMENTED: the binding is out of date
    GARBLED = "garbled"  # an answer that is not what the revision says
    BROKEN = "broken"  # INTERNAL, UNKNOWN, DATA_LOSS: details are withheld


class FarSideError(InterchangeError):
    """The far side did not do it. `retryable` says whether the same call may succeed later."""

    code = "far_side"

    def __init__(
        self, message: str, *, fault: FarSideFault, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.retryable = retryable
        self.retry_after = retry_after


class AuditUnavailable(InterchangeError):
    """The audit log cannot be written, so the call is not made (fail-closed)."""

    code = "audit_unavailable"
