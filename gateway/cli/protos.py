"""`interchange protos DIR`: what a service owner's build needs of us, and the protoc line that uses it."""

import argparse
from pathlib import Path

from registry.model import BadRequest
from registry.protoc.export import protoc_line, write_protos


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",  # pyright: ignore[reportPrivateUsage]
) -> None:
    protos = commands.add_parser("protos", help="write our protos for your build")
    protos.add_argument("folder", type=Path, metavar="DIR", help="where to; made if it is not there")
    protos.set_defaults(run=run_protos)


def run_protos(options: argparse.Namespace) -> int:
    """Write the files, name them, and print the whole protoc line."""
    folder: Path = options.folder
    try:
        written = write_protos(folder)
    except OSError as error:
        raise BadRequest(f"Cannot write to {folder}: {error.strerror or error}.") from error
    for path in written:
        print(path)
    print("\nWith grpcio-tools installed and your protos in proto/, this makes interchange.manifest.json:\n")
    print(f"  {protoc_line(folder)}")
    return 0
