"""How a change of the registry comes into force: carried out in a thread, judged before it is stored, then swapped.

The registry's work is ordinary blocking code and takes milliseconds to seconds; calls in flight keep the catalog they
began with and nothing waits. A change that the policies in force cannot be validated against is refused.
"""

import asyncio
import logging
from collections.abc import Sequence

from gateway.live import InForce, Live
from gateway.workers import Workers
from policies.load import PolicyProblems, PolicySource, build_judge
from policies.remarks import Known
from registry.catalog import Catalog
from registry.model import AgentName, Binding, JsonObject, Principal
from registry.operations import WRITES, Registrar
from registry.readings import Reader
from registry.store import Store

AT_A_TIME = 4
"""Operations under way; each may wait for a far side that is read by reflection."""

logger = logging.getLogger(__name__)


class Judges:
    """Builds the judge of a catalog from the policies in force. `known` is whom the directory knows, for remarks."""

    def __init__(self, sources: Sequence[PolicySource], *, known: Known | None = None) -> None:
        self._sources = sources
        self._known = known
        self._last: InForce | None = None
        self._remarked: tuple[str, ...] = ()

    def replaced(self, sources: Sequence[PolicySource], catalog: Catalog) -> InForce:
        """Judge by other policies from now on.

        Raises:
            PolicyProblems: they do not hold together; those of before go on.
        """
        fresh = InForce(catalog, build_judge(sources, catalog, known=self._known))
        self._sources, self._last = sources, fresh
        return self._remarking(fresh)

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
        last = self._last
        if last is None or last.catalog is not catalog:
            last = self._last = InForce(catalog, build_judge(self._sources, catalog, known=self._known))
        return last

    def _remarking(self, fresh: InForce) -> InForce:
        """Say what policy authors may want to know, once."""
        for remark in fresh.judge.remarks:
            if remark not in self._remarked:
                logger.warning("Of the policies in force: %s", remark)
        self._remarked = fresh.judge.remarks
        return fresh


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
        if operation in WRITES:
            following = self._judges.in_force(self._store.catalog())
            asyncio.run_coroutine_threadsafe(self._put_in_force(following, by), loop).result()
        return answer

    async def _put_in_force(self, following: InForce, by: Principal) -> None:
        before = self._live.current().catalog
        await self._live.swap(following)
        if self._live.current() is following:
            for name, old, new in moved(before, following.catalog):
                logger.warning("%s moved from %s to %s, published by %s", name, _where(old), _where(new), by)


def moved(before: Catalog, after: Catalog) -> list[tuple[AgentName, Binding, Binding]]:
    """The agents that are bound to another address than before: whoever answered there gets no calls any more."""
    pairs = ((entry, before.agents.get(name)) for name, entry in after.agents.items() if name in before.agents)
    return [
        (entry.agent.name, old.binding, entry.binding)
        for entry, old in pairs
        if old and old.binding and entry.binding and old.binding.targets != entry.binding.targets
    ]


def _where(binding: Binding) -> str:
    return ", ".join(binding.targets) or "this process"
