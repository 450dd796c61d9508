"""An agent without an address: its process attaches to its gateway, or to each of several that share the work.

At every gateway it publishes itself, bound to its mailbox, and then keeps a stream of work open for as long as it
runs: one that breaks is opened again, ever more slowly, and one that brings nothing new (`Draining`) has a fresh one
beside it at once, while what came by it is finished.
"""

import asyncio
import logging
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from interchange_client.attaching import Stream, Work, attach
from interchange_client.credentials import AgentCredentials
from interchange_client.errors import GatewayError
from interchange_client.presence import Changes, Place, Presence, takes_connections
from interchange_client.publish import find_door, open_channel, publish, registry_mark

logger = logging.getLogger(__name__)

PAUSES: Final = (0.2, 5.0)
"""Seconds before an attachment is tried again for the first time, and at most before any."""

SETTLED: Final = 5.0
"""Seconds after which an attachment that ended was a good one: the next is tried without delay."""

SEATS: Final = 16

Publish = Callable[[Callable[[], Awaitable[Changes]], str], Awaitable[None]]
"""Publishes when that is possible, at the gateway of that URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How one gateway is reached: its URL, and its gRPC door with its authority where it does not say so itself."""

    url: str
    door: str = ""
    ca: Path | None = None


class Mailbox:
    """An agent's attachments. `keep` opens them until it is cancelled, `leave` ends them in order."""

    def __init__(
        self, manifest: str, work: Work, *, credentials: AgentCredentials, entrances: Sequence[Entrance]
    ) -> None:
        self._manifest = manifest
        self._work = work
        self._credentials = credentials
        self._entrances = entrances
        self._running: dict[Stream, asyncio.Task[None]] = {}
        self._attached = False

    async def keep(self, publishing: Publish) -> None:
        """Publish and attach, at every gateway, for as long as this is not cancelled.

        Raises:
            PublishRefused: a gateway does not take the agent.
            GatewayError: the issuer refuses the credential, or a URL is not a gateway's.
        """
        keeping = [asyncio.ensure_future(self._keep_at(entrance, publishing)) for entrance in self._entrances]
        try:
            await asyncio.wait(keeping, return_when=asyncio.FIRST_EXCEPTION)
            for task in keeping:
                if task.done():
                    task.result()
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    async def leave(self, grace: float) -> None:
        """Take nothing more, let what is in hand finish for so many seconds, hand back the rest, and go."""
        await asyncio.gather(*(stream.leave(grace) for stream in list(self._running)))
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _keep_at(self, entrance: Entrance, publishing: Publish) -> None:
        put = partial(
            publish,
            self._manifest,
            credentials=self._credentials,
            gateway=entrance.url,
            door=entrance.door,
            ca=entrance.ca,
        )
        await publishing(put, entrance.url)
        place = Place(
            name=self._work.name,
            mark=partial(registry_mark, entrance.url),
            join=partial(put, if_vacant=True),
            take=put,
            answers=takes_connections,
        )
        presence = Presence(place)
        looking = asyncio.ensure_future(presence.keep())
        try:
            await self._stay_attached(entrance, presence)
        finally:
            looking.cancel()

    async def _stay_attached(self, entrance: Entrance, presence: Presence) -> None:
        """One stream after the other."""
        loop, (seconds, most) = asyncio.get_running_loop(), PAUSES
        said = ""
        while True:
            began = loop.time()
            try:
                await self._attach_once(entrance)
                said = ""
            except GatewayError as error:
                said = self._say(entrance, error, said)
                if not error.retryable:
                    await presence.look()  # it may have lost its registry
            if loop.time() - began >= SETTLED:
                seconds = PAUSES[0]
                continue
            await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - so that not all agents come at once
            seconds = min(seconds * 2, most)

    async def _attach_once(self, entrance: Entrance) -> None:
        """Attach, and stay for as long as the stream brings anything new; how it then ends is looked after.

        Raises:
            GatewayError: it did not come to that, or it has ended with an error.
        """
        address = entrance.door or await find_door(entrance.url)
        channel = open_channel(address, entrance.ca)
        try:
            stream = await self._open(channel)
        except BaseException:
            await channel.close()
            raise
        running = self._running[stream] = asyncio.ensure_future(self._run(stream, channel))
        running.add_done_callback(_look_at)
        if not self._attached:
            self._attached = True
            sys.stdout.write(f"attached {self._work.name}\n")
            sys.stdout.flush()
        draining = asyncio.ensure_future(stream.draining.wait())
        try:
            await asyncio.wait((running, draining), return_when=asyncio.FIRST_COMPLETED)
        finally:
            draining.cancel()
        if running.done():
            running.result()

    async def _open(self, channel: Any) -> Stream:
        """With a token that the gateway takes: one that it does not is renewed, once."""
        token = await self._credentials.token()
        try:
            return await attach(channel, self._work, token)
        except GatewayError as error:
            if error.code != "unauthenticated":
                raise
        self._credentials.forget(token)
        return await attach(channel, self._work, await self._credentials.token())

    async def _run(self, stream: Stream, channel: Any) -> None:
        try:
            await stream.run()
        finally:
            del self._running[stream]
            await channel.close()

    def _say(self, entrance: Entrance, error: GatewayError, said: str) -> str:
        """Say once what keeps this process from being attached."""
        sentence = f"{self._work.name} is not attached to {entrance.url}: {error.message}"
        if sentence != said:
            sys.stderr.write(f"{sentence}\n")
        return sentence


def _look_at(ended: "asyncio.Task[None]") -> None:
    """Note how a stream ended that nobody may wait for any more."""
    error = None if ended.cancelled() else ended.exception()
    if error is not None:
        logger.info("a stream of work ended: %s", error)
