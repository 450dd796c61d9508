"""`interchange agents serve`: a LangGraph graph as an agent of a gateway, in the Python that the gateway runs in.

The command is the client library's, which ships it as `python -m interchange_client serve` too, for graphs whose own
packages are installed elsewhere. Here it only gets this program's way of saying what is wrong.
"""

import argparse
import importlib
from typing import Any

from interchange_client import command

from gateway.cli.agent_credentials import add_credentials
from gateway.cli.commands import Commands
from gateway.logs import log_to_stderr
from registry.model import BadRequest, Refused


def add_commands(commands: Commands) -> None:
    agents = commands.add_parser("agents", help="serve a LangGraph graph as an agent, print an agent's credential")
    verbs = agents.add_subparsers(required=True, metavar="COMMAND")
    add_credentials(verbs)
    parser = verbs.add_parser("serve", help=command.HELP, description=command.DESCRIPTION, epilog=command.EPILOG)
    command.add_options(parser)
    parser.set_defaults(run=serve)


def serve(options: argparse.Namespace) -> int:
    """Load the graph, then serve it.

    Raises:
        BadRequest: the options, the environment or the graph are not right; nothing was started.
        Refused: the gateway does not take the agent.
    """
    log_to_stderr()
    errors: Any = importlib.import_module("interchange_client.errors")
    loading: Any = importlib.import_module("interchange_client.langgraph_loading")
    try:
        command.run(options)
    except (loading.UnfitGraph, ValueError) as error:
        raise BadRequest(f"{error}") from error
    except errors.GatewayError as error:
        raise Refused(error.message) from error
    return 0
