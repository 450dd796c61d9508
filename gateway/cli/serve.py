"""`interchange serve`: the gateway as a process."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from gateway.cli.commands import Commands
from gateway.cli.ports import checked_port
from gateway.config import Config, Listen, load_config
from gateway.serving import Serving, run_until_stopped, serve
from gateway.state import Whereabouts


def add_commands(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="start the gateway: MCP, A2A and gRPC",
        description="Start the gateway: MCP and A2A over HTTP, for people, IDEs and agents, and a gRPC door for"
        " operators and for agents that publish themselves. It runs until Ctrl-C or SIGTERM; SIGHUP makes it read its"
        " policies anew.",
        epilog="Every key of interchange.toml may also come from the environment, as INTERCHANGE_<TABLE>_<KEY>.",
    )
    parser.add_argument("--port", type=int, help="port of the HTTP door; 0 takes a free one (default: as configured)")
    parser.add_argument(
        "--grpc-port", type=int, metavar="PORT", help="port of the gRPC door (default: the one after --port)"
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="the state folder (default: as configured)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when ready, and nothing else")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: interchange.toml in this folder, if any")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    default = Path("interchange.toml")
    path = options.config or (default if default.exists() else None)
    config = with_options(load_config(path), options)

    async def ready(serving: Serving) -> None:
        said = json.dumps(facts(serving.whereabouts, config)) if options.json else page(serving.whereabouts)
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()

    run_until_stopped(serve(config, config_path=path and path.resolve(), when_ready=ready))
    return 0


def facts(where: Whereabouts, config: Config) -> dict[str, str]:
    """What `--json` prints."""
    return {
        "mcp_url": where.mcp_url,
        "agents_url": f"{where.public_url}/agents",
        "grpc_address": where.grpc_address,
        "issuer": where.issuer,
        "state": str(config.state),
    }


def page(where: Whereabouts) -> str:
    """What a person reads once the doors are open."""
    return f"""Interchange is ready.
MCP      {where.mcp_url}
A2A      {where.public_url}/agents/NAME
gRPC     {where.grpc_address}
issuer   {where.issuer}"""


def with_options(config: Config, options: argparse.Namespace) -> Config:
    """The configuration with what the command line says on top."""
    listen = config.listen
    if options.port is not None:
        grpc_port = options.grpc_port if options.grpc_port is not None else (options.port + 1 if options.port else 0)
        listen = Listen(http=_with_port(listen.http, options.port), grpc=_with_port(listen.grpc, grpc_port))
    elif options.grpc_port is not None:
        listen = replace(listen, grpc=_with_port(listen.grpc, options.grpc_port))
    return replace(config, listen=listen, state=options.state or config.state)


def _with_port(address: str, port: int) -> str:
    return f"{address.rpartition(':')[0]}:{checked_port(port)}"
