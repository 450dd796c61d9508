"""What our options come to once their defaults are filled in, and back again: hints, timeouts, words."""

from typing import TypedDict

from google.protobuf import unknown_fields
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from interchange.v1 import annotations_pb2 as options_pb2
from interchange.v1.annotations_pb2 import AgentOptions, SkillOptions, TurnOptions

from registry.model import (
    Agent,
    Approval,
    Bound,
    Classification,
    Domain,
    Extension,
    Hints,
    Invocation,
    Skill,
    Streaming,
    TurnRules,
    Visibility,
    WhenBusy,
)

DEFAULT_VERSION = "0.1.0"
DEFAULT_TIMEOUT = 30.0
LONGEST_TIMEOUT = 86_400.0
NEWER = "an option here is of a newer annotations.proto than this version knows: update interchange."

APPROVALS = {
    options_pb2.APPROVAL_UNSPECIFIED: Approval.BY_POLICY,
    options_pb2.APPROVAL_NEVER: Approval.NEVER,
    options_pb2.APPROVAL_REQUIRED: Approval.REQUIRED,
}
INVOCATIONS = {
    options_pb2.INVOCATION_UNSPECIFIED: Invocation.DIRECT,
    options_pb2.INVOCATION_DIRECT: Invocation.DIRECT,
    options_pb2.INVOCATION_QUEUED: Invocation.QUEUED,
}
STREAMINGS = {
    options_pb2.STREAMING_UNSPECIFIED: Streaming.LAST,
    options_pb2.STREAMING_LAST: Streaming.LAST,
    options_pb2.STREAMING_COLLECT: Streaming.COLLECT,
}
CLASSIFICATIONS = {
    options_pb2.CLASSIFICATION_PUBLIC: Classification.PUBLIC,
    options_pb2.CLASSIFICATION_INTERNAL: Classification.INTERNAL,
    options_pb2.CLASSIFICATION_CONFIDENTIAL: Classification.CONFIDENTIAL,
    options_pb2.CLASSIFICATION_RESTRICTED: Classification.RESTRICTED,
}
VISIBILITIES = {
    options_pb2.VISIBILITY_UNSPECIFIED: Visibility.AUTHENTICATED,
    options_pb2.VISIBILITY_AUTHENTICATED: Visibility.AUTHENTICATED,
    options_pb2.VISIBILITY_PUBLIC: Visibility.PUBLIC,
}
WHEN_BUSY = {
    options_pb2.WHEN_BUSY_UNSPECIFIED: WhenBusy.QUEUE,
    options_pb2.WHEN_BUSY_QUEUE: WhenBusy.QUEUE,
    options_pb2.WHEN_BUSY_REJECT: WhenBusy.REJECT,
}
BOUNDS = {
    options_pb2.BOUND_SUBJECT: Bound.SUBJECT,
    options_pb2.BOUND_DOMAIN: Bound.DOMAIN,
    options_pb2.BOUND_AGENT: Bound.AGENT,
    options_pb2.BOUND_CONVERSATION: Bound.CONVERSATION,
}

_WORDS = {"approval": APPROVALS, "invocation": INVOCATIONS, "streaming": STREAMINGS, "visibility": VISIBILITIES}


class SkillSettings(TypedDict):
    """What options alone say of a skill."""

    tags: tuple[str, ...]
    hints: Hints
    approval: Approval
    invocation: Invocation
    scopes: tuple[str, ...]
    timeout: float
    classification: Classification


class AgentSettings(TypedDict):
    """What options alone say of an agent."""

    domain: Domain
    version: str
    tags: tuple[str, ...]
    examples: tuple[str, ...]
    icon_url: str
    documentation_url: str
    provider: str
    classification: Classification
    visibility: Visibility
    turns: TurnRules
    extensions: tuple[Extension, ...]
    input_modes: tuple[str, ...]


def skill_settings(options: SkillOptions, *, classification: Classification) -> SkillSettings:
    """A skill's settings; `classification` is its agent's."""
    return SkillSettings(
        tags=tuple(options.tags),
        hints=hints_of(options),
        approval=APPROVALS.get(options.approval, Approval.BY_POLICY),
        invocation=INVOCATIONS.get(options.invocation, Invocation.DIRECT),
        scopes=tuple(options.scopes),
        timeout=seconds(options) if options.HasField("timeout") else DEFAULT_TIMEOUT,
        classification=CLASSIFICATIONS.get(options.classification, classification),
    )


def agent_settings(options: AgentOptions) -> AgentSettings:
    return AgentSettings(
        domain=Domain(options.domain),
        version=options.version or DEFAULT_VERSION,
        tags=tuple(options.tags),
        examples=tuple(options.examples),
        icon_url=options.icon_url,
        documentation_url=options.documentation_url,
        provider=options.provider,
        classification=CLASSIFICATIONS.get(options.classification, Classification.INTERNAL),
        visibility=VISIBILITIES.get(options.visibility, Visibility.AUTHENTICATED),
        turns=turns_of(options.turns),
        extensions=tuple(
            Extension(uri=each.uri, description=each.description, required=each.required) for each in options.extensions
        ),
        input_modes=tuple(options.input_modes),
    )


def options_of_skill(skill: Skill) -> SkillOptions:
    """The options that would make these settings; all hints are written out."""
    hints = skill.hints
    return SkillOptions(
        title=skill.title,
        tags=skill.tags,
        read_only=hints.read_only,
        destructive=hints.destructive,
        idempotent=hints.idempotent,
        open_world=hints.open_world,
        approval=None if skill.approval is Approval.BY_POLICY else f"APPROVAL_{skill.approval.name}",
        scopes=skill.scopes,
        timeout=_duration(skill.timeout),
        invocation=f"INVOCATION_{skill.invocation.name}",
        classification=f"CLASSIFICATION_{skill.classification.name}",
    )


def options_of_agent(agent: Agent) -> AgentOptions:
    """The options that would make these settings."""
    return AgentOptions(
        title=agent.title,
        domain=agent.domain,
        version=agent.version,
        tags=agent.tags,
        examples=agent.examples,
        icon_url=agent.icon_url,
        documentation_url=agent.documentation_url,
        provider=agent.provider,
        classification=f"CLASSIFICATION_{agent.classification.name}",
        visibility=f"VISIBILITY_{agent.visibility.name}",
        turns=TurnOptions(
            timeout=_duration(agent.turns.timeout),
            max_attempts=agent.turns.max_attempts,
            when_busy=f"WHEN_BUSY_{agent.turns.when_busy.name}",
            history=agent.turns.history,
        ),
        extensions=[
            options_pb2.Extension(uri=each.uri, description=each.description, required=each.required)
            for each in agent.extensions
        ],
        input_modes=agent.input_modes,
    )


def _duration(of: float) -> Duration:
    return Duration(seconds=int(of), nanos=round(of % 1 * 1e9))


def hints_of(options: SkillOptions) -> Hints:
    """What is written, and for the rest: destructive unless it only reads, idempotent if it only reads."""
    read_only = options.read_only
    return Hints(
        read_only=read_only,
        destructive=options.destructive if options.HasField("destructive") else not read_only,
        idempotent=options.idempotent if options.HasField("idempotent") else read_only,
        open_world=options.open_world,
    )


def contradictions(options: SkillOptions) -> list[tuple[str, str]]:
    """(field, sentence) of hints that cannot both be true."""
    found: list[tuple[str, str]] = []
    if options.read_only and options.destructive:
        found.append(("destructive", "read_only and destructive contradict each other."))
    if options.read_only and options.HasField("idempotent") and not options.idempotent:
        found.append(
            ("idempotent", "read_only and idempotent: false contradict each other: reading twice does no harm.")
        )
    return found


def turns_of(options: TurnOptions) -> TurnRules:
    default = TurnRules()
    return TurnRules(
        timeout=seconds(options) if options.HasField("timeout") else default.timeout,
        max_attempts=options.max_attempts or default.max_attempts,
        when_busy=WHEN_BUSY.get(options.when_busy, default.when_busy),
        history=options.history or default.history,
    )


def seconds(options: SkillOptions | TurnOptions) -> float:
    """The timeout that is written, in seconds."""
    return options.timeout.seconds + options.timeout.nanos / 1e9


def timeout_fault(options: SkillOptions | TurnOptions) -> str | None:
    """What is wrong with the timeout that is written."""
    if not options.HasField("timeout") or 0 < seconds(options) <= LONGEST_TIMEOUT:
        return None
    return f"the timeout is {seconds(options):g} s; it must be more than 0 and at most {LONGEST_TIMEOUT:,.0f} s."


def is_newer(options: Message) -> bool:
    """Whether options hold a field that this version does not know, whose meaning would be lost."""
    return len(unknown_fields.UnknownFieldSet(options)) > 0


def unknown_words(options: AgentOptions | SkillOptions) -> list[str]:
    """Names of the enum fields whose value this version does not know."""
    named = [(name, known) for name, known in _WORDS.items() if name in options.DESCRIPTOR.fields_by_name]
    found = [name for name, known in named if getattr(options, name) not in known]
    return found + (["classification"] if options.classification not in {0, *CLASSIFICATIONS} else [])
