"""What a service owner needs beside protoc: our annotation protos, and buf.validate's descriptors.

No wheel carries `buf/validate/validate.proto` as text, but protovalidate carries its descriptor, which protoc takes by
`--descriptor_set_in`; written here with all it imports.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from protobuf import DescFile
from protovalidate import ViolationPb

PROTOS = Path(__file__).parent.parent / "proto"
"""Where our own protos are."""

FOR_OWNERS = ("interchange/v1/annotations.proto", "interchange/v1/agent.proto")
VALIDATE = "buf-validate.binpb"
VALIDATE_PROTO = "buf/validate/validate.proto"


def write_protos(folder: Path) -> list[Path]:
    """Write the protos and the descriptor set into a folder; returns the files."""
    written: list[Path] = []
    for name in FOR_OWNERS:
        written.append(folder / name)
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        written[-1].write_bytes((PROTOS / name).read_bytes())
    written.append(folder / VALIDATE)
    written[-1].write_bytes(validate_descriptors())
    return written


def protoc_line(folder: Path, *, protos: str = "proto", service: str = "your/service.proto") -> str:
    """The command that makes a manifest of a service whose proto is `service` under `protos`."""
    return _line(folder, protos, "--interchange_out=.", service)


def python_line(folder: Path, *, protos: str = "proto", service: str = "your/service.proto") -> str:
    """The command that makes Python code of a service, and of what that code imports and no package has."""
    return _line(folder, protos, "--python_out=.", "--grpc_python_out=.", service, *FOR_OWNERS, VALIDATE_PROTO)


def _line(folder: Path, protos: str, *rest: str) -> str:
    inputs = ["-I", protos, "-I", str(folder), f"--descriptor_set_in={folder / VALIDATE}"]
    return shlex.join(["python", "-m", "grpc_tools.protoc", *inputs, *rest])


def validate_descriptors() -> bytes:
    """The FileDescriptorSet of buf/validate/validate.proto, imports first."""
    files = {file.name: file for file in _closure(ViolationPb.desc().file)}
    protos = [FileDescriptorProto.FromString(file.proto.to_binary()) for file in files.values()]
    return FileDescriptorSet(file=protos).SerializeToString(deterministic=True)


def _closure(file: DescFile) -> Iterator[DescFile]:
    for dependency in file.dependencies:
        yield from _closure(dependency)
    yield file
