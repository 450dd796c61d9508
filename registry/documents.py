"""Skills and agents as JSON documents: in a manifest and in the store. Keys are the names of the dataclasses' fields.

Reading is strict (an unknown key, a wrong type or word is an error that names its path) and quick, since a gateway
reads every live revision when it starts. Whether names and methods make sense together is `registry.manifest`'s.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NoReturn, TypeVar, cast

from registry.model import (
    Agent,
    AgentName,
    Approval,
    BadRequest,
    Bound,
    Classification,
    Domain,
    Extension,
    Hints,
    Invocation,
    JsonObject,
    JsonValue,
    Param,
    Skill,
    SkillId,
    Streaming,
    ToolName,
    TurnRules,
    Visibility,
    WhenBusy,
)

Word = TypeVar("Word", bound=Enum)

_CLASSIFICATIONS = {each.name.lower(): each for each in Classification}
_APPROVALS = {each.value: each for each in Approval}
_INVOCATIONS = {each.value: each for each in Invocation}
_STREAMINGS = {each.value: each for each in Streaming}
_BOUNDS = {each.value: each for each in Bound}
_VISIBILITIES = {each.value: each for each in Visibility}
_WHEN_BUSY = {each.value: each for each in WhenBusy}
_PARAM_TYPES = frozenset({"", "Bool", "Long", "String", "Set<String>"})

_SKILL_TEXTS = ("id", "agent", "domain", "tool_name", "title", "description", "method", "input_type", "output_type")
_SKILL_KEYS = frozenset(Skill.__slots__)
_SKILL_OPTIONAL = frozenset({"params", "exclusive"})
_AGENT_TEXTS = ("name", "title", "description", "domain", "version", "service", "icon_url", "documentation_url",
                "provider", "converse")  # fmt: skip
_AGENT_KEYS = frozenset(Agent.__slots__)
_AGENT_OPTIONAL = frozenset({"extensions", "input_modes"})
_HINT_KEYS = frozenset(Hints.__slots__)
_PARAM_KEYS = frozenset(Param.__slots__)
_TURN_KEYS = frozenset(TurnRules.__slots__)
_EXTENSION_KEYS = frozenset(Extension.__slots__)


def write_skill(skill: Skill) -> JsonObject:
    """A skill as a document."""
    return {
        "id": skill.id,
        "agent": skill.agent,
        "domain": skill.domain,
        "tool_name": skill.tool_name,
        "title": skill.title,
        "description": skill.description,
        "tags": skill.tags,
        "examples": skill.examples,
        "method": skill.method,
        "input_type": skill.input_type,
        "output_type": skill.output_type,
        "streaming": skill.streaming.value,
        "hints": {name: getattr(skill.hints, name) for name in Hints.__slots__},
        "approval": skill.approval.value,
        "invocation": skill.invocation.value,
        "scopes": skill.scopes,
        "timeout": skill.timeout,
        "classification": skill.classification.name.lower(),
        "input_schema": skill.input_schema,
        "output_schema": skill.output_schema,
        "params": [_write_param(param) for param in skill.params],
        "exclusive": skill.exclusive,
    }


def read_skill(document: JsonObject) -> Skill:
    """The skill a document describes.

    Raises:
        BadRequest: `path: sentence` of the first thing that is wrong.
    """
    _keys(document, _SKILL_KEYS, optional=_SKILL_OPTIONAL, path="")
    for name in _SKILL_TEXTS:
        if not isinstance(document[name], str):
            _fail(name, "must be text")
    return Skill(
        id=SkillId(cast("str", document["id"])),
        agent=AgentName(cast("str", document["agent"])),
        domain=Domain(cast("str", document["domain"])),
        tool_name=ToolName(cast("str", document["tool_name"])),
        title=cast("str", document["title"]),
        description=cast("str", document["description"]),
        tags=_texts(document["tags"], "tags"),
        examples=_objects(document["examples"], "examples"),
        method=cast("str", document["method"]),
        input_type=cast("str", document["input_type"]),
        output_type=cast("str", document["output_type"]),
        streaming=_word(document["streaming"], _STREAMINGS, "streaming"),
        hints=_hints(document["hints"]),
        approval=_word(document["approval"], _APPROVALS, "approval"),
        invocation=_word(document["invocation"], _INVOCATIONS, "invocation"),
        scopes=_texts(document["scopes"], "scopes"),
        timeout=_seconds(document["timeout"], "timeout"),
        classification=_word(document["classification"], _CLASSIFICATIONS, "classification"),
        input_schema=_object(document["input_schema"], "input_schema"),
        output_schema=None
        if document["output_schema"] is None
        else _object(document["output_schema"], "output_schema"),
        params=tuple(_param(each, index) for index, each in enumerate(_list(document.get("params", ()), "params"))),
        exclusive=tuple(
            _texts(each, f"exclusive[{index}]")
            for index, each in enumerate(_list(document.get("exclusive", ()), "exclusive"))
        ),
    )


def write_agent(agent: Agent) -> JsonObject:
    """An agent as a document. Without extensions and input modes it is what it was before there were any, and so is its
    pin."""
    document: dict[str, JsonValue] = {
        "name": agent.name,
        "title": agent.title,
        "description": agent.description,
        "domain": agent.domain,
        "version": agent.version,
        "service": agent.service,
        "skills": agent.skills,
        "tags": agent.tags,
        "examples": agent.examples,
        "icon_url": agent.icon_url,
        "documentation_url": agent.documentation_url,
        "provider": agent.provider,
        "classification": agent.classification.name.lower(),
        "visibility": agent.visibility.value,
        "turns": {
            "timeout": agent.turns.timeout,
            "max_attempts": agent.turns.max_attempts,
            "when_busy": agent.turns.when_busy.value,
            "history": agent.turns.history,
        },
        "converse": agent.converse,
    }
    if agent.extensions:
        document["extensions"] = [
            {name: getattr(extension, name) for name in Extension.__slots__} for extension in agent.extensions
        ]
    if agent.input_modes:
        document["input_modes"] = agent.input_modes
    return document


def read_agent(document: JsonObject) -> Agent:
    """The agent a document describes.

    Raises:
        BadRequest: `path: sentence` of the first thing that is wrong.
    """
    _keys(document, _AGENT_KEYS, optional=_AGENT_OPTIONAL, path="")
    texts = {name: _text(document[name], name) for name in _AGENT_TEXTS}
    return Agent(
        name=AgentName(texts["name"]),
        title=texts["title"],
        description=texts["description"],
        domain=Domain(texts["domain"]),
        version=texts["version"],
        service=texts["service"],
        skills=tuple(SkillId(each) for each in _texts(document["skills"], "skills")),
        tags=_texts(document["tags"], "tags"),
        examples=_texts(document["examples"], "examples"),
        icon_url=texts["icon_url"],
        documentation_url=texts["documentation_url"],
        provider=texts["provider"],
        classification=_word(document["classification"], _CLASSIFICATIONS, "classification"),
        visibility=_word(document["visibility"], _VISIBILITIES, "visibility"),
        turns=_turns(document["turns"]),
        converse=texts["converse"],
        extensions=tuple(
            _extension(each, f"extensions[{index}]")
            for index, each in enumerate(_list(document.get("extensions", ()), "extensions"))
        ),
        input_modes=_texts(document.get("input_modes", ()), "input_modes"),
    )


def _write_param(param: Param) -> JsonObject:
    """Only what is said: most parameters say one thing."""
    said: dict[str, JsonValue] = {"name": param.name}
    if param.bound is not None:
        said["bound"] = param.bound.value
    if param.sensitive:
        said["sensitive"] = True
    if param.policy_visible:
        said |= {"policy_visible": True, "type": param.type, "default": param.default}
    if param.header:
        said["header"] = param.header
    return said


def _param(value: JsonValue, index: int) -> Param:
    path = f"params[{index}]"
    document = _object(value, path)
    _keys(document, _PARAM_KEYS, optional=_PARAM_KEYS - {"name"}, path=path)
    kind = _text(document.get("type", ""), f"{path}.type")
    if kind not in _PARAM_TYPES:
        _fail(f"{path}.type", f'"{kind}" is none of {", ".join(sorted(_PARAM_TYPES - {""}))}')
    bound = document.get("bound")
    return Param(
        name=_text(document["name"], f"{path}.name"),
        bound=None if bound is None else _word(bound, _BOUNDS, f"{path}.bound"),
        sensitive=_flag(document.get("sensitive", False), f"{path}.sensitive"),
        policy_visible=_flag(document.get("policy_visible", False), f"{path}.policy_visible"),
        type=kind,
        default=_default(document.get("default"), f"{path}.default"),
        header=_text(document.get("header", ""), f"{path}.header"),
    )


def _default(value: JsonValue, path: str) -> bool | int | str | tuple[str, ...] | None:
    if value is None or isinstance(value, bool | int | str):
        return value
    return _texts(value, path)


def _hints(value: JsonValue) -> Hints:
    document = _object(value, "hints")
    _keys(document, _HINT_KEYS, optional=frozenset(), path="hints")
    return Hints(
        read_only=_flag(document["read_only"], "hints.read_only"),
        destructive=_flag(document["destructive"], "hints.destructive"),
        idempotent=_flag(document["idempotent"], "hints.idempotent"),
        open_world=_flag(document["open_world"], "hints.open_world"),
    )


def _turns(value: JsonValue) -> TurnRules:
    document = _object(value, "turns")
    _keys(document, _TURN_KEYS, optional=frozenset(), path="turns")
    return TurnRules(
        timeout=_seconds(document["timeout"], "turns.timeout"),
        max_attempts=_count(document["max_attempts"], "turns.max_attempts"),
        when_busy=_word(document["when_busy"], _WHEN_BUSY, "turns.when_busy"),
        history=_count(document["history"], "turns.history"),
    )


def _extension(value: JsonValue, path: str) -> Extension:
    document = _object(value, path)
    _keys(document, _EXTENSION_KEYS, optional=_EXTENSION_KEYS - {"uri"}, path=path)
    return Extension(
        uri=_text(document["uri"], f"{path}.uri"),
        description=_text(document.get("description", ""), f"{path}.description"),
        required=_flag(document.get("required", False), f"{path}.required"),
    )


def _keys(document: JsonObject, known: frozenset[str], *, optional: frozenset[str], path: str) -> None:
    if len(document) == len(known) and known.issuperset(document):
        return
    for key in sorted(document.keys() - known):
        _fail(f"{path}.{key}" if path else key, "is not a key that is known here")
    for key in sorted(known - optional - document.keys()):
        _fail(f"{path}.{key}" if path else key, "is missing")


def _object(value: JsonValue, path: str) -> JsonObject:
    return value if isinstance(value, Mapping) else _fail(path, "must be an object")


def _list(value: JsonValue, path: str) -> Sequence[JsonValue]:
    return value if isinstance(value, list | tuple) else _fail(path, "must be a list")


def _objects(value: JsonValue, path: str) -> tuple[JsonObject, ...]:
    return tuple(_object(each, f"{path}[{index}]") for index, each in enumerate(_list(value, path)))


def _texts(value: JsonValue, path: str) -> tuple[str, ...]:
    return tuple(
        each if isinstance(each, str) else _fail(f"{path}[{index}]", "must be text")
        for index, each in enumerate(_list(value, path))
    )


def _text(value: JsonValue, path: str) -> str:
    return value if isinstance(value, str) else _fail(path, "must be text")


def _flag(value: JsonValue, path: str) -> bool:
    return value if isinstance(value, bool) else _fail(path, "must be true or false")


def _count(value: JsonValue, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
        _fail(path, "must be a whole number from 0 to 1,000,000")
    return value


def _seconds(value: JsonValue, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        _fail(path, "must be seconds, more than 0 and at most 86,400")
    return float(value)


def _word(value: JsonValue, words: Mapping[str, Word], path: str) -> Word:
    if isinstance(value, str) and value in words:
        return words[value]
    return _fail(path, f"must be one of {', '.join(words)}")


def _fail(path: str, sentence: str) -> NoReturn:
    raise BadRequest(f"{path}: {sentence}.")
