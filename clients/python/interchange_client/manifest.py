"""The manifest of an agent that only converses: what the build plugin would write for a service of its own.

Such an agent is `interchange.v1.ConversingAgent` as it stands, so nothing has to be compiled. The descriptor set is in
the one form that the registry stores: imports before their importers, JSON names written, no source information.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NotRequired, TypedDict

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from interchange.v1 import agent_pb2

FORMAT: Final = "interchange.manifest/v1"
SERVICE: Final = "interchange.v1.ConversingAgent"
CONVERSE: Final = f"/{SERVICE}/Converse"


class Extension(TypedDict):
    """An extension of A2A that an agent understands; with `required`, it answers nobody who did not activate it."""

    uri: str
    description: NotRequired[str]
    required: NotRequired[bool]


class About(TypedDict):
    """What an agent says of itself. `name` and `domain` must be those that the gateway's directory gives it.

    `title`, `description`, `examples` (things one may say to it) and `tags` are what people and models choose by.
    `input_modes` are the media types that it takes beside text and JSON (`image/png`, `image/*`).
    `version` is of the agent, semver. `visibility` is of its card, `classification` of what it handles. `timeout` is in
    seconds, of one attempt at a turn; `history` is how many earlier messages come with one.
    """

    name: str
    domain: str
    title: NotRequired[str]
    description: NotRequired[str]
    version: NotRequired[str]
    tags: NotRequired[Sequence[str]]
    examples: NotRequired[Sequence[str]]
    icon_url: NotRequired[str]
    documentation_url: NotRequired[str]
    provider: NotRequired[str]
    classification: NotRequired[Literal["public", "internal", "confidential", "restricted"]]
    visibility: NotRequired[Literal["authenticated", "public"]]
    extensions: NotRequired[Sequence[Extension]]
    input_modes: NotRequired[Sequence[str]]
    timeout: NotRequired[float]
    max_attempts: NotRequired[int]
    when_busy: NotRequired[Literal["queue", "reject"]]
    history: NotRequired[int]


def write_manifest(about: About) -> str:
    """The manifest of a conversing agent, as JSON; the same agent always gives the same text."""
    descriptor_set = _descriptor_set(agent_pb2.DESCRIPTOR)
    document = {
        "format": FORMAT,
        "digest": f"sha256:{hashlib.sha256(descriptor_set).hexdigest()}",
        "agents": [_write_agent(about)],
        "skills": [],
        "descriptor_set": base64.b64encode(descriptor_set).decode("ascii"),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def check_name(name: str) -> None:
    """Say no to what is no agent's name, before anything is started.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[a-z0-9_]{1,40}", name):
        raise ValueError(f"an agent's name is 1 to 40 of a-z, 0-9 and _, which {name[:80]!r} is not")


def _write_agent(about: About) -> Mapping[str, Any]:
    document: dict[str, Any] = {
        "name": about["name"],
        "title": about.get("title") or _words(about["name"]),
        "description": about.get("description", ""),
        "domain": about["domain"],
        "version": about.get("version", "0.1.0"),
        "service": SERVICE,
        "skills": [],
        "tags": list(about.get("tags", ())),
        "examples": list(about.get("examples", ())),
        "icon_url": about.get("icon_url", ""),
        "documentation_url": about.get("documentation_url", ""),
        "provider": about.get("provider", ""),
        "classification": about.get("classification", "internal"),
        "visibility": about.get("visibility", "authenticated"),
        "turns": {
            "timeout": float(about.get("timeout", 300.0)),
            "max_attempts": about.get("max_attempts", 5),
            "when_busy": about.get("when_busy", "queue"),
            "history": about.get("history", 20),
        },
        "converse": CONVERSE,
    }
    if extensions := about.get("extensions"):
        document["extensions"] = [
            {"uri": each["uri"], "description": each.get("description", ""), "required": each.get("required", False)}
            for each in extensions
        ]
    if modes := about.get("input_modes"):
        document["input_modes"] = list(modes)
    return document


def _words(name: str) -> str:
    """`talent_scout` → `Talent scout`."""
    text = " ".join(name.replace("_", " ").split())
    return text[:1].upper() + text[1:]


def _descriptor_set(root: FileDescriptor) -> bytes:
    files = dict.fromkeys(_closure(root))
    return FileDescriptorSet(file=map(_plain, files)).SerializeToString(deterministic=True)


def _closure(file: FileDescriptor) -> Iterator[FileDescriptor]:
    """A file and all it imports, imports first and in the order of their names."""
    for dependency in sorted(file.dependencies, key=lambda each: each.name):
        yield from _closure(dependency)
    yield file


def _plain(file: FileDescriptor) -> FileDescriptorProto:
    """A file without what compilers differ in."""
    plain = FileDescriptorProto.FromString(file.serialized_pb)
    plain.ClearField("source_code_info")
    imports = sorted(plain.dependency)
    plain.ClearField("dependency")
    plain.dependency.extend(imports)
    for message in _messages(plain.message_type):
        for field in message.field:
            field.json_name = field.json_name or _json_name(field.name)
    return plain


def _messages(messages: Sequence[DescriptorProto]) -> Iterator[DescriptorProto]:
    for message in messages:
        yield message
        yield from _messages(message.nested_type)


def _json_name(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)
