"""What a decision orders, and that it is done.

A policy never acts: it denies with a reason, says what would cure the denial, or allows and asks for something. Here a
verdict becomes either a call that may go on or the error its caller is told.
"""

from policies.decision import Decision, Verdict
from registry.model import (
    Call,
    Denied,
    InterchangeError,
    InvalidArguments,
    NeedsApproval,
    NeedsScope,
    Result,
    Unknown,
)


def fulfil(decision: Decision, call: Call) -> None:
    """See to it that the call may happen.

    Raises:
        Unknown, InvalidArguments, NeedsScope, NeedsApproval, Denied: the decision is not an allow.
    """
    if not decision.allowed:
        raise _refusal(decision, call)


def _refusal(decision: Decision, call: Call) -> InterchangeError:
    match decision.verdict:
        case Verdict.UNKNOWN:
            return Unknown(f"There is no {call.target.kind} named {call.target.name!r}.")
        case Verdict.INVALID:
            return InvalidArguments(decision.faults)
        case Verdict.NEEDS_SCOPE:
            return NeedsScope(decision.sentence, scopes=decision.scopes)
        case _ if "approval" in decision.remedies:
            return NeedsApproval(decision.sentence, policies=decision.policies)
        case _:
            return Denied(decision.sentence, policies=decision.policies)


def finish(decision: Decision, result: Result) -> Result:
    """Do what the decision asks for after the call.

    Raises:
        Denied: it asks for something this gateway cannot do, so the result is withheld (fail-closed).
    """
    if decision.obligations:
        raise Denied(f"The result is withheld: obligations not supported here: {', '.join(decision.obligations)}")
    return result
