"""What the lifecycle service goes by: leases, seats, budgets, the off-peak window."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adapters.lifecycle.grants import DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPeak:
    """The hours of the day, UTC, in which work in the background is done: from `begin` up to `end`, which may be on the
    next day; the same hour twice is all day."""

    begin: int
    end: int

    def seconds_until(self, now: float) -> float:
        """Seconds until the window opens; 0 while it is open. `now` is in seconds since the epoch."""
        moment = datetime.fromtimestamp(now, UTC)
        if self.begin == self.end or (moment.hour - self.begin) % 24 < (self.end - self.begin) % 24:
            return 0.0
        opens = moment.replace(hour=self.begin, minute=0, second=0, microsecond=0)
        if opens <= moment:
            opens += timedelta(days=1)
        return (opens - moment).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRules:
    """`lease` is for how many seconds an attempt has its delivery, `extend_every` when it asks for more. `in_hand` is
    how many attempts this process makes at once, `per_agent` how many of one agent. `nested` is how many turns may be
    opened within one, however deep, `waiting` how many of one owner may wait for one agent. A grant is acted on for
    `grant_seconds`."""

    lease: float = 15.0
    extend_every: float = 5.0
    in_hand: int = 256
    per_agent: int = 100
    nested: int = 100
    waiting: int = 1_000
    grant_seconds: float = DAY
    off_peak: OffPeak | None = None

    def seconds_until_off_peak(self, now: float) -> float:
        """How long work in the background has to wait; 0: it need not."""
        return self.off_peak.seconds_until(now) if self.off_peak is not None else 0.0
