"""The command line. Each command is a module; only the one that is asked for is imported, so that a command answers
at once. An error is one sentence that says what is wrong and how to mend it.
"""

import argparse
import gc
import importlib
import sys
from collections.abc import Sequence

from registry.model import InterchangeError

COMMANDS = {
    "demo": ("gateway.cli.demo", "start the demo: services, gateway, people, and what to paste"),
    "serve": ("gateway.cli.serve", "start the gateway"),
    "login": ("gateway.cli.login", "log in to a gateway and keep the token"),
    "token": ("gateway.cli.login", "print a token of a demo persona"),
    "call": ("gateway.cli.call", "call a skill through a gateway"),
    "registry": ("gateway.cli.registry", "publish, inspect, approve, bind"),
    "protos": ("gateway.cli.protos", "write our protos for your build"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or failed, 2 not understood."""
    gc.disable()  # loading makes much that stays and nothing to collect; a gateway turns it on again when it is ready
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser(words[0] if words else "").parse_args(words)
    try:
        return options.run(options)
    except InterchangeError as error:
        print(f"interchange: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(wanted: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="interchange",
        description="A gateway that makes gRPC services MCP tools, behind one policy.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    if wanted in COMMANDS:
        importlib.import_module(COMMANDS[wanted][0]).add_commands(commands)
    known = set(commands.choices)
    for name, (_, summary) in COMMANDS.items():
        if name not in known:
            commands.add_parser(name, help=summary, add_help=False)
    return parser
