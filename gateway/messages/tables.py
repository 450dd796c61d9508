"""The tables of the log's database: which revision they are, and bringing them to this version's.

Only while no gateway runs: a PostgreSQL that has not been upgraded is not opened, so all of it is done on tables that
nobody uses. The registry's tables are brought up to date by opening them, which has happened when this is asked.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from adapters.messaging.migrate import HEAD, revision, upgrade
from gateway.config import Config
from gateway.facts import no_conversation
from gateway.messages.requests import read_text
from gateway.messages.room import MessageRoom, log_url
from policies.facts import Facts
from registry.model import BadRequest, Call, Emit, Result
from registry.tables import HEAD as REGISTRY_HEAD


@asynccontextmanager
async def log_tables(config: Config) -> AsyncGenerator[MessageRoom]:
    """The tables of the log that a configuration names, and not the log."""
    url = log_url(config)

    async def answer(call: Call, facts: Facts, emit: Emit) -> Result:  # noqa: ARG001  see `FarSide`
        match read_text(call.content, "operation"):
            case "Tables":
                before = after = await revision(url)
            case "Upgrade":
                before, after = await upgrade(url)
            case operation:
                raise BadRequest(f"{operation} is not done on tables.")
        log = {"before": before or "", "revision": after or "", "newest": HEAD}
        return Result(structured={"log": log, "registry": {"revision": REGISTRY_HEAD}})

    yield MessageRoom(find=no_conversation, answer=answer)
