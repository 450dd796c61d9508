"""What a new revision changes, said in sentences, and which of it would break somebody who uses the old one.

Conservative: whatever is not plainly harmless to a caller counts as breaking. Pure; `registry.publish` (above) refuses
breaking changes, `registry.compare_schemas` (below) reads the schemas.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from enum import Enum
from itertools import combinations
from typing import cast

from registry.compare_schemas import Difference, compare_inputs, compare_outputs
from registry.model import Agent, Extension, JsonObject, Param, Skill

__all__ = ["Difference", "compare_agents", "compare_skills"]

LONG = 60
"""A text of more characters is only said to have changed."""

SKILL_FIELDS = (
    "title", "description", "domain", "tags", "examples", "method", "input_type", "output_type", "streaming",
    "approval", "invocation", "scopes", "timeout", "classification",
)  # fmt: skip
AGENT_FIELDS = (
    "title", "description", "domain", "version", "tags", "examples", "icon_url", "documentation_url", "provider",
    "classification", "visibility", "turns", "converse", "input_modes",
)  # fmt: skip
HINTS = ("read_only", "destructive", "idempotent", "open_world")


def compare_skills(old: Skill, new: Skill) -> tuple[Difference, ...]:
    """Everything in which two revisions of a skill differ."""
    return (
        *_tool_name(old, new),
        *_attributes(old, new, SKILL_FIELDS),
        *_attributes(old.hints, new.hints, HINTS),
        *_params(old, new),
        *_exclusive(old, new),
        *compare_inputs(old.input_schema, new.input_schema),
        *_outputs(old, new),
    )


def compare_agents(old: Agent, new: Agent) -> tuple[Difference, ...]:
    """Everything in which two revisions of an agent differ."""
    return (*_service(old, new), *_attributes(old, new, AGENT_FIELDS), *_extensions(old, new))


def _service(old: Agent, new: Agent) -> Iterator[Difference]:
    if old.service != new.service:
        yield Difference(f"the name belongs to the service {old.service}, and {new.service} wants to take it", True)


def _extensions(old: Agent, new: Agent) -> Iterator[Difference]:
    if old.extensions != new.extensions and sorted(old.extensions, key=_uri) == sorted(new.extensions, key=_uri):
        yield Difference("extensions: in another order", False)
    before = {extension.uri: extension for extension in old.extensions}
    after = {extension.uri: extension for extension in new.extensions}
    for uri in sorted({*before, *after}):
        yield from _extension(uri, before.get(uri), after.get(uri))


def _extension(uri: str, old: Extension | None, new: Extension | None) -> Iterator[Difference]:
    """What a client of that extension, or one without it, finds changed."""
    if new is None:
        yield Difference(f"extension {uri}: no longer understood", True)
    elif new.required and not (old and old.required):
        yield Difference(f"extension {uri}: required now, so who does not activate it is refused", True)
    elif old is None:
        yield Difference(f"extension {uri}: new", False)
    elif old.required and not new.required:
        yield Difference(f"extension {uri}: no longer required", False)
    if old and new and old.description != new.description:
        yield Difference(f"extension {uri}: description changed", False)


def _uri(extension: Extension) -> str:
    return extension.uri


def _tool_name(old: Skill, new: Skill) -> Iterator[Difference]:
    if old.tool_name != new.tool_name:
        yield Difference(f"tool name: was {old.tool_name}, is {new.tool_name}; clients know it by the old one", True)


def _attributes(old: object, new: object, names: Iterable[str]) -> Iterator[Difference]:
    for name in names:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Difference(_changed(name.replace("_", " "), before, after), False)


def _changed(what: str, before: object, after: object) -> str:
    was, now = _shown(before), _shown(after)
    return f"{what}: changed" if max(len(was), len(now)) > LONG else f"{what}: was {was}, is {now}"


def _shown(value: object) -> str:
    """A value as it reads in a sentence."""
    match value:
        case bool():
            return "yes" if value else "no"
        case Enum():
            return value.name.lower().replace("_", " ")
        case tuple():
            return ", ".join(map(str, cast("tuple[object, ...]", value))) or "nothing"
        case _:
            return "nothing" if value is None or value == "" else str(value)


def _params(old: Skill, new: Skill) -> Iterator[Difference]:
    before, after = {param.name: param for param in old.params}, {param.name: param for param in new.params}
    for name in sorted({*before, *after}):
        was, now = before.get(name, Param(name=name)), after.get(name, Param(name=name))
        changed = [field.name for field in fields(Param) if getattr(was, field.name) != getattr(now, field.name)]
        for difference in _attributes(was, now, changed):
            yield Difference(f"parameter {name}, {difference.sentence}", False)


def _exclusive(old: Skill, new: Skill) -> Iterator[Difference]:
    """Fields that could be given together and no longer can."""
    if old.exclusive == new.exclusive:
        return
    known = cast("JsonObject", old.input_schema.get("properties", {}))
    apart = {pair for group in old.exclusive for pair in combinations(sorted(group), 2)}
    broken = [
        pair
        for group in new.exclusive
        for pair in combinations(sorted(group), 2)
        if pair not in apart and all(name in known for name in pair)
    ]
    for one, other in broken:
        yield Difference(f"input: {one} and {other} can no longer be given together", True)
    if not broken:
        yield Difference("input: which fields exclude each other changed", False)


def _outputs(old: Skill, new: Skill) -> Iterator[Difference]:
    if old.output_schema is not None and new.output_schema is not None:
        yield from compare_outputs(old.output_schema, new.output_schema)
    elif old.output_schema is not None:
        yield Difference("output: no longer has a schema", True)
    elif new.output_schema is not None:
        yield Difference("output: has a schema now", False)
