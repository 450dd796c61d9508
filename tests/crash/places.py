"""Where a run happens: a database, perhaps a fabric, and how their servers are killed."""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.nats import running_nats
from tests.support.postgres import PostgresServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The log's URL, that of the fabric between the processes (empty: there is none), and the servers that can be
    killed, by name: each with what kills it and starts it again."""

    url: str
    fabric: str = ""
    servers: Mapping[str, Callable[[], None]] = field(default_factory=dict[str, Callable[[], None]])


@contextmanager
def sqlite_place(folder: Path) -> Generator[Place]:
    """A SQLite file in a folder."""
    yield Place(url=f"sqlite:///{folder / 'log.db'}")


@contextmanager
def postgres_place() -> Generator[Place]:
    """A PostgreSQL of its own."""
    server = PostgresServer()

    def crash() -> None:
        server.kill()
        server.start()

    try:
        server.start()
        yield Place(url=asyncio.run(server.create_database()), servers={"database": crash})
    finally:
        server.stop()


@contextmanager
def with_nats(place: Place) -> Generator[Place]:
    """The same place, with a NATS between the processes."""
    with running_nats() as server:

        def crash() -> None:
            server.kill()
            server.start()

        yield Place(url=place.url, fabric=server.url, servers={**place.servers, "nats": crash})
