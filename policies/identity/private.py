"""Files that only their owner may read: keys, the development secret, stored tokens.

A file is made complete under another name and then linked or renamed into place, so that no reader, and no second
process that starts at the same moment, ever sees half of it.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from registry.model import BadRequest


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the file's content, made on the first call; of several creators one wins and all return its bytes.

    Raises:
        BadRequest: others than the owner may read the file.
    """
    if not path.exists():
        _link_into_place(path, make())
    return read_private(path)


def read_private(path: Path) -> bytes:
    """Return the content of a file that must be its owner's alone.

    Raises:
        BadRequest: there is no such file, or others than the owner may read it.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise BadRequest(f"{path}: there is no such file") from None
    if mode & 0o077:
        raise BadRequest(f"{path}: others may read this secret; run `chmod 600 {path}`, and replace it if they did")
    return path.read_bytes()


def write_private(path: Path, content: bytes) -> None:
    """Replace the file's content in one step, readable for its owner only."""
    temporary = _beside(path, content)
    temporary.replace(path)


def _link_into_place(path: Path, content: bytes) -> None:
    temporary = _beside(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # another process was first: its content counts
    finally:
        temporary.unlink()


def _beside(path: Path, content: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary
