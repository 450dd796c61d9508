"""Retry rules: when a failed delivery is tried again, and when it is given up.

Pure. A delay is exponential with a jitter that depends on the delivery alone, so that what was decided can be repeated.
"""

import hashlib
from dataclasses import dataclass

from adapters.messaging.outcomes import Dead, Outcome, Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """`attempts` in all, at least 1; the first delay in seconds, by how much each grows, and the longest."""

    attempts: int = 5
    first: float = 1.0
    growth: float = 4.0
    longest: float = 3600.0

    def delay_after(self, attempt: int, *, delivery: str) -> float | None:
        """Seconds to wait after the attempt of this number (from 1); None: that was the last.

        Between half of the nominal delay and all of it, so that what failed together is not tried again together.
        """
        if attempt >= self.attempts:
            return None
        nominal = min(self.longest, self.first * self.growth ** min(attempt - 1, 64))
        return nominal * (0.5 + _fraction(f"{delivery}#{attempt}") / 2)


def after_failure(
    rule: RetryRule, *, delivery: str, attempt: int, error: str, retryable: bool, wait: float = 0.0
) -> Outcome:
    """Say what a failed attempt comes to. `wait` is how long the far side asked to be left alone, in seconds."""
    delay = rule.delay_after(attempt, delivery=delivery) if retryable else None
    if delay is None:
        return Dead(error=error)
    return Retry(after=max(delay, min(wait, rule.longest)), error=error)


def is_exhausted(rule: RetryRule, attempt: int) -> bool:
    """Whether an attempt of this number may not even begin: earlier ones took their gateway with them."""
    return attempt > rule.attempts


def _fraction(text: str) -> float:
    """A number from 0 to 1 that looks random."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 0xFFFF_FFFF
