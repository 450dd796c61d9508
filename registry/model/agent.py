"""An agent: a named party that owns skills and may converse. One annotated gRPC service, as published."""

from dataclasses import dataclass
from enum import StrEnum

from registry.model.ids import AgentName, Domain, SkillId
from registry.model.skill import Classification


class Visibility(StrEnum):
    """Who may read the agent's card."""

    AUTHENTICATED = "authenticated"
    PUBLIC = "public"


class WhenBusy(StrEnum):
    QUEUE = "queue"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRules:
    """How the lifecycle service treats an agent that converses. `timeout` is in seconds, of one attempt."""

    timeout: float = 300.0
    max_attempts: int = 5
    when_busy: WhenBusy = WhenBusy.QUEUE
    history: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent. `converse` is the method of signature `Turn -> stream TurnEvent`, empty if it has none."""

    name: AgentName
    title: str
    description: str
    domain: Domain
    version: str
    service: str  # "package.Service"
    skills: tuple[SkillId, ...]
    tags: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    icon_url: str = ""
    documentation_url: str = ""
    provider: str = ""
    classification: Classification = Classification.INTERNAL
    visibility: Visibility = Visibility.AUTHENTICATED
    turns: TurnRules = TurnRules()
    converse: str = ""
