"""What a decision needs to know beyond the call: the directory's view of every link, the target as registered, the
arguments with bound parameters filled in, and what is wrong with them.

Gathered before anything is decided, without waiting for anybody, so that the catalog and the directory a call is judged
by are those it runs with. What has to be waited for, a conversation that only the log knows of, is found out before.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from gateway.live import InForce
from policies.facts import Facts, OpenedConversation, Standing
from policies.identity.directory import NOBODY, Directory
from registry.catalog import Catalog, SkillEntry
from registry.checks import InputChecks
from registry.messages import message_faults
from registry.model import (
    Action,
    Bound,
    Call,
    Chain,
    Fault,
    InterchangeError,
    JsonObject,
    PrincipalKind,
    TargetKind,
)
from registry.subjects import About, about_of

NO_ARGUMENTS: JsonObject = MappingProxyType({})


FindConversation = Callable[[Call], Awaitable[OpenedConversation | None]]
"""The conversation that a call is about; raises what keeps the log from telling."""


async def no_conversation(_: Call) -> OpenedConversation | None:
    """Where there is no log."""
    return None


@dataclass(frozen=True, slots=True)
class Found:
    """What had to be waited for. It does not change while a call lasts."""

    conversation: OpenedConversation | None = None
    trouble: InterchangeError | None = None


NOTHING = Found()


class FactFinder:
    """Finds out, for one call at a time."""

    def __init__(
        self,
        *,
        environment: str,
        conversation: FindConversation = no_conversation,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._environment = environment
        self._conversation = conversation
        self._clock = clock
        self._checks = InputChecks()

    async def found(self, call: Call) -> Found:
        """What `about` cannot tell by itself. Never raises: a call that cannot be judged is on record, too."""
        if call.target.kind is not TargetKind.CONVERSATION:
            return NOTHING
        try:
            return Found(await self._conversation(call))
        except InterchangeError as error:
            return Found(trouble=error)

    def about(self, call: Call, now: InForce, found: Found = NOTHING) -> Facts:
        """Everything the judge in force needs to decide this call."""
        catalog = now.catalog
        skill = catalog.skill(call.target.name) if call.target.kind is TargetKind.SKILL else None
        agent = catalog.agent(call.target.name) if call.target.kind is TargetKind.AGENT else None
        bound, unbound = _bound(call.chain, skill) if skill else (NO_ARGUMENTS, ())
        return Facts(
            catalog=catalog,
            standings=standings(call, now.directory),
            skill=skill,
            agent=agent,
            conversation=found.conversation,
            trouble=found.trouble,
            arguments={**call.content, **bound} if bound else call.content,
            find_faults=lambda: self._faults(call, skill),
            unbound=unbound,
            about=_about(call, catalog),
            environment=self._environment,
            hour=self._clock().hour,
        )

    def _faults(self, call: Call, skill: SkillEntry | None) -> tuple[Fault, ...]:
        if call.target.kind is TargetKind.AGENT and call.action is Action.MESSAGE:
            return message_faults(call.content, call.parts)
        return self._checks.faults(skill, call.content) if skill else ()


def standings(call: Call, directory: Directory) -> tuple[Standing, ...]:
    """How a directory sees each link; the groups a token names count for its bearer."""
    if call.chain.depth == 1:
        return (directory.standing(call.chain.caller, call.groups),)
    before = call.groups_before or (NOBODY,) * (call.chain.depth - 1)
    return tuple(map(directory.standing, call.chain, (*before, call.groups)))


def _about(call: Call, catalog: Catalog) -> About | None:
    """The one agent that a request to publish is about."""
    if call.target.kind is not TargetKind.CATALOG or call.action is not Action.PUBLISH:
        return None
    return about_of(str(call.content.get("operation", "")), call.content, catalog)


def _bound(chain: Chain, entry: SkillEntry) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The bound parameters of a skill: those the chain fills, and the names of those it cannot."""
    wanted = {param.name: _filling(param.bound, chain) for param in entry.skill.params if param.bound is not None}
    filled = {name: value for name, value in wanted.items() if value}
    return filled, tuple(name for name in wanted if name not in filled)


def _filling(bound: Bound, chain: Chain) -> str:
    """What a bound parameter becomes; empty where the chain has no such thing."""
    match bound:
        case Bound.SUBJECT:
            return chain.person.name if chain.person else ""
        case Bound.DOMAIN:
            return chain.links[0].domain
        case Bound.AGENT:
            return chain.caller.name if chain.caller.kind is PrincipalKind.AGENT else ""
        case Bound.CONVERSATION:
            return ""
