"""`interchange protos DIR`: what a service owner's build needs of us, and the protoc lines that use it."""

import argparse
from pathlib import Path

from registry.model import BadRequest
from registry.protoc.export import protoc_line, python_line, write_protos


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",  # pyright: ignore[reportPrivateUsage]
) -> None:
    protos = commands.add_parser("protos", help="write our protos for your build")
    protos.add_argument("folder", type=Path, metavar="DIR", help="where to; made if it is not there")
    protos.set_defaults(run=run_protos)


def run_protos(options: argparse.Namespace) -> int:
    """Write the files, name them, and print the whole protoc lines."""
    folder: Path = options.folder
    try:
        written = write_protos(folder)
    except OSError as error:
        raise BadRequest(f"Cannot write to {folder}: {error.strerror or error}.") from error
    for path in written:
        print(path)
    print("\nWith your protos in proto/, and grpcio-tools in your own project (pip install grpcio-tools), this makes")
    print("Python code of your service, with the modules of buf.validate and interchange that it imports:\n")
    print(f"  {python_line(folder)}")
    print("\nand this makes interchange.manifest.json:\n")
    print(f"  {protoc_line(folder)}")
    return 0
