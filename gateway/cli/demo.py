"""`interchange demo`: real services, an agent, the gateway in front of them, people with tokens, and what to paste.

Everything it does is what anybody does: it starts the services of `examples/hiring`, serves, publishes their manifest
as the offline operator, and asks the development issuer for tokens. The agent `assistant` is a process of its own that
publishes itself. Stopping the demo stops all of it.
"""

import argparse
import importlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gateway.cli.commands import Commands
from policies.identity.dev_issuer.secret import agent_credentials
from registry.model import Refused

EXAMPLE = Path(__file__).parents[2] / "examples" / "hiring"
SERVICES = ("candidates", "outreach")
ASSISTANT = (
    f"{EXAMPLE / 'assistant.py'}:graph",
    *("--agent", "assistant", "--domain", "hiring", "--title", "Assistant"),
    *("--description", "Finds candidates for whoever asks, and says who they are."),
    *("--example", "Find senior Rust engineers in Dublin"),
    *("--listen", "127.0.0.1:0"),
)
PORT = 8420


def add_commands(commands: Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="start the demo: services, an agent, gateway, people, and what to paste",
        description="Start the services and the agent of examples/hiring and a gateway in front of them, publish them,"
        " and print a token for each persona and what to paste. It runs until Ctrl-C, which stops all of it.",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"port of the HTTP door; 0 takes a free one (default: {PORT})"
    )
    parser.add_argument(
        "--grpc-port", type=int, metavar="PORT", help="port of the gRPC door (default: the one after --port)"
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        default=Path("state/demo"),
        help="the state folder; another one for a second demo (default: state/demo)",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON when ready, and nothing else")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if not EXAMPLE.is_dir():
        raise Refused("The demo's services are not installed with the package: run it from a clone of the repository.")
    if not options.port:  # the assistant must know it before the gateway has it
        options.port, options.grpc_port = free_port(), options.grpc_port or free_port()
    with ExitStack() as started:
        services = {name: started.enter_context(_service(name)) for name in SERVICES}
        assistant = started.enter_context(_assistant(options))
        # Imported only now: the others start while the gateway's libraries load.
        demo = importlib.import_module("gateway.demo")
        targets = {name: _address(name, process) for name, process in services.items()}
        demo.play(options, EXAMPLE, targets, assistant)
    return 0


def free_port() -> int:
    """A port of loopback that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
        return port


@contextmanager
def _service(name: str) -> Generator[subprocess.Popen[str]]:
    """One demo service as a process of its own, ended with the context."""
    with _process([sys.executable, str(EXAMPLE / f"{name}.py"), "--listen", "127.0.0.1:0"]) as process:
        yield process


@contextmanager
def _assistant(options: argparse.Namespace) -> Generator[subprocess.Popen[str]]:
    """The agent, which waits for the gateway. What it has to say goes to STATE/assistant.log."""
    options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    credentials = agent_credentials(options.state, "assistant")
    gateway = f"http://127.0.0.1:{options.port}"
    command = [sys.executable, "-m", "gateway.cli", "agents", "serve", *ASSISTANT, "--gateway", gateway]
    with (
        (options.state / "assistant.log").open("w") as log,
        _process(command, env={**os.environ, **credentials}, stderr=log) as process,
    ):
        yield process


@contextmanager
def _process(command: list[str], **settings: Any) -> Generator[subprocess.Popen[str]]:
    """A process, ended with the context."""
    with _started(command, **settings) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                process.kill()


def _started(command: list[str], **settings: Any) -> "subprocess.Popen[str]":
    """A process that Ctrl-C does not reach until it listens for it: until then it is ours to end."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **settings)
    finally:
        signal.signal(signal.SIGINT, before)


def _address(name: str, process: "subprocess.Popen[str]") -> str:
    """Where a service listens, as it says itself on its first line."""
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith("listening "):
        raise Refused(f"The demo's {name} service did not start (exit code {process.poll()}).")
    return line.split()[1]
