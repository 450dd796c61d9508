"""The breaker: stops calls to a target that does not answer, and finds out when it does again.

A state machine as a table, with the clock handed in; it calls nobody. `adapters.grpc.line` asks it before each call
and tells it afterwards. Each state has a number, so that a call which began in an earlier state cannot change this one.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

Clock = Callable[[], float]


class Circuit(StrEnum):
    CLOSED = "closed"  # calls go through
    OPEN = "open"  # none does
    HALF_OPEN = "half_open"  # one now and then, to find out


class Change(StrEnum):
    TRIPPED = "tripped"  # too many failures in a row
    COOLED = "cooled"  # open for long enough
    ANSWERED = "answered"
    FAILED = "failed"


TABLE: Mapping[Circuit, Mapping[Change, Circuit]] = {
    Circuit.CLOSED: {Change.TRIPPED: Circuit.OPEN},
    Circuit.OPEN: {Change.COOLED: Circuit.HALF_OPEN},
    Circuit.HALF_OPEN: {Change.ANSWERED: Circuit.CLOSED, Change.FAILED: Circuit.OPEN},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRule:
    """Opens after `failures` in a row within `window` seconds; tries again every `cool_down` seconds."""

    failures: int = 5
    window: float = 30.0
    cool_down: float = 1.0


BREAKER_RULE = BreakerRule()


class Breaker:
    """The circuit of one target."""

    def __init__(self, rule: BreakerRule, clock: Clock) -> None:
        self.circuit = Circuit.CLOSED
        self._rule = rule
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=rule.failures)
        self._number = 0
        self._waits_until = 0.0

    @property
    def lets_through(self) -> bool:
        """Whether `admit` would say yes now."""
        return self.circuit is Circuit.CLOSED or self._clock() >= self._waits_until

    def admit(self) -> int | None:
        """Let a call through and return the number to report its outcome under; None if it must not be made."""
        if self.circuit is Circuit.CLOSED:
            return self._number
        now = self._clock()
        if now < self._waits_until:
            return None
        if self.circuit is Circuit.OPEN:
            self._change(Change.COOLED)
        # A probe may hang or be cancelled, so another one goes when as much time has passed again.
        self._waits_until = now + self._rule.cool_down
        return self._number

    def answered(self, number: int) -> None:
        """The target answered a call, be it with an error of its own."""
        if number != self._number:
            return
        self._failures.clear()
        if self.circuit is Circuit.HALF_OPEN:
            self._change(Change.ANSWERED)

    def failed(self, number: int) -> None:
        """The target could not be reached, or did not answer in time."""
        if number != self._number:
            return
        now = self._clock()
        if self.circuit is Circuit.HALF_OPEN:
            self._open(Change.FAILED, now)
            return
        self._failures.append(now)
        if len(self._failures) == self._rule.failures and now - self._failures[0] <= self._rule.window:
            self._open(Change.TRIPPED, now)

    def _open(self, change: Change, now: float) -> None:
        self._failures.clear()
        self._waits_until = now + self._rule.cool_down
        self._change(change)

    def _change(self, change: Change) -> None:
        self.circuit = TABLE[self.circuit][change]
        self._number += 1
