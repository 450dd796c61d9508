"""`interchange demo`: real services, an agent, the gateway in front of them, people with tokens, and what to paste.

Everything it does is what anybody does: it starts the services of `examples/hiring`, serves, publishes their manifest
as the offline operator, and asks the development issuer for tokens. The agent `assistant` is a process of its own that
publishes itself. Stopping the demo stops all of it.
"""

import argparse
import importlib
import os
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from gateway.cli.commands import Commands
from gateway.cli.demo_processes import AgentProcess, agent_process, process
from gateway.cli.demo_room import room
from gateway.cli.ports import free_port
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
        help="start the demo: services, agent, gateway, and what to paste",
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
        started.enter_context(room(options.state, ports=_ports(options)))
        if not options.json:
            sys.stderr.write("Starting services, agent and gateway …\n")
        services = {name: started.enter_context(_service(name)) for name in SERVICES}
        assistant = started.enter_context(_assistant(options))
        # Imported only now: the others start while the gateway's libraries load.
        demo = importlib.import_module("gateway.demo")
        targets = {name: _address(name, service) for name, service in services.items()}
        demo.play(options, EXAMPLE, targets, assistant)
    return 0


def _ports(options: argparse.Namespace) -> tuple[int, ...]:
    """The doors that are named; of port 0, any will be free."""
    grpc = options.port + 1 if options.grpc_port is None else options.grpc_port
    return (options.port, grpc)


def _service(name: str) -> AbstractContextManager["subprocess.Popen[str]"]:
    """One demo service as a process of its own, ended with the context."""
    return process([sys.executable, str(EXAMPLE / f"{name}.py"), "--listen", "127.0.0.1:0"])


def _assistant(options: argparse.Namespace) -> AbstractContextManager[AgentProcess]:
    """The agent, which waits for the gateway. What it has to say goes to STATE/assistant.log."""
    gateway = f"http://127.0.0.1:{options.port}"
    return agent_process(
        "assistant",
        [sys.executable, "-m", "gateway.cli", "agents", "serve", *ASSISTANT, "--gateway", gateway],
        environment={**os.environ, **agent_credentials(options.state, "assistant")},
        log=options.state / "assistant.log",
    )


def _address(name: str, service: "subprocess.Popen[str]") -> str:
    """Where a service listens, as it says itself on its first line."""
    line = service.stdout.readline() if service.stdout else ""
    if not line.startswith("listening "):
        raise Refused(f"The demo's {name} service did not start (exit code {service.poll()}).")
    return line.split()[1]
