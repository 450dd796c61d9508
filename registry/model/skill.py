"""A skill: a thing that can be called. One annotated gRPC method, as published.

This is a revision's content and immutable; where its far side is (the binding) and which revision is live
are the catalog's. Every hint here is resolved: what policies see and what clients are told is the same.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from registry.model.ids import AgentName, Domain, SkillId, ToolName
from registry.model.json import JsonObject


class Classification(IntEnum):
    """How confidential; comparable, so that a clearance is one of these too."""

    PUBLIC = 1
    INTERNAL = 2
    CONFIDENTIAL = 3
    RESTRICTED = 4


class Approval(StrEnum):
    BY_POLICY = "by_policy"
    NEVER = "never"
    REQUIRED = "required"


class Invocation(StrEnum):
    DIRECT = "direct"
    QUEUED = "queued"


class Streaming(StrEnum):
    """How a method answers, and what the result of a stream is."""

    UNARY = "unary"
    LAST = "last"  # earlier messages are progress, the last is the result
    COLLECT = "collect"  # {"items": [...]}, bounded


class Bound(StrEnum):
    """What the gateway fills a parameter with, so that no model can forge it."""

    SUBJECT = "subject"
    DOMAIN = "domain"
    AGENT = "agent"
    CONVERSATION = "conversation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a call may do to the world, after defaults and operators' corrections."""

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool

    @property
    def repeatable(self) -> bool:
        """Whether the same call may be tried again without harm."""
        return self.read_only or self.idempotent


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """What is special about one field of a skill's input. `name` is its JSON name.

    Only fields of the input message itself can be bound, policy-visible or mirrored in a header; a sensitive one may
    be nested, then `name` is a dotted path of JSON names. `type` is the Cedar type of a policy-visible field:
    `Bool`, `Long`, `String` or `Set<String>`; `default` its JSON default where absence is not observable (implicit
    presence), else None.
    """

    name: str
    bound: Bound | None = None
    sensitive: bool = False
    policy_visible: bool = False
    type: str = ""
    default: bool | int | str | tuple[str, ...] | None = None
    header: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """One callable. `timeout` is in seconds; schemas are JSON Schema 2020-12 with an object at the root.

    `output_schema` is None where the method returns `interchange.v1.SkillResult` and so speaks for itself.
    `exclusive` names the root oneofs: of each tuple of JSON names at most one may be present.
    """

    id: SkillId
    agent: AgentName
    domain: Domain
    tool_name: ToolName
    title: str
    description: str
    tags: tuple[str, ...]
    examples: tuple[JsonObject, ...]
    method: str  # "/package.Service/Method"
    input_type: str
    output_type: str
    streaming: Streaming
    hints: Hints
    approval: Approval
    invocation: Invocation
    scopes: tuple[str, ...]
    timeout: float
    classification: Classification
    input_schema: JsonObject
    output_schema: JsonObject | None
    params: tuple[Param, ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()

    @property
    def speaks_for_itself(self) -> bool:
        """Whether the method answers with `interchange.v1.SkillResult`."""
        return self.output_schema is None
