"""The hot path beside the floor: an MCP tools/call on a gRPC skill with token, policy, audit and telemetry all on.

The same service and driver, rounds interleaved. Prints calls per second, CPU per call and latency at 1, 16 and 64
connections, as ratios to the floor, and the gateway's memory. Run: `python -m bench.hot_path [ROUNDS [SECONDS]]`.
"""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bench.processes import Driver, Round, free_port, http_request, resident_megabytes, running, wait_for

METHOD = "/hiring.v1.Candidates/Get"
CANDIDATE = "c-0042"
VERSION = "2026-07-28"


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load."""

    name: str
    pid: int
    port: int
    request: bytes


@contextmanager
def demo(environment: dict[str, str]) -> Generator[tuple[dict[str, Any], int]]:
    """The demo as a process: what it printed, and its process id."""
    with tempfile.TemporaryDirectory() as state:
        command = ("-m", "gateway.cli", "demo", "--json", "--port", "0", "--state", state)
        with running(*command, env={**os.environ, **environment}) as process:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline()), process.pid


def gateway(facts: dict[str, Any], pid: int) -> Server:
    port = int(facts["mcp_url"].rpartition(":")[2].partition("/")[0])
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    }
    params = {"name": "candidates_get", "arguments": {"id": CANDIDATE}, "_meta": meta}
    headers = {
        "authorization": f"Bearer {facts['tokens']['recruiter']}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": "candidates_get",
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return Server("gateway", pid, port, http_request("/mcp", body, headers, port))


def floor(stack: ExitStack, target: str) -> Server:
    port = free_port()
    field = CANDIDATE.encode()
    message = bytes([0x0A, len(field)]) + field  # GetRequest{id}, field 1
    process = stack.enter_context(running("-m", "bench.floor", str(port), target, METHOD, message.hex(), "token"))
    wait_for(port)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"arguments": {"id": CANDIDATE}}}
    return Server("floor", process.pid, port, http_request("/", body, {"authorization": "Bearer token"}, port))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    with ExitStack() as stack:
        sink = free_port()
        stack.enter_context(running("-m", "bench.sink", str(sink)))
        wait_for(sink)
        facts, pid = stack.enter_context(demo({"INTERCHANGE_TELEMETRY_OTLP_ENDPOINT": f"http://127.0.0.1:{sink}"}))
        service = stack.enter_context(running("examples/hiring/candidates.py", "--listen", "127.0.0.1:0"))
        assert service.stdout is not None
        servers = [floor(stack, service.stdout.readline().split()[1]), gateway(facts, pid)]
        driver = Driver(stack.enter_context(running("-m", "bench.driver")))
        idle = resident_megabytes(pid)
        for connections in (1, 16, 64):
            report(connections, measure(driver, servers, connections=connections, rounds=rounds, seconds=seconds))
        print(f"memory of the gateway: {idle:.0f} MiB when ready, {resident_megabytes(pid):.0f} MiB after the load")


def measure(
    driver: Driver, servers: list[Server], *, connections: int, rounds: int, seconds: float
) -> dict[str, list[Round]]:
    """Interleaved rounds; the first of each server warms it and does not count."""
    found: dict[str, list[Round]] = {server.name: [] for server in servers}
    for number in range(rounds + 1):
        for server in servers:
            played = driver.play(
                pid=server.pid, port=server.port, request=server.request, connections=connections, seconds=seconds
            )
            if number:
                found[server.name].append(played)
    return found


def report(connections: int, found: dict[str, list[Round]]) -> None:
    def median(name: str, figure: str) -> float:
        return statistics.median(getattr(round_, figure) for round_ in found[name])

    rate = median("gateway", "calls_per_second") / median("floor", "calls_per_second")
    added = (median("gateway", "p50") - median("floor", "p50")) * 1000
    cpu = median("gateway", "cpu_per_call") / median("floor", "cpu_per_call")
    errors = sum(round_.errors for rounds in found.values() for round_ in rounds)
    for name in found:
        print(
            f"{connections:3} connections  {name:8} {median(name, 'calls_per_second'):7.0f} calls/s"
            f"  {median(name, 'cpu_per_call') * 1e6:6.0f} µs CPU/call"
            f"  p50 {median(name, 'p50') * 1000:6.2f} ms  p99 {median(name, 'p99') * 1000:6.2f} ms"
        )
    ratios = f"{rate:.2f} of the rate, {cpu:.1f}x the CPU, {added:+.2f} ms at the median"
    print(f"{'':17}gateway/floor {ratios}, {errors} errors")


if __name__ == "__main__":
    main()
