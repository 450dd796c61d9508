"""The room of turns: the lifecycle service as this gateway has it, and who is reached from here.

It knows the catalog, which the service itself does not: which agents can be called, how long they take, what of them
may be repeated.
"""

import os
import socket
from collections.abc import Callable, Collection
from typing import Final

from adapters.lifecycle.attempts import Work
from adapters.lifecycle.hands import Reach
from adapters.lifecycle.rules import LifecycleRules, OffPeak
from adapters.mailbox.attachments import Attachments
from gateway.config import Config, TurnSettings
from registry.catalog import Catalog
from registry.model import AgentName, BadRequest, BindingKind, Target, TargetKind

_CALLED: Final = frozenset({BindingKind.GRPC, BindingKind.FOREIGN})

SKILL_ATTEMPTS: Final = 3
"""Attempts at an invocation that may be repeated; within each the adapter repeats what it may as well."""


class Reachable:
    """Whom this gateway can call: what is bound to an address, and the graphs that it hosts itself."""

    def __init__(self, catalog: Callable[[], Catalog], *, hosted: Collection[str]) -> None:
        self._catalog = catalog
        self._hosted = hosted
        self._of: Catalog | None = None
        self._agents: frozenset[AgentName] = frozenset()

    def agents(self) -> frozenset[AgentName]:
        """Their names; looked up once for each catalog."""
        catalog = self._catalog()
        if catalog is not self._of:
            self._of = catalog
            self._agents = frozenset(name for name in catalog.agents if self._is_called(catalog, name))
        return self._agents

    def _is_called(self, catalog: Catalog, name: AgentName) -> bool:
        binding = catalog.agents[name].binding
        if binding is None:
            return False
        return binding.kind in _CALLED or (binding.kind is BindingKind.PROCESS and name in self._hosted)


def reach(catalog: Callable[[], Catalog], attachments: Attachments, *, hosted: Collection[str]) -> Reach:
    """Whom the lifecycle service of this gateway has answer."""
    return Reach(agents=Reachable(catalog, hosted=hosted).agents, seats=attachments.places)


def find_work(catalog: Catalog, target: Target) -> Work | None:
    """What the catalog knows of the target of a turn; None where it is not registered any more."""
    if target.kind is TargetKind.AGENT:
        entry = catalog.agent(target.name)
        if entry is None:
            return None
        turns = entry.agent.turns
        return Work(agent=entry.agent, timeout=turns.timeout, attempts=turns.max_attempts, repeatable=True)
    skill = catalog.skill(target.name)
    if skill is None or skill.skill.agent not in catalog.agents:
        return None
    hints = skill.skill.hints
    return Work(
        agent=catalog.agents[skill.skill.agent].agent,
        timeout=skill.skill.timeout,
        attempts=SKILL_ATTEMPTS,
        repeatable=hints.repeatable,
    )


def lifecycle_rules(config: Config) -> LifecycleRules:
    """What the service goes by.

    Raises:
        BadRequest: `[turns] off_peak` is no window.
    """
    turns = config.turns
    return LifecycleRules(
        in_hand=turns.in_hand,
        per_agent=config.limits.calls_per_target,
        nested=turns.nested,
        waiting=turns.waiting,
        grant_seconds=turns.grant_hours * 3600.0,
        off_peak=_read_window(turns),
    )


def own_name() -> str:
    """What leases are held under: this process, for operators to read."""
    return f"gateway {socket.gethostname()[:100]}:{os.getpid()}"


def _read_window(turns: TurnSettings) -> OffPeak | None:
    if not turns.off_peak:
        return None
    begin, dash, end = turns.off_peak.partition("-")
    if dash and begin.isdecimal() and end.isdecimal() and int(begin) < 24 and int(end) < 24:
        return OffPeak(begin=int(begin), end=int(end))
    raise BadRequest(f"[turns] off_peak: {turns.off_peak!r} is no window of hours (UTC), such as 22-6.")
