"""A gateway as a process for tests, with a configuration, people and policies of the test's own."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from gateway.cli.login import persona_token

READY_SECONDS = 30.0
STOP_SECONDS = 5.0
VERSION = "2026-07-28"

PEOPLE = """
[persons.tester]
groups = ["testers"]
domain = "tests"
[persons.operator]
groups = ["operators"]
domain = "tests"
[persons.stranger]
domain = "elsewhere"
"""
POLICIES = """
@id("testers-use-tests")
permit(principal in Group::"testers", action in [Action::"list", Action::"invoke"], resource in Domain::"tests");
@id("operators-see")
permit(principal in Group::"operators", action == Action::"list", resource in Domain::"tests");
@id("operators-publish")
permit(principal in Group::"operators", action in [Action::"publish", Action::"pin"], resource is Catalog);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A gateway that listens, and its state folder."""

    mcp_url: str
    grpc_address: str
    issuer: str
    state: Path
    process: "subprocess.Popen[str]"
    errors: IO[str]

    def log(self) -> str:
        """What the gateway wrote to standard error so far."""
        return os.pread(self.errors.fileno(), 1_000_000, 0).decode()

    @property
    def url(self) -> str:
        return self.mcp_url.removesuffix("/mcp")

    def token(self, persona: str) -> str:
        return persona_token(persona, state=self.state, url=self.url)

    def post(self, body: bytes | dict[str, Any], *, token: str | None, **headers: str) -> httpx.Response:
        """One POST to the MCP URL, as it is."""
        sent = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        sent |= {"authorization": f"Bearer {token}"} if token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(self.mcp_url, content=content, headers=sent, timeout=30)

    def call(self, tool: str, arguments: Any, *, token: str, **headers: str) -> httpx.Response:
        """One tools/call of revision 2026-07-28."""
        sent = {"mcp_protocol_version": VERSION, "mcp_method": "tools/call", "mcp_name": tool} | headers
        return self.post(tools_call(tool, arguments), token=token, **sent)


def tools_call(tool: str, arguments: Any) -> dict[str, Any]:
    """The JSON-RPC request of a tools/call."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


@contextmanager
def served_gateway(
    folder: Path,
    *,
    people: str = PEOPLE,
    policies: str = POLICIES,
    settings: str = "",
    environment: Mapping[str, str] = {},
    program: str = "gateway.cli",
) -> Generator[Served]:
    """Start a gateway on free ports; on leaving, stop it by SIGTERM and check that it ends in time.

    `program` is the module to run; another one may be the gateway with a fault.
    """
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    (folder / "policies" / "tests.cedar").write_text(policies)
    (folder / "directory.toml").write_text(people)
    (folder / "interchange.toml").write_text(f'directory = "directory.toml"\npolicies = "policies"\n{settings}')
    command = [sys.executable, "-m", program, "serve", "--json", "--port", "0"]
    command += ["--config", str(folder / "interchange.toml"), "--state", str(folder / "state")]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environment}
        )
        timer = threading.Timer(READY_SECONDS, process.kill)
        timer.start()
        line = process.stdout.readline() if process.stdout else ""
        timer.cancel()
        try:
            if not line:
                process.wait()
                errors.seek(0)
                pytest.fail(f"the gateway did not start (exit code {process.returncode}):\n{errors.read()}")
            ready = json.loads(line)
            yield Served(
                mcp_url=ready["mcp_url"],
                grpc_address=ready["grpc_address"],
                issuer=ready["issuer"],
                state=Path(ready["state"]),
                process=process,
                errors=errors,
            )
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        pytest.fail(f"the gateway did not end within {STOP_SECONDS:.0f} s of SIGTERM")


def interchange(served: Served, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command line, as the operator, through the gRPC door."""
    command = [sys.executable, "-m", "gateway.cli", *words, "--gateway", served.grpc_address]
    return subprocess.run(
        [*command, "--token", served.token("operator")], capture_output=True, text=True, timeout=60, check=False
    )


def published(served: Served, manifest: Path, target: str) -> None:
    """Publish a manifest and bind it to a target, as the operator."""
    outcome = interchange(served, "registry", "publish", str(manifest), "--target", target)
    assert outcome.returncode == 0, outcome.stderr
