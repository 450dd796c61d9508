"""Protos given as text, compiled by the real protoc, and the manifests of them."""

import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_tools import protoc

from registry.manifest import Manifest, write_manifest
from registry.protoc.build import build_manifest
from registry.protoc.descriptors import read_set

OURS = Path(__file__).parents[2] / "registry" / "proto"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


def compile_protos(texts: Mapping[str, str]) -> tuple[FileDescriptorProto, ...]:
    """The files and all they import."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        out = Path(folder, "set.binpb")
        roots = [f"-I{folder}", f"-I{OURS}", f"-I{WELL_KNOWN}"]
        flags = ["--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
        assert protoc.main(["protoc", *roots, *flags, *texts]) == 0
        return read_set(out.read_bytes())


PETS = """
syntax = "proto3";
package pets.v1;
import "interchange/v1/annotations.proto";

// Knows the animals.
service Pets {
  option (interchange.v1.agent) = { domain: "zoo" };

  // Finds animals.
  rpc Find(FindRequest) returns (FindResponse) { option (interchange.v1.skill) = { read_only: true }; }
  // Feeds one.
  rpc Feed(FeedRequest) returns (FeedResponse) { option (interchange.v1.skill) = {}; }
}
message FindRequest {
  string text = 1;
  int32 limit = 2;
}
message FindResponse { repeated string names = 1; }
message FeedRequest { string name = 1; }
message FeedResponse { bool eaten = 1; }
"""


@lru_cache(maxsize=64)
def manifest_of(text: str) -> Manifest:
    """The manifest of one proto."""
    return build_manifest(compile_protos({"test.proto": text}), ["test.proto"])


def pets(*changes: tuple[str, str]) -> str:
    """The manifest of the pets as JSON, after these replacements in its proto."""
    text = PETS
    for old, new in changes:
        assert old in text, f"{old} is not in the proto"
        text = text.replace(old, new)
    return write_manifest(manifest_of(text))
