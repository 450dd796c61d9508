"""The projection: our nouns in Cedar's words. The only module that knows both.

A decision is given the entities of its own call and no others: who asks, the person at the head of the chain, who
approved, the resource, and the agent that owns it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from policies.cedar import Entity, Uid
from policies.facts import OpenedConversation, Standing
from registry.catalog import AgentEntry, Catalog, SkillEntry
from registry.model import Classification, JsonObject, JsonValue, Principal, PrincipalKind, Skill
from registry.subjects import About

_KINDS = {PrincipalKind.PERSON: "Person", PrincipalKind.AGENT: "Agent", PrincipalKind.SERVICE: "Service"}

CATALOG = Entity(uid=Uid("Catalog", "catalog"), attributes={})
MESSAGE_LOG = Entity(uid=Uid("MessageLog", "messages"), attributes={})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """A target that exists. `agent` is the name of the agent it is or belongs to, empty for what belongs to none."""

    uid: Uid
    ancestors: frozenset[Uid]
    agent: str
    entities: tuple[Entity, ...]


class Circumstances(NamedTuple):
    """What may be different each time the same is asked by the same."""

    tainted: bool = False
    hour: int = 0
    approver: Standing | None = None
    about: About | None = None
    participates: bool | None = None  # None for what is not about a conversation


def principal_uid(principal: Principal) -> Uid:
    return Uid(_KINDS[principal.kind], principal.name)


def principal_entity(standing: Standing, catalog: Catalog) -> Entity:
    """One who asks. An agent that is registered keeps its own classification and tags."""
    principal = standing.principal
    attributes: dict[str, JsonValue] = {
        "domain": _domain(principal.domain).reference(),
        "clearance": int(standing.clearance),
        "issuer": principal.issuer,
    }
    if principal.kind is PrincipalKind.AGENT:
        entry = catalog.agent(principal.name)
        attributes["classification"] = int(entry.agent.classification if entry else Classification.RESTRICTED)
        attributes["tags"] = list(entry.agent.tags) if entry else []
    groups = (Uid("Group", group) for group in sorted(standing.groups))
    parents = (*groups, _domain(principal.domain))
    return Entity(uid=principal_uid(principal), attributes=attributes, parents=parents)


def principal_ancestors(standing: Standing) -> frozenset[Uid]:
    """What a principal is, and is in."""
    groups = {Uid("Group", group) for group in standing.groups}
    return frozenset({principal_uid(standing.principal), _domain(standing.principal.domain), *groups})


def skill_uid(skill: Skill) -> Uid:
    return Uid("Skill", skill.id)


def agent_uid(name: str) -> Uid:
    return Uid("Agent", name)


def skill_ancestors(skill: Skill, owner: AgentEntry | None) -> frozenset[Uid]:
    """What a skill is, and is in; its agent's domain too, should that be another one."""
    domains = {_domain(skill.domain), _domain(owner.agent.domain if owner else skill.domain)}
    return frozenset({skill_uid(skill), agent_uid(skill.agent), *domains})


SKILL_ATTRIBUTES: Mapping[str, Callable[[SkillEntry], JsonValue]] = {
    "agent": lambda entry: agent_uid(entry.skill.agent).reference(),
    "domain": lambda entry: _domain(entry.skill.domain).reference(),
    "classification": lambda entry: int(entry.skill.classification),
    "tags": lambda entry: list(entry.skill.tags),
    "readOnly": lambda entry: entry.skill.hints.read_only,
    "destructive": lambda entry: entry.skill.hints.destructive,
    "idempotent": lambda entry: entry.skill.hints.idempotent,
    "openWorld": lambda entry: entry.skill.hints.open_world,
    "pinned": lambda entry: bool(entry.pin),  # a catalog holds approved revisions only, each with its pin
    "approval": lambda entry: entry.skill.approval.value,
}
"""What policies see of a skill."""


def skill_entity(entry: SkillEntry) -> Entity:
    skill = entry.skill
    return Entity(
        uid=skill_uid(skill),
        attributes={name: read(entry) for name, read in SKILL_ATTRIBUTES.items()},
        parents=(agent_uid(skill.agent), _domain(skill.domain)),
    )


AGENT_ATTRIBUTES: Mapping[str, Callable[[AgentEntry], JsonValue]] = {
    "domain": lambda entry: _domain(entry.agent.domain).reference(),
    "clearance": lambda _: int(Classification.PUBLIC),
    "issuer": lambda _: "",
    "classification": lambda entry: int(entry.agent.classification),
    "tags": lambda entry: list(entry.agent.tags),
}
"""What policies see of an agent that is asked, and does not ask itself."""


def agent_ancestors(entry: AgentEntry) -> frozenset[Uid]:
    """What an agent that is asked is, and is in."""
    return frozenset({agent_uid(entry.agent.name), _domain(entry.agent.domain)})


def agent_entity(name: str, entry: AgentEntry | None, *, domain: str = "") -> Entity:
    """One who is asked. An owner that is not registered has the domain of its skill and the highest classification."""
    if entry is not None:
        attributes = {each: read(entry) for each, read in AGENT_ATTRIBUTES.items()}
        return Entity(uid=agent_uid(name), attributes=attributes, parents=(_domain(entry.agent.domain),))
    return Entity(
        uid=agent_uid(name),
        attributes={
            "domain": _domain(domain).reference(),
            "clearance": int(Classification.PUBLIC),
            "issuer": "",
            "classification": int(Classification.RESTRICTED),
            "tags": [],
        },
        parents=(_domain(domain),),
    )


def skill_resource(entry: SkillEntry, catalog: Catalog) -> Resource:
    skill = entry.skill
    owner = catalog.agent(skill.agent)
    agent = agent_entity(skill.agent, owner, domain=skill.domain)
    return Resource(
        uid=skill_uid(skill),
        ancestors=skill_ancestors(skill, owner),
        agent=skill.agent,
        entities=(skill_entity(entry), agent),
    )


def agent_resource(entry: AgentEntry) -> Resource:
    entity = agent_entity(entry.agent.name, entry)
    return Resource(uid=entity.uid, ancestors=agent_ancestors(entry), agent=entry.agent.name, entities=(entity,))


def catalog_resource() -> Resource:
    return _belonging_to_no_agent(CATALOG)


def message_log_resource() -> Resource:
    return _belonging_to_no_agent(MESSAGE_LOG)


def conversation_resource(conversation: OpenedConversation) -> Resource:
    domain = _domain(conversation.domain)
    uid = Uid("Conversation", conversation.id)
    return _belonging_to_no_agent(Entity(uid=uid, attributes={"domain": domain.reference()}, parents=(domain,)))


def _belonging_to_no_agent(entity: Entity) -> Resource:
    return Resource(uid=entity.uid, ancestors=frozenset({entity.uid, *entity.parents}), agent="", entities=(entity,))


def about_entities(about: About, catalog: Catalog) -> tuple[Entity, ...]:
    """What policies are told of the agent that a request is about, and of the domain it has in that request."""
    entry = catalog.agent(about.agent)
    domains = {about.domain, entry.agent.domain if entry else about.domain}
    agent = agent_entity(about.agent, entry, domain=about.domain)
    return (agent, *(Entity(uid=_domain(domain), attributes={}) for domain in sorted(domains)))


def together(asking: Sequence[Entity], resource: Sequence[Entity]) -> list[Entity]:
    """The entities of one decision. An agent that asks about itself, or about a skill of its own, is one entity:
    what the directory says of it rules. Two different askers of one name stay two, and the engine refuses them."""
    unlike = [entity for number, entity in enumerate(asking) if entity not in asking[:number]]
    names = {entity.uid for entity in unlike}
    return [*unlike, *(entity for entity in resource if entity.uid not in names)]


def list_context(*, scopes: frozenset[str], environment: str, depth: int, person: Principal | None) -> JsonObject:
    """The context of `list`: nothing that changes by the minute."""
    context: dict[str, JsonValue] = {"scopes": sorted(scopes), "environment": environment, "depth": depth}
    if person:
        context["person"] = principal_uid(person).reference()
    return context


def use_context(context: JsonObject, circumstances: Circumstances) -> JsonObject:
    """The context of every action but `list`, made from that of `list`; arguments not included."""
    found = {**context, "tainted": circumstances.tainted, "hour": circumstances.hour}
    if circumstances.approver:
        found["approvedBy"] = principal_uid(circumstances.approver.principal).reference()
    if circumstances.about:
        found["about"] = agent_uid(circumstances.about.agent).reference()
        found["aboutDomain"] = _domain(circumstances.about.domain).reference()
    if circumstances.participates is not None:
        found["participates"] = circumstances.participates
    return found


def shown(name: str, *, quote: str = '"') -> str:
    """A name as a caller gave it, fit to be shown: no control or direction characters, and not endless."""
    kept = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in name[:200])
    return f"{quote}{kept}{quote}"


def _domain(name: str) -> Uid:
    return Uid("Domain", name)
