"""Presence: an agent's process sees to it that turns go on coming to it, for as long as it runs.

A gateway may lose its registry, and another process may publish itself under the same name. The gateway says by a mark
that its registry is another; only then does an agent publish again, and only into a place that nobody holds. A place
that another process of the agent holds and answers at is left to it, which is said once; it is taken back when nobody
answers there any more. A place that somebody else chose for the agent is never taken back.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from interchange.v1 import registry_pb2

from interchange_client.errors import GatewayError

EVERY: Final = 20.0
"""Seconds between two looks."""

PATIENCE: Final = 3.0
"""Seconds in which a process that is there takes a connection."""

Changes = Sequence[registry_pb2.Change]
Pause = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is needed to keep an agent published.

    `mark` asks the gateway for its registry's mark. `join` publishes the agent where it is bound to nothing else, and
    `take` wherever it is bound. `answers` says whether anybody takes connections at an address.
    """

    name: str
    mark: Callable[[], Awaitable[str]]
    join: Callable[[], Awaitable[Changes]]
    take: Callable[[], Awaitable[Changes]]
    answers: "Callable[[str], Awaitable[bool]]"


class Presence:
    """One agent's place at its gateway, looked after every now and then."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._seen = ""
        self._said = ""

    async def keep(self, *, pause: Pause = asyncio.sleep) -> None:
        """Look after it until cancelled."""
        while True:
            await pause(EVERY)
            await self.look()

    async def look(self) -> None:
        """See whether turns still come here, and do what can be done if not. What is wrong is said once."""
        try:
            mark = await self._place.mark()
            if mark != self._seen or not mark:
                self._seen = mark if await self._joined() else ""
        except GatewayError as error:
            if not error.retryable:
                self._say(f"{self._place.name} cannot be published again: {error.message}")

    async def _joined(self) -> bool:
        """Whether the gateway sends turns here."""
        changes = await self._place.join()
        taken = next((change for change in changes if change.outcome == "elsewhere"), None)
        if taken is None:
            self._rejoice(changes)
            return True
        addresses = list(taken.differences)
        if not addresses:
            self._say(f"{self._place.name} was bound elsewhere by somebody else, so no turns come here any more.")
            return False
        if [address for address in addresses if await self._place.answers(address)]:
            where = ", ".join(addresses)
            self._say(
                f"{self._place.name} is answered for by another process, at {where}: no turns come here any more."
                " They do again when that one ends."
            )
            return False
        self._rejoice(await self._place.take())
        return True

    def _rejoice(self, changes: Changes) -> None:
        if any(change.outcome in {"live", "bound"} for change in changes):
            self._say(f"{self._place.name} had lost its place at the gateway, and is published again.")
        self._said = ""

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            sys.stderr.write(f"{sentence}\n")
            self._said = sentence


async def takes_connections(address: str) -> bool:
    """Whether anybody does, at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
