"""The arguments that policies may see: only those a skill declares `policy_visible`, as the types it declares.

Raw arguments never reach a policy or the audit log; what is built here is `context.args` and `Decision.declared`.
"""

import re
from collections.abc import Iterable, Sequence

from registry.model import InterchangeError, JsonObject, JsonValue, Param, Skill, SkillId

CEDAR_TYPES = frozenset({"Bool", "Long", "String", "Set<String>"})

_INT64 = range(-(2**63), 2**63)
_DIGITS = re.compile(r"-?[0-9]{1,19}")


class UnreadableError(InterchangeError):
    """An argument that no policy can be asked about, so the call is denied."""

    code = "denied"


def record_name(skill: SkillId) -> str:
    """What `context.args` calls a skill."""
    return skill.replace(".", "_")


def visible(skill: Skill) -> tuple[Param, ...]:
    """The parameters of a skill that policies may read."""
    return tuple(param for param in skill.params if param.policy_visible)


def project(params: Iterable[Param], arguments: JsonObject) -> dict[str, JsonValue]:
    """What policies see of these arguments; what is absent has its default, if its absence cannot be told.

    Raises:
        UnreadableError: a value does not fit its Cedar type; an integer outside 64 bits, above all.
    """
    found: dict[str, JsonValue] = {}
    for param in params:
        value = arguments.get(param.name)
        if value is not None:
            found[param.name] = _converted(param, value)
        elif param.default is not None:
            found[param.name] = list(param.default) if isinstance(param.default, tuple) else param.default
    return found


def declared(params: Iterable[Param], record: JsonObject) -> dict[str, JsonValue]:
    """The part of a projected record that may be kept: without what is sensitive."""
    return {param.name: record[param.name] for param in params if not param.sensitive and param.name in record}


def _converted(param: Param, value: JsonValue) -> JsonValue:
    match param.type, value:
        case ("Bool", bool()) | ("String", str()):
            return value
        case "Set<String>", Sequence() if not isinstance(value, str) and all(isinstance(item, str) for item in value):
            return value
        case "Long", _ if (number := _integer(value)) is not None:
            if number in _INT64:
                return number
            raise UnreadableError(f"{param.name} is outside the 64-bit integers that policies can compare.")
        case _:
            raise UnreadableError(f"{param.name} is not a {param.type}, as the skill declares it to policies.")


def _integer(value: JsonValue) -> int | None:
    """The JSON forms of a protobuf integer: a number without a fraction, or its digits in a string."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return None
