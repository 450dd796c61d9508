"""What a caller may know of, asked beside the corridor: to word an answer or to choose a lane, never to permit a call.

Whatever goes on to a far side is decided in the corridor, from scratch.
"""

from collections.abc import Sequence

from gateway.live import InForce, Live
from policies.facts import Standing
from policies.identity.directory import NOBODY
from policies.identity.tokens import Verified
from registry.catalog import AgentEntry, SkillEntry
from registry.model import SkillId


class Sight:
    """Answers by what is in force now."""

    def __init__(self, *, live: Live, environment: str) -> None:
        self._live = live
        self._environment = environment

    def sees_skill(self, caller: Verified, skill: SkillId) -> bool:
        """Whether a caller may list a skill."""
        return skill in self._listed(caller, self._live.current())

    def agent(self, caller: Verified, name: str) -> AgentEntry | None:
        """An agent that a caller may list; None for what there is not, and for what it may not."""
        now = self._live.current()
        entry = now.catalog.agent(name)
        sees = now.judge.sees_agent(_standings(caller, now), name, caller.scopes, environment=self._environment)
        return entry if entry is not None and sees else None

    def skills_of(self, caller: Verified, entry: AgentEntry) -> Sequence[SkillEntry]:
        """Those skills of an agent that a caller may list."""
        now = self._live.current()
        listed = frozenset(self._listed(caller, now)) if entry.agent.skills else frozenset[SkillId]()
        return [now.catalog.skills[skill] for skill in entry.agent.skills if skill in listed]

    def _listed(self, caller: Verified, now: InForce) -> Sequence[SkillId]:
        return now.judge.listed(_standings(caller, now), now.catalog, caller.scopes, environment=self._environment)


def _standings(caller: Verified, now: InForce) -> tuple[Standing, ...]:
    claimed = (*(caller.groups_behind or (NOBODY,) * len(caller.behind)), caller.groups)
    return tuple(map(now.directory.standing, caller.chain, claimed))
