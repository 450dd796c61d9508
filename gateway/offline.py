"""Operating without a door: calls of the offline operator, through the same corridor as everybody's.

Whoever may write the state folder is `operator@local`, while no gateway holds the folder. The policies decide what that
principal may do, and the audit log says what it did.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from gateway.app import open_gateway
from gateway.config import Config, Telemetry, load_config
from gateway.corridor import Corridor
from gateway.state import hold, read_whereabouts
from policies.identity.directory import LOCAL_ISSUER
from policies.identity.directory import OPERATOR as OPERATOR_NAME
from registry.model import (
    CATALOG,
    BadRequest,
    Call,
    Deadline,
    JsonObject,
    Principal,
    PrincipalKind,
    alone,
    new_call_id,
    nowhere,
)
from registry.operations import action_of

OPERATOR = Principal(kind=PrincipalKind.SERVICE, issuer=LOCAL_ISSUER, subject=OPERATOR_NAME, name=OPERATOR_NAME)
SECONDS = 60.0


async def operate(corridor: Corridor, operation: str, content: JsonObject) -> dict[str, Any]:
    """Carry out one registry operation as the offline operator.

    Raises:
        InterchangeError: policy or the registry does not accept it.
    """
    call = Call(
        id=new_call_id(),
        chain=alone(OPERATOR),
        action=action_of(operation, content),
        target=CATALOG,
        content={**content, "operation": operation},
        deadline=Deadline.after(SECONDS),
        door="offline",
    )
    result = await corridor.handle(call, nowhere)
    return dict(cast("Mapping[str, Any]", result.structured))


class OfflineOperations:
    """The registry's operations on a state folder that no gateway holds."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def perform(self, operation: str, content: JsonObject) -> JsonObject:
        """Open the gateway without doors, carry out one operation, close it."""

        async def once() -> JsonObject:
            async with open_gateway(self._config) as gateway:
                return await operate(gateway.corridor, operation, content)

        if not (self._config.state / "catalog.db").exists():
            raise BadRequest(
                f"{self._config.state} is not the state folder of a gateway: there is no catalog.db in it."
            )
        with hold(self._config.state):
            return asyncio.run(once())


def open_offline(state: Path) -> OfflineOperations:
    """Operations on a state folder, with the configuration its gateway last ran with.

    Raises:
        BadRequest: that configuration is no longer right.
    """
    where = read_whereabouts(state)
    path = Path(where.config) if where and where.config else None
    default = Path("interchange.toml")
    # An operation that is over at once leaves no traces worth a collector's attention, and has no graph answer.
    config = replace(load_config(path or (default if default.exists() else None)), telemetry=Telemetry(), graphs={})
    return OfflineOperations(
        replace(config, state=state, public_url=where.public_url if where else config.public_url or "http://127.0.0.1")
    )
