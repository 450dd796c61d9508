"""`interchange agents credentials`: what an agent's process needs to prove itself to a development gateway.

The credential is worked out from the development secret of the state folder, so whoever may read that may be any agent
of the directory, as with `--as` any person. A configured provider issues its agents' credentials itself.
"""

import argparse
import shlex
from pathlib import Path

from gateway.cli.commands import Commands
from gateway.cli.places import add_place, folder_of, gateway_url
from gateway.config import load_config
from gateway.state import read_whereabouts
from policies.identity.dev_issuer.secret import agent_credentials
from policies.identity.directory import load_directory
from policies.identity.urls import is_loopback
from registry.model import BadRequest


def add_credentials(verbs: Commands) -> None:
    """Add the command beside its siblings."""
    parser = verbs.add_parser(
        "credentials",
        help="print an agent's credential of a development gateway, for its environment",
        description="Print what the process of an agent needs in its environment, as lines for a shell:"
        ' eval "$(interchange agents credentials NAME)". For the development issuer only.',
    )
    parser.add_argument("agent", metavar="NAME", help="the agent's name in the gateway's directory")
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the lines.

    Raises:
        BadRequest: no gateway, another issuer, or an agent that the directory does not know or gives no client.
    """
    url = gateway_url(url=options.url, state=options.state)
    if not is_loopback(url):
        raise BadRequest(f"{url} is not a development gateway on this machine: its provider issues credentials.")
    folder = folder_of(url, state=options.state)
    client = _client_of(options.agent, folder)
    for name, value in {**agent_credentials(folder, client), "INTERCHANGE_URL": url}.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _client_of(agent: str, folder: Path) -> str:
    where = read_whereabouts(folder)
    config = load_config(Path(where.config) if where and where.config else None)
    if not config.auth.embedded:
        raise BadRequest(f"That gateway takes tokens of {config.auth.issuer}, which issues its agents' credentials.")
    known = load_directory(config.directory).agents
    if agent not in known:
        names = ", ".join(sorted(known)) or "none"
        raise BadRequest(f"The directory {config.directory} has no agent {agent!r}; it has {names}.")
    if not known[agent].client_ids:
        raise BadRequest(f'{config.directory}: [agents.{agent}] has no client_ids: add client_ids = ["{agent}"].')
    return known[agent].client_ids[0]
