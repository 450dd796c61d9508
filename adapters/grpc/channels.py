"""Channels: one per target and way of speaking TLS, opened when first needed and kept open.

Several targets of a binding are equals: calls go to them in turn, past those that are not connected or whose breaker
is open. Each target has a channel of its own rather than one channel for all, because gRPC cannot mix host names in
one channel, and because a target that hangs must be told from its equals.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

import grpc.aio

from adapters.grpc.breaker import BREAKER_RULE, Breaker, BreakerRule, Clock
from adapters.grpc.limits import KIB, LIMITS, Limits
from adapters.grpc.line import Line
from adapters.grpc.tls import load_credentials
from registry.model import Binding, FarSideError, FarSideFault, Tls

HEAD_START: Final = 0.25
"""Seconds a target may take to connect before its equals are looked at too (as RFC 8305 §8 has it)."""

OPTIONS: Final[tuple[tuple[str, str | int], ...]] = (
    # All addresses of a host name are used, and lost connections come back without a call that asks for them.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.service_config_disable_resolution", 1),  # nobody's DNS record decides how we retry
    ("grpc.use_local_subchannel_pool", 1),  # that an address was dead once is told to no new channel
    ("grpc.enable_retries", 0),  # `adapters.grpc.retry` decides
    ("grpc.enable_http_proxy", 0),  # internal tokens do not pass a proxy that happens to be in the environment
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),  # a restarted service is reachable within a second
    ("grpc.min_reconnect_backoff_ms", 5_000),  # in truth the time a connection attempt may take
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
    ("grpc.max_metadata_size", 64 * KIB),  # errors with many details stay readable
    ("grpc.absolute_max_metadata_size", 128 * KIB),
    ("grpc.keepalive_time_ms", 300_000),  # many servers close connections that ping more often than every 5 minutes
    ("grpc.keepalive_timeout_ms", 10_000),
)

PoolKey = tuple[str, Tls | None]


class Targets:
    """The equal targets of one binding, taken in turn."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = tuple(lines)
        self._turns = count()

    async def next_line(self) -> Line:
        """The next target that is connected; where none is, the next that connects; where none does, the next."""
        if len(self.lines) == 1:
            return self.lines[0]
        first = next(self._turns) % len(self.lines)
        order = self.lines[first:] + self.lines[:first]
        ready = [line for line in order if line.ready]
        return ready[0] if ready else await _connecting(order)


class Channels:
    """All open lines. Belongs to one event loop; `close` ends it."""

    def __init__(
        self, *, limits: Limits = LIMITS, breaker: BreakerRule = BREAKER_RULE, clock: Clock = time.monotonic
    ) -> None:
        self.limits = limits
        self._rule = breaker
        self._clock = clock
        self._targets: OrderedDict[Binding, Targets] = OrderedDict()
        self._lines: dict[PoolKey, Line] = {}
        self._closed = False

    async def targets(self, binding: Binding) -> Targets:
        """The targets of a binding, opened if need be.

        Raises:
            FarSideError: a file that the binding's TLS names is wrong, or everything is closed.
        """
        found = self._targets.get(binding)
        if found is not None:
            self._targets.move_to_end(binding)
            return found
        if self._closed:
            raise FarSideError("The gateway is stopping.", fault=FarSideFault.UNAVAILABLE, retryable=True)
        found = self._targets[binding] = Targets([self._line(target, binding.tls) for target in binding.targets])
        await self._tidy(found)
        return found

    async def keep(self, bindings: Iterable[Binding]) -> None:
        """Forget every binding but these; lines that none of them uses close when their last call has ended."""
        wanted = set(bindings)
        for binding in [binding for binding in self._targets if binding not in wanted]:
            del self._targets[binding]
        await self._drop_unused()

    async def close(self) -> None:
        """Close every channel; calls in hand end as unavailable."""
        self._closed = True
        lines = list(self._lines.values())
        self._targets.clear()
        self._lines.clear()
        await asyncio.gather(*(line.close() for line in lines))

    def _line(self, target: str, tls: Tls | None) -> Line:
        line = self._lines.get((target, tls))
        if line is None:
            channel = _open(target, tls, self.limits)
            line = Line(target, channel, breaker=Breaker(self._rule, self._clock), limits=self.limits)
            self._lines[target, tls] = line
        return line

    async def _tidy(self, newest: Targets) -> None:
        """Bring the number of open lines back under the limit, the least recently used first, `newest` never."""
        for binding, targets in list(self._targets.items()):
            if len(self._lines) <= self.limits.channels:
                return
            if targets is not newest and all(line.in_hand == 0 for line in targets.lines):
                self._targets.pop(binding, None)
                await self._drop_unused()

    async def _drop_unused(self) -> None:
        used = {line for targets in self._targets.values() for line in targets.lines}
        unused = [key for key, line in self._lines.items() if line not in used]
        leaving = [self._lines.pop(key) for key in unused]
        for line in leaving:
            await line.leave()


async def _connecting(order: Sequence[Line]) -> Line:
    """The first that connects, each given a head start; all are connecting meanwhile, for they have been asked."""
    open_to_calls = [line for line in order if line.breaker.lets_through]
    for line in open_to_calls:
        try:
            async with asyncio.timeout(HEAD_START):
                if await line.connected():
                    return line
        except TimeoutError:
            continue
    return (open_to_calls or order)[0]


def _open(target: str, tls: Tls | None, limits: Limits) -> grpc.aio.Channel:
    options: list[tuple[str, str | int]] = [*OPTIONS, ("grpc.max_receive_message_length", limits.answer)]
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return grpc.aio.secure_channel(target, load_credentials(tls, target), options=options)
