"""How a change comes into force: carried out in a thread, judged before it is stored, then swapped.

The registry's work is ordinary blocking code and takes milliseconds to seconds; calls in flight keep the catalog they
began with and nothing waits. A change that the policies in force cannot be validated against is refused. Policies and
directory are replaced together, or not at all.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.live import InForce, Live
from gateway.workers import Workers
from policies.identity.directory import Directory
from policies.load import PolicyProblems, PolicySource, build_judge
from policies.remarks import known_to
from registry.catalog import Catalog
from registry.model import AgentName, Binding, BindingKind, JsonObject, Principal
from registry.operations import WRITES, Registrar
from registry.readings import Reader
from registry.store import Store

AT_A_TIME = 4
"""Operations under way; each may wait for a far side that is read by reflection."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Grounds:
    """What is judged by: the policies, and the directory of those who are judged."""

    sources: Sequence[PolicySource]
    directory: Directory
    edition: int = 0


class Judges:
    """Builds the judge of a catalog from the grounds in force."""

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds
        self._last: InForce | None = None
        self._remarked: tuple[str, ...] = ()

    def adopt(self, grounds: Grounds, fresh: InForce) -> None:
        """Judge by other grounds from now on; `fresh` was built from them."""
        self._grounds, self._last = grounds, fresh
        self._remarking(fresh)

    def in_force(self, catalog: Catalog) -> InForce:
        """Pair a catalog that comes into force with its judge.

        Raises:
            PolicyProblems: the policies do not validate against it.
        """
        return self._remarking(self._judged(catalog))

    def vet(self, catalog: Catalog) -> Sequence[str]:
        """What the policies in force have against a catalog that might come into force."""
        try:
            self._judged(catalog)
        except PolicyProblems as error:
            return error.problems
        return ()

    def _judged(self, catalog: Catalog) -> InForce:
        grounds, last = self._grounds, self._last
        if last is None or last.catalog is not catalog or last.edition != grounds.edition:
            last = self._last = judged_by(grounds, catalog)
        return last

    def _remarking(self, fresh: InForce) -> InForce:
        """Say what policy authors may want to know, once."""
        for remark in fresh.judge.remarks:
            if remark not in self._remarked:
                logger.warning("Of the policies in force: %s", remark)
        self._remarked = fresh.judge.remarks
        return fresh


def judged_by(grounds: Grounds, catalog: Catalog) -> InForce:
    """A catalog, judged by these grounds.

    Raises:
        PolicyProblems: the policies do not hold together, or not with this catalog.
    """
    judge = build_judge(grounds.sources, catalog, known=known_to(grounds.directory))
    return InForce(catalog, judge, grounds.directory, grounds.edition)


class Reloading:
    """Puts policies and directory in force as they are now; `read` fetches them, in a thread."""

    def __init__(self, read: Callable[[], Grounds], *, judges: Judges, live: Live) -> None:
        self._read = read
        self._judges = judges
        self._live = live
        self._one_at_a_time = asyncio.Lock()

    async def reload(self) -> None:
        """When this returns they are in force, and what lasts has been decided again.

        Raises:
            BadRequest: one of them is not right; those of before stay in force, both.
        """
        async with self._one_at_a_time:
            found = await asyncio.to_thread(self._read)
            grounds = replace(found, edition=self._live.current().edition + 1)
            catalog = self._live.current().catalog
            fresh = await asyncio.to_thread(judged_by, grounds, catalog)
            while catalog is not self._live.current().catalog:  # something was published meanwhile
                catalog = self._live.current().catalog
                fresh = await asyncio.to_thread(judged_by, grounds, catalog)
            self._judges.adopt(grounds, fresh)
            await self._live.swap(fresh)


class Publishing:
    """Carries out registry operations in threads and puts their outcome in force; the registry orders its writers."""

    def __init__(self, *, store: Store, registrar: Registrar, judges: Judges, live: Live) -> None:
        self._store = store
        self._registrar = registrar
        self._judges = judges
        self._live = live
        self._workers = Workers(AT_A_TIME)

    async def perform(self, operation: str, content: JsonObject, by: Principal, reader: Reader) -> JsonObject:
        """Carry out one operation; when this returns, what it changed is in force.

        Raises:
            BadRequest, Denied, Refused, Unknown: the registry does not accept it; nothing was changed.
        """
        loop = asyncio.get_running_loop()
        # Even if the caller goes away, the thread goes on: what is stored is also put in force.
        return await self._workers.run(lambda: self._carry_out(loop, operation, content, by, reader))

    def _carry_out(
        self,
        loop: asyncio.AbstractEventLoop,
        operation: str,
        content: JsonObject,
        by: Principal,
        reader: Reader,
    ) -> JsonObject:
        answer = self._registrar.perform(operation, content, by, reader=reader)
        done = operation not in WRITES
        while not done:  # again where other grounds, or a later publish, came into force meanwhile
            following = self._judges.in_force(self._store.catalog())
            done = asyncio.run_coroutine_threadsafe(self._put_in_force(following, by), loop).result()
        return answer

    async def _put_in_force(self, following: InForce, by: Principal) -> bool:
        before = self._live.current().catalog
        taken = await self._live.swap(following)
        if taken:
            for name, old, new in moved(before, following.catalog):
                logger.warning("%s moved from %s to %s, published by %s", name, _where(old), _where(new), by)
        return taken


def moved(before: Catalog, after: Catalog) -> list[tuple[AgentName, Binding, Binding]]:
    """The agents that are bound to another address than before: whoever answered there gets no calls any more."""
    pairs = ((entry, before.agents.get(name)) for name, entry in after.agents.items() if name in before.agents)
    return [
        (entry.agent.name, old.binding, entry.binding)
        for entry, old in pairs
        if old and old.binding and entry.binding and _where(old.binding) != _where(entry.binding)
    ]


def _where(binding: Binding) -> str:
    if binding.kind is BindingKind.MAILBOX:
        return "its mailbox"
    return ", ".join(binding.targets) or "this process"
