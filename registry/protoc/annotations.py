"""What a team wrote on its services: our options, buf.validate's rules, comments, and an overlay's corrections of them.

The one place that reads custom options. To the classes of the default pool they are unknown fields, so they are read
again with the classes of the private pool. Ours are found by full name *and* number: another file may hold our
annotations.proto, and somebody else's option may have our number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from google.protobuf.descriptor import Descriptor as MessageDescriptor
from google.protobuf.descriptor import (
    EnumDescriptor,
    EnumValueDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    OneofDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from interchange.v1.annotations_pb2 import AgentOptions, ParamOptions, SkillOptions

from registry.protoc.corrections import AgentCorrection, Overlay, ParamCorrection, SkillCorrection, corrected
from registry.protoc.descriptors import class_in, private_pool
from registry.protoc.problems import Place
from registry.protoc.sources import Sources

NUMBER = 51001

Options = TypeVar("Options", bound=Message)
_Annotated = MessageDescriptor | FieldDescriptor | MethodDescriptor | OneofDescriptor | ServiceDescriptor
Rules = Mapping[str, object]
NO_RULES: Rules = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Generic[Options]):
    """The options of one declaration and its description, after corrections."""

    options: Options
    description: str
    place: Place
    lines: Mapping[str, Place] = field(default_factory=dict[str, Place])

    def at(self, name: str) -> Place:
        """Where the field of that name was written: in the overlay or with the declaration's option."""
        return self.lines.get(name, self.place)


class Annotations:
    """All that is written in some files, and in an overlay on them."""

    def __init__(self, files: Sequence[FileDescriptorProto], overlay: Overlay | None = None) -> None:
        self.pool = private_pool(files)
        self.sources = Sources(files)
        self._overlay: Mapping[str, AgentCorrection] = overlay.agents if overlay else {}

    def file(self, name: str) -> FileDescriptor:
        return self.pool.FindFileByName(name)

    def service(self, full_name: str) -> ServiceDescriptor | None:
        try:
            return self.pool.FindServiceByName(full_name)
        except KeyError:
            return None

    def message(self, full_name: str) -> type[Message]:
        """The class of a message."""
        return class_in(self.pool, full_name)

    def agent(self, service: ServiceDescriptor) -> Note[AgentOptions] | None:
        """What makes a service an agent; None where nothing does."""
        written = self._ours(service, "interchange.v1.agent", AgentOptions())
        correction = self._overlay.get(service.full_name)
        return self._note(service, written, AgentOptions(), correction)

    def skill(self, method: MethodDescriptor) -> Note[SkillOptions] | None:
        """What makes a method a skill; None where it stays private."""
        written = self._ours(method, "interchange.v1.skill", SkillOptions())
        return self._note(method, written, SkillOptions(), self._skill_correction(method))

    def param(self, of: FieldDescriptor, method: MethodDescriptor | None = None) -> Note[ParamOptions]:
        """What is said of a field; with `method`, as a root field of its input, where an overlay may correct it."""
        written = self._ours(of, "interchange.v1.param", ParamOptions()) or ParamOptions()
        correction = self._param_correction(of, method) if method else None
        note = self._note(of, written, ParamOptions(), correction)
        if note is None:
            raise AssertionError("a field always has a note")
        return note

    def rules(self, of: MessageDescriptor | FieldDescriptor | OneofDescriptor) -> Rules:
        """The buf.validate rules on a message, field or oneof as plain values; empty where there are none."""
        for descriptor, value in self._extensions(of):
            if descriptor.full_name in _RULES and isinstance(value, Message):
                return plain(value)
        return NO_RULES

    def json_names(self, enum: EnumDescriptor) -> list[str]:
        """Names that values of an enum have in JSON instead of their own (json_enumvalue_options.proto)."""
        said = [value for each in enum.values for key, value in self._extensions(each) if key.full_name == _JSON_NAME]
        return [str(plain(value).get("string", "")) for value in said if isinstance(value, Message)]

    def comment(self, full_name: str) -> str:
        return self.sources.comment(full_name)

    def _note(
        self,
        declaration: _Annotated,
        written: Options | None,
        empty: Options,
        correction: AgentCorrection | SkillCorrection | ParamCorrection | None,
    ) -> Note[Options] | None:
        place = self.sources.place(declaration.full_name, option=NUMBER)
        comment = self.sources.comment(declaration.full_name)
        if correction is None:
            return None if written is None else Note(options=written, description=comment, place=place)
        return Note(
            options=corrected(written or empty, correction),  # pyright: ignore[reportArgumentType]  # same Options
            description=comment if correction.description is None else correction.description,
            place=place if written else correction.place,
            lines=correction.lines,
        )

    def _skill_correction(self, method: MethodDescriptor) -> SkillCorrection | None:
        agent = self._overlay.get(method.containing_service.full_name)
        return agent.parts.get(method.name) if agent else None

    def _param_correction(self, of: FieldDescriptor, method: MethodDescriptor) -> ParamCorrection | None:
        skill = self._skill_correction(method)
        return (skill.parts.get(of.name) or skill.parts.get(of.json_name)) if skill else None

    def _ours(self, declaration: _Annotated, name: str, empty: Options) -> Options | None:
        for descriptor, value in self._extensions(declaration):
            if descriptor.full_name == name and descriptor.number == NUMBER and isinstance(value, Message):
                found = type(empty)()
                found.ParseFromString(value.SerializeToString())
                return found
        return None

    def _extensions(self, declaration: _Annotated | EnumValueDescriptor) -> Iterator[tuple[FieldDescriptor, object]]:
        if not declaration.has_options:
            return
        options = declaration.GetOptions()
        known = self._option_classes.get(type(options).DESCRIPTOR.name)
        if known is None:
            known = self.message(type(options).DESCRIPTOR.full_name)
            self._option_classes[type(options).DESCRIPTOR.name] = known
        for descriptor, value in known.FromString(options.SerializeToString()).ListFields():
            if descriptor.is_extension:
                yield descriptor, value

    @cached_property
    def _option_classes(self) -> dict[str, type[Message]]:
        return {}


_JSON_NAME = "pb.enumvalue.json"
_RULES = ("buf.validate.message", "buf.validate.field", "buf.validate.oneof")


def plain(message: Message) -> dict[str, object]:
    """The set fields of a message as plain values: messages as dictionaries, repeated fields as lists."""
    found: dict[str, object] = {}
    for descriptor, value in message.ListFields():
        name = f"[{descriptor.full_name}]" if descriptor.is_extension else descriptor.name
        found[name] = [_plain_value(each) for each in value] if descriptor.is_repeated else _plain_value(value)
    return found


def _plain_value(value: object) -> object:
    return plain(value) if isinstance(value, Message) else value
