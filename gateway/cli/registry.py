"""`interchange registry …`: publish, inspect, approve, bind. A client of the operators' door like any other.

Each command is one row of arguments and one function from options to what it prints; how the registry is reached is
`gateway.cli.door`'s.
"""

import argparse
import base64
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from interchange.v1 import registry_pb2

from gateway.cli.commands import Commands
from gateway.cli.door import Door, Operations, add_door, find_operations
from gateway.cli.printing import visible
from gateway.cli.registry_output import print_changes, print_list, print_version
from registry.model import BadRequest, JsonObject, JsonValue

Command = Callable[[argparse.Namespace, Operations], None]

SERVICE = registry_pb2.DESCRIPTOR.services_by_name["Registry"]


def add_commands(commands: Commands) -> None:
    registry = commands.add_parser("registry", help="publish, inspect, approve, bind")
    verbs = registry.add_subparsers(required=True, metavar="COMMAND")
    _add_publish(verbs)
    _add_discover(verbs)
    _add_import(verbs)
    _add_readers(verbs)
    _add_changes(verbs)


def _verb(verbs: Commands, name: str, summary: str, command: Command) -> argparse.ArgumentParser:
    """A subcommand, with the options that all of them have."""
    parser = verbs.add_parser(name, help=summary, description=summary)
    add_door(parser, "which registry, and as whom")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.set_defaults(run=partial(_run, command))
    return parser


def _run(command: Command, options: argparse.Namespace) -> int:
    command(options, find_operations(options, DOOR))
    return 0


def _offline(state: Path) -> Operations:
    from gateway.offline import offline_registry  # noqa: PLC0415  the whole gateway, which a client has no need of

    return offline_registry(state)


DOOR = Door(SERVICE, _offline)


def _add_publish(verbs: Commands) -> None:
    parser = _verb(verbs, "publish", "send a manifest as protoc-gen-interchange wrote it", publish)
    parser.add_argument("file", type=Path, help="interchange.manifest.json")
    parser.add_argument("--overlay", type=Path, help="YAML that corrects hints and texts")
    _add_target(parser)
    _add_force(parser)


def _add_discover(verbs: Commands) -> None:
    parser = _verb(verbs, "discover", "read a running server by reflection and publish that", discover)
    parser.description = (
        "Read a running server by reflection, publish that, and bind it to this server as one of ours: calls carry our"
        " internal token. For a service that is not ours, use import --foreign with a descriptor set."
    )
    parser.add_argument("target", metavar="HOST:PORT", help="where the gateway finds the server")
    parser.add_argument("--overlay", type=Path, help="YAML with annotations the server's protos lack")
    _add_tls(parser)
    _add_force(parser)


def _add_import(verbs: Commands) -> None:
    parser = _verb(verbs, "import", "publish from a descriptor set and an overlay", import_set)
    parser.add_argument("file", type=Path, help="a FileDescriptorSet (protoc --include_imports --descriptor_set_out)")
    parser.add_argument("--overlay", type=Path, help="YAML with annotations")
    _add_target(parser)
    _add_force(parser)


def _add_readers(verbs: Commands) -> None:
    listing = _verb(verbs, "list", "what is registered", list_all)
    listing.add_argument("--all", action="store_true", help="waiting and retired revisions too")
    searching = _verb(verbs, "search", "skills in which every word occurs", search)
    searching.add_argument("words", nargs="+")
    showing = _verb(verbs, "show", "one agent or skill whole, with its history", show)
    showing.add_argument("name")
    showing.add_argument("--revision", type=int, default=0)
    differing = _verb(verbs, "diff", "what waits under a name, or what a manifest would change", diff)
    differing.add_argument("name", nargs="?", default="")
    differing.add_argument("--manifest", type=Path)
    differing.add_argument("--overlay", type=Path)


def _add_changes(verbs: Commands) -> None:
    approving = _verb(verbs, "approve", "make what waits live; it is shown first", approve)
    approving.add_argument("name", help="an agent, with its skills, or one skill")
    approving.add_argument("--revision", type=int, default=0, help="what you looked at; refused if another waits now")
    approving.add_argument("--reason", default="")
    retiring = _verb(verbs, "retire", "withdraw an agent, with its skills, or one skill", retire)
    retiring.add_argument("name")
    retiring.add_argument("--reason", required=True)
    binding = _verb(verbs, "bind", "say where an agent's service is", bind)
    binding.add_argument("name", help="an agent")
    _add_target(binding, required=True)


def _add_target(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    where = parser.add_mutually_exclusive_group(required=required)
    where.add_argument("--target", action="append", metavar="HOST:PORT", help="where its service is; may be repeated")
    parser.add_argument("--foreign", action="store_true", help="the service is not ours: send it no token and no ids")
    where.add_argument("--mailbox", action="store_true", help="no address: its processes attach to the gateway")
    _add_tls(parser)


def _add_tls(parser: argparse.ArgumentParser) -> None:
    tls = parser.add_argument_group("TLS to the service (paths on the gateway's machine)")
    tls.add_argument("--tls", action="store_true", help="TLS with the system's roots")
    tls.add_argument("--tls-ca", default="", metavar="FILE")
    tls.add_argument("--tls-certificate", default="", metavar="FILE")
    tls.add_argument("--tls-key", default="", metavar="FILE")
    tls.add_argument("--tls-server-name", default="", metavar="NAME")


def _add_force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="accept a breaking change; needs --reason")
    parser.add_argument("--reason", default="")


# ---- the commands


def publish(options: argparse.Namespace, registry: Operations) -> None:
    content = {"manifest": _read(options.file), **_common(options), **_binding(options)}
    _print_change(options, registry.perform("Publish", content), bound_to=_where(options, options.target))


def discover(options: argparse.Namespace, registry: Operations) -> None:
    content = {"target": options.target, **_common(options), **_tls(options)}
    _print_change(options, registry.perform("Discover", content), bound_to=_where(options, [options.target]))


def import_set(options: argparse.Namespace, registry: Operations) -> None:
    data = base64.b64encode(_read_bytes(options.file)).decode()
    content = {"descriptorSet": data, **_common(options), **_binding(options)}
    _print_change(options, registry.perform("Import", content), bound_to=_where(options, options.target))


def list_all(options: argparse.Namespace, registry: Operations) -> None:
    _print(options, registry.perform("List", {"all": options.all}), print_list)


def search(options: argparse.Namespace, registry: Operations) -> None:
    _print(options, registry.perform("Search", {"text": " ".join(options.words)}), print_list)


def show(options: argparse.Namespace, registry: Operations) -> None:
    answer = registry.perform("Show", {"name": options.name, "revision": options.revision})
    print(visible(str(answer.get("document", "")), lines=True))


def diff(options: argparse.Namespace, registry: Operations) -> None:
    if bool(options.name) == bool(options.manifest):
        raise BadRequest(
            "diff takes a NAME (what waits under it) or --manifest FILE (what publishing it would change)."
        )
    content = {"manifest": _read(options.manifest), **_overlay(options)} if options.manifest else {"name": options.name}
    _print(options, registry.perform("Diff", content), print_changes)


def approve(options: argparse.Namespace, registry: Operations) -> None:
    """Approve exactly what is printed: each by its revision, so that nothing slips in between."""
    pending: Any = registry.perform("Diff", {"name": options.name}).get("changes") or []
    if not options.json and pending:
        print_changes({"changes": pending})
    own = next((change for change in pending if change["name"] == options.name), None)
    looked_at = [own] if own else pending
    if options.revision or not looked_at:
        looked_at = [{"name": options.name, "revision": options.revision}]
    requests = [
        {"name": change["name"], "revision": change.get("revision", 0), "reason": options.reason}
        for change in looked_at
    ]
    answers: list[Any] = [registry.perform("Approve", request) for request in requests]
    changes = [change for answer in answers for change in answer.get("changes", [])]
    done: JsonObject = {"changes": changes, "catalogVersion": answers[-1].get("catalogVersion", "0")}
    names = ", ".join(str(change["name"]) for change in changes)
    _print(options, done, lambda _: print(f"Approved: {names}. Catalog version {done['catalogVersion']}."))


def retire(options: argparse.Namespace, registry: Operations) -> None:
    _print_change(options, registry.perform("Retire", {"name": options.name, "reason": options.reason}))


def bind(options: argparse.Namespace, registry: Operations) -> None:
    answer = registry.perform("Bind", {"name": options.name, **_binding(options)})
    _print_change(options, answer, bound_to=_where(options, options.target))


def _print_change(options: argparse.Namespace, answer: JsonObject, *, bound_to: str = "") -> None:
    def both(done: JsonObject) -> None:
        print_changes(done, bound_to=bound_to)
        print_version(done)

    _print(options, answer, both)


def _print(options: argparse.Namespace, answer: JsonObject, for_people: Callable[[JsonObject], None]) -> None:
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        for_people(answer)


# ---- requests


def _common(options: argparse.Namespace) -> dict[str, JsonValue]:
    return {"force": options.force, "reason": options.reason, **_overlay(options)}


def _overlay(options: argparse.Namespace) -> dict[str, JsonValue]:
    return {"overlay": _read(options.overlay)} if options.overlay else {}


def _binding(options: argparse.Namespace) -> dict[str, JsonValue]:
    if options.mailbox:
        return {"binding": {"kind": "mailbox", **_tls(options)}}
    if not options.target:
        return {}
    kind = "foreign" if options.foreign else "grpc"
    return {"binding": {"kind": kind, "targets": options.target, **_tls(options)}}


def _where(options: argparse.Namespace, targets: Sequence[str] | None) -> str:
    """The binding that was asked for, in words; the answer does not repeat it."""
    if getattr(options, "mailbox", False):
        return "its mailbox"
    foreign = ", foreign: sent no token and no ids" if getattr(options, "foreign", False) else ""
    tls = " by TLS" if _tls(options) else ""
    return f"{', '.join(targets or ())}{tls}{foreign}"


def _tls(options: argparse.Namespace) -> dict[str, JsonValue]:
    named = {
        "ca": options.tls_ca,
        "certificate": options.tls_certificate,
        "key": options.tls_key,
        "serverName": options.tls_server_name,
    }
    given: dict[str, JsonValue] = {name: value for name, value in named.items() if value}
    return {"tls": given} if options.tls or given else {}


def _read(path: Path) -> str:
    try:
        return _read_bytes(path).decode()
    except UnicodeDecodeError:
        raise BadRequest(f"{path} is not UTF-8 text.") from None


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.") from None
