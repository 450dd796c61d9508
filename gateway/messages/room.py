"""The room of the conversation log: how much of it a gateway opens, and what answers there.

A gateway that serves opens the log and looks after it; an operator without a gateway opens it and leaves it alone, or
does not need it, or works on its tables (`gateway.messages.tables`).
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

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
    """Who finds conversations before a decision, and who answers calls about them after it."""

    find: FindConversation
    answer: FarSide


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
    async with _opened(config) as opened, upkeep(opened, config.log):
        yield _room(config, opened)


@asynccontextmanager
async def quiet_log(config: Config) -> AsyncGenerator[MessageRoom]:
    """The log as it is: nothing happens to it that nobody asks for. Raises as `served_log` does."""
    async with _opened(config) as opened:
        yield _room(config, opened)


@asynccontextmanager
async def no_log(_: Config) -> AsyncGenerator[MessageRoom]:
    """None, for operations that need none."""
    yield MessageRoom(find=no_conversation, answer=_nothing_here)


@asynccontextmanager
async def _opened(config: Config) -> AsyncGenerator[OpenLog]:
    async with open_fabric(config.fabric.nats) as fabric, open_log(log_url(config), fabric=fabric) as opened:
        yield opened


def _room(config: Config, opened: OpenLog) -> MessageRoom:
    engine = urlsplit(log_url(config)).scheme
    desk = MessageDesk(opened, about={"engine": "postgresql" if engine == "postgres" else engine, "revision": HEAD})
    return MessageRoom(find=desk.find, answer=desk.answer)


async def _nothing_here(call: Call, facts: Facts, emit: Emit) -> Result:  # noqa: ARG001  see `FarSide`
    raise Refused("The conversation log is not open.")
