"""When a call may be made once more.

Pure: the adapter sleeps and sends. gRPC's own retries are off (`adapters.grpc.channels`), so this page is all there is:
a skill that may not be repeated is sent once.
"""

from dataclasses import dataclass

import grpc

from registry.model import Hints


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """At most `attempts`, the pause before the second is `pause` seconds and doubles from then on."""

    attempts: int = 3
    pause: float = 0.05

    def pause_after(self, attempt: int, *, chance: float) -> float | None:
        """Seconds to wait after that attempt, between half and all of the pause by `chance` (0 to 1); None to stop."""
        if attempt >= self.attempts:
            return None
        return self.pause * 2 ** (attempt - 1) * (1 + chance) / 2


RETRY_RULE = RetryRule()


def may_repeat(hints: Hints, code: grpc.StatusCode) -> bool:
    """Whether another attempt is harmless and may help."""
    return hints.repeatable and code is grpc.StatusCode.UNAVAILABLE
