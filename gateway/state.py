"""The state folder: one place, so that a backup is a copy. One gateway at a time holds it.

catalog.db   what is registered            keys/        signing keys, the seal (0600)
audit/       decisions and outcomes         dev-secret   what `interchange token --as` proves itself with (0600)
lock         held by a running gateway      gateway.json where that gateway listens
"""

import fcntl
import json
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from registry.model import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where a running gateway is, for commands on the same machine."""

    public_url: str
    mcp_url: str
    grpc_address: str
    issuer: str
    config: str
    pid: int


@contextmanager
def hold(folder: Path) -> Generator[Path]:
    """Hold a state folder, creating it (0700), until the context ends.

    Raises:
        Refused: a gateway holds it, or it cannot be written.
    """
    os.umask(0o077)  # whatever is written from here on, by whichever library, is ours alone
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise Refused(
            f"The state folder {folder} cannot be used: {error.strerror}. Name another with --state."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"{_holder(folder)} Reach it, stop it, or name another folder with --state.") from None
        yield folder


def write_whereabouts(folder: Path, whereabouts: Whereabouts) -> None:
    """Say where the gateway is. Replaces the file whole."""
    fresh = folder / "gateway.json.new"
    fresh.write_text(json.dumps(asdict(whereabouts), indent=1) + "\n")
    fresh.replace(folder / "gateway.json")


def read_whereabouts(folder: Path) -> Whereabouts | None:
    """Where the gateway of this folder is or was last; None if there was none."""
    try:
        return Whereabouts(**json.loads((folder / "gateway.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _holder(folder: Path) -> str:
    where = read_whereabouts(folder)
    known = f" (process {where.pid}, {where.public_url})" if where else ""
    return f"A gateway{known} holds the state folder {folder}."


def secret(folder: Path, name: str) -> bytes:
    """32 random bytes kept under a name in `keys/`, made when first asked for.

    Raises:
        Refused: the file is damaged.
    """
    keys = folder / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    path = keys / name
    if not path.exists():
        _write_secret(path)
    return read_secret(path)


def read_secret(path: Path) -> bytes:
    """The 32 bytes that a file in `keys/` holds.

    Raises:
        Refused: the file is damaged.
    """
    try:
        found = bytes.fromhex(path.read_text())
    except ValueError:
        found = b""
    if len(found) != 32:
        raise Refused(f"{path} is damaged: it holds no 64 hexadecimal digits. Remove it; a new one is made.")
    return found


def _write_secret(path: Path) -> None:
    """Make a secret that appears whole, and once: gateways may share their `keys/` and start together."""
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        return
    finally:
        fresh.unlink()
