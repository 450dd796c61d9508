"""A revision: one immutable published state of an agent or a skill, and what the store says of it.

Its content never changes; its state does, and every change of state leaves who, when and why.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, cast

import orjson

from registry.manifest import read_agent, read_skill, write_agent, write_skill
from registry.model import Agent, AgentName, Digest, JsonObject, Pin, Skill
from registry.pins import pin_agent, pin_skill

Content: TypeAlias = Agent | Skill


class Kind(StrEnum):
    """What a name names."""

    AGENT = "agent"
    SKILL = "skill"


class State(StrEnum):
    """At most one revision of a name is live and at most one waits; the rest is history."""

    LIVE = "live"
    WAITING = "waiting"
    RETIRED = "retired"  # was live until it was withdrawn
    REPLACED = "replaced"  # made way for a later one


@dataclass(frozen=True, slots=True)
class Name:
    """What is published: an agent by its name or a skill by its id."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """An agent or skill as some manifest has it. `document` is its canonical JSON, `agent` itself or its owner."""

    name: Name
    agent: AgentName
    content: Content
    pin: Pin
    document: str
    descriptors: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Who did something, when, and why (may be empty)."""

    by: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A row of the book. `published_in` is the catalog version it came with, `settled` its last change of state."""

    name: Name
    agent: AgentName
    number: int
    pin: Pin
    state: State
    document: str
    descriptors: Digest
    published: Stamp
    published_in: int
    settled: Stamp | None = None

    def same_as(self, offered: Offered) -> bool:
        """Whether publishing it would change nothing at all."""
        return self.document == offered.document and self.descriptors == offered.descriptors

    def content(self) -> Content:
        """The agent or skill as it was published."""
        return read_content(self.name.kind, self.document)


def offered_agent(agent: Agent, descriptors: Digest) -> Offered:
    """An agent ready to be published. Its skills are not part of it: which are live is the catalog's to say."""
    own = replace(agent, skills=())
    return Offered(
        name=Name(Kind.AGENT, agent.name),
        agent=agent.name,
        content=own,
        pin=pin_agent(own),
        document=canonical(write_agent(own)),
        descriptors=descriptors,
    )


def offered_skill(skill: Skill, descriptors: Digest) -> Offered:
    """A skill ready to be published."""
    return Offered(
        name=Name(Kind.SKILL, skill.id),
        agent=skill.agent,
        content=skill,
        pin=pin_skill(skill),
        document=canonical(write_skill(skill)),
        descriptors=descriptors,
    )


def canonical(document: JsonObject) -> str:
    """One text for one document, whatever the order of its keys."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read_content(kind: Kind, document: str) -> Content:
    """A stored document as what it describes."""
    parsed = cast("Mapping[str, object]", orjson.loads(document))
    return READERS[kind](cast("JsonObject", parsed))


READERS = {Kind.AGENT: read_agent, Kind.SKILL: read_skill}
