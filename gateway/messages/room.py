"""The room of the conversation log: how much of it a gateway opens, and what answers there.

A gateway that serves opens the log and looks after it; an operator without a gateway opens it and leaves it alone, or
does not need it, or works on its tables (`gateway.messages.tables`).
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from adapters.messaging.fabric import Fabric
from adapters.messaging.migrate import HEAD
from adapters.messaging.opening import OpenLog, open_fabric, open_log
from gateway.config import Config
from gateway.corridor import FarSide
from gateway.facts import FindConversation, no_conversation
from gateway.messages.desk import MessageDesk
from gateway.upkeep import upkeep
from policies.facts import Facts
from registry.model import Call, Emit, Refused, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRoom:
    """Who finds conversations before a decision, and who answers calls about them after it.

    `opened` is the log itself where turns are carried out here, and `fabric` what reaches other gateways, if anything
    does.
    """

    find: FindConversation
    answer: FarSide
    opened: OpenLog | None = None
    fabric: Fabric | None = None


OpenRoom = Callable[[Config], AbstractAsyncContextManager[MessageRoom]]


def log_url(config: Config) -> str:
    """Where the log is: as configured, or beside everything else."""
    return config.log.url or f"sqlite:///{config.state / 'log.db'}"


@asynccontextmanager
async def served_log(config: Config) -> AsyncGenerator[MessageRoom]:
    """The log, looked after.

    Raises:
        BadRequest, Refused, LogUnavailable: it cannot be opened; it says why.
    """
    async with _opened(config) as (opened, fabric), upkeep(opened, config.log):
        yield replace(_room(config, opened), opened=opened, fabric=fabric if config.fabric.nats else None)


@asynccontextmanager
async def quiet_log(config: Config) -> AsyncGenerator[MessageRoom]:
    """The log as it is: nothing happens to it that nobody asks for. Raises as `served_log` does."""
    async with _opened(config) as (opened, _):
        yield _room(config, opened)


@asynccontextmanager
async def no_log(_: Config) -> AsyncGenerator[MessageRoom]:
    """None, for operations that need none."""
    yield MessageRoom(find=no_conversation, answer=_nothing_here)


@asynccontextmanager
async def _opened(config: Config) -> AsyncGenerator[tuple[OpenLog, Fabric]]:
    async with open_fabric(config.fabric.nats) as fabric, open_log(log_url(config), fabric=fabric) as opened:
        yield opened, fabric


def _room(config: Config, opened: OpenLog) -> MessageRoom:
    engine = urlsplit(log_url(config)).scheme
    desk = MessageDesk(opened, about={"engine": "postgresql" if engine == "postgres" else engine, "revision": HEAD})
    return MessageRoom(find=desk.find, answer=desk.answer)


async def _nothing_here(call: Call, facts: Facts, emit: Emit) -> Result:  # noqa: ARG001  see `FarSide`
    raise Refused("The conversation log is not open.")
