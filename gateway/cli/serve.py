"""`interchange serve`: the gateway as a process."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from gateway.cli.commands import Commands
from gateway.config import Config, Listen, load_config
from gateway.serving import Serving, run_until_stopped, serve
from registry.model import BadRequest


def add_commands(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="start the gateway",
        description="Start the gateway: MCP by HTTP, and a gRPC door for operators. It runs until Ctrl-C or SIGTERM;"
        " SIGHUP makes it read its policies anew.",
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
        where = serving.whereabouts
        if options.json:
            facts = {"mcp_url": where.mcp_url, "grpc_address": where.grpc_address, "issuer": where.issuer}
            print(json.dumps({**facts, "state": str(config.state)}), flush=True)
        else:
            print(f"MCP      {where.mcp_url}\ngRPC     {where.grpc_address}\nissuer   {where.issuer}", flush=True)

    run_until_stopped(serve(config, config_path=path and path.resolve(), when_ready=ready))
    return 0


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
    if not 0 <= port <= 65535:
        raise BadRequest(f"{port} cannot be a port, which is a number from 0 to 65535: see --port and --grpc-port.")
    return f"{address.rpartition(':')[0]}:{port}"
