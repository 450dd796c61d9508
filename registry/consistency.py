"""Whether the parts of a manifest fit together: names, owners, methods in the descriptors, shapes of schemas.

A manifest may have been written by anybody, so nothing the plugin guarantees is taken for granted.
"""

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from registry.extensions import extension_faults
from registry.model import Agent, AgentName, BadRequest, JsonObject, JsonValue, Skill, Streaming
from registry.modes import mode_faults
from registry.names import AGENT_NAME, DOMAIN, RESERVED_TOOLS, SHOWN_URLS, SKILL_NAME, TOOL_NAME, VERSION
from registry.protoc.descriptors import private_pool, read_set

ROOT_COMPOSITIONS = ("$ref", "oneOf", "anyOf", "allOf", "not")
_CONVERSE = ("interchange.v1.Turn", "interchange.v1.TurnEvent")


def inconsistencies(agents: Sequence[Agent], skills: Sequence[Skill], descriptor_set: bytes) -> list[str]:
    """All that does not fit, each as `path: sentence`."""
    try:
        pool = private_pool(read_set(descriptor_set))
    except BadRequest as error:
        return [f"descriptor_set: {error.message}"]
    owners = {agent.name: agent for agent in agents}
    found = [*_doubles(agents, skills)]
    for index, agent in enumerate(agents):
        found += [f"agents[{index}].{problem}" for problem in _in_agent(agent, skills, pool)]
    for index, skill in enumerate(skills):
        found += [f"skills[{index}].{problem}" for problem in _in_skill(skill, owners, pool)]
    return found


def clashes(agents: Sequence[Agent], skills: Sequence[Skill]) -> list[str]:
    """Names that two have."""
    return list(_doubles(agents, skills))


def _doubles(agents: Sequence[Agent], skills: Sequence[Skill]) -> Iterator[str]:
    yield from _repeated([agent.name for agent in agents], "agents", "name")
    yield from _repeated([skill.id for skill in skills], "skills", "id")
    for index, agent in enumerate(agents):
        if agent.name in RESERVED_TOOLS:  # a conversing agent is a tool by its own name, and any may converse one day
            yield f'agents[{index}].name: "{agent.name}" is the name of a tool of the gateway itself.'
    tools = [skill.tool_name for skill in skills]
    yield from _repeated(tools, "skills", "tool_name")
    taken = RESERVED_TOOLS | {agent.name for agent in agents if agent.converse}
    for index, tool in enumerate(tools):
        if tool in taken:
            yield f'skills[{index}].tool_name: "{tool}" is the name of another tool.'


def _repeated(names: Sequence[str], where: str, key: str) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            yield f'{where}[{index}].{key}: "{name}" is also that of {where}[{first[name]}].'


def _in_agent(agent: Agent, skills: Sequence[Skill], pool: DescriptorPool) -> Iterator[str]:
    if not AGENT_NAME.fullmatch(agent.name):
        yield f'name: "{agent.name}" must be 1 to 40 of a-z, 0-9 and _.'
    if not DOMAIN.fullmatch(agent.domain):
        yield f'domain: "{agent.domain}" must be 1 to 63 letters, digits, dots, dashes and underscores.'
    if not VERSION.fullmatch(agent.version):
        yield f'version: "{agent.version}" is not a semantic version such as 1.2.0.'
    for key, url in (("icon_url", agent.icon_url), ("documentation_url", agent.documentation_url)):
        if url and not url.startswith(SHOWN_URLS):
            yield f'{key}: "{url}" is not an http or https URL.'
    if agent.skills != tuple(sorted(skill.id for skill in skills if skill.agent == agent.name)):
        yield "skills: must be the ids of all skills of this agent, sorted."
    if agent.turns.max_attempts < 1:
        yield "turns.max_attempts: must be at least 1."
    yield from (f"extensions: {fault}" for fault in extension_faults(agent.extensions))
    yield from (f"input_modes: {fault}" for fault in mode_faults(agent.input_modes))
    if agent.converse and not _converses(agent, pool):
        yield f'converse: "{agent.converse}" is not a method Turn → stream TurnEvent of {agent.service}.'


def _converses(agent: Agent, pool: DescriptorPool) -> bool:
    method = method_at(pool, agent.converse)
    return (
        method is not None
        and method.containing_service.full_name == agent.service
        and (method.input_type.full_name, method.output_type.full_name) == _CONVERSE
        and method.server_streaming
        and not method.client_streaming
    )


def _in_skill(skill: Skill, owners: Mapping[AgentName, Agent], pool: DescriptorPool) -> Iterator[str]:
    owner = owners.get(skill.agent)
    if owner is None:
        yield f'agent: "{skill.agent}" is not an agent of this manifest.'
        return
    head, _, name = skill.id.partition(".")
    if head != skill.agent or not SKILL_NAME.fullmatch(name):
        yield f'id: "{skill.id}" must be "{skill.agent}." and 1 to 60 of a-z, 0-9 and _.'
    if not TOOL_NAME.fullmatch(skill.tool_name):
        yield f'tool_name: "{skill.tool_name}" must be 1 to 64 of A-Z, a-z, 0-9, _ and -.'
    if skill.domain != owner.domain:
        yield f'domain: "{skill.domain}" is not that of its agent, "{owner.domain}".'
    if skill.hints.read_only and (skill.hints.destructive or not skill.hints.idempotent):
        yield "hints: what only reads is neither destructive nor other than idempotent."
    yield from _in_method(skill, owner, method_at(pool, skill.method))
    yield from _in_schemas(skill)


def _in_method(skill: Skill, owner: Agent, method: MethodDescriptor | None) -> Iterator[str]:
    if method is None or method.containing_service.full_name != owner.service:
        yield f'method: "{skill.method}" is not a method of {owner.service} in the descriptor set.'
        return
    for key, said, true in (
        ("input_type", skill.input_type, method.input_type.full_name),
        ("output_type", skill.output_type, method.output_type.full_name),
    ):
        if said != true:
            yield f'{key}: is "{said}", but the method has {true}.'
    if method.client_streaming or method.server_streaming == (skill.streaming is Streaming.UNARY):
        yield f'streaming: "{skill.streaming}" does not fit the method.'


def method_at(pool: DescriptorPool, path: str) -> MethodDescriptor | None:
    """The method of that path (`/package.Service/Method`), None if there is none."""
    service, _, name = path.removeprefix("/").partition("/")
    try:
        return pool.FindServiceByName(service).methods_by_name.get(name) if path.startswith("/") else None
    except KeyError:
        return None


def _in_schemas(skill: Skill) -> Iterator[str]:
    for key, schema in (("input_schema", skill.input_schema), ("output_schema", skill.output_schema)):
        if schema is not None:
            yield from (f"{key}: {problem}" for problem in _in_schema(schema))
    properties = skill.input_schema.get("properties")
    known = set(properties) if isinstance(properties, Mapping) else set[str]()
    for index, param in enumerate(skill.params):
        if (param.name.partition(".")[0] in known) == (param.bound is not None):
            yield f'params[{index}].name: "{param.name}" must be a property of the input, unless it is bound.'


def _in_schema(schema: JsonObject) -> Iterator[str]:
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), Mapping):
        yield 'the root must have "type": "object" and "properties".'
    for key in ROOT_COMPOSITIONS:
        if key in schema:
            yield f'the root must not have "{key}"; model APIs refuse it.'
    defs = schema.get("$defs", {})
    known = {f"#/$defs/{name}" for name in defs} if isinstance(defs, Mapping) else set[str]()
    for reference in _references(schema):
        if reference not in known:
            yield f'"$ref": {reference!r} leads out of the schema.'


def _references(schema: JsonObject) -> Iterator[JsonValue]:
    """Every `$ref`, wherever it stands. Iterative: a schema may be nested as deeply as JSON may."""
    todo: list[JsonValue] = [schema]
    while todo:
        value = todo.pop()
        if isinstance(value, Mapping):
            reference = value.get("$ref")
            if reference is not None and not isinstance(reference, Mapping):
                yield reference
            todo.extend(value.values())
        elif isinstance(value, list | tuple):
            todo.extend(value)
