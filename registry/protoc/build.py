"""From file descriptors to a manifest: agents and skills out of annotated services, or all that is wrong with them.

Everything is looked at before the first mistake ends the build. Where a descriptor set comes from (protoc, buf,
reflection, a file) makes no difference to the manifest, except that only compilers hand over comments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from interchange.v1.annotations_pb2 import AgentOptions, ParamOptions, SkillOptions

from registry.manifest import MAX_SKILLS, Manifest, digest_of
from registry.model import Agent, JsonObject, Skill
from registry.names import RESERVED_TOOLS
from registry.protoc.agents import agent_of, check_agent
from registry.protoc.annotations import Annotations, Note
from registry.protoc.corrections import Overlay
from registry.protoc.descriptors import normalised
from registry.protoc.examples import Examples
from registry.protoc.params import notes_of, reachable
from registry.protoc.presence import BrokenRulesError, Presence
from registry.protoc.problems import ManifestProblems, Place, Problems
from registry.protoc.skills import Bench, check_skill, skill_of

__all__ = ["ManifestProblems", "build_manifest"]


def build_manifest(
    files: Sequence[FileDescriptorProto], roots: Sequence[str], *, overlay: Overlay | None = None
) -> Manifest:
    """The manifest of the annotated services in the files named by `roots`, and of those the overlay names.

    Raises:
        ManifestProblems: every mistake, each as `file:line: sentence`.
        BadRequest: the files are not a whole descriptor set.
    """
    build = _Build(Annotations(files, overlay))
    if overlay is not None:
        build.check_overlay(overlay)
    for service in build.services(roots, overlay):
        build.read(service)
    build.check_names()
    build.check_fields()
    build.problems.end()
    agents = sorted((found.agent for found in build.found), key=lambda agent: agent.name)
    skills = sorted((each.skill for found in build.found for each in found.skills), key=lambda skill: skill.id)
    descriptor_set = normalised(files, {found.file for found in build.found})
    return Manifest(
        agents=tuple(agents), skills=tuple(skills), descriptor_set=descriptor_set, digest=digest_of(descriptor_set)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoundSkill:
    skill: Skill
    note: Note[SkillOptions]
    method: MethodDescriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoundAgent:
    agent: Agent
    note: Note[AgentOptions]
    file: str
    skills: Sequence[_FoundSkill]


class _Build:
    """One build: what was found on the way, and what is wrong with it."""

    def __init__(self, annotations: Annotations) -> None:
        self.problems = Problems()
        self.found: list[_FoundAgent] = []
        self._annotations = annotations
        presence = Presence()
        self._bench = Bench(
            annotations=annotations,
            presence=presence,
            examples=Examples(annotations, presence, self.problems),
            problems=self.problems,
        )

    def services(self, roots: Sequence[str], overlay: Overlay | None) -> list[ServiceDescriptor]:
        """Those in the root files, and those the overlay names, each once."""
        in_roots = [each for name in roots for each in self._annotations.file(name).services_by_name.values()]
        named = [self._annotations.service(name) for name in overlay.agents] if overlay else []
        return list({each.full_name: each for each in [*in_roots, *named] if each is not None}.values())

    def read(self, service: ServiceDescriptor) -> None:
        """Find the agent a service is, and its skills, if it is one."""
        methods = [(method, self._annotations.skill(method)) for method in service.methods]
        annotated = [(method, note) for method, note in methods if note is not None]
        note = self._annotations.agent(service)
        if note is None:
            for method, lost in annotated:
                self.problems.add(
                    lost.place, f"{method.name} is a skill of no agent: {service.name} has no option agent."
                )
            return
        check_agent(service, note, self.problems)
        agent = agent_of(service, note, [])
        skills = [skill for method, each in annotated if (skill := self._skill(method, each, agent)) is not None]
        self.found.append(
            _FoundAgent(
                agent=replace(agent, skills=tuple(sorted(each.skill.id for each in skills))),
                note=note,
                file=service.file.name,
                skills=skills,
            )
        )

    def _skill(self, method: MethodDescriptor, note: Note[SkillOptions], agent: Agent) -> _FoundSkill | None:
        check_skill(method, note, self.problems)
        try:
            skill = skill_of(method, note, agent, self._bench)
        except BrokenRulesError as error:
            self.problems.add(self._annotations.sources.place(method.input_type.full_name), f"buf.validate: {error}.")
            return None
        return None if skill is None else _FoundSkill(skill=skill, note=note, method=method)

    def check_names(self) -> None:
        """Report names that two have, and tool names that are too long."""
        agents: dict[str, str] = {}
        tools = dict.fromkeys(RESERVED_TOOLS, "the gateway")
        for found in self.found:
            self._once(agents, found.agent.name, found.agent.service, found.note.at("name"), "agent")
        for found in self.found:
            if found.agent.converse:
                self._once(tools, found.agent.name, found.agent.service, found.note.at("name"), "tool")
        for found in self.found:
            self._check_skill_names(found, tools)
        if sum(len(found.skills) for found in self.found) > MAX_SKILLS:
            self.problems.add(self.found[0].note.place, f"there are more than {MAX_SKILLS:,} skills in one manifest.")

    def _check_skill_names(self, found: _FoundAgent, tools: dict[str, str]) -> None:
        ids: dict[str, str] = {}
        for each in found.skills:
            skill, note = each.skill, each.note
            self._once(ids, skill.id, each.method.name, note.at("name"), "skill")
            if ids[skill.id] == each.method.name:
                place = note.at("external_name" if note.options.external_name else "name")
                self._once(tools, skill.tool_name, each.method.full_name, place, "tool")
            if not note.options.external_name and len(skill.tool_name) > 64:
                self.problems.add(note.at("name"), f'the tool name "{skill.tool_name}" is too long: set external_name.')

    def _once(self, names: dict[str, str], name: str, owner: str, place: Place, kind: str) -> None:
        if names.setdefault(name, owner) != owner:
            self.problems.add(place, f'the {kind} name "{name}" is taken by {names[name]} and would clash.')

    def check_fields(self) -> None:
        """Check examples of fields, and report annotations where nothing can come of them."""
        roots = {each.method.input_type.full_name for found in self.found for each in found.skills}
        for found in self.found:
            for each in found.skills:
                self._check_fields_of(each, roots)

    def _check_fields_of(self, found: _FoundSkill, roots: set[str]) -> None:
        method, skill = found.method, found.skill
        notes = notes_of(method, self._annotations)
        for field in method.input_type.fields:
            note = notes[field.name]
            if note.options.example and not note.options.bound:
                self._check_example(note, field.full_name, skill.input_schema, _at(skill.input_schema, field.json_name))
        for message in reachable(method.input_type):
            self._check_nested(message, skill.input_schema, roots, of_input=True)
        if skill.output_schema is not None:
            for message in [method.output_type, *reachable(method.output_type)]:
                self._check_nested(message, skill.output_schema, roots, of_input=False)

    def _check_nested(self, message: Descriptor, schema: JsonObject, roots: set[str], *, of_input: bool) -> None:
        for field in message.fields:
            note = self._annotations.param(field)
            for option in ("bound", "policy_visible", "header"):
                elsewhere = message.full_name in roots and not (of_input and option == "bound")
                if getattr(note.options, option) and not elsewhere:
                    self.problems.add(
                        note.at(option),
                        f"{field.full_name}: {option} is possible only on a field of a skill's input itself.",
                    )
            if note.options.example:
                inner = _at(_definition(schema, message.full_name), field.json_name)
                self._check_example(note, field.full_name, schema, inner)

    def _check_example(self, note: Note[ParamOptions], name: str, schema: JsonObject, field: JsonObject | None) -> None:
        if field is not None:
            self._bench.examples.of_field(note.options.example, note, name=name, schema=field, defs=schema.get("$defs"))

    def check_overlay(self, overlay: Overlay) -> None:
        """Report what the overlay names and nobody has."""
        for name, agent in overlay.agents.items():
            service = self._annotations.service(name)
            if service is None:
                self.problems.add(agent.place, f"there is no service {name}.")
                continue
            for method_name, skill in agent.parts.items():
                method = service.methods_by_name.get(method_name)
                if method is None:
                    self.problems.add(skill.place, f"{name} has no method {method_name}.")
                    continue
                known = {each for field in method.input_type.fields for each in (field.name, field.json_name)}
                for field_name, param in skill.parts.items():
                    if field_name not in known:
                        self.problems.add(param.place, f"{method.input_type.full_name} has no field {field_name}.")


def _definition(schema: JsonObject, name: str) -> JsonObject:
    """The schema of a message in the schema of a skill: one of its definitions, or the root itself."""
    defs = schema.get("$defs")
    found = defs.get(name) if isinstance(defs, Mapping) else None
    return found if isinstance(found, Mapping) else schema


def _at(schema: JsonObject, name: str) -> JsonObject | None:
    properties = schema.get("properties")
    found = properties.get(name) if isinstance(properties, Mapping) else None
    return found if isinstance(found, Mapping) else None
