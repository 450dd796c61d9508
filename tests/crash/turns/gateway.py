"""A gateway with short times, and perhaps with one fault: `python -m tests.crash.turns.gateway serve …`.

Leases are seconds instead of a quarter of a minute, and so are pauses between attempts: a run sees many of them.
Which fault it has is read from the file that MUTANT_FILE names, whenever it could show; so one process plays all of
them, and an empty file makes it right again. A part that a fault replaces and that is not there any more is an error.
"""

import asyncio
import os
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.lifecycle import attempts, endings, saying, service
from adapters.lifecycle.rules import LifecycleRules
from adapters.messaging import delivery, plan
from adapters.messaging.errors import Fenced
from adapters.messaging.outcomes import Delivery, Done, Outcome
from adapters.messaging.turns import TurnState
from adapters.push.channels import advanced, passed_over
from adapters.push.connection import Untold
from adapters.push.outbox import Outbox
from gateway import app, corridor
from gateway.cli import main
from registry.model import Call, Emit, InterchangeError, Result

LEASE, EXTEND_EVERY = 2.0, 0.5
"""Seconds."""

FIRST, LONGEST = 0.1, 4.0
"""Seconds between attempts at reaching an agent."""

FAULTS = (
    "late answers are not fenced",
    "attempts are not decided again",
    "every attempt is another delivery",
    "a cancellation is only remembered",
    "a turn is settled before its reply is logged",
    "pieces do not say of which attempt they are",
    "leases are not extended",
    "webhooks count as told before they answer",
)

_FILE = Path(os.environ.get("MUTANT_FILE", os.devnull))


def now(fault: str) -> bool:
    """Whether this is the fault at the moment."""
    if fault not in FAULTS:
        raise ValueError(f"nobody knows this fault: {fault}")
    return _FILE.read_text().strip() == fault


def hurry() -> None:
    """Make times short."""
    right = app.lifecycle_rules

    def lifecycle_rules(config: Any) -> LifecycleRules:
        return replace(right(config), lease=LEASE, extend_every=EXTEND_EVERY)

    _put(app, "lifecycle_rules", lifecycle_rules)
    _put(endings, "UNSENT", replace(endings.UNSENT, first=FIRST, longest=LONGEST))


def mutate() -> None:
    """Put faults in the place of what is right, for when they are asked for."""
    _put(delivery, "check_held", _unfenced(delivery.check_held))
    _put(corridor.Corridor, "handle", _undecided(corridor.Corridor.handle))
    _put(plan, "delivery_id", _other_delivery(plan.delivery_id))
    _put(service.Lifecycle, "cancel", _remembered(service.Lifecycle.cancel))
    _put(attempts.Attempts, "_settle", _settled_first(_part(attempts.Attempts, "_settle")))
    _put(saying.Saying, "__init__", _of_no_attempt(saying.Saying.__init__))
    _put(attempts.Attempts, "_keep", _not_kept(_part(attempts.Attempts, "_keep")))
    _put(Outbox, "_tell", _told_before(_part(Outbox, "_tell")))


def _unfenced(right: Callable[..., None]) -> Callable[..., None]:
    def check_held(mailbox: Any, fence: int) -> None:
        if not now("late answers are not fenced"):
            right(mailbox, fence)
        elif not mailbox.owner:
            raise Fenced("Nobody has it.")

    return check_held


def _undecided(right: Callable[..., Any]) -> Callable[..., Any]:
    async def handle(self: Any, call: Call, emit: Emit) -> Result:
        if call.attempt is None or not now("attempts are not decided again"):
            return await right(self, call, emit)
        found = await self._facts.found(call)
        current = self._live.current()
        facts = self._facts.about(call, current, found)
        return await self._deliver(call, facts, emit, found=found, decided_by=current)

    return handle


def _other_delivery(right: Callable[..., str]) -> Callable[..., str]:
    def delivery_id(turn: Any, seq: int) -> str:
        known = right(turn, seq)
        return f"{known}.{random.getrandbits(32):x}" if now("every attempt is another delivery") else known

    return delivery_id


def _remembered(right: Callable[..., Any]) -> Callable[..., Any]:
    async def cancel(self: Any, row: Any, chain: Any) -> Any:
        if not now("a cancellation is only remembered"):
            return await right(self, row, chain)
        return await self.views.view(replace(row, state=TurnState.CANCELLED))

    return cancel


def _settled_first(right: Callable[..., Any]) -> Callable[..., Any]:
    async def settle(self: Any, held: Delivery, outcome: Outcome, **how: Any) -> Any:
        fault = "a turn is settled before its reply is logged"
        if not isinstance(outcome, Done) or not outcome.replies or not now(fault):
            return await right(self, held, outcome, **how)
        settled = await right(self, held, replace(outcome, replies=()), **how)
        await asyncio.sleep(0)  # here it is lost if the gateway is killed, and it may as well be now
        return settled

    return settle


def _of_no_attempt(right: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, of: Any, *, fence: int, feeds: Any) -> None:
        right(self, of, fence=1 if now("pieces do not say of which attempt they are") else fence, feeds=feeds)

    return init


def _not_kept(right: Callable[..., Any]) -> Callable[..., Any]:
    async def keep(self: Any, trial: Any) -> None:
        if now("leases are not extended"):
            return
        if not now("late answers are not fenced"):
            await right(self, trial)
            return
        while not trial.lost:  # whoever is late must not find out by the clock either
            await asyncio.sleep(EXTEND_EVERY)
            with suppress(InterchangeError):
                trial.delivery = await self._log.extend(trial.delivery, seconds=LEASE)

    return keep


def _told_before(right: Callable[..., Any]) -> Callable[..., Any]:
    async def tell(self: Any, channel: Any, message: Any) -> Any:
        if not now("webhooks count as told before they answer"):
            return await right(self, channel, message)

        body = await self._written(channel, message)
        if body is None:
            return passed_over(channel, cursor=message.seq)
        following = advanced(channel, cursor=message.seq, now=self._pace.clock())
        await self._store.settle(channel, following)
        with suppress(Untold):
            await self._post(channel, message.seq, body)
        return following

    return tell


def _part(of: Any, name: str) -> Callable[..., Any]:
    return getattr(of, name)


def _put(of: Any, name: str, other: Any) -> None:
    if not hasattr(of, name):
        raise AttributeError(f"{of.__name__} has no {name} any more")
    setattr(of, name, other)


if __name__ == "__main__":
    hurry()
    mutate()
    sys.exit(main())
