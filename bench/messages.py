"""Messages of A2A beside the floor and beside a tools/call: to a skill, to an agent, and as a stream.

The floor of a message is the floor of a call (`bench.floor`), with the agent's stream in place of the unary call; of a
stream, the same with every event passed on as an event of its own. Then the same again with 5,000 agents registered.
Run: `python -m bench.messages [ROUNDS [SECONDS]]`.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from interchange.v1 import agent_pb2 as wire
from interchange_client.manifest import write_manifest

from bench import echo
from bench.driver import SERIAL
from bench.hot_path import CANDIDATE, METHOD, Server, demo, gateway, measure
from bench.processes import ROOT, Driver, Round, free_port, http_request, running, wait_for

PIECES = 20
CONNECTIONS = 16
MANY = 5_000
ECHO = "echo"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    with ExitStack() as stack:
        sink = free_port()
        stack.enter_context(running("-m", "bench.sink", str(sink)))
        wait_for(sink)
        facts, pid = stack.enter_context(demo({"INTERCHANGE_TELEMETRY_OTLP_ENDPOINT": f"http://127.0.0.1:{sink}"}))
        service = address_of(stack.enter_context(running("examples/hiring/candidates.py", "--listen", "127.0.0.1:0")))
        agent = address_of(stack.enter_context(running("-m", "bench.echo")))
        publish(facts, [manifest_of(ECHO, domain="hiring")], target=agent)
        driver = Driver(stack.enter_context(running("-m", "bench.driver")))
        floors = [
            _floor(stack, "floor of a call", service, METHOD, _get(), "unary"),
            _floor(stack, "floor of a message", agent, echo.METHOD, _turn(0), "collected"),
            _floor(stack, "floor of a stream", agent, echo.METHOD, _turn(PIECES), "passed on"),
        ]
        ours = [gateway(facts, pid), *_messages(facts, pid)]
        found = measure(driver, [*floors, *ours], connections=CONNECTIONS, rounds=rounds, seconds=seconds)
        _report(found)
        for start in range(0, MANY, 500):
            publish(facts, [manifest_of(f"agent_{start + number}", domain="many") for number in range(500)])
        many = measure(driver, ours, connections=CONNECTIONS, rounds=rounds, seconds=seconds)
        for name, played in many.items():
            ratio = median(played, "cpu_per_call") / median(found[name], "cpu_per_call")
            print(f"{name:28} with {MANY:,} agents more: {ratio:.2f}x the CPU, {errors(played)} errors")


def _messages(facts: dict[str, Any], pid: int) -> list[Server]:
    """The requests of A2A that are measured."""
    port = int(facts["mcp_url"].rpartition(":")[2].partition("/")[0])
    headers = {"authorization": f"Bearer {facts['tokens']['manager']}", "a2a-version": "1.0"}

    def server(name: str, agent: str, part: dict[str, Any], method: str) -> Server:
        params = {"message": {"messageId": SERIAL.decode(), "role": "ROLE_USER", "parts": [part]}}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return Server(name, pid, port, http_request(f"/agents/{agent}", body, headers, port))

    skill = {"data": {"skill": "candidates.get", "arguments": {"id": CANDIDATE}}}
    params = {"message": {"messageId": SERIAL.decode(), "role": "ROLE_USER", "parts": [skill]}}
    rest = http_request("/agents/candidates/message:send", params, headers, port)
    return [
        server("SendMessage to a skill", "candidates", skill, "SendMessage"),
        Server("the same over REST", pid, port, rest),
        server("SendMessage to an agent", ECHO, {"text": "0"}, "SendMessage"),
        server("SendStreamingMessage", ECHO, {"text": str(PIECES)}, "SendStreamingMessage"),
    ]


def _report(found: dict[str, list[Round]]) -> None:
    call = median(found["gateway"], "cpu_per_call")
    floors = {
        "gateway": "floor of a call",
        "SendMessage to a skill": "floor of a call",
        "the same over REST": "floor of a call",
        "SendMessage to an agent": "floor of a message",
        "SendStreamingMessage": "floor of a stream",
    }
    for name, played in found.items():
        cpu, rate = median(played, "cpu_per_call"), median(played, "calls_per_second")
        line = f"{name:28} {rate:6.0f}/s  {cpu * 1e6:6.0f} µs CPU  p50 {median(played, 'p50') * 1000:5.1f} ms"
        if floor := floors.get(name):
            beside = rate / median(found[floor], "calls_per_second")
            line += f"  {beside:.2f} of the floor's rate, {cpu / call:.2f}x the CPU of tools/call"
        print(f"{line}  {errors(played)} errors")


def median(played: list[Round], figure: str) -> float:
    return statistics.median(getattr(one, figure) for one in played)


def errors(played: list[Round]) -> int:
    return sum(one.errors for one in played)


def _floor(stack: ExitStack, name: str, target: str, method: str, message: bytes, how: str) -> Server:
    port = free_port()
    command = ("-m", "bench.floor", str(port), target, method, message.hex(), "token", how)
    process = stack.enter_context(running(*command))
    wait_for(port)
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": {"parts": [{"text": "x"}]}}}
    return Server(name, process.pid, port, http_request("/", body, {"authorization": "Bearer token"}, port))


def _get() -> bytes:
    field = CANDIDATE.encode()
    return bytes([0x0A, len(field)]) + field  # GetRequest{id}, field 1


def _turn(pieces: int) -> bytes:
    said = wire.Message(parts=[wire.Part(text=str(pieces))])
    return wire.Turn(turn_id="t", agent=ECHO, input=[said]).SerializeToString()


def manifest_of(name: str, *, domain: str) -> dict[str, Any]:
    return json.loads(write_manifest({"name": name, "domain": domain, "description": "Says what it is told."}))


def publish(facts: dict[str, Any], manifests: list[dict[str, Any]], *, target: str = "127.0.0.1:1") -> None:
    """Publish agents as one manifest, as the security team does."""
    whole = {**manifests[0], "agents": [agent for manifest in manifests for agent in manifest["agents"]]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.json"
        path.write_text(json.dumps(whole))
        command = [sys.executable, "-m", "gateway.cli", "registry", "publish", str(path), "--target", target]
        place = ["--gateway", facts["grpc_address"], "--token", facts["tokens"]["security"]]
        subprocess.run([*command, *place], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def address_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().split()[1]


if __name__ == "__main__":
    main()
