"""Listing: which of 10,000 skills a principal may see, in milliseconds, with the same answer as deciding each.

Skills that no policy can tell apart form a class, and the engine decides one of each class. A class is made of which
policies apply to its skills by their heads, and of what the conditions of those look at: the entities they name that a
skill is, or is in, and the attributes they read. What any policy could look at is found out once for the whole catalog
(`Features`), then narrowed to the policies of one principal (`Classes`). Hundreds of grants mostly repeat a few
conditions, so the engine is asked about conditions without heads, which makes a few dozen classes of 10,000 skills. A
policy that uses `resource` in a way that cannot be followed makes every skill a class of its own.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import orjson

from policies.cedar import CedarError, Entities, Question, Uid, ask_all, read_entities, read_policies
from policies.project import SKILL_ATTRIBUTES, Resource, skill_ancestors, skill_resource, skill_uid
from policies.rules import Rule
from policies.schema import plain_schema
from policies.slicing import Slices
from policies.views import View
from registry.catalog import Catalog, SkillEntry
from registry.model import JsonValue, SkillId

_HIDDEN = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feature:
    """What any listing policy could tell of some skills, and one of them to speak for all. `by_itself` are the anchors
    that such a skill has whatever its agent is in."""

    agent: str
    anchors: frozenset[Uid]
    by_itself: frozenset[Uid]
    values: tuple[Hashable, ...]
    ancestors: frozenset[Uid]
    speaker: SkillEntry


class Features:
    """Every skill of a catalog, grouped by all that any policy of a set looks at when it lists."""

    def __init__(self, catalog: Catalog, rules: Sequence[Rule]) -> None:
        relevant = [rule for rule in rules if rule.actions is None or "list" in rule.actions]
        self.literals = _literals(relevant) | _heads(relevant)
        self.attributes = tuple(sorted(_attributes(relevant) & SKILL_ATTRIBUTES.keys()))
        apart = any(rule.reads.identity for rule in relevant)
        reads = [SKILL_ATTRIBUTES[name] for name in self.attributes]
        numbers: dict[Hashable, int] = {}
        self.all: list[Feature] = []
        self.number_of: dict[SkillId, int] = {}
        for entry in catalog.skills.values():
            skill = entry.skill
            ancestors = skill_ancestors(skill, catalog.agents.get(skill.agent))
            anchors = ancestors & self.literals
            by_itself = skill_ancestors(skill, None) & self.literals
            above = ancestors - {skill_uid(skill)}
            values = tuple([_hashable(read(entry)) for read in reads])
            number = numbers.setdefault((anchors, by_itself, values, above, skill.id if apart else None), len(numbers))
            if number == len(self.all):
                self.all.append(
                    Feature(
                        agent=skill.agent,
                        anchors=anchors,
                        by_itself=by_itself,
                        values=values,
                        ancestors=above,
                        speaker=entry,
                    )
                )
            self.number_of[skill.id] = number


class Classes:
    """Skills by what the policies of one kind of principal can tell of them.

    Where that principal is itself an agent, `own` is what it is in: its own skills are in that, and not in what the
    registry says of their agent, for then the word of the directory reaches them.
    """

    def __init__(self, features: Features, rules: Sequence[Rule], agent: str, own: frozenset[Uid]) -> None:
        self.agent = agent
        self._catalogue_conditions(rules)
        literals, attributes = _literals(rules), _attributes(rules)
        columns = [column for column, name in enumerate(features.attributes) if name in attributes]
        ancestry = any(rule.reads.ancestry for rule in rules)
        apart = any(rule.reads.identity for rule in rules)
        heads = _heads(rules)
        applying = lru_cache(maxsize=None)(self._applying)
        numbers: dict[Hashable, int] = {}
        self.speakers: list[SkillEntry] = []
        self.conditions: list[tuple[str, ...]] = []
        self.class_of: list[int] = []
        for feature in features.all:
            owned = bool(agent) and feature.agent == agent
            anchors = feature.by_itself | own if owned else feature.anchors
            conditions = applying(anchors & heads)
            if not conditions:
                self.class_of.append(_HIDDEN)
                continue
            key = (
                conditions,
                anchors & literals,
                tuple([feature.values[column] for column in columns]),
                feature.ancestors if ancestry else None,
                feature.speaker.skill.id if apart else None,
                owned,
            )
            number = numbers.setdefault(key, len(numbers))
            if number == len(self.speakers):
                self.speakers.append(feature.speaker)
                self.conditions.append(conditions)
            self.class_of.append(number)

    def _catalogue_conditions(self, rules: Sequence[Rule]) -> None:
        """The conditions of all policies, by what their heads say of a resource; each once, without its head."""
        self._by_head: dict[Uid | None, set[str]] = defaultdict(set)
        for rule in rules:
            effect = "permit" if rule.permits else "forbid"
            self._by_head[rule.resource.anchor].add(f"{effect} (principal, action, resource) {rule.clauses}")

    def _applying(self, heads: frozenset[Uid]) -> tuple[str, ...]:
        """The conditions that decide on skills which these heads mean; none if no permit is among them."""
        found = frozenset[str]().union(*(self._by_head.get(head, ()) for head in (None, *heads)))
        return tuple(sorted(found)) if any(text.startswith("permit") for text in found) else ()


class Listings:
    """What each view may see of one catalog."""

    def __init__(self, catalog: Catalog, slices: Slices) -> None:
        self._catalog = catalog
        self._slices = slices
        self._classes = lru_cache(maxsize=64)(self._find_classes)
        self._speakers = lru_cache(maxsize=64)(self._read_speakers)
        self._parsed = lru_cache(maxsize=256)(read_policies)
        self.of = lru_cache(maxsize=128)(self._of)

    def _of(self, views: tuple[View, ...]) -> tuple[SkillId, ...]:
        """The skills that every view sees, in the catalog's order, which is that of ids."""
        seen = [self._seen(view) for view in views]
        numbers = self._features.number_of
        return tuple([skill for skill, number in numbers.items() if all(sees[number] for sees in seen)])

    def _seen(self, view: View) -> list[bool]:
        """For each feature of the catalog, whether the view sees the skills that have it."""
        rules = self._slices.of_principal("list", (view.uid.type, "Skill"), view.anchors)
        registered = view.agent in self._owners
        own = view.ancestors & self._features.literals if registered else frozenset[Uid]()
        classes = self._classes(rules, view.agent if registered else "", own)
        answers = self._decide(view, classes) if classes.speakers else []
        return [number != _HIDDEN and answers[number] for number in classes.class_of]

    def _decide(self, view: View, classes: Classes) -> list[bool]:
        """Decide one skill of each class, all to which the same conditions apply in one go."""
        answers = [False] * len(classes.speakers)
        together: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, conditions in enumerate(classes.conditions):
            together[conditions].append(number)
        try:
            entities = read_entities(view.asking, plain_schema(), beside=self._speakers(classes))
        except CedarError:
            return answers
        for conditions, numbers in together.items():
            questions = [_question(view, skill_uid(classes.speakers[number].skill)) for number in numbers]
            decided = ask_all(questions, policies=self._parsed(conditions), entities=entities, schema=plain_schema())
            for number, answer in zip(numbers, decided, strict=True):
                answers[number] = answer.allowed
        return answers

    @cached_property
    def _features(self) -> Features:
        return Features(self._catalog, self._slices.rules)

    @cached_property
    def _owners(self) -> frozenset[str]:
        return frozenset(entry.skill.agent for entry in self._catalog.skills.values())

    def _find_classes(self, rules: tuple[Rule, ...], agent: str, own: frozenset[Uid]) -> Classes:
        return Classes(self._features, rules, agent, own)

    def _read_speakers(self, classes: Classes) -> Entities:
        """The speakers and their agents, without the agent that asks: it brings its own entity."""
        resources: list[Resource] = [skill_resource(speaker, self._catalog) for speaker in classes.speakers]
        found = {entity.uid: entity for resource in resources for entity in resource.entities}
        found.pop(Uid("Agent", classes.agent), None)
        return read_entities(list(found.values()), plain_schema())


def _question(view: View, skill: Uid) -> Question:
    return Question(principal=view.uid, action="list", resource=skill, context=view.context)


def _literals(rules: Sequence[Rule]) -> frozenset[Uid]:
    return frozenset[Uid]().union(*(rule.reads.literals for rule in rules))


def _heads(rules: Sequence[Rule]) -> frozenset[Uid]:
    return frozenset(rule.resource.anchor for rule in rules if rule.resource.anchor)


def _attributes(rules: Sequence[Rule]) -> frozenset[str]:
    return frozenset[str]().union(*(rule.reads.attributes for rule in rules))


def _hashable(value: JsonValue) -> Hashable:
    return value if isinstance(value, (bool, int, str)) or value is None else orjson.dumps(value)
