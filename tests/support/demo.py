"""The demo as a process: what `interchange demo --json` starts, and the one line it says when it is ready."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

READY_SECONDS = 90.0
STOP_SECONDS = 5.0
PERSONAS = ("recruiter", "intern", "manager", "security", "operator", "outsider")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A running demo: where its doors are and a token for each persona."""

    mcp_url: str
    grpc_address: str
    issuer: str
    tokens: Mapping[str, str]
    state: Path
    process: "subprocess.Popen[str]"


@contextmanager
def running_demo(state: Path) -> Generator[Demo]:
    """Start the demo on free ports; on leaving, stop it by SIGTERM and check that it ends in time."""
    with tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, "-m", "gateway.cli", "demo", "--json", "--port", "0", "--state", str(state)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            ready = _first_line(process, errors)
            yield Demo(
                mcp_url=ready["mcp_url"],
                grpc_address=ready["grpc_address"],
                issuer=ready["issuer"],
                tokens=ready["tokens"],
                state=Path(ready["state"]),
                process=process,
            )
        finally:
            _stop(process)


def _first_line(process: "subprocess.Popen[str]", errors: IO[str]) -> Mapping[str, Any]:
    """The line of JSON; the process is ended where it does not come."""
    timer = threading.Timer(READY_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        timer.cancel()
    if not line:
        process.wait()
        errors.seek(0)
        pytest.fail(f"the demo did not start (exit code {process.returncode}):\n{errors.read()}")
    return json.loads(line)


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        pytest.fail(f"the demo did not end within {STOP_SECONDS:.0f} s of SIGTERM")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Generator[Demo]:
    """One demo for all tests that only talk to it."""
    with running_demo(tmp_path_factory.mktemp("demo") / "state") as running:
        yield running
