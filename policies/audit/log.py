"""The audit log as the corridor sees it.

`policies.audit.lines` writes JSON lines in groups; whatever replaces it (a Merkle log) stands behind the same Protocol.
No bodies and no tokens: digests and the fields a skill declares policy-visible.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from policies.decision import Decision
from registry.model import Call, Result


class Recording(Protocol):
    """The open entry of one call."""

    def finished(self, result: Result) -> None:
        """Note how the call ended. Without this, leaving the context notes the exception it left with."""
        ...


class AuditLog(Protocol):
    """Keeps exactly one decision and at most one outcome for every call."""

    def recording(self, call: Call, decision: Decision) -> AbstractAsyncContextManager[Recording]:
        """Record the decision on entering, before the body runs, and the outcome on leaving.

        Entering waits until the decision is durable where `decision.writes`; otherwise it is durable with the next
        group.

        Raises:
            AuditUnavailable: the log cannot be written, so nothing may be done (fail-closed).
        """
        ...
