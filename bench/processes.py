"""Processes under measurement: started, found ready, their CPU time and memory read from /proc, stopped."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TICK = os.sysconf("SC_CLK_TCK")


@contextmanager
def running(*command: str, **settings: Any) -> Generator["subprocess.Popen[str]"]:
    """A Python process of ours, stopped with the context."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **settings
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=10)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def wait_for(port: int) -> None:
    """Return once something listens on a port."""
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def http_request(path: str, body: dict[str, Any], headers: dict[str, str], port: int) -> bytes:
    """One HTTP/1.1 POST, ready to be sent again and again."""
    payload = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()] + [f"content-length: {len(payload)}", "", ""]
    return "\r\n".join(lines).encode() + payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of load on one server."""

    calls: int
    calls_per_second: float
    cpu_per_call: float
    p50: float
    p99: float
    errors: int


class Driver:
    """The load driver's process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def play(self, *, pid: int, port: int, request: bytes, connections: int, seconds: float) -> Round:
        """Drive a server for some seconds and say what it did. CPU time is the server's own."""
        order = {
            "port": port,
            "request": base64.b64encode(request).decode(),
            "connections": connections,
            "seconds": seconds,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        before = cpu_seconds(pid)
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return Round(
            calls=found["calls"],
            calls_per_second=found["calls"] / found["seconds"],
            cpu_per_call=(cpu_seconds(pid) - before) / found["calls"],
            p50=found["p50"],
            p99=found["p99"],
            errors=found["errors"],
        )
