"""Listing: which of 10,000 skills a principal may see, in milliseconds, with the same answer as deciding each.

Skills that no policy can tell apart form a class, and one of each class is decided by the engine. A class is what
policies look at: which of the entities they name a skill is, or is in, and the values of the attributes they read. That
is found out once for the whole catalog (`Features`), then narrowed to the policies that matter to one principal
(`Classes`), of which there are few. A policy that uses `resource` in another way makes every skill its own class.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import orjson

from policies.cedar import CedarError, Entities, Question, Uid, ask_all, read_entities
from policies.project import Resource, skill_resource
from policies.rules import Rule
from policies.schema import plain_schema
from policies.slicing import Slice, Slices
from policies.views import View
from registry.catalog import Catalog
from registry.model import JsonValue, SkillId

_SKILL = "Skill"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feature:
    """What any listing policy could tell of some skills, and one of them to speak for all."""

    agent: str
    anchors: frozenset[Uid]
    values: tuple[Hashable, ...]
    ancestors: frozenset[Uid]
    speaker: Resource


class Features:
    """Every skill of a catalog, grouped by all that any policy of a set looks at when it lists."""

    def __init__(self, catalog: Catalog, rules: Sequence[Rule]) -> None:
        relevant = [rule for rule in rules if rule.actions is None or "list" in rule.actions]
        literals = frozenset[Uid]().union(*(rule.reads.literals for rule in relevant))
        self.attributes = tuple(sorted(frozenset[str]().union(*(rule.reads.attributes for rule in relevant))))
        apart = any(rule.reads.identity for rule in relevant)
        numbers: dict[Hashable, int] = {}
        self.all: list[Feature] = []
        self.number_of: dict[SkillId, int] = {}
        for entry in catalog.skills.values():
            resource = skill_resource(entry, catalog)
            held = resource.entities[0].attributes
            feature = Feature(
                agent=resource.agent,
                anchors=resource.ancestors & literals,
                values=tuple(_hashable(held.get(name)) for name in self.attributes),
                ancestors=resource.ancestors - {resource.uid},
                speaker=resource,
            )
            key = (feature.anchors, feature.values, feature.ancestors, resource.uid if apart else None)
            if key not in numbers:
                numbers[key] = len(self.all)
                self.all.append(feature)
            self.number_of[entry.skill.id] = numbers[key]


class Classes:
    """Skills by what the policies of one kind of principal can tell of them. `agent` is set where that principal is
    itself an agent: its own skills are then a class apart, since the directory's word on it reaches them."""

    def __init__(self, features: Features, rules: Sequence[Rule], agent: str) -> None:
        literals = frozenset[Uid]().union(*(rule.reads.literals for rule in rules))
        attributes = frozenset[str]().union(*(rule.reads.attributes for rule in rules))
        columns = [column for column, name in enumerate(features.attributes) if name in attributes]
        ancestry = any(rule.reads.ancestry for rule in rules)
        apart = any(rule.reads.identity for rule in rules)
        self.agent = agent
        self.speakers: list[Resource] = []
        self.class_of: list[int] = []
        numbers: dict[Hashable, int] = {}
        for feature in features.all:
            key = (
                feature.anchors & literals,
                tuple([feature.values[column] for column in columns]),
                feature.ancestors if ancestry else None,
                feature.speaker.uid if apart else None,
                feature.agent == agent,
            )
            number = numbers.setdefault(key, len(numbers))
            if number == len(self.speakers):
                self.speakers.append(feature.speaker)
            self.class_of.append(number)

    @cached_property
    def entities(self) -> Entities:
        """The speakers and their agents, without the agent that asks: it brings its own entity."""
        found = {entity.uid: entity for speaker in self.speakers for entity in speaker.entities}
        found.pop(Uid("Agent", self.agent), None)
        return read_entities(list(found.values()), plain_schema())


class Listings:
    """What each view may see of one catalog."""

    def __init__(self, catalog: Catalog, slices: Slices) -> None:
        self._catalog = catalog
        self._slices = slices
        self._classes = lru_cache(maxsize=64)(self._find_classes)
        self.of = lru_cache(maxsize=128)(self._of)

    def _of(self, views: tuple[View, ...]) -> tuple[SkillId, ...]:
        """The skills that every view sees, in the catalog's order, which is that of ids."""
        seen = [self._seen(view) for view in views]
        numbers = self._features.number_of
        return tuple(skill for skill, number in numbers.items() if all(sees[number] for sees in seen))

    def _seen(self, view: View) -> list[bool]:
        """For each feature of the catalog, whether the view sees the skills that have it."""
        rules = self._slices.of_principal("list", (view.uid.type, _SKILL), view.anchors)
        if not any(rule.permits for rule in rules):
            return [False] * len(self._features.all)
        classes = self._classes(rules, view.agent if view.agent in self._owners else "")
        answers = self._decide(view, classes)
        return [answers[number] for number in classes.class_of]

    def _decide(self, view: View, classes: Classes) -> list[bool]:
        """Decide one skill of each class: all that share a slice in one go, none where the slice permits nothing."""
        answers = [False] * len(classes.speakers)
        by_slice: dict[Slice, list[int]] = {}
        for number, speaker in enumerate(classes.speakers):
            found = slice_for(self._slices, "list", view, speaker)
            if found.permits:
                by_slice.setdefault(found, []).append(number)
        if not by_slice:
            return answers
        try:
            entities = read_entities(view.asking, plain_schema(), beside=classes.entities)
        except CedarError:
            return answers
        for found, numbers in by_slice.items():
            questions = [list_question(view, classes.speakers[number]) for number in numbers]
            decided = ask_all(questions, policies=found.handle, entities=entities, schema=plain_schema())
            for number, answer in zip(numbers, decided, strict=True):
                answers[number] = answer.allowed
        return answers

    @cached_property
    def _features(self) -> Features:
        return Features(self._catalog, self._slices.rules)

    @cached_property
    def _owners(self) -> frozenset[str]:
        return frozenset(entry.skill.agent for entry in self._catalog.skills.values())

    def _find_classes(self, rules: tuple[Rule, ...], agent: str) -> Classes:
        return Classes(self._features, rules, agent)


def slice_for(slices: Slices, action: str, view: View, resource: Resource) -> Slice:
    """The policies that can matter between a view and a resource. What an agent is in, its own skills are in."""
    own = bool(view.agent) and view.agent == resource.agent
    ancestors = resource.ancestors | view.ancestors if own else resource.ancestors
    return slices.between(action, (view.uid.type, resource.uid.type), view.anchors, ancestors & slices.resource_anchors)


def list_question(view: View, resource: Resource) -> Question:
    """May this view see that resource?"""
    return Question(principal=view.uid, action="list", resource=resource.uid, context=view.context)


def _hashable(value: JsonValue) -> Hashable:
    return value if isinstance(value, (bool, int, str)) or value is None else orjson.dumps(value)
