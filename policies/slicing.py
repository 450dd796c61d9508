"""Slices: the few policies that can matter for one principal and one resource, so that a decision costs the same at
10 and at 10,000 policies.

Exact by Cedar's semantics: a policy whose head names an entity that the principal (or resource) neither is nor is in
can never match. Policies are indexed by what their heads name; a slice is the union over the anchors at hand, parsed
once and kept in a bounded cache, and shared by all who arrive at the same policies.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache

from policies.cedar import Answer, PolicyHandle, Uid, read_policies
from policies.project import Resource
from policies.rules import Rule
from policies.views import View

MAX_SLICES = 1024

_Place = Uid | None


class Slice:
    """Policies that are evaluated together. Parsed when first asked about."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.permits = any(rule.permits for rule in rules)
        self.reads_arguments = any(rule.reads.arguments for rule in rules)

    @cached_property
    def handle(self) -> PolicyHandle:
        return read_policies([rule.text for rule in self.rules])

    @cached_property
    def grants(self) -> "Slice":
        """The permits among them: whether one of those applies is what is left once every forbid is cured."""
        return Slice([rule for rule in self.rules if rule.permits])

    def determining(self, answer: Answer) -> tuple[Rule, ...]:
        return tuple(self.rules[position] for position in answer.reasons)


class Slices:
    """An index of a whole set of policies by what their heads name."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._between: dict[tuple[_Place, _Place], list[int]] = defaultdict(list)
        self._of_principal: dict[_Place, list[int]] = defaultdict(list)
        for number, rule in enumerate(self.rules):
            self._between[rule.principal.anchor, rule.resource.anchor].append(number)
            self._of_principal[rule.principal.anchor].append(number)
        self.principal_anchors = frozenset(rule.principal.anchor for rule in self.rules if rule.principal.anchor)
        self.resource_anchors = frozenset(rule.resource.anchor for rule in self.rules if rule.resource.anchor)
        self._numbers_of_slice = lru_cache(maxsize=MAX_SLICES)(self._find)
        self._slice = lru_cache(maxsize=MAX_SLICES)(self._parse)

    def between(
        self, action: str, types: tuple[str, str], principals: frozenset[Uid], resources: frozenset[Uid]
    ) -> Slice:
        """The policies that can matter for an action between a principal and a resource of these types, whose
        ancestors-or-selves among the anchors are given."""
        return self._slice(self._numbers_of_slice(action, types, principals, resources))

    def of_principal(self, action: str, types: tuple[str, str], principals: frozenset[Uid]) -> tuple[Rule, ...]:
        """The policies that can matter for an action of such a principal, whatever the resource."""
        found = (number for principal in (None, *principals) for number in self._of_principal.get(principal, ()))
        rules = (self.rules[number] for number in sorted(found))
        return tuple(rule for rule in rules if _about(rule, action, types))

    def _find(
        self, action: str, types: tuple[str, str], principals: frozenset[Uid], resources: frozenset[Uid]
    ) -> tuple[int, ...]:
        pairs = [(principal, resource) for principal in (None, *principals) for resource in (None, *resources)]
        found = (number for pair in pairs for number in self._between.get(pair, ()))
        return tuple(sorted(number for number in found if _about(self.rules[number], action, types)))

    def _parse(self, numbers: tuple[int, ...]) -> Slice:
        return Slice([self.rules[number] for number in numbers])


def slice_for(slices: Slices, action: str, view: View, resource: Resource) -> Slice:
    """The policies that can matter between a view and a resource. What an agent is in, its own skills are in."""
    own = bool(view.agent) and view.agent == resource.agent
    ancestors = resource.ancestors | view.ancestors if own else resource.ancestors
    return slices.between(action, (view.uid.type, resource.uid.type), view.anchors, ancestors & slices.resource_anchors)


def _about(rule: Rule, action: str, types: tuple[str, str]) -> bool:
    if rule.actions is not None and action not in rule.actions:
        return False
    return rule.principal.admits(types[0]) and rule.resource.admits(types[1])
