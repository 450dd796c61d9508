"""Operating without a door: calls of the offline operator, through the same corridor as everybody's.

Whoever may write the state folder is `operator@local`, while no gateway holds the folder. The policies decide what that
principal may do, and the audit log says what it did.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from gateway.app import open_gateway
from gateway.config import Config, Telemetry, load_config
from gateway.corridor import Corridor
from gateway.messages.room import OpenRoom, no_log, quiet_log
from gateway.messages.tables import log_tables
from gateway.operators import AskedBy, asked_of_messages, asked_of_registry
from gateway.state import hold, read_whereabouts
from policies.identity.directory import LOCAL_ISSUER
from policies.identity.directory import OPERATOR as OPERATOR_NAME
from registry.model import (
    BadRequest,
    Call,
    Deadline,
    Emission,
    Emit,
    Item,
    JsonObject,
    Principal,
    PrincipalKind,
    alone,
    new_call_id,
    nowhere,
)

OPERATOR = Principal(kind=PrincipalKind.SERVICE, issuer=LOCAL_ISSUER, subject=OPERATOR_NAME, name=OPERATOR_NAME)
SECONDS = 60.0
HOURS = 3600.0
"""An export or an upgrade takes as long as it takes."""


async def operate(
    corridor: Corridor,
    operation: str,
    content: JsonObject,
    *,
    asked_by: AskedBy = asked_of_registry,
    emit: Emit = nowhere,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """Carry out one operation, of the registry where nothing else is said, as the offline operator.

    Raises:
        InterchangeError: policy, or what it is about, does not accept it.
    """
    asked = asked_by(operation, content)
    call = Call(
        id=new_call_id(),
        chain=alone(OPERATOR),
        action=asked.action,
        target=asked.target,
        content={**content, "operation": operation},
        deadline=Deadline.after(seconds),
        door="offline",
    )
    result = await corridor.handle(call, emit)
    return dict(cast("Mapping[str, Any]", result.structured))


class OfflineOperations:
    """Operations on a state folder that no gateway holds, with as much of the conversation log as they need."""

    lasts = False

    def __init__(self, config: Config, *, asked_by: AskedBy, log: OpenRoom) -> None:
        self._config = config
        self._asked_by = asked_by
        self._log = log

    def perform(self, operation: str, content: JsonObject) -> JsonObject:
        """Open the gateway without doors, carry out one operation, close it."""
        return self._carry_out(operation, content, nowhere)

    def stream(self, operation: str, content: JsonObject, tell: Callable[[JsonObject], None]) -> None:
        """The same of an operation whose answer comes in pieces."""

        async def emit(emission: Emission) -> None:
            if isinstance(emission, Item):
                tell(emission.content)

        self._carry_out(operation, content, emit)

    def _carry_out(self, operation: str, content: JsonObject, emit: Emit) -> JsonObject:
        async def once() -> JsonObject:
            async with open_gateway(self._config, log=self._log) as gateway:
                return await operate(
                    gateway.corridor, operation, content, asked_by=self._asked_by, emit=emit, seconds=HOURS
                )

        with hold(self._config.state):
            return asyncio.run(once())


def offline_registry(state: Path) -> OfflineOperations:
    """Operations on the registry of a state folder.

    Raises:
        BadRequest: it is not a gateway's, or the configuration that gateway last ran with is no longer right.
    """
    return OfflineOperations(_existing(state), asked_by=asked_of_registry, log=no_log)


def offline_messages(state: Path) -> OfflineOperations:
    """Operations on the conversation log of a state folder; raises as `offline_registry` does."""
    return OfflineOperations(_existing(state), asked_by=asked_of_messages, log=quiet_log)


def offline_tables(state: Path | None, config: Path | None) -> OfflineOperations:
    """Operations on the tables of a log, which may have none yet.

    Raises:
        BadRequest: the configuration is not right.
    """
    return OfflineOperations(_config(state, config), asked_by=asked_of_messages, log=log_tables)


def _existing(state: Path) -> Config:
    if not (state / "catalog.db").exists():
        raise BadRequest(f"{state} is not the state folder of a gateway: there is no catalog.db in it.")
    return _config(state, None)


def _config(state: Path | None, named: Path | None) -> Config:
    """The configuration that is named, or that the gateway of this folder last ran with, or that of this place."""
    where = read_whereabouts(state) if state is not None else None
    default = Path("interchange.toml")
    last = Path(where.config) if where and where.config else None
    config = load_config(named or last or (default if default.exists() else None))
    where = where or read_whereabouts(config.state)
    # An operation that is over at once leaves no traces worth a collector's attention, and has no graph answer.
    return replace(
        config,
        state=state or config.state,
        public_url=where.public_url if where else config.public_url or "http://127.0.0.1",
        telemetry=Telemetry(),
        graphs={},
    )
