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
        case "Bind" | "Retire" | "Attach":
            return _registered(content.get("name"), catalog)
        case _:
            return None


def said_of(operation: str, content: JsonObject) -> About | None:
    """The only agent of a manifest to be published, as the manifest has it: says nothing of what is registered."""
    return _manifested(content) if operation == "Publish" else None


def _published(content: JsonObject, catalog: Catalog) -> About | None:
    """The only agent of a manifest that has none but its own skills."""
    about = _manifested(content)
    if about is None:
        return None
    present = catalog.agent(about.agent)  # to move house is nobody's own affair
    return about if present is None or present.agent.domain == about.domain else None


def _manifested(content: JsonObject) -> About | None:
    manifest = _manifest(content)
    agents, skills = _objects(manifest, "agents"), _objects(manifest, "skills")
    about = _named(agents[0]) if agents and len(agents) == 1 else None
    if about is None or skills is None:
        return None
    if any((skill.get("agent"), skill.get("domain")) != about for skill in skills):
        return None
    return about


def _registered(name: object, catalog: Catalog) -> About | None:
    """The live agent of this name, or that has the live skill of this name."""
    if not isinstance(name, str):
        return None
    skill = catalog.skills.get(SkillId(name))
    entry = catalog.agent(skill.skill.agent if skill else name)
    return About(entry.agent.name, entry.agent.domain) if entry else None


def _manifest(content: JsonObject) -> Names:
    """The manifest of a request as it will be published: with an overlay, nothing can be said of it."""
    text = content.get("manifest")
    if content.get("overlay") or not isinstance(text, str) or len(text) > MANIFEST:
        return {}
    try:
        found: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return cast("Names", found) if isinstance(found, dict) else {}


def _named(agent: Names) -> About | None:
    """An agent as its document names it."""
    name, domain = agent.get("name"), agent.get("domain")
    if not isinstance(name, str) or not isinstance(domain, str) or not AGENT_NAME.fullmatch(name):
        return None
    return About(AgentName(name), Domain(domain))


def _objects(document: Names, key: str) -> Sequence[Names] | None:
    """The objects in a list of a document; None where it is anything else."""
    value = document.get(key)
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    return cast("list[Names]", items) if all(isinstance(item, dict) for item in items) else None
