"""The command line. Each command is a module; only the one that is asked for is imported, so that a command answers
at once. An error is one sentence that says what is wrong and how to mend it.
"""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

from gateway.cli.parser import CommandParser
from registry.model import InterchangeError

COMMANDS = {
    "demo": ("gateway.cli.demo", "start the demo: services, agent, gateway, and what to paste"),
    "serve": ("gateway.cli.serve", "start the gateway: MCP, A2A and gRPC"),
    "login": ("gateway.cli.login", "log in to a gateway and keep the token"),
    "token": ("gateway.cli.login", "print a token of a demo persona"),
    "call": ("gateway.cli.call", "call a skill or an agent through a gateway"),
    "registry": ("gateway.cli.registry", "publish, inspect, approve, bind"),
    "messages": ("gateway.cli.messages", "look at conversations, redrive, hold, erase, export"),
    "db": ("gateway.cli.db", "bring a gateway's databases to the tables of this version"),
    "agents": ("gateway.cli.agents", "serve a LangGraph graph as an agent; an agent's credential"),
    "conform": ("gateway.cli.conform", "examine a server's MCP and A2A from outside"),
    "protos": ("gateway.cli.protos", "write our protos for your build"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or failed, 2 not understood."""
    gc.disable()  # loading makes much that stays and nothing to collect; a gateway turns it on again when it is ready
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except BrokenPipeError:  # whoever read what we print has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (InterchangeError, OSError, ExceptionGroup) as error:
        only = _only(error)
        if not isinstance(only, (InterchangeError, OSError)):
            raise
        print(f"interchange: {_sentence(only)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    options = _parser(words[0] if words else "").parse_args(words)
    code: int = options.run(options)
    sys.stdout.flush()
    return code


def _only(error: Exception) -> Exception:
    """The one error that a group holds, however deep; a group of several stays."""
    while isinstance(error, ExceptionGroup) and len(cast("ExceptionGroup[Exception]", error).exceptions) == 1:
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return cast("Exception", error)


def _sentence(error: InterchangeError | OSError) -> str:
    if isinstance(error, InterchangeError):
        return error.message
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}." if error.filename is not None else f"{reason}."


def _parser(wanted: str) -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="interchange",
        description="A gateway that puts gRPC services and agents in front of people, IDEs and other agents, over"
        " MCP and A2A, behind one policy.",
        epilog="`interchange COMMAND --help` says more about one of them.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    if wanted in COMMANDS:
        importlib.import_module(COMMANDS[wanted][0]).add_commands(commands)
    known = set(commands.choices)
    for name, (_, summary) in COMMANDS.items():
        if name not in known:
            commands.add_parser(name, help=summary, add_help=False)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        # Only now: reading what is installed takes longer than most commands take to start.
        metadata = importlib.import_module("importlib.metadata")
        print(f"interchange {metadata.version('interchange')}")
        parser.exit(0)
