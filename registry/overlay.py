"""Overlays as publishing knows them: read from YAML, or laid over a manifest that is already built.

`registry.protoc` lays them over protos while it builds, where everything can still be said. On a built manifest only
what changes no name and brings back no field can be corrected; the rest is refused with the line it stands on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from interchange.v1.annotations_pb2 import ParamOptions, SkillOptions

from registry.consistency import clashes, method_at
from registry.manifest import Manifest
from registry.model import Agent, BadRequest, JsonObject, JsonValue, Param, Skill, ToolName
from registry.protoc.agents import check_agent_settings
from registry.protoc.annotations import Note
from registry.protoc.corrections import (
    AgentCorrection,
    Correction,
    Options,
    Overlay,
    ParamCorrection,
    SkillCorrection,
    corrected,
    load_overlay,
)
from registry.protoc.descriptors import private_pool, read_set
from registry.protoc.examples import read_json, schema_faults
from registry.protoc.params import check_params, param_of
from registry.protoc.problems import Place, Problems
from registry.protoc.settings import agent_settings, options_of_agent, options_of_skill, skill_settings
from registry.protoc.skills import check_skill_settings

__all__ = ["Overlay", "apply_overlay", "load_overlay"]

_FIXED = {"name": "a name", "streaming": "how a stream is answered"}


def apply_overlay(manifest: Manifest, overlay: Overlay) -> Manifest:
    """The manifest with the overlay's corrections.

    Raises:
        ManifestProblems (a BadRequest): what the overlay names and the manifest lacks, and what cannot be corrected.
    """
    applying = _Applying(private_pool(read_set(manifest.descriptor_set)))
    services = {agent.service: agent for agent in manifest.agents}
    agents = dict(services)
    skills = {skill.method: skill for skill in manifest.skills}
    for service, correction in overlay.agents.items():
        if service not in services:
            applying.problems.add(correction.place, f"the manifest has no agent of service {service}.")
            continue
        agents[service] = applying.agent(services[service], correction)
        for method, part in correction.parts.items():
            path = f"/{service}/{method}"
            if path not in skills:
                applying.problems.add(part.place, f"{method} of {service} is no skill in the manifest.")
            else:
                skills[path] = applying.skill(skills[path], part)
    applying.problems.end()
    domains = {agent.name: agent.domain for agent in agents.values()}
    owned = [replace(skill, domain=domains[skill.agent]) for skill in skills.values()]
    if problems := clashes([*agents.values()], owned):
        raise BadRequest("\n".join(f"{overlay.name}: {problem}" for problem in problems))
    return replace(manifest, agents=tuple(agents.values()), skills=tuple(owned))


class _Applying:
    """One application of an overlay to a manifest."""

    def __init__(self, pool: DescriptorPool) -> None:
        self.problems = Problems()
        self._pool = pool

    def agent(self, agent: Agent, correction: AgentCorrection) -> Agent:
        self._refuse_fixed(correction.lines)
        note = _note(options_of_agent(agent), agent.description, correction)
        check_agent_settings(agent.service, note, self.problems)
        title = note.options.title or agent.title
        return replace(agent, title=title, description=note.description, **agent_settings(note.options))

    def skill(self, skill: Skill, correction: SkillCorrection) -> Skill:
        self._refuse_fixed(correction.lines)
        before = options_of_skill(skill)
        if "read_only" in correction.lines:  # the hints that follow from it follow again
            before.ClearField("destructive")
            before.ClearField("idempotent")
        note = _note(before, skill.description, correction)
        check_skill_settings(skill.id, note, self.problems)
        changed = replace(
            skill,
            title=note.options.title or skill.title,
            description=note.description,
            tool_name=ToolName(note.options.external_name or skill.tool_name),
            examples=self._examples(skill, note) if "examples" in correction.lines else skill.examples,
            **skill_settings(note.options, classification=skill.classification),
        )
        return self._with_params(changed, correction.parts) if correction.parts else changed

    def _refuse_fixed(self, lines: Mapping[str, Place]) -> None:
        for field, what in _FIXED.items():
            if field in lines:
                self.problems.add(lines[field], f"{what} cannot be corrected in a manifest: change the proto.")

    def _examples(self, skill: Skill, note: Note[SkillOptions]) -> tuple[JsonObject, ...]:
        found: list[JsonObject] = []
        for text in note.options.examples:
            value, fault = read_json(text)
            faults = [f"is not JSON: {fault}"] if fault else schema_faults(skill.input_schema, value)
            if faults:
                self.problems.add(note.at("examples"), f"the example {text} does not fit: {'; '.join(faults)}.")
            elif isinstance(value, Mapping):
                found.append(value)
        return tuple(found)

    def _with_params(self, skill: Skill, corrections: Mapping[str, ParamCorrection]) -> Skill:
        method = method_at(self._pool, skill.method)
        if method is None:
            raise BadRequest(f"The descriptor set of the manifest lacks {skill.method}.")
        fields = {name: field for field in method.input_type.fields for name in (field.name, field.json_name)}
        for name, correction in corrections.items():
            if name not in fields:
                self.problems.add(correction.place, f"{skill.input_type} has no field {name}.")
        known = {fields[name].name: correction for name, correction in corrections.items() if name in fields}
        old = {param.name: param for param in skill.params}
        notes = {field.name: _param_note(old.get(field.json_name), known.get(field.name)) for field in fields.values()}
        check_params(method, notes, self.problems)
        corrected_fields = [field for field in method.input_type.fields if field.name in known]
        schema = skill.input_schema
        for field in corrected_fields:
            schema = self._with_property(schema, field, notes[field.name], known[field.name].lines)
        return replace(skill, input_schema=schema, params=_params(method, notes, skill))

    def _with_property(
        self, schema: JsonObject, field: FieldDescriptor, note: Note[ParamOptions], lines: Mapping[str, Place]
    ) -> JsonObject:
        properties = dict(cast("Mapping[str, JsonObject]", schema["properties"]))
        if note.options.bound:
            properties.pop(field.json_name, None)
            required = [name for name in cast("Sequence[str]", schema.get("required", [])) if name != field.json_name]
            rest = {key: value for key, value in schema.items() if key != "required"}
            return {**rest, "properties": properties, **({"required": required} if required else {})}
        if field.json_name not in properties:
            self.problems.add(note.at("bound"), f"{field.full_name} is bound: only a new build brings it back.")
            return schema
        changed = dict(properties[field.json_name])
        if "description" in lines:
            changed["description"] = note.description
        if "header" in lines:
            changed["x-mcp-header"] = note.options.header
        if "example" in lines:
            changed["examples"] = [self._example(field, note, schema, changed)]
        properties[field.json_name] = changed
        return {**schema, "properties": properties}

    def _example(
        self, field: FieldDescriptor, note: Note[ParamOptions], schema: JsonObject, of: JsonObject
    ) -> JsonValue:
        value, fault = read_json(note.options.example)
        faults = [f"is not JSON: {fault}"] if fault else schema_faults({**of, "$defs": schema.get("$defs", {})}, value)
        if faults:
            self.problems.add(
                note.at("example"), f"the example of {field.full_name} does not fit: {'; '.join(faults)}."
            )
        return value


def _note(options: Options, description: str, correction: Correction[Options, Any]) -> Note[Options]:
    return Note(
        options=corrected(options, correction),
        description=description if correction.description is None else correction.description,
        place=correction.place,
        lines=correction.lines,
    )


def _param_note(old: Param | None, correction: ParamCorrection | None) -> Note[ParamOptions]:
    options = ParamOptions()
    if old is not None:
        bound = f"BOUND_{old.bound.name}" if old.bound else None
        options = ParamOptions(
            bound=bound, sensitive=old.sensitive, policy_visible=old.policy_visible, header=old.header
        )
    if correction is None:
        return Note(options=options, description="", place=Place("manifest"))
    return _note(options, "", correction)


def _params(method: MethodDescriptor, notes: Mapping[str, Note[ParamOptions]], skill: Skill) -> tuple[Param, ...]:
    """The corrected parameters, and those of nested messages as they were."""
    own = [param_of(field, notes[field.name].options) for field in method.input_type.fields]
    hidden = {param.name for param in own if param.sensitive}
    below = [param for param in skill.params if "." in param.name and param.name.split(".")[0] not in hidden]
    return (*(param for param in own if param != Param(name=param.name)), *below)
