"""Overlays: annotations from outside, in YAML, for services whose protos cannot be edited, or to correct single fields.

    agents:
      etcdserverpb.KV:
        name: etcd
        domain: platform
        skills:
          Range: {read_only: true, params: {key: {example: '"Zm9v"'}}}

The keys are those of AgentOptions, SkillOptions and ParamOptions, and `description`. Reading checks words and types and
says the line of each mistake; whether the names exist is found where an overlay meets descriptors (`registry.protoc`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import yaml
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from interchange.v1.annotations_pb2 import AgentOptions, ParamOptions, SkillOptions

from registry.model import BadRequest
from registry.protoc.problems import Place, Problems

Options = TypeVar("Options", bound=Message)
Part = TypeVar("Part")

_DEPTH = 64
_LIMIT = 256_000
_SCALARS: Mapping[str, Callable[[str], object]] = {
    "bool": lambda text: text.lower() in ("true", "yes", "on"),
    "int": int,
    "float": float,
    "null": lambda _: None,
}
_SECONDS = re.compile(r"^[0-9]+(\.[0-9]+)?s?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction(Generic[Options, Part]):
    """What an overlay says of one declaration.

    `options` holds the corrected fields and `lines` where each was written (`description` among them); `parts` are
    the corrections of what the declaration contains, by name.
    """

    place: Place
    options: Options
    lines: Mapping[str, Place]
    description: str | None
    parts: Mapping[str, Part]


ParamCorrection = Correction[ParamOptions, None]
SkillCorrection = Correction[SkillOptions, ParamCorrection]
AgentCorrection = Correction[AgentOptions, SkillCorrection]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Corrections by the full name of a service, then by method, then by field."""

    name: str
    agents: Mapping[str, AgentCorrection]


def load_overlay(text: str, *, name: str = "overlay") -> Overlay:
    """Read an overlay.

    Raises:
        ManifestProblems (a BadRequest): every unknown key and wrong value as `overlay:line: sentence`.
    """
    problems = Problems()
    reader = _Reader(name, problems)
    root = reader.compose(text)
    agents: dict[str, AgentCorrection] = {}
    for key, value in reader.entries(root, "the overlay"):
        if key.value != "agents":
            problems.add(reader.place(key), f'unknown key "{key.value}": an overlay holds "agents".')
            continue
        for service, node in reader.entries(value, "agents"):
            agents[service.value] = reader.agent(service, node)
    problems.end()
    return Overlay(name=name, agents=agents)


def corrected(options: Options, correction: Correction[Options, Any]) -> Options:
    """A copy of some options in which every field that the correction names has its value."""
    copy = type(options)()
    copy.CopyFrom(options)
    for field in correction.lines:
        if field != "description":
            copy.ClearField(field)
    copy.MergeFrom(correction.options)
    return copy


class _Reader:
    """Reads YAML nodes, whose marks say where they were written; one per overlay."""

    def __init__(self, name: str, problems: Problems) -> None:
        self._name = name
        self._problems = problems

    def place(self, node: yaml.Node) -> Place:
        return Place(self._name, _line(node))

    def compose(self, text: str) -> yaml.Node:
        if len(text) > _LIMIT:
            raise BadRequest(f"{self._name} has {len(text):,} characters; {_LIMIT:,} are allowed.")
        try:
            depth = 0
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                if depth > _DEPTH:  # PyYAML takes the square of the depth: seconds for a few thousand brackets
                    self._problems.add(Place(self._name, _line(event)), f"more than {_DEPTH} levels of nesting.")
                    self._problems.end()
                if isinstance(event, yaml.AliasEvent):  # what billion-laugh bombs are made of
                    self._problems.add(Place(self._name, _line(event)), "aliases are not allowed.")
                    self._problems.end()
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError) as error:
            raise _broken(self._name, error) from error
        return node or yaml.MappingNode("tag:yaml.org,2002:map", [])

    def entries(self, node: yaml.Node, what: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """The pairs of a mapping; anything else, and a key written twice, is a problem."""
        if isinstance(node, yaml.ScalarNode) and node.value in ("", "~", "null"):
            return
        if not isinstance(node, yaml.MappingNode):
            self._problems.add(self.place(node), f"{what} must be a mapping.")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problems.add(self.place(key), "a key must be a plain word.")
            elif key.value in seen:
                self._problems.add(self.place(key), f'"{key.value}" is written twice.')
            else:
                seen.add(key.value)
                yield key, value

    def agent(self, service: yaml.ScalarNode, node: yaml.Node) -> AgentCorrection:
        return self._correction(service, node, AgentOptions(), "skills", self._skill)

    def _skill(self, method: yaml.ScalarNode, node: yaml.Node) -> SkillCorrection:
        return self._correction(method, node, SkillOptions(), "params", self._param)

    def _param(self, field: yaml.ScalarNode, node: yaml.Node) -> ParamCorrection:
        return self._correction(field, node, ParamOptions(), "", lambda _key, _value: None)

    def _correction(
        self,
        name: yaml.ScalarNode,
        node: yaml.Node,
        options: Options,
        parts_key: str,
        read_part: Callable[[yaml.ScalarNode, yaml.Node], Part],
    ) -> Correction[Options, Part]:
        lines: dict[str, Place] = {}
        parts: dict[str, Part] = {}
        description: str | None = None
        for key, value in self.entries(node, name.value):
            if parts_key and key.value == parts_key:
                parts = {part.value: read_part(part, inner) for part, inner in self.entries(value, parts_key)}
            elif key.value == "description" and isinstance(value, yaml.ScalarNode):
                description = value.value.strip()
                lines["description"] = self.place(key)
            elif self._set(options, key, value, parts_key):
                lines[key.value] = self.place(key)
        return Correction(place=self.place(name), options=options, lines=lines, description=description, parts=parts)

    def _set(self, options: Message, key: yaml.ScalarNode, node: yaml.Node, parts_key: str) -> bool:
        """Set one field of the options from its YAML; say what is wrong where that cannot be done."""
        field = options.DESCRIPTOR.fields_by_name.get(key.value)
        if field is None:
            known = sorted([*options.DESCRIPTOR.fields_by_name, "description", *filter(None, [parts_key])])
            self._problems.add(self.place(key), f'unknown key "{key.value}"; known are {", ".join(known)}.')
            return False
        try:
            json_format.ParseDict({field.name: _proto_json(cast("FieldDescriptor", field), _value(node))}, options)
        except (json_format.ParseError, yaml.YAMLError, TypeError, ValueError, AttributeError) as error:
            self._problems.add(self.place(key), f'"{key.value}" has a value that does not fit: {_reason(error)}')
            return False
        return True


def _value(node: yaml.Node) -> object:
    """The value of a node, as YAML's core schema resolved it."""
    if isinstance(node, yaml.SequenceNode):
        return [_value(each) for each in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(_value(key)): _value(value) for key, value in node.value}
    text = str(node.value)
    read = _SCALARS.get(node.tag.rpartition(":")[2], str)
    return read(text)


def _proto_json(field: FieldDescriptor, value: object) -> object:
    """The ProtoJSON of a YAML value: enum values by their short names, durations as seconds, one string as a list."""
    if value is None:
        raise ValueError("it is empty.")
    if field.is_repeated:
        return [value] if isinstance(value, str) else value
    if field.enum_type is not None:
        return _enum_name(field.enum_type, value)
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.Duration":
        return _duration(value)
    if field.message_type is not None and isinstance(value, dict):
        inner = cast("dict[str, object]", value)
        return {key: _proto_json(_known(field.message_type, key), each) for key, each in inner.items()}
    if field.type == FieldDescriptor.TYPE_STRING and not isinstance(value, str):
        raise ValueError("it must be text; put it in quotes.")
    if field.type == FieldDescriptor.TYPE_BOOL and not isinstance(value, bool):
        raise ValueError("it must be true or false.")
    return value


def _known(message: Descriptor, key: str) -> FieldDescriptor:
    try:
        return message.fields_by_name[key]
    except KeyError:
        raise ValueError(f'unknown key "{key}".') from None


def _enum_name(enum: EnumDescriptor, value: object) -> str:
    """`CONFIDENTIAL`, `confidential` and `CLASSIFICATION_CONFIDENTIAL` are the same."""
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
    names = list(enum.values_by_name)
    name = str(value).upper()
    for candidate in (name, prefix + name):
        if candidate in names:
            return candidate
    raise ValueError(f'"{value}" is none of {", ".join(each.removeprefix(prefix).lower() for each in names[1:])}.')


def _duration(value: object) -> str:
    if isinstance(value, dict):
        parts = cast("dict[str, object]", value)
        value = parts.get("seconds") if set(parts) == {"seconds"} else None
    text = str(value)
    if isinstance(value, bool) or not _SECONDS.match(text):
        raise ValueError('it must be seconds, such as "30s" or 0.5.')
    return text if text.endswith("s") else f"{text}s"


def _line(marked: yaml.Node | yaml.Event) -> int:
    return marked.start_mark.line + 1 if marked.start_mark else 0


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith(".") else f"{text}."


def _broken(name: str, error: Exception) -> BadRequest:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    line = mark.line + 1 if mark else 1
    problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else "it is nested too deeply"
    problems = Problems()
    problems.add(Place(name, line), f"this is not YAML: {problem}.")
    try:
        problems.end()
    except BadRequest as found:
        return found
    raise AssertionError("unreachable")
