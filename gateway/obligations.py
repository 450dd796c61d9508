"""What a decision orders, and that it is done.

A policy never acts: it denies with a reason, says what would cure the denial, or allows and asks for something. Here a
verdict becomes either a call that may go on or the error its caller is told.
"""

from policies.decision import Decision, Verdict
from policies.facts import Facts
from registry.model import (
    Call,
    Denied,
    InterchangeError,
    InvalidArguments,
    NeedsApproval,
    NeedsScope,
    Unknown,
)


def fulfil(decision: Decision, call: Call, facts: Facts) -> None:
    """See to it that the call may happen.

    Raises:
        InterchangeError: what kept the facts from being known, so that nothing could be decided.
        Unknown, InvalidArguments, NeedsScope, NeedsApproval, Denied: the decision is not an allow, or it asks for
            something that this gateway cannot do (fail-closed).
    """
    if facts.trouble is not None:
        raise facts.trouble
    if not decision.allowed:
        raise _refusal(decision, call)
    if decision.obligations:
        asked = ", ".join(decision.obligations)
        raise Denied(f"Policy allows this only with obligations that are not supported yet: {asked}.")


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
