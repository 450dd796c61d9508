"""What a decision needs to know beyond the call itself. Plain data, gathered by `gateway.facts` before anything is
decided, so that `policies.decide` stays pure: no look-ups, no clock."""

from collections.abc import Callable
from dataclasses import dataclass

from registry.catalog import AgentEntry, Catalog, SkillEntry
from registry.model import (
    Classification,
    ConversationId,
    Domain,
    Fault,
    InterchangeError,
    JsonObject,
    Principal,
)
from registry.subjects import About


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One link of the chain as the directory knows it today. Groups are names; they may be nested in the directory.
    Whoever is `disabled` may do nothing, whatever policies say, and nobody may do anything for them."""

    principal: Principal
    groups: frozenset[str] = frozenset()
    clearance: Classification = Classification.INTERNAL
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedConversation:
    """A conversation that there is, as far as policies may ask; none of it changes while a call lasts.

    `participates`: the call's chain began the turn that the call is about, or its caller is the agent of a turn in hand
    of this conversation.
    """

    id: ConversationId
    domain: Domain
    participates: bool = False


def no_faults() -> tuple[Fault, ...]:
    """Nothing is wrong."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything known when a call is decided.

    `standings` has one item for each link of the call's chain, in its order. `skill` and `agent` are the target as
    the catalog has it, None when it does not exist or the target is of another kind; `conversation` is one that the log
    has, and `trouble` why the log could not tell. `arguments` are the caller's with bound parameters filled in;
    `unbound` names bound parameters the chain cannot fill. `find_faults` says what is wrong with the caller's
    arguments, and is only asked once the target may be listed: how long a schema takes to check would tell that there
    is one. `about` is set where all of a request to publish is about one agent. `hour` is 0-23 UTC.
    """

    catalog: Catalog
    standings: tuple[Standing, ...]
    skill: SkillEntry | None = None
    agent: AgentEntry | None = None
    conversation: OpenedConversation | None = None
    trouble: InterchangeError | None = None
    arguments: JsonObject
    find_faults: Callable[[], tuple[Fault, ...]] = no_faults
    unbound: tuple[str, ...] = ()
    about: About | None = None
    tainted: bool = False
    approved_by: Standing | None = None
    environment: str = "production"
    hour: int = 0
