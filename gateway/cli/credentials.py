"""Tokens that `interchange login` keeps for other commands: one file of this user, readable for nobody else."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from policies.identity.private import read_private, write_private
from registry.model import BadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a login left behind. `refresh_token` empty: log in again once it has expired."""

    access_token: str
    expires_at: float
    token_endpoint: str = ""
    client_id: str = ""
    refresh_token: str = ""
    resource: str = ""


def gateway_of(url: str) -> str:
    """The gateway's own URL, whichever of its URLs was given."""
    return url.rstrip("/").removesuffix("/mcp").rstrip("/")


def credentials_path() -> Path:
    """Where this user's credentials are (XDG base directories)."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "interchange" / "credentials.json"


def read_credential(url: str) -> Credential | None:
    """What is kept for a gateway; None if nothing is.

    Raises:
        BadRequest: the file is damaged, or others may read it.
    """
    row = _read_rows().get(gateway_of(url))
    try:
        credential = Credential(**row) if row is not None else None
    except TypeError:
        raise _damaged() from None
    if credential and not all(
        isinstance(value, (int, float) if name == "expires_at" else str) for name, value in asdict(credential).items()
    ):
        raise _damaged()
    return credential


def keep_credential(url: str, credential: Credential) -> None:
    """Keep a credential for a gateway, in place of an earlier one."""
    rows = {**_read_rows(), gateway_of(url): asdict(credential)}
    write_private(credentials_path(), json.dumps(rows, indent=1).encode())


def _read_rows() -> Mapping[str, dict[str, Any]]:
    path = credentials_path()
    if not path.exists():
        return {}
    try:
        rows = json.loads(read_private(path))
    except ValueError:
        raise _damaged() from None
    if not isinstance(rows, dict):
        raise _damaged()
    return cast("dict[str, dict[str, Any]]", rows)


def _damaged() -> BadRequest:
    return BadRequest(f"{credentials_path()} is damaged: delete it and log in again")
