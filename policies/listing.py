"""Listing: which of 10,000 skills or agents a principal may see, in milliseconds, with the answer of deciding each.

Things that no policy can tell apart form a class, and the engine decides one of each class. A class is made of which
policies apply to its things by their heads, and of what the conditions of those look at: the entities they name that a
thing is, or is in, and the attributes they read. What any policy could look at is found out once for the whole catalog
(`Features`), then narrowed to the policies of one principal (`Classes`). Hundreds of grants mostly repeat a few
conditions, so the engine is asked about conditions without heads, which makes a few dozen classes of 10,000 skills. A
policy that uses `resource` in a way that cannot be followed makes every thing a class of its own. What can be listed,
and what may be looked at of it, is `policies.listable`'s.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Generic

import orjson

from policies.cedar import CedarError, Entities, Question, Uid, ask_all, read_entities, read_policies
from policies.listable import Entry, Listable, Name
from policies.rules import Rule
from policies.schema import plain_schema
from policies.slicing import Slices
from policies.views import View
from registry.model import JsonValue

_HIDDEN = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feature(Generic[Entry]):
    """What any listing policy could tell of some things of one agent, and one of them to speak for all. `by_itself` are
    the anchors that such a thing has whatever its agent is in; `ancestors` what it is in, itself left out."""

    agent: str
    anchors: frozenset[Uid]
    by_itself: frozenset[Uid]
    values: tuple[Hashable, ...]
    ancestors: frozenset[Uid]
    speaker: Entry


class Features(Generic[Name, Entry]):
    """Everything that can be listed, grouped by all that any policy of a set looks at when it lists."""

    def __init__(self, things: Listable[Name, Entry], rules: Sequence[Rule]) -> None:
        relevant = [rule for rule in rules if rule.actions is None or "list" in rule.actions]
        self.literals = _literals(relevant) | _heads(relevant)
        self.attributes = tuple(sorted(_attributes(relevant) & things.attributes.keys()))
        apart = any(rule.reads.identity for rule in relevant)
        reads = [things.attributes[name] for name in self.attributes]
        numbers: dict[Hashable, int] = {}
        self.all: list[Feature[Entry]] = []
        self.number_of: dict[Name, int] = {}
        for name, entry in things.entries.items():
            agent, ancestors = things.agent(entry), things.ancestors(entry)
            anchors = ancestors & self.literals
            by_itself = things.by_itself(entry) & self.literals
            above = ancestors - {things.uid(entry)}
            values = tuple([_hashable(read(entry)) for read in reads])
            key = (agent, anchors, by_itself, values, above, name if apart else None)
            number = numbers.setdefault(key, len(numbers))
            if number == len(self.all):
                self.all.append(
                    Feature(
                        agent=agent,
                        anchors=anchors,
                        by_itself=by_itself,
                        values=values,
                        ancestors=above,
                        speaker=entry,
                    )
                )
            self.number_of[name] = number


class Classes(Generic[Name, Entry]):
    """Things by what the policies of one kind of principal can tell of them.

    Where that principal is itself an agent, `own` is what it is in: what is its own is in that, and not in what the
    registry says of the agent, for then the word of the directory reaches it.
    """

    def __init__(self, features: Features[Name, Entry], rules: Sequence[Rule], agent: str, own: frozenset[Uid]) -> None:
        self.agent = agent
        self._catalogue_conditions(rules)
        literals, attributes = _literals(rules), _attributes(rules)
        columns = [column for column, name in enumerate(features.attributes) if name in attributes]
        ancestry = any(rule.reads.ancestry for rule in rules)
        apart = any(rule.reads.identity for rule in rules)
        heads = _heads(rules)
        applying = lru_cache(maxsize=None)(self._applying)
        numbers: dict[Hashable, int] = {}
        self.speakers: list[Entry] = []
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
                feature if apart else None,
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
        """The conditions that decide on things which these heads mean; none if no permit is among them."""
        found = frozenset[str]().union(*(self._by_head.get(head, ()) for head in (None, *heads)))
        return tuple(sorted(found)) if any(text.startswith("permit") for text in found) else ()


class Listings(Generic[Name, Entry]):
    """What each view may see of one catalog's skills, or agents."""

    def __init__(self, things: Listable[Name, Entry], slices: Slices) -> None:
        self._things = things
        self._slices = slices
        self._classes = lru_cache(maxsize=64)(self._find_classes)
        self._speakers = lru_cache(maxsize=64)(self._read_speakers)
        self._parsed = lru_cache(maxsize=256)(read_policies)
        self.of = lru_cache(maxsize=128)(self._of)

    def _of(self, views: tuple[View, ...]) -> tuple[Name, ...]:
        """The names of what every view sees, in the catalog's order, which is that of names."""
        seen = [self._seen(view) for view in views]
        numbers = self._features.number_of
        return tuple([name for name, number in numbers.items() if all(sees[number] for sees in seen)])

    def _seen(self, view: View) -> list[bool]:
        """For each feature of the catalog, whether the view sees the things that have it."""
        rules = self._slices.of_principal("list", (view.uid.type, self._things.type), view.anchors)
        registered = view.agent in self._owners
        own = view.ancestors & self._features.literals if registered else frozenset[Uid]()
        classes = self._classes(rules, view.agent if registered else "", own)
        answers = self._decide(view, classes) if classes.speakers else []
        return [number != _HIDDEN and answers[number] for number in classes.class_of]

    def _decide(self, view: View, classes: Classes[Name, Entry]) -> list[bool]:
        """Decide one thing of each class, all to which the same conditions apply in one go."""
        answers = [False] * len(classes.speakers)
        together: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, conditions in enumerate(classes.conditions):
            together[conditions].append(number)
        try:
            entities = read_entities(view.asking, plain_schema(), beside=self._speakers(classes))
        except CedarError:
            return answers
        for conditions, numbers in together.items():
            questions = [_question(view, self._things.uid(classes.speakers[number])) for number in numbers]
            decided = ask_all(questions, policies=self._parsed(conditions), entities=entities, schema=plain_schema())
            for number, answer in zip(numbers, decided, strict=True):
                answers[number] = answer.allowed
        return answers

    @cached_property
    def _features(self) -> Features[Name, Entry]:
        return Features(self._things, self._slices.rules)

    @cached_property
    def _owners(self) -> frozenset[str]:
        return frozenset(map(self._things.agent, self._things.entries.values()))

    def _find_classes(self, rules: tuple[Rule, ...], agent: str, own: frozenset[Uid]) -> Classes[Name, Entry]:
        return Classes(self._features, rules, agent, own)

    def _read_speakers(self, classes: Classes[Name, Entry]) -> Entities:
        """The speakers and their agents, without the agent that asks: it brings its own entity."""
        resources = map(self._things.resource, classes.speakers)
        found = {entity.uid: entity for resource in resources for entity in resource.entities}
        found.pop(Uid("Agent", classes.agent), None)
        return read_entities(list(found.values()), plain_schema())


def _question(view: View, resource: Uid) -> Question:
    return Question(principal=view.uid, action="list", resource=resource, context=view.context)


def _literals(rules: Sequence[Rule]) -> frozenset[Uid]:
    return frozenset[Uid]().union(*(rule.reads.literals for rule in rules))


def _heads(rules: Sequence[Rule]) -> frozenset[Uid]:
    return frozenset(rule.resource.anchor for rule in rules if rule.resource.anchor)


def _attributes(rules: Sequence[Rule]) -> frozenset[str]:
    return frozenset[str]().union(*(rule.reads.attributes for rule in rules))


def _hashable(value: JsonValue) -> Hashable:
    return value if isinstance(value, (bool, int, str)) or value is None else orjson.dumps(value)
