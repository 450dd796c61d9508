"""A manifest, however it arrives: as the plugin wrote it, as a descriptor set, or as what a server says of itself.

Whatever comes out of here is whole, corrected by the request's overlay, and has schemas that can be checked against.
"""

from collections.abc import Iterable, Sequence

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from registry.checks import SchemaError, compile_schema
from registry.manifest import Manifest, read_manifest
from registry.model import BadRequest, JsonObject, Skill
from registry.overlay import Overlay, apply_overlay, load_overlay
from registry.protoc.build import build_manifest
from registry.requests import read_text
from registry.revisions import Offered

MANIFEST = 12 << 20
OVERLAY = 1 << 20


def read_corrected(content: JsonObject) -> Manifest:
    """The manifest in a request, with the request's overlay laid over it."""
    manifest = read_manifest(read_text(content, "manifest", limit=MANIFEST))
    overlay = read_overlay(content)
    return manifest if overlay is None else apply_overlay(manifest, overlay)


def built_manifest(files: Sequence[FileDescriptorProto], overlay: Overlay | None, *, source: str) -> Manifest:
    """The manifest of descriptors. `source` begins the sentence that says why there is none."""
    roots = [file.name for file in files if file.service]
    manifest = build_manifest(files, roots, overlay=overlay)
    if not manifest.agents:
        raise BadRequest(f"{source}; none of them is annotated. Name the services and methods in an overlay.")
    return manifest


def read_overlay(content: JsonObject) -> Overlay | None:
    """The overlay in a request, None where it is absent."""
    text = read_text(content, "overlay", limit=OVERLAY)
    return load_overlay(text) if text else None


def services_in(files: Iterable[FileDescriptorProto]) -> str:
    """The names of all services, for a sentence."""
    found = [f"{file.package}.{service.name}".lstrip(".") for file in files for service in file.service]
    return ", ".join(found) or "no services"


def refuse_uncheckable(offered: Iterable[Offered | None]) -> None:
    """Let no schema in that nothing can be checked against.

    Raises:
        BadRequest: naming the skill and what is wrong with its schema.
    """
    for skill in (one.content for one in offered if one is not None):
        if isinstance(skill, Skill):
            _compile(skill, "input", skill.input_schema)
            _compile(skill, "output", skill.output_schema or {})


def _compile(skill: Skill, what: str, schema: JsonObject) -> None:
    try:
        compile_schema(schema)
    except SchemaError as error:
        raise BadRequest(f"{skill.id}: its {what} schema cannot be used: {error}.") from None
