"""Whom a request to the registry is about: the one agent that all of it concerns, or nobody in particular.

Policies decide by it before the registry has read the request, so this reads leniently and within bounds, and whatever
it cannot be sure of is about nobody. It must never name an agent where the registry would go on to touch another, or
would put the agent into another domain than is said here.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

import orjson

from registry.catalog import Catalog
from registry.model import AgentName, Domain, JsonObject, SkillId
from registry.names import AGENT_NAME

MANIFEST: Final = 2_000_000
"""Characters of a manifest that is looked into: reading more would keep everybody waiting."""

Names = Mapping[str, object]


class About(NamedTuple):
    """An agent, and the domain that it has in the registry or would have."""

    agent: AgentName
    domain: Domain


def about_of(operation: str, content: JsonObject, catalog: Catalog) -> About | None:
    """The agent that a request is about, all of it; None where there is no such agent."""
    match operation:
        case "Publish":
            return _published(content, catalog)
        case "Bind" | "Retire":
            return _registered(content.get("name"), catalog)
        case _:
            return None


def _published(content: JsonObject, catalog: Catalog) -> About | None:
    """The only agent of a manifest that has none but its own skills. An overlay could still change everything."""
    text = content.get("manifest")
    if content.get("overlay") or not isinstance(text, str) or len(text) > MANIFEST:
        return None
    try:
        manifest: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    agents, skills = _objects(manifest, "agents"), _objects(manifest, "skills")
    if agents is None or skills is None or len(agents) != 1:
        return None
    name, domain = agents[0].get("name"), agents[0].get("domain")
    if not isinstance(name, str) or not isinstance(domain, str) or not AGENT_NAME.fullmatch(name):
        return None
    if any(skill.get("agent") != name or skill.get("domain") != domain for skill in skills):
        return None
    present = catalog.agent(name)
    if present is not None and present.agent.domain != domain:  # to move house is not its own affair
        return None
    return About(AgentName(name), Domain(domain))


def _registered(name: object, catalog: Catalog) -> About | None:
    """The live agent of this name, or that has the live skill of this name."""
    if not isinstance(name, str):
        return None
    skill = catalog.skills.get(SkillId(name))
    entry = catalog.agent(skill.skill.agent if skill else name)
    return About(entry.agent.name, entry.agent.domain) if entry else None


def _objects(document: object, key: str) -> Sequence[Names] | None:
    """The objects in a list of a document; None where it is anything else."""
    value = cast("Names", document).get(key) if isinstance(document, dict) else None
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    return cast("list[Names]", items) if all(isinstance(item, dict) for item in items) else None
