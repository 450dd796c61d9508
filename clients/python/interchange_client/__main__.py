"""`python -m interchange_client serve MODULE:GRAPH …`: an agent, in the Python that its packages are installed in."""

import argparse
import logging
import sys
from collections.abc import Sequence

from interchange_client import command
from interchange_client.errors import GatewayError
from interchange_client.langgraph_loading import UnfitGraph


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code: what is wrong is one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m interchange_client")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    command.add_options(
        verbs.add_parser("serve", help=command.HELP, description=command.DESCRIPTION, epilog=command.EPILOG)
    )
    options = parser.parse_args(words)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        command.run(options)
    except (GatewayError, UnfitGraph, ValueError, OSError) as error:
        sys.stderr.write(f"interchange_client: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
