"""What readers are told of the book: rows of a list and whole revisions, as the proto3 JSON of `registry.proto`.

Where agents are bound, and who published what, is for those who keep the catalog.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import orjson

from registry.catalog import Catalog, SkillEntry
from registry.model import Agent, AgentName, Approval, Binding, JsonObject, JsonValue, Skill
from registry.requests import write_binding
from registry.revisions import Content, Revision, Stamp, State

HINTS = ("read_only", "destructive", "idempotent", "open_world")


def agent_rows(catalog: Catalog) -> Iterator[JsonObject]:
    """A row for every live agent."""
    for entry in catalog.agents.values():
        yield _row(entry.agent, revision=entry.revision, state=State.LIVE, binding=entry.binding)


def skill_rows(entries: Iterable[SkillEntry]) -> Iterator[JsonObject]:
    """A row for each of these live skills."""
    for entry in entries:
        yield _row(entry.skill, revision=entry.revision, state=State.LIVE, binding=entry.binding)


def other_rows(revisions: Iterable[Revision], bindings: Mapping[AgentName, Binding]) -> Iterator[JsonObject]:
    """A row for each revision that is not live."""
    for found in revisions:
        binding = bindings.get(found.agent)
        yield _row(found.content(), revision=found.number, state=found.state, binding=binding)


def without_targets(row: JsonObject) -> JsonObject:
    """A row that does not say where its agent is bound."""
    return {key: value for key, value in row.items() if key != "targets"}


def write_revision(found: Revision, binding: Binding | None, history: Sequence[Revision]) -> str:
    """One revision as a document for keepers: all of it, where it is bound, and what came before and after."""
    document: JsonObject = {
        **_told_to_all(found),
        "state": found.state.value,
        "descriptors": found.descriptors,
        "binding": None if binding is None else write_binding(binding),
        "history": [_past(each) for each in history],
    }
    return _for_people(document)


def write_live(found: Revision) -> str:
    """A revision that is in force, as a document for whoever may list it."""
    return _for_people(_told_to_all(found))


def without_defaults(document: JsonObject) -> JsonObject:
    """What proto3 JSON leaves out is left out: empty strings and lists, zero and false."""
    return {key: value for key, value in document.items() if value or value is None}


def _told_to_all(found: Revision) -> JsonObject:
    return {
        "name": found.name.text,
        "kind": found.name.kind.value,
        "revision": found.number,
        "state": State.LIVE.value,
        "pin": found.pin,
        "document": orjson.loads(found.document),
    }


def _for_people(document: JsonObject) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _row(content: Content, *, revision: int, state: State, binding: Binding | None) -> JsonObject:
    row: dict[str, JsonValue] = {
        "name": content.name if isinstance(content, Agent) else content.id,
        "kind": "agent" if isinstance(content, Agent) else "skill",
        "title": content.title,
        "revision": revision,
        "state": state.value,
        "domain": content.domain,
        "targets": list(binding.targets) if binding else [],
    }
    if isinstance(content, Skill):
        row |= {"toolName": content.tool_name, "hints": _hints(content)}
    return without_defaults(row)


def _hints(skill: Skill) -> list[str]:
    said = [name.replace("_", "-") for name in HINTS if getattr(skill.hints, name)]
    return [*said, "approval-required"] if skill.approval is Approval.REQUIRED else said


def _past(found: Revision) -> JsonObject:
    return {
        "revision": found.number,
        "state": found.state.value,
        "pin": found.pin,
        "published": _stamp(found.published),
        "settled": None if found.settled is None else _stamp(found.settled),
    }


def _stamp(stamp: Stamp) -> JsonObject:
    return {"by": stamp.by, "at": stamp.at.isoformat(), "reason": stamp.reason}
