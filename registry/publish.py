"""Publishing: what a manifest would change, decided before anything is written.

A first revision is live at once, and so is one with an unchanged pin; a changed pin waits for approval while the old
revision serves. What is missing from a newer manifest of its agent would be retired, which breaks its callers. Pure:
takes what is offered and what the book says, returns steps; `registry.operations` (above) writes them, or refuses.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from registry.catalog import AgentEntry, Catalog, SkillEntry
from registry.compare import Difference, compare_agents, compare_skills
from registry.ledger import NOTHING, Present
from registry.manifest import Manifest
from registry.model import Agent, Digest, JsonObject, Pin, Refused, Skill
from registry.names import RESERVED_TOOLS
from registry.revisions import Kind, Name, Offered, Revision, offered_agent, offered_skill


class Outcome(StrEnum):
    """What happens to one name."""

    LIVE = "live"
    UNCHANGED = "unchanged"
    WAITING = "waiting"
    RETIRED = "retired"
    BOUND = "bound"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one operation does to one name. `offered` is set where a new revision is written."""

    name: Name
    number: int
    outcome: Outcome
    pin: Pin
    differences: tuple[Difference, ...] = ()
    offered: Offered | None = None

    @property
    def breaking(self) -> bool:
        """Whether it would break somebody."""
        return any(difference.breaking for difference in self.differences)

    def written(self) -> JsonObject:
        """As `interchange.v1.Change`."""
        return {
            "name": self.name.text,
            "kind": self.name.kind.value,
            "revision": self.number,
            "outcome": self.outcome.value,
            "differences": [difference.sentence for difference in self.differences],
            "breaking": self.breaking,
            "pin": self.pin,
        }


Book = Mapping[Name, Present]
"""What the book says of the agents of a manifest and of all their skills, present and past."""


def offered_by(manifest: Manifest, descriptors: Digest) -> tuple[Offered, ...]:
    """Everything a manifest offers, agents first."""
    agents = [offered_agent(agent, descriptors) for agent in manifest.agents]
    return (*agents, *(offered_skill(skill, descriptors) for skill in manifest.skills))


Doubt = Callable[[Offered, Present], bool]
"""Whether something may not go live unseen where nothing is."""


def no_doubt(_: Offered, __: Present) -> bool:
    """For publishers who are taken at their word."""
    return False


def plan(offered: Sequence[Offered], book: Book, *, doubt: Doubt = no_doubt) -> tuple[Step, ...]:
    """The steps that publishing takes, agents first, then skills, each in the order they are offered."""
    facades = [one for one in offered if one.name.kind is Kind.AGENT]
    agents = [_offer(one, book.get(one.name, NOTHING), doubt) for one in facades]
    held = frozenset(
        one.agent
        for one, step in zip(facades, agents, strict=True)
        if _holds_back(one, step, book.get(one.name, NOTHING))
    )
    skills = [
        _offer(one, book.get(one.name, NOTHING), _always if one.agent in held else doubt)
        for one in offered
        if one.name.kind is Kind.SKILL
    ]
    return (*agents, *skills, *_missing({one.name for one in offered}, book))


def _holds_back(offered: Offered, step: Step, present: Present) -> bool:
    """Whether nothing new of an agent may go live before somebody approves the agent: it is not live, or changes
    hands."""
    if step.outcome is not Outcome.WAITING or present.live is None:
        return step.outcome is Outcome.WAITING
    return cast("Agent", present.live.content()).service != cast("Agent", offered.content).service


def _always(_: Offered, __: Present) -> bool:
    return True


def _offer(offered: Offered, present: Present, doubt: Doubt) -> Step:
    """What becomes of one offer."""
    if present.live is None:
        return _first(offered, present, held=doubt(offered, present))
    if present.live.same_as(offered):
        return _standing(present.live, Outcome.UNCHANGED)
    differences = _differences(present.live, offered)
    if present.live.pin == offered.pin:
        return _new(offered, present, Outcome.LIVE, differences)
    if present.waiting is not None and present.waiting.same_as(offered):
        return _standing(present.waiting, Outcome.WAITING, differences)
    return _new(offered, present, Outcome.WAITING, differences)


def _first(offered: Offered, present: Present, *, held: bool) -> Step:
    """What becomes of an offer where nothing is live. What was retired comes back unseen only as it was."""
    if present.waiting is not None and present.waiting.same_as(offered):
        return _standing(present.waiting, Outcome.WAITING)
    known = present.latest == 0 or (present.retired is not None and present.retired.pin == offered.pin)
    return _new(offered, present, Outcome.LIVE if known and not held else Outcome.WAITING)


def _new(offered: Offered, present: Present, outcome: Outcome, differences: tuple[Difference, ...] = ()) -> Step:
    return Step(
        name=offered.name,
        number=present.latest + 1,
        outcome=outcome,
        pin=offered.pin,
        differences=differences,
        offered=offered,
    )


def _standing(found: Revision, outcome: Outcome, differences: tuple[Difference, ...] = ()) -> Step:
    return Step(name=found.name, number=found.number, outcome=outcome, pin=found.pin, differences=differences)


def _missing(offered: set[Name], book: Book) -> Iterable[Step]:
    """Skills that are live or wait and that the manifest of their agent no longer has."""
    for name, present in sorted(book.items(), key=lambda item: item[0].text):
        if name in offered or (found := present.live or present.waiting) is None:
            continue
        gone = Difference("is no longer in the manifest of its agent, and would be retired", present.live is not None)
        yield _standing(found, Outcome.RETIRED, (gone,))


def _differences(live: Revision, offered: Offered) -> tuple[Difference, ...]:
    found = differences_between(live, offered.content)
    if not found and live.descriptors != offered.descriptors:
        return (Difference("its types are compiled anew; no client sees a difference", False),)
    return found


def differences_between(live: Revision, following: Agent | Skill) -> tuple[Difference, ...]:
    """How what follows differs from what is live."""
    present = live.content()
    if isinstance(present, Agent) and isinstance(following, Agent):
        return compare_agents(present, following)
    return compare_skills(cast("Skill", present), cast("Skill", following))


def refuse_breaking(steps: Iterable[Step], *, forced: bool) -> None:
    """Let nothing pass that breaks somebody, unless it is forced.

    Raises:
        Refused: naming every breaking difference.
    """
    broken = [
        f"{step.name}: {difference.sentence}"
        for step in steps
        for difference in step.differences
        if difference.breaking and (step.offered is not None or step.outcome is Outcome.RETIRED)
    ]
    if broken and not forced:
        raise Refused(
            "This would break callers:\n  " + "\n  ".join(broken) + "\nPublish it with --force and --reason, or keep"
            " what they use and add the new beside it."
        )


def if_approved(catalog: Catalog, steps: Iterable[Step], offered: Iterable[Offered]) -> Catalog:
    """The catalog as it would be if what waits of these steps were live."""
    waiting = {step.name: step for step in steps if step.outcome is Outcome.WAITING}
    agents, skills = dict(catalog.agents), dict(catalog.skills)
    for one in offered:
        if (step := waiting.get(one.name)) is None:
            continue
        if isinstance(one.content, Agent):
            before = agents.get(one.agent)
            own = replace(one.content, skills=before.agent.skills if before else ())
            binding = before.binding if before else None
            agents[one.agent] = AgentEntry(agent=own, revision=step.number, pin=one.pin, binding=binding)
        else:
            skills[one.content.id] = SkillEntry(
                skill=one.content, revision=step.number, pin=one.pin, descriptors=one.descriptors, binding=None
            )
    return Catalog(version=catalog.version, agents=agents.values(), skills=skills.values())


def with_objections(step: Step, problems: Sequence[str]) -> Step:
    """A step that waits, and why it cannot be approved as things are."""
    found = tuple(Difference(f"cannot be approved while policy stands against it: {one}", False) for one in problems)
    return replace(step, differences=(*step.differences, *found))


def clashes(catalog: Catalog, waiting: Iterable[Offered]) -> tuple[str, ...]:
    """Tool names that two would share, among what would be live and what waits of this manifest.

    A skill's tool name must be no other skill's, no agent's (a conversing agent is a tool by its own name) and none of
    the gateway's own.
    """
    holders = {str(name): f"the agent {name}" for name in catalog.agents}
    holders.update({one.agent: f"the agent {one.agent}" for one in waiting if one.name.kind is Kind.AGENT})
    holders.update(dict.fromkeys(RESERVED_TOOLS, "the gateway itself"))
    skills = {entry.skill.id: entry.skill for entry in catalog.skills.values()}
    offered = [one.content for one in waiting if isinstance(one.content, Skill)]
    found: list[str] = []
    for skill in [*skills.values(), *offered]:
        holder = holders.setdefault(skill.tool_name, f"the skill {skill.id}")
        if holder != f"the skill {skill.id}":
            found.append(f"The tool name {skill.tool_name} of the skill {skill.id} belongs to {holder}.")
    return tuple(dict.fromkeys(found))
