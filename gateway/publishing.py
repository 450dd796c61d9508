"""How a change of the registry comes into force: carried out in a thread, judged before it is stored, then swapped.

The registry's work is ordinary blocking code and takes milliseconds to seconds; calls in flight keep the catalog they
began with and nothing waits. A change that the policies in force cannot be validated against is refused.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence

from gateway.live import InForce, Live
from policies.load import PolicyProblems, PolicySource, build_judge
from registry.catalog import Catalog
from registry.model import JsonObject, Principal
from registry.operations import WRITES, Registrar
from registry.store import Store


class Judges:
    """Builds the judge of a catalog from the policies in force, and remembers the last one built."""

    def __init__(self, sources: Sequence[PolicySource]) -> None:
        self._sources = sources
        self._last: InForce | None = None

    def in_force(self, catalog: Catalog) -> InForce:
        """Pair a catalog with its judge.

        Raises:
            PolicyProblems: the policies do not validate against it.
        """
        if self._last is None or self._last.catalog is not catalog:
            self._last = InForce(catalog, build_judge(self._sources, catalog))
        return self._last

    def vet(self, catalog: Catalog) -> Sequence[str]:
        """What the policies in force have against a catalog that would come into force."""
        try:
            self.in_force(catalog)
        except PolicyProblems as error:
            return error.problems
        return ()


class Publishing:
    """Carries out registry operations one after another and puts their outcome in force."""

    def __init__(self, *, store: Store, registrar: Registrar, judges: Judges, live: Live) -> None:
        self._store = store
        self._registrar = registrar
        self._judges = judges
        self._live = live
        self._one_at_a_time = threading.Lock()

    async def perform(
        self, operation: str, content: JsonObject, by: Principal, visible: Callable[[str], bool]
    ) -> JsonObject:
        """Carry out one operation; when this returns, what it changed is in force.

        Raises:
            BadRequest, Refused, Unknown: the registry does not accept it; nothing was changed.
        """
        loop = asyncio.get_running_loop()
        # Even if the caller goes away, the thread goes on: what is stored is also put in force.
        return await asyncio.to_thread(self._carry_out, loop, operation, content, by, visible)

    def _carry_out(
        self,
        loop: asyncio.AbstractEventLoop,
        operation: str,
        content: JsonObject,
        by: Principal,
        visible: Callable[[str], bool],
    ) -> JsonObject:
        if operation not in WRITES:
            return self._registrar.perform(operation, content, by, visible=visible)
        with self._one_at_a_time:
            answer = self._registrar.perform(operation, content, by, visible=visible)
            following = self._judges.in_force(self._store.catalog())
            asyncio.run_coroutine_threadsafe(self._live.swap(following), loop).result()
            return answer
