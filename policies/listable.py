"""What can be listed: the skills, or the agents, of one catalog, as policies see them.

`policies.listing` groups them; this says what it may look at. An agent that asks is one entity with the agent that is
asked about, and what the directory says of it rules: so what is an agent's own is in `by_itself` and in whatever the
directory puts its agent in, and not in what the registry says of the agent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from policies.cedar import Uid
from policies.project import (
    AGENT_ATTRIBUTES,
    SKILL_ATTRIBUTES,
    Resource,
    agent_ancestors,
    agent_resource,
    agent_uid,
    skill_ancestors,
    skill_resource,
    skill_uid,
)
from registry.catalog import AgentEntry, Catalog, SkillEntry
from registry.model import AgentName, JsonValue, SkillId

Name = TypeVar("Name", SkillId, AgentName)
Entry = TypeVar("Entry", SkillEntry, AgentEntry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listable(Generic[Name, Entry]):
    """Everything of one kind, in the order of names, and how to look at one: its uid, the agent it is or belongs to,
    what it is and is in, what of that it is in whatever its agent is in, its attributes, and it as a resource."""

    type: str
    entries: Mapping[Name, Entry]
    uid: Callable[[Entry], Uid]
    agent: Callable[[Entry], AgentName]
    ancestors: Callable[[Entry], frozenset[Uid]]
    by_itself: Callable[[Entry], frozenset[Uid]]
    attributes: Mapping[str, Callable[[Entry], JsonValue]]
    resource: Callable[[Entry], Resource]


def skills_of(catalog: Catalog) -> Listable[SkillId, SkillEntry]:
    """The skills of a catalog."""
    return Listable(
        type="Skill",
        entries=catalog.skills,
        uid=lambda entry: skill_uid(entry.skill),
        agent=lambda entry: entry.skill.agent,
        ancestors=lambda entry: skill_ancestors(entry.skill, catalog.agents.get(entry.skill.agent)),
        by_itself=lambda entry: skill_ancestors(entry.skill, None),
        attributes=SKILL_ATTRIBUTES,
        resource=lambda entry: skill_resource(entry, catalog),
    )


def agents_of(catalog: Catalog) -> Listable[AgentName, AgentEntry]:
    """The agents of a catalog."""
    return Listable(
        type="Agent",
        entries=catalog.agents,
        uid=lambda entry: agent_uid(entry.agent.name),
        agent=lambda entry: entry.agent.name,
        ancestors=agent_ancestors,
        by_itself=lambda entry: frozenset({agent_uid(entry.agent.name)}),
        attributes=AGENT_ATTRIBUTES,
        resource=agent_resource,
    )
