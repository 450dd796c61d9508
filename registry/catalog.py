"""The catalog: an immutable snapshot of every live revision, and how to find one.

Built from the store by `registry.store`, replaced whole when something is published; a call keeps the snapshot it
began with. It knows nothing of who may see what: `policies.listing` does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from registry.model import Agent, AgentName, Binding, Digest, Pin, Skill, SkillId


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEntry:
    """A live agent: its content, revision number (from 1), pin, where it is bound (None: nowhere yet), and when this
    revision went live, in seconds since the epoch."""

    agent: Agent
    revision: int
    pin: Pin
    binding: Binding | None
    published_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillEntry:
    """A live skill. `descriptors` is the digest of the FileDescriptorSet its types are in, `binding` its agent's;
    `published_at` is when this revision went live, in seconds since the epoch."""

    skill: Skill
    revision: int
    pin: Pin
    descriptors: Digest
    binding: Binding | None
    published_at: float = 0.0


class Catalog:
    """What is registered at one version. Iterations are in the order of names."""

    def __init__(
        self,
        *,
        version: int,
        agents: Iterable[AgentEntry] = (),
        skills: Iterable[SkillEntry] = (),
        descriptors: Mapping[Digest, bytes] = MappingProxyType({}),
    ) -> None:
        self.version = version
        self.agents: Mapping[AgentName, AgentEntry] = {
            entry.agent.name: entry for entry in sorted(agents, key=lambda entry: entry.agent.name)
        }
        self.skills: Mapping[SkillId, SkillEntry] = {
            entry.skill.id: entry for entry in sorted(skills, key=lambda entry: entry.skill.id)
        }
        self._by_name: Mapping[str, SkillEntry] = {
            **{entry.skill.tool_name: entry for entry in self.skills.values()},
            **self.skills,
        }
        self._descriptors = descriptors

    def skill(self, name: str) -> SkillEntry | None:
        """Find a skill by its id (`candidates.search`) or its tool name (`candidates_search`)."""
        return self._by_name.get(name)

    def agent(self, name: str) -> AgentEntry | None:
        """Find an agent by its name."""
        return self.agents.get(AgentName(name))

    def descriptor_set(self, digest: Digest) -> bytes:
        """Return a serialised `google.protobuf.FileDescriptorSet`.

        Raises:
            KeyError: no live revision refers to it.
        """
        return self._descriptors[digest]

    def search(self, text: str) -> tuple[SkillEntry, ...]:
        """Skills in whose id, title, description or tags every word of `text` occurs, best matches first."""
        words = text.casefold().split()
        found = [(_score(entry.skill, words), entry) for entry in self.skills.values()]
        return tuple(entry for score, entry in sorted(found, key=lambda pair: -pair[0]) if score > 0)


def _score(skill: Skill, words: list[str]) -> int:
    """How well a skill answers the words: a word in the name weighs most; 0 when a word is missing altogether."""
    name, title = skill.id.casefold(), f"{skill.title} {' '.join(skill.tags)}".casefold()
    description = skill.description.casefold()
    weights = [4 if word in name else 2 if word in title else 1 if word in description else 0 for word in words]
    return sum(weights) if weights and all(weights) else 0
