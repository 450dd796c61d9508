"""What was decided a moment ago: the first attempt at a turn asks what the message that opened it has just asked.

A decision is a pure function of a call, the facts and what is in force. Where all of these are the same, it need not be
made twice; it is put on record twice all the same. Anything that differs, and whatever is older than a second, is
decided anew.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.live import InForce
from policies.decision import Decision
from policies.facts import Facts
from registry.model import Action, Call, TurnId

SECONDS: Final = 1.0
KEPT: Final = 1_000
"""Decisions that are remembered at most."""


@dataclass(frozen=True, slots=True)
class _Decided:
    call: Call
    now: InForce
    facts: Facts
    decision: Decision
    at: float


class JustDecided:
    """Remembers the decisions about messages for the attempts that follow at once."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._decided: OrderedDict[TurnId, _Decided] = OrderedDict()

    def note(self, call: Call, now: InForce, facts: Facts, decision: Decision) -> None:
        """Remember what was decided about a message that is to open a turn."""
        if call.sending is None or not decision.allowed:
            return
        self._decided[call.sending.turn] = _Decided(call, now, facts, decision, self._clock())
        while len(self._decided) > KEPT:
            self._decided.popitem(last=False)

    def again(self, call: Call, now: InForce, facts: Facts) -> Decision | None:
        """What was decided about the same a moment ago; None where it has to be decided. It is asked for once."""
        attempt = call.attempt
        before = self._decided.pop(attempt.turn, None) if attempt is not None and attempt.number == 1 else None
        if before is None or before.now is not now or self._clock() - before.at > SECONDS:
            return None
        return before.decision if _asks_the_same(before, call, facts) else None


def _asks_the_same(before: _Decided, call: Call, facts: Facts) -> bool:
    """Whether nothing differs that a decision may depend on."""
    said = before.call
    return (
        (said.action, said.target, said.chain) == (call.action, call.target, call.chain)
        and (said.scopes, said.groups) == (call.scopes, call.groups)
        and (said.groups_before == call.groups_before or said.chain.depth == 1)
        and (before.facts.hour, before.facts.tainted) == (facts.hour, facts.tainted)
        and before.facts.standings == facts.standings
        and (call.action is Action.MESSAGE or said.content == call.content)
        and said.parts == call.parts
    )
