"""`interchange db …`: the tables of this version, in the databases of a gateway that does not run."""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from gateway.cli.commands import Commands
from gateway.cli.places import named_state


def add_commands(commands: Commands) -> None:
    db = commands.add_parser("db", help="bring a gateway's databases to the tables of this version")
    verbs = db.add_subparsers(required=True, metavar="COMMAND")
    _verb(
        verbs,
        "upgrade",
        "Upgrade",
        "bring the conversation log and the registry to the tables of this version",
        "Make the tables of the conversation log, or bring them and the registry's to those of this version. It works"
        " while no gateway holds the state folder, as operator@local, and is recorded in the audit log. Where [log] url"
        " names a PostgreSQL database, that one is meant. Make a backup first.",
    )
    _verb(
        verbs,
        "status",
        "Tables",
        "which tables the databases have",
        "Say which revision the tables are of, and which one this version reads and writes.",
    )


def _verb(verbs: Commands, name: str, operation: str, summary: str, description: str) -> None:
    parser = verbs.add_parser(name, help=summary, description=description)
    parser.add_argument("--state", type=Path, metavar="DIR", help="the state folder (default: as configured)")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: what the folder's gateway last ran with, else interchange.toml in this folder, if any",
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.set_defaults(run=partial(_run, operation))


def _run(operation: str, options: argparse.Namespace) -> int:
    from gateway.offline import offline_tables  # noqa: PLC0415  the whole gateway, which `--help` has no need of

    answer: Any = offline_tables(named_state(options.state), options.config).perform(operation, {})
    if options.json:
        print(json.dumps(answer, indent=2))
        return 0
    for name, title in (("log", "conversation log"), ("registry", "registry")):
        print(f"{title:16}  {_sentence(answer[name])}")
    return 0


def _sentence(tables: dict[str, str]) -> str:
    """Where some tables are, and where they were."""
    now, newest = tables["revision"], tables.get("newest", tables["revision"])
    if not now:
        return f"no tables yet; this version's are revision {newest}"
    if now != newest:
        return f"revision {now}; this version's is {newest}"
    before = tables.get("before", now)
    if before == now:
        return f"revision {now}, as it should be"
    return f"brought from revision {before} to {now}" if before else f"made, revision {now}"
