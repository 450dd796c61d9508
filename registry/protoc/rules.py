"""What buf.validate's rules on one value mean in JSON Schema.

A schema only says what it can say exactly or as a necessary condition; the rest (CEL, lengths in bytes, instants,
durations, patterns of another dialect) is enforced by the codec when a call is made, with the same faults.
"""

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import cast

from registry.protoc.annotations import Rules
from registry.protoc.numbers import base64_pattern
from registry.protoc.patterns import literal, portable_pattern
from registry.protoc.wellknown import integer64

IGNORE_IF_ZERO, IGNORE_ALWAYS = 1, 3

_FORMATS = {
    "email": "email",
    "hostname": "hostname",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "uri": "uri",
    "uri_ref": "uri-reference",
    "uuid": "uuid",
}
_PATTERNS = {"tuuid": "^[0-9a-fA-F]{32}$", "ulid": "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"}
_WIDE = frozenset({"int64", "uint64", "sint64", "fixed64", "sfixed64"})
_NARROW = frozenset({"int32", "uint32", "sint32", "fixed32", "sfixed32"})

_EXACT_BYTES = 300  # beyond it a pattern would cost more to compile than it is worth

Schema = dict[str, object]


def with_rules(schema: Schema, rules: Rules) -> Schema:
    """The schema of one value (neither a list nor a map) narrowed by its rules."""
    if rules.get("ignore") == IGNORE_ALWAYS:
        return schema
    for kind, rule in rules.items():
        if isinstance(rule, Mapping):
            found = _keywords(kind, schema, cast("Rules", rule))
            listed = kind in _WIDE and "enum" in found
            return {"type": schema["type"], **found} if listed else {**schema, **found}
    return schema


def not_zero(schema: Schema, *, repeated: bool, zeros: Sequence[str] = ()) -> Schema:
    """The schema of a field that must be set but has no presence: its zero value counts as unset."""
    if schema.get("type") == "object":
        return {"minProperties": 1, **schema}
    if repeated:
        return {"minItems": 1, **schema}
    if "enum" in schema:
        return {**schema, "enum": [each for each in cast("list[object]", schema["enum"]) if each not in zeros]}
    if schema.get("type") == "string":
        return {"minLength": 1, **schema}
    if schema.get("type") == "boolean":
        return {**schema, "const": True}
    return {**schema, "not": {"enum": [0, "0"] if isinstance(schema.get("type"), list) else [0]}}


def rule_of(rules: Rules, kind: str) -> Rules:
    """The rules of one kind among those of a field, for instance `repeated`; empty where there are none."""
    rule = rules.get(kind)
    return cast("Rules", rule) if isinstance(rule, Mapping) and rules.get("ignore") != IGNORE_ALWAYS else {}


def bounds(rule: Rules, **names: str) -> Schema:
    """Keywords for rules that are numbers in both languages: `bounds(rule, min_items="minItems")`."""
    return {keyword: rule[name] for name, keyword in names.items() if name in rule}


def _keywords(kind: str, schema: Schema, rule: Rules) -> Schema:
    if kind in _WIDE:
        return _wide(schema, rule)
    if kind in _NARROW or kind in ("float", "double"):
        return _number(rule, whole=kind in _NARROW, single=kind == "float")
    if kind == "bool":
        return bounds(rule, const="const")
    readers = {"string": _string, "bytes": _bytes, "any": _any}
    return readers[kind](rule) if kind in readers else {}


def _string(rule: Rules) -> Schema:
    found = bounds(rule, min_len="minLength", max_len="maxLength", const="const")
    found |= {"enum": rule["in"]} if "in" in rule else {}
    if "len" in rule:
        found["minLength"] = found["maxLength"] = rule["len"]
    for name, form in _FORMATS.items():
        found |= {"format": form} if rule.get(name) else {}
    refused: list[Schema] = []
    if "not_in" in rule:
        refused.append({"enum": rule["not_in"]})
    if "not_contains" in rule:
        refused.append({"pattern": literal(str(rule["not_contains"]))})
    return {**found, **_patterns(_string_patterns(rule)), **_none_of(refused)}


def _string_patterns(rule: Rules) -> list[str]:
    found = [pattern for name, pattern in _PATTERNS.items() if rule.get(name)]
    portable = portable_pattern(str(rule["pattern"])) if "pattern" in rule else None
    found += [portable] if portable else []
    found += [f"^{literal(str(rule['prefix']))}"] if "prefix" in rule else []
    found += [f"{literal(str(rule['suffix']))}$"] if "suffix" in rule else []
    found += [literal(str(rule["contains"]))] if "contains" in rule else []
    return found


def _patterns(patterns: Sequence[str]) -> Schema:
    if len(patterns) < 2:
        return {"pattern": patterns[0]} if patterns else {}
    return {"allOf": [{"pattern": pattern} for pattern in patterns]}


def _none_of(refused: Sequence[Schema]) -> Schema:
    if len(refused) < 2:
        return {"not": refused[0]} if refused else {}
    return {"not": {"anyOf": list(refused)}}


def _bytes(rule: Rules) -> Schema:
    """Lengths are those of the base64 text: exact by a pattern, or for long ones to the next multiple of three."""
    shortest = cast("int", rule.get("len", rule.get("min_len", 0)))
    longest = cast("int | None", rule.get("len", rule.get("max_len")))
    found: Schema = {}
    if "const" in rule:
        found["const"] = _encoded(rule["const"])
    if "in" in rule:
        found["enum"] = [_encoded(each) for each in cast("Sequence[object]", rule["in"])]
    if max(shortest, longest or 0) <= _EXACT_BYTES:
        return {**found, "pattern": base64_pattern(shortest, longest)}
    found["minLength"] = _encoded_length(shortest)
    return {**found, **({} if longest is None else {"maxLength": _encoded_length(longest)})}


def _encoded_length(size: int) -> int:
    return -(-size // 3) * 4


def _encoded(value: object) -> str:
    return base64.b64encode(cast("bytes", value)).decode("ascii")


def _any(rule: Rules) -> Schema:
    return {"properties": {"@type": {"type": "string", "enum": rule["in"]}}} if "in" in rule else {}


def _wide(schema: Schema, rule: Rules) -> Schema:
    """64-bit integers come as strings or numbers, so every rule is said for both."""
    if "const" in rule or "in" in rule:
        return {"enum": _both_ways([rule["const"]] if "const" in rule else cast("Sequence[object]", rule["in"]))}
    low, high = cast("int", schema["minimum"]), cast("int", schema["maximum"])
    lower, upper = _whole_limits(rule)
    found: Schema = {}
    if not _outside(rule) and max(low, lower or low) <= min(high, high if upper is None else upper):
        found = integer64(low if lower is None else max(low, lower), high if upper is None else min(high, upper))
    refused = _both_ways(cast("Sequence[object]", rule.get("not_in", [])))
    return {**found, **({"not": {"enum": refused}} if refused else {})}


def _both_ways(values: Sequence[object]) -> list[object]:
    return [form for value in values for form in (value, str(value))]


def _number(rule: Rules, *, whole: bool, single: bool) -> Schema:
    exact = {name: _shortest(value) if single else value for name, value in rule.items()}
    found = bounds(exact, const="const")
    found |= {"enum": exact["in"]} if "in" in exact else {}
    found |= {"not": {"enum": exact["not_in"]}} if "not_in" in exact else {}
    if _outside(rule):
        low = bounds(exact, lt="exclusiveMaximum", lte="maximum")
        high = bounds(exact, gt="exclusiveMinimum", gte="minimum")
        return {**found, "anyOf": [low, high]}
    if whole:
        lower, upper = _whole_limits(rule)
        found |= {"minimum": lower} if lower is not None else {}
        return found | ({"maximum": upper} if upper is not None else {})
    return found | bounds(exact, gte="minimum", gt="exclusiveMinimum", lte="maximum", lt="exclusiveMaximum")


def _whole_limits(rule: Rules) -> tuple[int | None, int | None]:
    lower = cast("int | None", rule.get("gte", cast("int", rule["gt"]) + 1 if "gt" in rule else None))
    upper = cast("int | None", rule.get("lte", cast("int", rule["lt"]) - 1 if "lt" in rule else None))
    return lower, upper


def _outside(rule: Rules) -> bool:
    """An upper limit below the lower one means: not between them."""
    lower = cast("float | None", rule.get("gte", rule.get("gt")))
    upper = cast("float | None", rule.get("lte", rule.get("lt")))
    return lower is not None and upper is not None and upper < lower


def _shortest(value: object) -> object:
    """The shortest decimal that is this 32-bit float, as an author wrote it: 0.1, not 0.10000000149011612."""
    if isinstance(value, list):
        return [_shortest(each) for each in cast("list[object]", value)]
    if not isinstance(value, float):
        return value
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", value):
            return short
    return value
