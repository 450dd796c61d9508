"""What the policies say of one link of a chain: the right slice, the right entities, one question to the engine.

Every failure on the way is a finding that denies and names its error. What the decision makes of the findings of all
links is `policies.decide`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from policies.cedar import Answer, CedarError, Entities, Question, ask, read_entities
from policies.facts import Standing
from policies.listing import list_question, slice_for
from policies.project import Resource, principal_entity, together
from policies.rules import Rule
from policies.schema import Records, plain_schema, schema_with
from policies.slicing import Slice, Slices
from policies.views import View
from registry.catalog import Catalog
from registry.model import JsonObject, JsonValue


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
    """What is asked of every link alike. `arguments` are what policies may see of them, None where an action has
    none; `records` their type."""

    action: str
    resource: Resource
    context: JsonObject
    arguments: Mapping[str, JsonValue] | None = None
    records: Records = ()
    approver: Standing | None = None


class Evaluator:
    """Asks one set of policies about one catalog."""

    def __init__(self, slices: Slices, catalog: Catalog) -> None:
        self._slices = slices
        self._catalog = catalog
        self.lists = lru_cache(maxsize=16384)(self._lists)
        self._entities = lru_cache(maxsize=4096)(self._read_entities)

    def finding(self, view: View, matter: Matter) -> Finding:
        """Whether a link may do what is asked."""
        found = slice_for(self._slices, matter.action, view, matter.resource)
        question = Question(
            principal=view.uid,
            action=matter.action,
            resource=matter.resource.uid,
            context=_with_arguments(matter, found),
        )
        records = matter.records if found.reads_arguments else ()
        return self._found(view, matter.resource, question, found, records=records, approver=matter.approver)

    def _lists(self, view: View, resource: Resource) -> Finding:
        """Whether a link may see a resource."""
        found = slice_for(self._slices, "list", view, resource)
        return self._found(view, resource, list_question(view, resource), found)

    def _found(
        self,
        view: View,
        resource: Resource,
        question: Question,
        found: Slice,
        *,
        records: Records = (),
        approver: Standing | None = None,
    ) -> Finding:
        if not found.rules:
            return Finding(allowed=False, who=view.name)
        try:
            entities = self._entities(view, resource, approver)
            schema = schema_with(records) if records else plain_schema()
            answer = ask(question, policies=found.handle, entities=entities, schema=schema)
            rules = found.determining(answer)
            curable = (
                _cures(answer, rules)
                and ask(question, policies=found.grants.handle, entities=entities, schema=schema).allowed
            )
        except CedarError as error:
            return Finding(allowed=False, who=view.name, errors=(str(error),))
        return Finding(allowed=answer.allowed, who=view.name, rules=rules, errors=answer.errors, curable=curable)

    def _read_entities(self, view: View, resource: Resource, approver: Standing | None) -> Entities:
        approvers = [principal_entity(approver, self._catalog)] if approver else []
        return read_entities(together([*view.asking, *approvers], resource.entities), plain_schema())


def _cures(answer: Answer, rules: tuple[Rule, ...]) -> bool:
    """Whether every forbid that denied says how it is cured. (That a permit stands behind them is asked next.)"""
    return not answer.allowed and not answer.errors and bool(rules) and all(rule.remedy for rule in rules)


def _with_arguments(matter: Matter, found: Slice) -> JsonObject:
    """The context, with the arguments only where one of the policies at hand may look at them."""
    if matter.arguments is None:
        return matter.context
    shown = {name: matter.arguments for name, _ in matter.records} if found.reads_arguments else {}
    return {**matter.context, "args": shown}
