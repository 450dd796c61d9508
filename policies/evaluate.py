"""What the policies say of one link of a chain: the right slice, the right entities, one question to the engine.

Every failure on the way is a finding that denies and names its error. An answer depends on nothing but the view, the
resource, the action, the circumstances, and the arguments if a policy at hand may look at them; so where none may, it
is kept. What the decision makes of the findings of all links is `policies.decide`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from policies.cedar import Answer, CedarError, Entities, Question, ask, read_entities
from policies.facts import Standing
from policies.project import (
    Circumstances,
    Resource,
    about_entities,
    principal_entity,
    together,
    use_context,
)
from policies.rules import Rule
from policies.schema import Records, plain_schema, schema_with
from policies.slicing import Slice, Slices, slice_for
from policies.views import View
from registry.catalog import Catalog
from registry.model import Action, JsonObject, JsonValue
from registry.subjects import About

NO_CIRCUMSTANCES = Circumstances()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the policies say of one link: whether it may, by which of them, and whether a denial can be cured."""

    allowed: bool
    who: str
    rules: tuple[Rule, ...] = ()
    errors: tuple[str, ...] = ()
    curable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matter:
    """What is asked of every link alike. `arguments` are what policies may see of them, and `records` their type."""

    action: Action
    resource: Resource
    circumstances: Circumstances | None = None  # None for `list`, which does not depend on them
    arguments: Mapping[str, JsonValue] | None = None
    records: Records = ()


class Evaluator:
    """Asks one set of policies about one catalog."""

    def __init__(self, slices: Slices, catalog: Catalog) -> None:
        self._slices = slices
        self._catalog = catalog
        self._kept = lru_cache(maxsize=16384)(self._without_arguments)
        self._entities = lru_cache(maxsize=4096)(self._read_entities)

    def finding(self, view: View, matter: Matter) -> Finding:
        """Whether a link may do what is asked."""
        kept = self._kept(view, matter.action, matter.resource, matter.circumstances)
        if kept and not kept.errors:  # what went wrong once may go right now
            return kept
        found = slice_for(self._slices, matter.action, view, matter.resource)
        return self._ask(view, matter, found)

    def lists(self, view: View, resource: Resource) -> Finding:
        """Whether a link may see a resource."""
        return self.finding(view, Matter(action=Action.LIST, resource=resource))

    def _without_arguments(
        self, view: View, action: Action, resource: Resource, circumstances: Circumstances | None
    ) -> Finding | None:
        """The finding that holds whatever the arguments are; None if there is no such thing."""
        found = slice_for(self._slices, action, view, resource)
        if found.reads_arguments:
            return None
        return self._ask(view, Matter(action=action, resource=resource, circumstances=circumstances), found)

    def _ask(self, view: View, matter: Matter, found: Slice) -> Finding:
        if not found.rules:
            return Finding(allowed=False, who=view.name)
        records = matter.records if found.reads_arguments else ()
        question = Question(
            principal=view.uid,
            action=matter.action.value,
            resource=matter.resource.uid,
            context=_context(view, matter, records),
        )
        try:
            circumstances = matter.circumstances or NO_CIRCUMSTANCES
            entities = self._entities(view, matter.resource, circumstances.approver, circumstances.about)
            schema = schema_with(records) if records else plain_schema()
            answer = ask(question, policies=found.handle, entities=entities, schema=schema)
            rules = found.determining(answer)
            curable = (
                _names_cures(answer, rules)
                and ask(question, policies=found.grants.handle, entities=entities, schema=schema).allowed
            )
        except CedarError as error:
            return Finding(allowed=False, who=view.name, errors=(str(error),))
        return Finding(allowed=answer.allowed, who=view.name, rules=rules, errors=answer.errors, curable=curable)

    def _read_entities(
        self, view: View, resource: Resource, approver: Standing | None, about: About | None
    ) -> Entities:
        approvers = [principal_entity(approver, self._catalog)] if approver else []
        told = about_entities(about, self._catalog) if about else ()
        return read_entities(together([*view.asking, *approvers], [*resource.entities, *told]), plain_schema())


def _names_cures(answer: Answer, rules: tuple[Rule, ...]) -> bool:
    """Whether every forbid that denied says how it is cured. It helps only if a permit stands behind them, too."""
    return not answer.allowed and not answer.errors and bool(rules) and all(rule.remedy for rule in rules)


def _context(view: View, matter: Matter, records: Records) -> JsonObject:
    context = use_context(view.context, matter.circumstances) if matter.circumstances else view.context
    if matter.action is not Action.INVOKE:
        return context
    return {**context, "args": {name: matter.arguments for name, _ in records}}
