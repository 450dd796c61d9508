"""`interchange demo`: real services, the gateway in front of them, people with tokens, and what to paste.

Everything it does is what anybody does: it starts the services of `examples/hiring`, serves, publishes their manifest
as the offline operator, and asks the development issuer for tokens. Stopping it stops all of it.
"""

import argparse
import importlib
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.cli.commands import Commands
from registry.model import Refused

EXAMPLE = Path(__file__).parents[2] / "examples" / "hiring"
SERVICES = ("candidates", "outreach")


def add_commands(commands: Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="start the demo: services, gateway, people, and what to paste",
        description="Start the services of examples/hiring and a gateway in front of them, publish them, and print a"
        " token for each persona and what to paste. It runs until Ctrl-C, which stops all of it.",
    )
    parser.add_argument("--port", type=int, help="port of the HTTP door; 0 takes a free one (default: 8420)")
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
    with ExitStack() as started:
        services = {name: started.enter_context(_service(name)) for name in SERVICES}
        # Imported only now: the services start while the gateway's libraries load.
        demo = importlib.import_module("gateway.demo")
        demo.play(options, EXAMPLE, {name: _address(name, process) for name, process in services.items()})
    return 0


@contextmanager
def _service(name: str) -> Generator[subprocess.Popen[str]]:
    """One demo service as a process of its own, ended with the context."""
    command = [sys.executable, str(EXAMPLE / f"{name}.py"), "--listen", "127.0.0.1:0"]
    with _started(command) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                process.kill()


def _started(command: list[str]) -> "subprocess.Popen[str]":
    """A process that Ctrl-C does not reach until it listens for it: until then it is ours to end."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)


def _address(name: str, process: "subprocess.Popen[str]") -> str:
    """Where a service listens, as it says itself on its first line."""
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith("listening "):
        raise Refused(f"The demo's {name} service did not start (exit code {process.poll()}).")
    return line.split()[1]
