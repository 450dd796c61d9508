"""Opening a conversation log: an engine by its URL, the fabric, and the contracts on top of both."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from adapters.messaging.fabric import Fabric, Wakes
from adapters.messaging.follower import Follower
from adapters.messaging.log import ConversationLog, History, Keeping
from adapters.messaging.recorder import Recorder
from registry.model import BadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLog:
    """A log that is open: its three contracts, and who tells when there is mail."""

    log: ConversationLog
    history: History
    keeping: Keeping
    wakes: Wakes


@asynccontextmanager
async def open_log(url: str, *, fabric: Fabric, poll: float = 1.0) -> AsyncGenerator[OpenLog]:
    """Open the log at `sqlite:///path` or `postgresql://…`; a SQLite file is made where there is none.

    `poll` is how often, in seconds, is looked for what nobody was woken for.

    Raises:
        BadRequest: the URL names no engine.
        Refused: the database's tables are not those of this version.
        LogUnavailable: it cannot be reached.
    """
    wakes = Wakes(fabric, poll=poll)
    async with AsyncExitStack() as opened:
        match urlsplit(url).scheme:
            case "sqlite":
                from adapters.messaging.sqlite.engine import SqliteEngine  # noqa: PLC0415  only one of the two is needed

                engine = await SqliteEngine.open(Path(url.removeprefix("sqlite:///")), stirred=wakes.stirred)
            case "postgresql" | "postgres":
                from adapters.messaging.postgres.engine import PostgresEngine  # noqa: PLC0415  asyncpg costs 20 MB

                engine = await PostgresEngine.open(url, stirred=wakes.stirred)
            case scheme:
                raise BadRequest(f"The log's URL begins with {scheme!r}; use sqlite:///PATH or postgresql://….")
        opened.push_async_callback(engine.close)
        recorder = Recorder(engine)
        follower = Follower(engine.rows, keeping=recorder, wakes=wakes)
        await opened.enter_async_context(follower.watching())
        yield OpenLog(log=recorder, history=follower, keeping=recorder, wakes=wakes)
