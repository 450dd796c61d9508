"""The JavaScript clients of `tests/clients`: installed once, run with a time limit."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from conformance import node

CLIENTS = Path(__file__).parents[1] / "clients"
INSPECTOR = Path("@modelcontextprotocol") / "inspector" / "clients" / "launcher" / "build" / "index.js"
A2A_CLIENTS = CLIENTS / "a2a"
SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    code: int
    output: str
    errors: str


@cache
def modules() -> Path:
    """`node_modules` with everything in the lock file."""
    return node.install(CLIENTS)


def run_client(script: str, url: str, token: str, plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """Run one of the scripts and return its report."""
    modules()
    ended = _run(CLIENTS / script, url, token, json.dumps(plan))
    assert ended.code == 0, f"{script} failed ({ended.code}):\n{ended.errors}"
    return json.loads(ended.output)


@cache
def a2a_modules() -> Path:
    """`node_modules` of the client of A2A."""
    return node.install(A2A_CLIENTS)


def run_a2a_client(script: str, *words: str) -> Mapping[str, Any]:
    """Run one of the scripts of `tests/clients/a2a` and return its report."""
    a2a_modules()
    ended = _run(A2A_CLIENTS / script, *words)
    assert ended.code == 0, f"{script} failed ({ended.code}):\n{ended.errors}"
    return json.loads(ended.output)


def run_inspector(url: str, token: str, *words: str, home: Path) -> Ended:
    """Run the Inspector's command line; it keeps its own files in `home`."""
    always = ("--transport", "http", "--protocol-era", "auto", "--header", f"Authorization: Bearer {token}")
    return _run(modules() / INSPECTOR, "--cli", url, *always, *words, home=home)


def _run(script: Path, *words: str, home: Path | None = None) -> Ended:
    environment = node.environment()
    if home is not None:
        environment |= {"HOME": str(home), "MCP_CATALOG_PATH": str(home / "mcp.json")}
    done = subprocess.run(
        [str(node.node()), str(script), *words],
        capture_output=True, text=True, timeout=SECONDS, env=environment, cwd=CLIENTS, check=False,
    )  # fmt: skip
    return Ended(code=done.returncode, output=done.stdout, errors=done.stderr)
