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
class Extension:
    """An extension of A2A that an agent understands, or insists on (A2A 1.0, section 4.6). `uri` identifies it."""

    uri: str
    description: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent. `converse` is its method of signature `Turn -> stream TurnEvent`, `/package.Service/Method`; empty if
    it has none. `input_modes` are the media types that it takes beside text and JSON, `image/*` for all of a kind."""

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
    extensions: tuple[Extension, ...] = ()
    input_modes: tuple[str, ...] = ()

    @property
    def converses(self) -> bool:
        """Whether it answers messages, beside what its skills do."""
        return bool(self.converse)
