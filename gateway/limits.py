"""How much one principal may have going at once, so that nobody crowds out the others.

Counts are of this process and forgotten at zero. A caller that is over its limit is told so; nothing waits in line.
"""

from collections.abc import Generator
from contextlib import contextmanager

from registry.model import Overloaded, Principal, PrincipalKind

_Who = tuple[PrincipalKind, str, str]


class PrincipalLimits:
    """Counts what every principal has in hand."""

    def __init__(self, calls: int = 64, subscriptions: int = 1000) -> None:
        self._calls = _Tally(calls, "calls")
        self._subscriptions = _Tally(subscriptions, "open subscriptions")

    @contextmanager
    def call(self, principal: Principal) -> Generator[None]:
        """Count a call while it runs.

        Raises:
            Overloaded: the principal has as many as it may.
        """
        who = self._calls.take(principal)
        try:
            yield
        finally:
            self._calls.give_back(who)

    @contextmanager
    def subscription(self, principal: Principal) -> Generator[None]:
        """Count a subscription while it is open.

        Raises:
            Overloaded: the principal has as many as it may.
        """
        who = self._subscriptions.take(principal)
        try:
            yield
        finally:
            self._subscriptions.give_back(who)


class _Tally:
    """How many of one thing everybody has."""

    def __init__(self, most: int, things: str) -> None:
        self._most = most
        self._things = things
        self._held: dict[_Who, int] = {}

    def take(self, principal: Principal) -> _Who:
        who = (principal.kind, principal.issuer, principal.subject)
        held = self._held.get(who, 0)
        if held >= self._most:
            raise Overloaded(
                f"You have {held} {self._things} in hand, which is the most: try again when some have ended"
            )
        self._held[who] = held + 1
        return who

    def give_back(self, who: _Who) -> None:
        held = self._held[who] - 1
        if held:
            self._held[who] = held
        else:
            del self._held[who]
