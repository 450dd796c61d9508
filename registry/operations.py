"""The registry's operations: everything anybody can ask of the book, one method each.

Ordinary blocking code, called by the gateway in a worker thread once policy has allowed the call. Requests and answers
are the proto3 JSON of `registry.proto`. Each write is one transaction: what it would bring into force is looked at
(tool names, policies) before anything is durable, and a refusal leaves nothing behind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias

from registry.book import book_of, book_of_manifest, by_name, waiting_under
from registry.catalog import Catalog
from registry.compare_schemas import Difference
from registry.ledger import NOTHING, Addition, Ledger, Present, Settlement, names_of
from registry.listings import without_defaults
from registry.manifest import Manifest
from registry.model import (
    Action,
    AgentName,
    BadRequest,
    Binding,
    BindingKind,
    JsonObject,
    Pin,
    Principal,
    Refused,
)
from registry.own import refuse_borrowed_keys, waits_for_others
from registry.protoc.descriptors import read_set
from registry.publish import (
    Book,
    Outcome,
    Step,
    clashes,
    if_approved,
    offered_by,
    plan,
    refuse_breaking,
    with_objections,
)
from registry.readings import Reader, Readings
from registry.received import (
    built_manifest,
    read_corrected,
    read_overlay,
    refuse_uncheckable,
    services_in,
)
from registry.reflection import reflect
from registry.requests import (
    read_binding,
    read_bytes,
    read_flag,
    read_forced,
    read_name,
    read_number,
    read_text,
    read_tls,
)
from registry.revisions import Kind, Name, Offered, Revision, Stamp, State
from registry.store import Store, Writing
from registry.targets import check_binding

ACTIONS: Mapping[str, Action] = {
    "Publish": Action.PUBLISH,
    "Discover": Action.PUBLISH,
    "Import": Action.PUBLISH,
    "Bind": Action.PUBLISH,
    "Retire": Action.PUBLISH,
    "Approve": Action.PIN,
    "List": Action.LIST,
    "Search": Action.LIST,
    "Show": Action.LIST,
    "Diff": Action.LIST,
}
"""What each operation is to policy: an action on the catalog; but see `action_of`."""

WRITES = frozenset(name for name, action in ACTIONS.items() if action is not Action.LIST)
"""Operations that may change the catalog."""

VETTED_ALONE = 20
"""Waiting revisions up to which each is also vetted by itself, to say whose approval would be refused."""

Vet: TypeAlias = Callable[[Catalog], Sequence[str]]


def action_of(operation: str, content: JsonObject) -> Action:
    """What a request is to policy. To try a manifest is to `publish`; to read what waits, whoever pins must `list`."""
    return Action.PUBLISH if operation == "Diff" and content.get("manifest") else ACTIONS[operation]


KEEPER = Reader(visible=lambda _: True, keeps=True)
"""Reads all there is."""


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Registrar:
    """Keeps the book. May be used from several threads; writers wait for each other.

    `allowed_targets` are the patterns of `registry.targets`. `vet` says, in sentences, what the policies in force have
    against a catalog that would come into force.
    """

    def __init__(
        self,
        store: Store,
        *,
        allowed_targets: Sequence[str],
        vet: Vet,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._allowed = tuple(allowed_targets)
        self._vet = vet
        self._clock = clock
        readings = Readings(store)
        self._writes: Mapping[str, Callable[[JsonObject, Principal], JsonObject]] = {
            "Publish": self._publish,
            "Discover": self._discover,
            "Import": self._import,
            "Bind": self._bind,
            "Retire": self._retire,
            "Approve": self._approve,
        }
        self._reads: Mapping[str, Callable[[JsonObject, Reader], JsonObject]] = {
            "List": readings.list,
            "Search": readings.search,
            "Show": readings.show,
            "Diff": readings.diff,
        }

    def perform(self, operation: str, content: JsonObject, by: Principal, *, reader: Reader = KEEPER) -> JsonObject:
        """Carry out one operation. What changes nothing is answered as far as the `reader` may know of it.

        Raises:
            BadRequest, Denied, Refused, Unknown, FarSideError: it cannot be; nothing was changed.
        """
        if operation in self._reads:
            return self._reads[operation](content, reader)
        if operation in self._writes:
            return self._writes[operation](content, by)
        raise BadRequest(f"There is no operation {operation[:100]!r}; there are {', '.join(ACTIONS)}.")

    def _publish(self, content: JsonObject, by: Principal) -> JsonObject:
        return self._take(read_corrected(content), read_binding(content), content, by)

    def _discover(self, content: JsonObject, by: Principal) -> JsonObject:
        target, tls = read_text(content, "target"), read_tls(content)
        binding = Binding(kind=BindingKind.GRPC, targets=(target,), tls=tls)
        check_binding(binding, self._allowed)
        found = reflect(target, tls)
        manifest = built_manifest(
            found.files, read_overlay(content), source=f"{target} serves {', '.join(found.services)}"
        )
        return self._take(manifest, binding, content, by)

    def _import(self, content: JsonObject, by: Principal) -> JsonObject:
        files = read_set(read_bytes(content, "descriptorSet"))
        manifest = built_manifest(
            files, read_overlay(content), source=f"The descriptor set declares {services_in(files)}"
        )
        return self._take(manifest, read_binding(content), content, by)

    def _take(self, manifest: Manifest, binding: Binding | None, content: JsonObject, by: Principal) -> JsonObject:
        """Publish a manifest, wherever it came from."""
        forced, stamp = read_forced(content), self._stamp(content, by)
        if not manifest.agents:
            raise BadRequest("The manifest has no agents, so there is nothing to publish.")
        if binding is not None:
            refuse_borrowed_keys(binding, by)
            check_binding(binding, self._allowed)
        offered = offered_by(manifest, manifest.digest)
        with self._store.writing() as writing:
            ledger = writing.ledger
            book = book_of_manifest(ledger, manifest)
            steps = plan(offered, book, doubt=lambda one, present: waits_for_others(one, present, by))
            refuse_breaking(steps, forced=forced)
            refuse_uncheckable(step.offered for step in steps)
            if any(step.offered for step in steps):
                ledger.keep_descriptors(manifest.descriptor_set)
            _write(ledger, steps, book, stamp)
            agents = [agent.name for agent in manifest.agents]
            taken = _elsewhere(ledger, agents, binding, stamp) if read_flag(content, "ifVacant") else []
            held = {step.name.text for step in taken}
            vacant = [agent for agent in agents if agent not in held]
            steps = (*steps, *taken, *_bound(ledger, vacant, binding, stamp))
            steps = self._foreseen(steps, offered, writing)
            self._refuse_unfit(writing, [step.offered for step in steps if step.offered])
            return _changes(steps, ledger)

    def _approve(self, content: JsonObject, by: Principal) -> JsonObject:
        name, looked_at = read_name(content), read_number(content, "revision")
        with self._store.writing() as writing:
            agent, book = book_of(writing.ledger, name)
            waiting = waiting_under(book, name, agent)
            if not waiting:
                raise Refused(f"Nothing of {name} waits for approval.")
            _refuse_unseen(waiting, name, looked_at)
            if name != agent and book.get(Name(Kind.AGENT, agent), NOTHING).live is None:
                raise Refused(f"The agent {agent} is not live; approve it, and {name} comes with it.")
            stamp = self._stamp(content, by)
            replaced = [live for found in waiting if (live := book[found.name].live) is not None]
            settlements = [*((live, State.REPLACED) for live in replaced), *((found, State.LIVE) for found in waiting)]
            writing.ledger.settle(settlements, stamp)
            self._refuse_unfit(writing, ())
            return _changes([_settled(found, Outcome.LIVE) for found in waiting], writing.ledger)

    def _retire(self, content: JsonObject, by: Principal) -> JsonObject:
        name = read_name(content)
        stamp = self._stamp(content, by)
        if not stamp.reason.strip():
            raise BadRequest(f"Say why {name} is retired (reason): whoever misses it will ask.")
        with self._store.writing() as writing:
            agent, book = book_of(writing.ledger, name)
            going = [
                found
                for key, present in sorted(book.items(), key=by_name)
                if name in (agent, key.text)
                for found in (present.live, present.waiting)
                if found is not None
            ]
            if not going:
                raise Refused(f"{name} is retired already.")
            writing.ledger.settle(_retired(going), stamp)
            self._refuse_unfit(writing, ())
            return _changes([_settled(found, Outcome.RETIRED) for found in going], writing.ledger)

    def _bind(self, content: JsonObject, by: Principal) -> JsonObject:
        name, binding = read_name(content), read_binding(content)
        if binding is None:
            raise BadRequest("binding is missing: name at least one target, host:port, or the kind mailbox.")
        refuse_borrowed_keys(binding, by)
        check_binding(binding, self._allowed)
        with self._store.writing() as writing:
            agent, _ = book_of(writing.ledger, name)
            if name != agent:
                raise BadRequest(f"{name} is a skill; bind its agent, {agent}.")
            steps = _bound(writing.ledger, [agent], binding, self._stamp(content, by))
            self._refuse_unfit(writing, ())
            return _changes(steps, writing.ledger)

    def _refuse_unfit(self, writing: Writing, offered: Iterable[Offered]) -> None:
        """Look at what would come into force, before it does."""
        if not writing.ledger.changed:
            return
        following = writing.following()
        if found := clashes(following, offered):
            raise Refused("\n".join(found))
        if problems := self._vet(following):
            raise Refused("The policies in force do not fit this change:\n  " + "\n  ".join(problems))

    def _foreseen(self, steps: tuple[Step, ...], offered: Sequence[Offered], writing: Writing) -> tuple[Step, ...]:
        """Steps with what approving those that wait would be refused for: better known to who publishes."""
        waiting = [step for step in steps if step.outcome is Outcome.WAITING]
        if not waiting:
            return steps
        following = writing.following()
        problems = self._vet(if_approved(following, waiting, offered))
        if not problems:
            return steps
        each = waiting if 1 < len(waiting) <= VETTED_ALONE else []
        own = {step.name: self._vet(if_approved(following, [step], offered)) for step in each}
        if not any(own.values()):
            own = {step.name: problems for step in waiting}
        return tuple(
            with_objections(step, own[step.name]) if step.outcome is Outcome.WAITING else step for step in steps
        )

    def _stamp(self, content: JsonObject, by: Principal) -> Stamp:
        return Stamp(by=str(by), at=self._clock(), reason=read_text(content, "reason"))


AFTER_RETIRING = {State.LIVE: State.RETIRED, State.WAITING: State.REPLACED}


def _write(ledger: Ledger, steps: Sequence[Step], book: Book, stamp: Stamp) -> None:
    """Make the steps of a publication true; first what makes way, since of one name one revision is live at a time."""
    ledger.settle([one for step in steps for one in _making_way(step, book.get(step.name, NOTHING))], stamp)
    additions = [
        Addition(offered=step.offered, number=step.number, state=State(step.outcome.value))
        for step in steps
        if step.offered is not None
    ]
    ledger.add(additions, stamp)


def _making_way(step: Step, present: Present) -> Sequence[Settlement]:
    """What a step ends."""
    if step.outcome is Outcome.RETIRED:
        return _retired(found for found in (present.live, present.waiting) if found is not None)
    replaced = present.live if step.outcome is Outcome.LIVE else present.waiting
    return [] if step.offered is None or replaced is None else [(replaced, State.REPLACED)]


def _retired(going: Iterable[Revision]) -> Sequence[Settlement]:
    return [(found, AFTER_RETIRING[found.state]) for found in going]


def _bound(ledger: Ledger, agents: Iterable[AgentName], binding: Binding | None, stamp: Stamp) -> list[Step]:
    """Bind agents that are not bound like this already."""
    if binding is None:
        return []
    present = ledger.bindings()
    changed = [agent for agent in agents if present.get(agent) != binding]
    ledger.bind(changed, binding, stamp)
    book = ledger.current(changed)
    return [_bound_step(name, book[name]) for name in (Name(Kind.AGENT, agent) for agent in changed)]


def _elsewhere(ledger: Ledger, agents: Iterable[AgentName], binding: Binding | None, stamp: Stamp) -> list[Step]:
    """The agents that are bound to something else, which is to stay. Whoever bound one there reads the address."""
    present, binders = ledger.bindings(), ledger.binders()
    found = [agent for agent in agents if binding is not None and present.get(agent, binding) != binding]
    book = ledger.current(found)
    return [
        replace(
            _bound_step(name, book[name]),
            outcome=Outcome.ELSEWHERE,
            differences=tuple(
                Difference(target, breaking=False)
                for target in present[agent].targets
                if binders.get(agent) == stamp.by
            ),
        )
        for agent, name in ((agent, Name(Kind.AGENT, agent)) for agent in found)
    ]


def _bound_step(name: Name, present: Present) -> Step:
    found = present.live or present.waiting
    return Step(
        name=name,
        number=found.number if found else present.latest,
        outcome=Outcome.BOUND,
        pin=found.pin if found else Pin(""),
    )


def _refuse_unseen(waiting: Sequence[Revision], name: str, looked_at: int) -> None:
    """Let nobody approve what they did not look at (0: whatever waits now).

    An agent's revision stands for itself and for what was published with it or before.
    """
    if not looked_at:
        return
    own = next((found for found in waiting if found.name.text == name), None)
    if own is None or own.number != looked_at:
        now = f"revision {own.number} waits now" if own else "that is not among what waits"
        raise Refused(f"You looked at revision {looked_at} of {name}, but {now}: look again (registry diff {name}).")
    newer = [found for found in waiting if found.published_in > own.published_in]
    if newer:
        raise Refused(
            f"Published since revision {looked_at} of {name}: {names_of(newer)}. Look again (registry diff {name})."
        )


def _settled(found: Revision, outcome: Outcome) -> Step:
    return Step(name=found.name, number=found.number, outcome=outcome, pin=found.pin)


def _changes(steps: Iterable[Step], ledger: Ledger) -> JsonObject:
    version = ledger.version() if ledger.changed else ledger.version() - 1
    changes = [without_defaults(step.written()) for step in steps]
    return without_defaults({"changes": changes, "catalogVersion": str(version)})
