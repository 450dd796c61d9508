"""Opening a conversation log: a fabric and an engine by their URLs, and the contracts on top of both."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.messaging.drafting import Drafting
from adapters.messaging.drafts import Drafts
from adapters.messaging.fabric import Fabric, InProcessFabric, Wakes
from adapters.messaging.follower import Follower
from adapters.messaging.log import ConversationLog, History, Keeping
from adapters.messaging.overview import Overview
from adapters.messaging.recorder import Recorder
from registry.model import BadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLog:
    """A log that is open: its contracts, what operators look at, and who tells when there is mail."""

    log: ConversationLog
    history: History
    keeping: Keeping
    drafts: Drafts
    overview: Overview
    wakes: Wakes


@asynccontextmanager
async def open_fabric(url: str = "", *, name: str = "interchange") -> AsyncGenerator[Fabric]:
    """The fabric at `nats://…` or `tls://…`; without a URL one that reaches this process alone.

    It is open at once, whether or not NATS can be reached. Gateways that serve the same log have the same `name`.

    Raises:
        BadRequest: the URL or the name is malformed.
    """
    if not url:
        yield InProcessFabric()
        return
    from adapters.messaging.nats_fabric import NatsFabric, nats_place  # noqa: PLC0415  only who has a NATS needs it

    async with NatsFabric.connected(nats_place(url, name=name)) as fabric:
        yield fabric


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
        opened.callback(wakes.close)
        match url.partition("://")[0]:
            case "sqlite":
                from adapters.messaging.sqlite.engine import SqliteEngine  # noqa: PLC0415  only one of the two is needed

                engine = await SqliteEngine.open(_path(url), stirred=wakes.stirred)
            case "postgresql" | "postgres":
                from adapters.messaging.postgres.engine import PostgresEngine  # noqa: PLC0415  asyncpg costs 20 MB

                engine = await PostgresEngine.open(url, stirred=wakes.stirred)
            case scheme:
                raise BadRequest(f"The log's URL begins with {scheme!r}; use sqlite:///PATH or postgresql://….")
        opened.push_async_callback(engine.close)
        recorder = Recorder(engine)
        follower = Follower(engine.rows, keeping=recorder, wakes=wakes)
        await opened.enter_async_context(follower.watching())
        yield OpenLog(
            log=recorder,
            history=follower,
            keeping=recorder,
            drafts=Drafting(engine, engine.rows),
            overview=engine.overview,
            wakes=wakes,
        )


def _path(url: str) -> Path:
    path = url.removeprefix("sqlite:///")
    if path in (url, ""):
        raise BadRequest(
            f"The log's URL {url!r} names no file: use sqlite:///PATH, with a fourth slash if it is absolute."
        )
    return Path(path).absolute()  # where it is does not change with the folder that the process is in
