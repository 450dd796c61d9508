"""How a change of the registry comes into force: carried out in a thread, judged before it is stored, then swapped.

The registry's work is ordinary blocking code and takes milliseconds to seconds; calls in flight keep the catalog they
began with and nothing waits. A change that the policies in force cannot be validated against is refused.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from gateway.live import InForce, Live
from gateway.workers import Workers
from policies.load import PolicyProblems, PolicySource, build_judge
from registry.catalog import Catalog
from registry.model import JsonObject, Principal
from registry.operations import WRITES, Registrar
from registry.store import Store

AT_A_TIME = 4
"""Operations under way; each may wait for a far side that is read by reflection."""

logger = logging.getLogger(__name__)


class Judges:
    """Builds the judge of a catalog from the policies in force, and remembers the last one built."""

    def __init__(self, sources: Sequence[PolicySource]) -> None:
        self._sources = sources
        self._last: InForce | None = None

    def replaced(self, sources: Sequence[PolicySource], catalog: Catalog) -> InForce:
        """Judge by other policies from now on.

        Raises:
            PolicyProblems: they do not hold together; those of before go on.
        """
        fresh = InForce(catalog, build_judge(sources, catalog))
        self._sources, self._last = sources, fresh
        return fresh

    def in_force(self, catalog: Catalog) -> InForce:
        """Pair a catalog with its judge.

        Raises:
            PolicyProblems: the policies do not validate against it.
        """
        last = self._last
        if last is not None and last.catalog is catalog:
            return last
        fresh = self._last = InForce(catalog, build_judge(self._sources, catalog))
        if last is None or last.judge.remarks != fresh.judge.remarks:
            for remark in fresh.judge.remarks:
                logger.warning("Of the policies in force: %s", remark)
        return fresh

    def vet(self, catalog: Catalog) -> Sequence[str]:
        """What the policies in force have against a catalog that would come into force."""
        try:
            self.in_force(catalog)
        except PolicyProblems as error:
            return error.problems
        return ()


class Publishing:
    """Carries out registry operations in threads and puts their outcome in force; the registry orders its writers."""

    def __init__(self, *, store: Store, registrar: Registrar, judges: Judges, live: Live) -> None:
        self._store = store
        self._registrar = registrar
        self._judges = judges
        self._live = live
        self._workers = Workers(AT_A_TIME)

    async def perform(
        self, operation: str, content: JsonObject, by: Principal, visible: Callable[[str], bool]
    ) -> JsonObject:
        """Carry out one operation; when this returns, what it changed is in force.

        Raises:
            BadRequest, Refused, Unknown: the registry does not accept it; nothing was changed.
        """
        loop = asyncio.get_running_loop()
        # Even if the caller goes away, the thread goes on: what is stored is also put in force.
        return await self._workers.run(lambda: self._carry_out(loop, operation, content, by, visible))

    def _carry_out(
        self,
        loop: asyncio.AbstractEventLoop,
        operation: str,
        content: JsonObject,
        by: Principal,
        visible: Callable[[str], bool],
    ) -> JsonObject:
        answer = self._registrar.perform(operation, content, by, visible=visible)
        if operation in WRITES:
            following = self._judges.in_force(self._store.catalog())
            asyncio.run_coroutine_threadsafe(self._live.swap(following), loop).result()
        return answer
