"""One annotated method as a skill."""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from interchange.v1.annotations_pb2 import SkillOptions

from registry.model import Agent, JsonObject, Skill, SkillId, Streaming, ToolName
from registry.names import SCOPE, SKILL_NAME, TOOL_NAME, snake_case, tool_name, words
from registry.protoc.agents import converses
from registry.protoc.annotations import Annotations, Note
from registry.protoc.examples import Examples
from registry.protoc.params import check_params, notes_of, params_of
from registry.protoc.presence import Presence
from registry.protoc.problems import Problems
from registry.protoc.schema import Notes, collected_schema, input_schema, is_root, output_schema, real_oneofs
from registry.protoc.settings import (
    NEWER,
    STREAMINGS,
    contradictions,
    is_newer,
    skill_settings,
    timeout_fault,
    unknown_words,
)

SKILL_RESULT = "interchange.v1.SkillResult"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What reading a skill needs."""

    annotations: Annotations
    presence: Presence
    examples: Examples
    problems: Problems


def skill_name(method: MethodDescriptor, options: SkillOptions) -> str:
    return options.name or snake_case(method.name)


def skill_of(method: MethodDescriptor, note: Note[SkillOptions], agent: Agent, bench: Bench) -> Skill | None:
    """The skill a method is, None if its shape cannot be one.

    Raises:
        BrokenRulesError: buf.validate cannot enforce the rules of its input.
    """
    misfits = list(_misfits(method, note.options))
    for field, sentence in misfits:
        bench.problems.add(note.at(field), sentence)
    if misfits:
        return None
    notes = notes_of(method, bench.annotations)
    check_params(method, notes, bench.problems)
    options, name = note.options, skill_name(method, note.options)
    schema = input_schema(method.input_type, bench.annotations, presence=bench.presence, notes=notes)
    return Skill(
        id=SkillId(f"{agent.name}.{name}"),
        agent=agent.name,
        domain=agent.domain,
        tool_name=ToolName(options.external_name or tool_name(agent.name, name)),
        title=options.title or words(name),
        description=note.description,
        examples=bench.examples.of_skill(
            options.examples, note, schema=schema, message=method.input_type, bound=_bound(notes)
        ),
        method=f"/{method.containing_service.full_name}/{method.name}",
        input_type=method.input_type.full_name,
        output_type=method.output_type.full_name,
        streaming=_streaming(method, options),
        input_schema=schema,
        output_schema=_output(method, options, bench.annotations),
        params=params_of(method, notes, bench.annotations),
        exclusive=_exclusive(method, notes),
        **skill_settings(options, classification=agent.classification),
    )


def check_skill(method: MethodDescriptor, note: Note[SkillOptions], problems: Problems) -> None:
    """Report a name that cannot be, and settings that contradict each other."""
    name = skill_name(method, note.options)
    if not SKILL_NAME.fullmatch(name):
        problems.add(note.at("name"), f'"{name}" is not a name of a skill: 1 to 60 of a-z, 0-9 and _.')
    check_skill_settings(method.name, note, problems)


def check_skill_settings(label: str, note: Note[SkillOptions], problems: Problems) -> None:
    """Report settings that cannot be, and hints that contradict each other."""
    options, tool = note.options, note.options.external_name
    if tool and not TOOL_NAME.fullmatch(tool):
        problems.add(note.at("external_name"), f'"{tool}" is not a tool name: 1 to 64 of A-Z, a-z, 0-9, _ and -.')
    for field, sentence in contradictions(options):
        problems.add(note.at(field), f"{label}: {sentence}")
    if fault := timeout_fault(options):
        problems.add(note.at("timeout"), f"{label}: {fault}")
    for scope in options.scopes:
        if not SCOPE.fullmatch(scope):
            problems.add(note.at("scopes"), f'{label}: "{scope}" is not an OAuth scope (RFC 6749 §3.3).')
    if is_newer(options):
        problems.add(note.place, NEWER)
    for field in unknown_words(options):
        problems.add(note.at(field), f"{label}: {field} has a value that this version does not know.")


def _misfits(method: MethodDescriptor, options: SkillOptions) -> Iterator[tuple[str, str]]:
    """(option, sentence) of what keeps a method from being a skill at all."""
    name = method.name
    if converses(method):
        yield "", f"{name} is how the agent converses (Turn → stream TurnEvent) and cannot be a skill as well."
        return
    if method.client_streaming:
        yield "", f"{name} streams from the client: a skill takes one message."
    if not is_root(method.input_type):
        yield "", f"{name} takes {method.input_type.full_name}, whose JSON is not an object: use a message of your own."
    if options.streaming and not method.server_streaming:
        yield "streaming", f"{name} has an option for streaming, but does not stream."
    collected = method.server_streaming and STREAMINGS.get(options.streaming) is Streaming.COLLECT
    if method.output_type.full_name == SKILL_RESULT and collected:
        yield "streaming", f"{name} answers with SkillResult, which cannot be collected."
    if not collected and not is_root(method.output_type):
        yield (
            "",
            f"{name} returns {method.output_type.full_name}, whose JSON is not an object: use a message of your own.",
        )


def _streaming(method: MethodDescriptor, options: SkillOptions) -> Streaming:
    return STREAMINGS[options.streaming] if method.server_streaming else Streaming.UNARY


def _output(method: MethodDescriptor, options: SkillOptions, annotations: Annotations) -> JsonObject | None:
    if method.output_type.full_name == SKILL_RESULT:
        return None
    if _streaming(method, options) is Streaming.COLLECT:
        return collected_schema(method.output_type, annotations)
    return output_schema(method.output_type, annotations)


def _bound(notes: Notes) -> frozenset[str]:
    return frozenset(name for name, note in notes.items() if note.options.bound)


def _exclusive(method: MethodDescriptor, notes: Notes) -> tuple[tuple[str, ...], ...]:
    bound = _bound(notes)
    groups = [
        tuple(field.json_name for field in oneof.fields if field.name not in bound)
        for oneof in real_oneofs(method.input_type)
    ]
    return tuple(group for group in groups if len(group) > 1)
