"""An adapter with channels that are closed after the test, and a clock that only moves when told to."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import pytest

from adapters.grpc.adapter import GrpcAdapter
from adapters.grpc.breaker import BreakerRule
from adapters.grpc.channels import Channels
from adapters.grpc.limits import Limits
from registry.model import Chain


@dataclass
class FakeClock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


async def token_for(chain: Chain, audience: str) -> str:
    return f"token-of-{chain.caller.name}-for-{audience}"


MakeAdapter = Callable[..., GrpcAdapter]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def make_adapter(clock: FakeClock) -> AsyncGenerator[MakeAdapter, None]:
    made: list[Channels] = []

    def make(*, limits: Limits | None = None, breaker: BreakerRule | None = None) -> GrpcAdapter:
        channels = Channels(limits=limits or Limits(), breaker=breaker or BreakerRule(), clock=clock)
        made.append(channels)
        return GrpcAdapter(channels, token_for)

    yield make
    for channels in made:
        await channels.close()


@pytest.fixture
def adapter(make_adapter: MakeAdapter) -> GrpcAdapter:
    return make_adapter()
