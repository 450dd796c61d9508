"""The manifest: what the plugin writes and publishing takes. Agents, skills with their schemas, a descriptor set.

`read_manifest` trusts nobody: types, words, limits and the digest are checked here, and in `registry.consistency` that
names, methods and schemas fit together. The documents of single skills and agents are `registry.documents`', which the
store uses as well.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from registry.consistency import inconsistencies
from registry.documents import read_agent, read_skill, write_agent, write_skill
from registry.model import Agent, BadRequest, Digest, JsonObject, JsonValue, Skill

__all__ = [
    "MAX_BYTES",
    "MAX_SKILLS",
    "Manifest",
    "digest_of",
    "read_agent",
    "read_manifest",
    "read_skill",
    "write_agent",
    "write_manifest",
    "write_skill",
]

FORMAT = "interchange.manifest/v1"
MAX_BYTES = 10_000_000
MAX_SKILLS = 5_000
_KEYS = ("format", "digest", "agents", "skills", "descriptor_set")

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Agents and skills, each in the order of names, and the normalised FileDescriptorSet of their methods."""

    agents: tuple[Agent, ...]
    skills: tuple[Skill, ...]
    descriptor_set: bytes
    digest: Digest


def digest_of(data: bytes) -> Digest:
    """`sha256:` and the hex digest of some bytes."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def write_manifest(manifest: Manifest) -> str:
    """The manifest as JSON; the same manifest always gives the same bytes."""
    document: JsonObject = {
        "format": FORMAT,
        "digest": manifest.digest,
        "agents": [write_agent(agent) for agent in manifest.agents],
        "skills": [write_skill(skill) for skill in manifest.skills],
        "descriptor_set": base64.b64encode(manifest.descriptor_set).decode("ascii"),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read_manifest(text: str | bytes) -> Manifest:
    """Read what `write_manifest` wrote.

    Raises:
        BadRequest: with the JSON path of what is wrong; of inconsistencies all of them, a line each.
    """
    document = _parse(text)
    for key in sorted(document.keys() ^ set(_KEYS)):
        raise BadRequest(f"{key}: is {'missing' if key in _KEYS else 'not a key that is known here'}.")
    if document["format"] != FORMAT:
        raise BadRequest(f'format: must be "{FORMAT}".')
    manifest = Manifest(
        agents=_read_each(document["agents"], "agents", read_agent),
        skills=_read_each(document["skills"], "skills", read_skill),
        descriptor_set=_descriptor_set(document["descriptor_set"]),
        digest=Digest(str(document["digest"])),
    )
    if manifest.digest != digest_of(manifest.descriptor_set):
        raise BadRequest("digest: is not that of descriptor_set; the manifest was changed after it was written.")
    if problems := inconsistencies(manifest.agents, manifest.skills, manifest.descriptor_set):
        raise BadRequest("\n".join(problems))
    return manifest


def _parse(text: str | bytes) -> JsonObject:
    if len(text) > MAX_BYTES:
        raise BadRequest(f"The manifest has {len(text):,} bytes; {MAX_BYTES:,} are allowed.")
    try:
        document: object = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The manifest is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise BadRequest("The manifest must be a JSON object.")
    return cast("JsonObject", document)


def _without_duplicates(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f'"{next(name for name in names if names.count(name) > 1)}" occurs twice in one object')
    return found


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not a JSON number")


def _read_each(value: JsonValue, key: str, read: Callable[[JsonObject], Read]) -> tuple[Read, ...]:
    if not isinstance(value, list):
        raise BadRequest(f"{key}: must be a list.")
    if len(value) > MAX_SKILLS:
        raise BadRequest(f"{key}: has {len(value):,} items; {MAX_SKILLS:,} are allowed.")
    return tuple(_read_one(each, f"{key}[{index}]", read) for index, each in enumerate(value))


def _read_one(value: JsonValue, path: str, read: Callable[[JsonObject], Read]) -> Read:
    if not isinstance(value, Mapping):
        raise BadRequest(f"{path}: must be an object.")
    try:
        return read(value)
    except BadRequest as error:
        raise BadRequest(f"{path}.{error.message}") from error


def _descriptor_set(value: JsonValue) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "!", validate=True)
    except binascii.Error as error:
        raise BadRequest("descriptor_set: must be base64.") from error
