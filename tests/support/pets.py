"""A small annotated service for tests of the registry, and manifests of it with any change a test needs."""

from functools import lru_cache

from registry.manifest import Manifest, write_manifest
from registry.protoc.build import build_manifest
from tests.support.protoc import compiled

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
    return build_manifest(compiled({"test.proto": text}), ["test.proto"])


def pets(*changes: tuple[str, str]) -> str:
    """The manifest of the pets as JSON, after these replacements in its proto."""
    text = PETS
    for old, new in changes:
        assert old in text, f"{old} is not in the proto"
        text = text.replace(old, new)
    return write_manifest(manifest_of(text))
