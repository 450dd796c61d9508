"""Compiles protos for tests, with our annotations and buf.validate at hand."""

import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from registry.manifest import Manifest
from registry.protoc.build import build_manifest
from registry.protoc.corrections import Overlay
from registry.protoc.descriptors import read_set
from registry.protoc.export import PROTOS, validate_descriptors

FOLDER = Path(__file__).parent / "protos"
SCRIPTS = Path(sysconfig.get_path("scripts"))


class ProtocError(Exception):
    """protoc refused; the message is what it said."""


@cache
def shared_protos() -> tuple[FileDescriptorProto, ...]:
    """The files of `tests/support/protos`, compiled once."""
    return compiled({path.name: path.read_text() for path in sorted(FOLDER.glob("*.proto"))})


@cache
def shared_manifest(name: str) -> Manifest:
    """The manifest of one of them."""
    return build_manifest(shared_protos(), [name])


def compiled(sources: Mapping[str, str], *, comments: bool = True) -> tuple[FileDescriptorProto, ...]:
    """The files and all they import.

    Raises:
        ProtocError: protoc refuses them.
    """
    with TemporaryDirectory() as temporary:
        out = Path(temporary) / "set.binpb"
        options = ["--include_imports", *(["--include_source_info"] if comments else []), f"--descriptor_set_out={out}"]
        run_protoc(sources, options, Path(temporary))
        return read_set(out.read_bytes())


def run_protoc(sources: Mapping[str, str], options: Sequence[str], folder: Path) -> None:
    """Run protoc on some sources, which are written into a folder first.

    Raises:
        ProtocError: it refuses them.
    """
    for name, text in sources.items():
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "in" / name).write_text(text)
    (folder / "validate.binpb").write_bytes(validate_descriptors())
    inputs = [f"-I{folder / 'in'}", f"-I{PROTOS}", f"--descriptor_set_in={folder / 'validate.binpb'}"]
    plugin = f"--plugin={SCRIPTS / 'protoc-gen-interchange'}"
    command = [sys.executable, "-m", "grpc_tools.protoc", plugin, *inputs, *options, *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProtocError(done.stderr)


HEADER = """syntax = "proto3";
package t.v1;
import "buf/validate/validate.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "interchange/v1/agent.proto";
import "interchange/v1/annotations.proto";
"""


def manifest_of(body: str, *, overlay: Overlay | None = None) -> Manifest:
    """The manifest of a proto3 file `t.proto` in package `t.v1` with everything imported; `body` begins at line 11."""
    return build_manifest(compiled({"t.proto": HEADER + "\n" + body}), ["t.proto"], overlay=overlay)
