"""The decision: one call, what is known about it, and the policies in; allow or deny with all reasons out.

Pure (no look-ups, no clock, no log) and total (it never raises: whatever goes wrong is a denial that says so). The
order is a promise. Where a link of the chain is disabled, nothing else is asked. `list` comes first, for every link:
whoever may not list a target learns nothing of it, not even that it exists. Then wrong arguments, then missing scopes,
then the action itself, again for every link; so the rights of a chain are what all of its links have, and nobody
borrows another's. Conversations are not listed: what `list` is to a skill, `read_conversation` is to them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from policies.arguments import UnreadableError, declared, project, visible
from policies.decision import Decision
from policies.evaluate import Evaluator, Finding, Matter
from policies.facts import Facts, OpenedConversation, Standing
from policies.listable import agents_of, skills_of
from policies.listing import Listings
from policies.opinion import Opinion, errors_of, ids
from policies.project import (
    Circumstances,
    Resource,
    agent_resource,
    catalog_resource,
    conversation_resource,
    message_log_resource,
    skill_resource,
)
from policies.rules import Rule
from policies.schema import Records, record_of
from policies.slicing import Slices
from policies.views import Seat, View, seats, view
from registry.catalog import AgentEntry, Catalog, SkillEntry
from registry.model import (
    CATALOG,
    MESSAGE_LOG,
    Action,
    AgentName,
    Call,
    JsonValue,
    Param,
    SkillId,
    Target,
    TargetKind,
)

_ACTIONS = {
    TargetKind.SKILL: {Action.LIST, Action.INVOKE},
    TargetKind.AGENT: {Action.LIST, Action.MESSAGE},
    TargetKind.CATALOG: {Action.LIST, Action.PUBLISH, Action.PIN},
    TargetKind.CONVERSATION: {Action.READ_CONVERSATION, Action.TAKE_PART, Action.KEEP_CONVERSATION},
    TargetKind.MESSAGE_LOG: {Action.READ_CONVERSATION, Action.KEEP_CONVERSATION},
}
_SINGLE = {CATALOG: catalog_resource, MESSAGE_LOG: message_log_resource}
"""What there is one of, and everybody knows that there is."""
_LISTED = frozenset({TargetKind.SKILL, TargetKind.AGENT})
_OF_THE_LOG = frozenset({TargetKind.CONVERSATION, TargetKind.MESSAGE_LOG})
_OF_PARTICIPANTS = frozenset({Action.READ_CONVERSATION, Action.TAKE_PART})


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """Policies that hold together: parsed, validated, of one version. `obligations` are asked after an allow only;
    `remarks` are what their authors may want to know of them."""

    version: str
    rules: tuple[Rule, ...]
    obligations: tuple[Rule, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A target that exists: as policies see it, its revision, and for a skill what of its arguments they may see."""

    resource: Resource
    entry: SkillEntry | AgentEntry | None = None
    params: tuple[Param, ...] = ()
    records: Records = ()


class Judge:
    """Decides calls by one set of policies about one catalog. Immutable but for its caches, which are bounded."""

    def __init__(self, policies: PolicySet, catalog: Catalog) -> None:
        self.version = policies.version
        self.remarks = policies.remarks
        self._catalog = catalog
        slices, obligations = Slices(policies.rules), Slices(policies.obligations)
        self._anchors = slices.principal_anchors | obligations.principal_anchors
        self._skills = Listings(skills_of(catalog), slices)
        self._agents = Listings(agents_of(catalog), slices)
        self._policies = Evaluator(slices, catalog)
        self._obligations = Evaluator(obligations, catalog) if policies.obligations else None
        self._view = lru_cache(maxsize=1024)(self._see)
        self._subject = lru_cache(maxsize=4096)(self._find)
        self._conversation = lru_cache(maxsize=1024)(_conversation)

    def decide(self, call: Call, facts: Facts) -> Decision:
        """Judge one call. Never raises."""
        opinion = self._opinion(call)
        try:
            return self._decide(call, facts, opinion)
        except Exception as error:  # total: what cannot be judged is not allowed
            return opinion.unknown(errors=(f"{type(error).__name__}: {error}",))

    def listed(
        self,
        standings: Sequence[Standing],
        catalog: Catalog,
        scopes: frozenset[str],
        *,
        environment: str = "production",
    ) -> tuple[SkillId, ...]:
        """The skills that every link of a chain may list, sorted by id: those for which `decide` allows `list`.

        Raises:
            ValueError: the catalog is not the one this judge was built for.
        """
        self._refuse_another(catalog)
        return self._skills.of(self._views(tuple(standings), scopes, environment)) if _may_act(standings) else ()

    def listed_agents(
        self,
        standings: Sequence[Standing],
        catalog: Catalog,
        scopes: frozenset[str],
        *,
        environment: str = "production",
    ) -> tuple[AgentName, ...]:
        """The agents that every link of a chain may list, sorted: those for which `decide` allows `list`.

        Raises:
            ValueError: the catalog is not the one this judge was built for.
        """
        self._refuse_another(catalog)
        return self._agents.of(self._views(tuple(standings), scopes, environment)) if _may_act(standings) else ()

    def sees_agent(
        self, standings: Sequence[Standing], name: str, scopes: frozenset[str], *, environment: str = "production"
    ) -> bool:
        """Whether every link of a chain may list an agent; what cannot be told is no. One question, not a listing."""
        if not _may_act(standings) or self._catalog.agent(name) is None:  # and what anybody may make up is kept nowhere
            return False
        try:
            subject = self._subject(TargetKind.AGENT, name)
            views = self._views(tuple(standings), scopes, environment)
            return subject is not None and all(self._policies.lists(view, subject.resource).allowed for view in views)
        except Exception:  # total, as `decide` is
            return False

    def _decide(self, call: Call, facts: Facts, opinion: Opinion) -> Decision:
        if refusal := _refused_as_a_chain(call, facts, opinion):
            return refusal
        subject, trouble = self._target(call, facts)
        if subject is None:
            return opinion.unknown(errors=trouble)
        views = self._views(facts.standings, call.scopes, facts.environment)
        if call.target.kind in _OF_THE_LOG:
            return self._about_the_log(facts, opinion, subject, views)
        if call.target.kind in _LISTED:
            found = [self._policies.lists(view, subject.resource) for view in views]
            if hidden := [finding for finding in found if not finding.allowed]:
                return opinion.unknown(errors=errors_of(hidden), policies=ids(hidden))
            if call.action is Action.LIST:
                return opinion.of(subject.entry).allows(ids(found))
        return self._judge(facts, opinion.of(subject.entry), subject, views)

    def _about_the_log(self, facts: Facts, opinion: Opinion, subject: Subject, views: Sequence[View]) -> Decision:
        """Whoever is denied what they asked, and may not read the conversation either, knows of none."""
        found = facts.conversation
        decision = self._judge(facts, opinion.of_operation(found.id if found else ""), subject, views)
        if decision.allowed or not found:
            return decision
        reading = Matter(
            action=Action.READ_CONVERSATION,
            resource=subject.resource,
            circumstances=_circumstances(facts, Action.READ_CONVERSATION),
        )
        if all(self._policies.finding(view, reading).allowed for view in views):
            return decision
        return opinion.unknown(errors=decision.errors, policies=decision.policies)

    def _judge(self, facts: Facts, opinion: Opinion, subject: Subject, views: Sequence[View]) -> Decision:
        """Judge the action itself on a target that the caller may know of."""
        call = opinion.call
        if refusal := _refused_beforehand(facts, opinion, subject):
            return refusal
        arguments: Mapping[str, JsonValue] | None = None
        if isinstance(subject.entry, SkillEntry):
            try:
                arguments = project(subject.params, facts.arguments)
            except UnreadableError as error:
                return opinion.denies(error.message, errors=(error.message,))
            opinion = opinion.having_seen(declared(subject.params, arguments))
        matter = Matter(
            action=call.action,
            resource=subject.resource,
            circumstances=None if call.action is Action.LIST else _circumstances(facts, call.action),
            arguments=arguments,
            records=subject.records,
        )
        findings = [self._policies.finding(view, matter) for view in views]
        if not all(finding.allowed for finding in findings):
            return opinion.denied_by(findings)
        orders = [self._obligations.finding(view, matter) for view in views] if self._obligations else []
        if any(order.errors for order in orders):
            return opinion.denied_by(orders)
        return opinion.allows(ids(findings), obligations=_obligations(orders))

    def _target(self, call: Call, facts: Facts) -> tuple[Subject | None, tuple[str, ...]]:
        """The target as this judge's catalog has it; facts gathered from another catalog are no facts."""
        kind = call.target.kind
        if call.target in _SINGLE:
            return self._subject(kind, call.target.name), ()
        if kind is TargetKind.CONVERSATION:
            if facts.conversation is None:
                return None, (facts.trouble.message,) if facts.trouble else ()
            return self._conversation(facts.conversation), ()
        entry = facts.skill if kind is TargetKind.SKILL else facts.agent
        if entry is None:
            return None, ()
        subject = self._subject(kind, _name_of(entry))
        if subject is None or subject.entry is None or subject.entry.pin != entry.pin:
            return None, ("the facts are of another catalog",)
        return subject, ()

    def _find(self, kind: TargetKind, name: str) -> Subject | None:
        if single := _SINGLE.get(Target(kind, name)):
            return Subject(resource=single())
        if kind is TargetKind.AGENT:
            agent = self._catalog.agent(name)
            return Subject(resource=agent_resource(agent), entry=agent) if agent else None
        entry = self._catalog.skills.get(SkillId(name))
        if entry is None:
            return None
        return Subject(
            resource=skill_resource(entry, self._catalog),
            entry=entry,
            params=visible(entry.skill),
            records=record_of(entry.skill),
        )

    def _refuse_another(self, catalog: Catalog) -> None:
        if catalog.version != self._catalog.version:
            raise ValueError(f"this judge knows catalog {self._catalog.version}, not {catalog.version}")

    def _views(self, standings: tuple[Standing, ...], scopes: frozenset[str], environment: str) -> tuple[View, ...]:
        return tuple([self._view(seat) for seat in seats(standings, scopes=scopes, environment=environment)])

    def _see(self, seat: Seat) -> View:
        return view(seat, self._catalog, self._anchors)

    def _opinion(self, call: Call) -> Opinion:
        return Opinion(call=call, policy_version=self.version, catalog_version=self._catalog.version)


def _may_act(standings: Sequence[Standing]) -> bool:
    return bool(standings) and not any(standing.disabled for standing in standings)


def _refused_as_a_chain(call: Call, facts: Facts, opinion: Opinion) -> Decision | None:
    """What is refused because of who asks, and not because of what."""
    if call.chain.links != tuple([standing.principal for standing in facts.standings]):
        return opinion.unknown(errors=("the standings are not those of the chain",))
    if disabled := _disabled(facts):
        return opinion.disables(disabled) if call.target in _SINGLE else opinion.unknown(errors=disabled)
    return None


def _disabled(facts: Facts) -> tuple[str, ...]:
    """Those on whose word the call stands who may do nothing any more; whoever approved it among them."""
    words = (*facts.standings, facts.approved_by) if facts.approved_by else facts.standings
    return tuple([f"{standing.principal} is disabled in the directory" for standing in words if standing.disabled])


def _circumstances(facts: Facts, action: Action) -> Circumstances:
    """What an action may depend on, beyond what `list` may."""
    found = facts.conversation
    return Circumstances(
        tainted=facts.tainted,
        hour=facts.hour,
        approver=facts.approved_by,
        about=facts.about if action is Action.PUBLISH else None,
        participates=(found is not None and found.participates) if action in _OF_PARTICIPANTS else None,
    )


def _conversation(conversation: OpenedConversation) -> Subject:
    return Subject(resource=conversation_resource(conversation))


def _name_of(entry: SkillEntry | AgentEntry) -> str:
    return entry.skill.id if isinstance(entry, SkillEntry) else entry.agent.name


def _refused_beforehand(facts: Facts, opinion: Opinion, subject: Subject) -> Decision | None:
    """What needs no policy: an action the target does not have, wrong arguments, an identity or a token that is short
    of something."""
    call = opinion.call
    if call.action not in _ACTIONS[call.target.kind]:
        return opinion.denies(f"{call.target.kind.capitalize()}s cannot be asked to {call.action}.")
    if isinstance(subject.entry, AgentEntry) and not subject.entry.agent.converses:
        return opinion.denies(f"The agent {subject.entry.agent.name} does not converse: only its skills can be called.")
    if faults := facts.find_faults():
        return opinion.finds_faults(faults)
    if facts.unbound:
        return opinion.denies(f"Your identity does not say what must fill {', '.join(facts.unbound)}.")
    return None if call.scopes.issuperset(opinion.scopes) else opinion.needs_scopes()


def _obligations(orders: Iterable[Finding]) -> tuple[str, ...]:
    """The union of all that match for any link: a broader grant never loses one."""
    return tuple(
        sorted({item for order in orders if order.allowed for rule in order.rules for item in rule.obligations})
    )
