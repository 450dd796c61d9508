"""Values that fit a JSON Schema, drawn by hypothesis: the keywords our schemas use, and no others.

Written against JSON Schema, not against our schema writer, so that the two do not share a mistake; what composition
leaves over is filtered by an independent validator.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from registry.model import JsonObject, JsonValue

KNOWN = frozenset(
    ["$defs", "$ref", "additionalProperties", "allOf", "anyOf", "const", "contentEncoding", "deprecated", "description",
     "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maxLength",
     "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum", "not", "oneOf", "pattern",
     "properties", "propertyNames", "required", "type", "uniqueItems", "x-mcp-header"]
)  # fmt: skip

_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_ANYTHING: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_FORMATS: Mapping[str, st.SearchStrategy[str]] = {
    "date-time": st.datetimes().map(lambda instant: f"{instant.isoformat()}Z"),
    "email": st.from_regex(r"[a-z0-9._+-]{1,10}@[a-z][a-z0-9]{0,8}(\.[a-z]{2,5}){1,2}", fullmatch=True),
    "uuid": st.uuids().map(str),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "hostname": st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z]{2,5}){1,2}", fullmatch=True),
    "uri": st.from_regex(r"https?://[a-z]{1,8}\.[a-z]{2,3}(/[a-z0-9]{0,5}){0,3}", fullmatch=True),
}


def instances(schema: JsonObject) -> st.SearchStrategy[Any]:
    """Values that the whole schema admits."""
    is_valid = cast("Callable[[object], bool]", Draft202012Validator(cast("dict[str, Any]", schema)).is_valid)  # pyright: ignore[reportUnknownMemberType]
    return _Drawing(schema).of(schema, 3).filter(is_valid)


def few_of(
    needed: Mapping[str, st.SearchStrategy[Any]], optional: Mapping[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    """Dictionaries with everything that is needed and a handful of the rest, so that wide types stay quick."""
    if not optional:
        return st.fixed_dictionaries(needed)
    some = st.sets(st.sampled_from(sorted(optional)), max_size=6)
    return some.flatmap(lambda names: st.fixed_dictionaries({**needed, **{name: optional[name] for name in names}}))


class _Drawing:
    """Strategies for the parts of one schema; `depth` is how much deeper references may lead."""

    def __init__(self, root: JsonObject) -> None:
        self._defs = cast("Mapping[str, JsonObject]", root.get("$defs", {}))

    def of(self, schema: JsonObject, depth: int) -> st.SearchStrategy[Any]:
        unknown = set(schema) - KNOWN
        assert not unknown, f"the schema uses {unknown}, which this generator does not know"
        if "$ref" in schema:
            return self.of(self._defs[str(schema["$ref"]).removeprefix("#/$defs/")], depth - 1)
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(cast("Sequence[JsonValue]", schema["enum"]))
        if "type" not in schema and "anyOf" in schema:
            options = cast("Sequence[JsonObject]", schema["anyOf"])
            return st.one_of([self.of(option, depth) for option in options])
        kinds = schema.get("type")
        if kinds is None:
            return _ANYTHING
        listed = [kinds] if isinstance(kinds, str) else cast("Sequence[str]", kinds)
        return st.one_of([self._kind(kind, schema, depth) for kind in listed])

    def _kind(self, kind: JsonValue, schema: JsonObject, depth: int) -> st.SearchStrategy[Any]:
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind == "string":
            return _string(schema)
        if kind in ("integer", "number"):
            return _number(schema, whole=kind == "integer")
        return st.none() if kind == "null" else st.booleans()

    def _array(self, schema: JsonObject, depth: int) -> st.SearchStrategy[Any]:
        least = cast("int", schema.get("minItems", 0))
        most = cast("int", schema.get("maxItems", least + 2))
        items = cast("JsonObject", schema.get("items", {}))
        if depth <= 0 and not least:
            return st.just(list[JsonValue]())
        unique = repr if schema.get("uniqueItems") else None
        return st.lists(self.of(items, depth), min_size=least, max_size=most, unique_by=unique)

    def _object(self, schema: JsonObject, depth: int) -> st.SearchStrategy[Any]:
        rest = schema.get("additionalProperties", True)
        if schema.get("maxProperties") == 0:
            return st.just(dict[str, JsonValue]())
        if "properties" not in schema:
            return self._map(schema, cast("JsonObject", {} if rest is True else rest), depth)
        properties = cast("Mapping[str, JsonObject]", schema["properties"])
        required = set(cast("Sequence[str]", schema.get("required", []))) | _chosen(schema)
        drawn = {name: st.deferred(lambda each=each: self.of(each, depth)) for name, each in properties.items()}
        needed = {name: each for name, each in drawn.items() if name in required}
        optional = {name: each for name, each in drawn.items() if name not in required} if depth > 0 else {}
        return few_of(needed, optional).flatmap(lambda value: _thinned(schema, value))

    def _map(self, schema: JsonObject, values: JsonObject, depth: int) -> st.SearchStrategy[Any]:
        least = cast("int", schema.get("minProperties", 0))
        most = cast("int", schema.get("maxProperties", least + 2))
        names = {"type": "string", **cast("JsonObject", schema.get("propertyNames", {}))}
        if depth <= 0 and not least:
            return st.just(dict[str, JsonValue]())
        return st.dictionaries(self.of(names, depth), self.of(values, depth), min_size=least, max_size=most)


def _groups(schema: JsonObject) -> list[list[str]]:
    """The names in each composition that is about which properties are there."""
    found: list[list[str]] = []
    for part in [schema, *cast("Sequence[JsonObject]", schema.get("allOf", []))]:
        options = [*_listed(part.get("oneOf")), *_listed(part.get("not"))]
        if names := [name for option in options for name in cast("Sequence[str]", option.get("required", []))]:
            found.append(list(dict.fromkeys(names)))
    return found


def _listed(value: JsonValue) -> Sequence[JsonObject]:
    if isinstance(value, Mapping):
        return _listed(value.get("anyOf")) if "anyOf" in value else [value]
    return cast("Sequence[JsonObject]", value or [])


def _chosen(schema: JsonObject) -> set[str]:
    """A member of each oneof that must have one, so that filtering does not throw everything away."""
    parts = [schema, *cast("Sequence[JsonObject]", schema.get("allOf", []))]
    exact = [_listed(part["oneOf"]) for part in parts if "oneOf" in part]
    plain = [options for options in exact if all("required" in option for option in options)]
    return {cast("Sequence[str]", options[0]["required"])[0] for options in plain}


def _thinned(schema: JsonObject, value: dict[str, JsonValue]) -> st.SearchStrategy[Any]:
    """The value with at most one member of each group left."""
    groups = [[name for name in group if name in value] for group in _groups(schema)]
    crowded = [group for group in groups if len(group) > 1]
    if not crowded:
        return st.just(value)
    kept = st.tuples(*(st.sampled_from(group) for group in crowded))
    dropped = {name for group in crowded for name in group}
    return kept.map(lambda names: {name: each for name, each in value.items() if name not in dropped or name in names})


def _string(schema: JsonObject) -> st.SearchStrategy[str]:
    if "format" in schema:
        return _FORMATS[str(schema["format"])]
    parts = [schema, *cast("Sequence[JsonObject]", schema.get("allOf", []))]
    patterns = [str(part["pattern"]) for part in parts if "pattern" in part]
    if len(patterns) == 2:  # a prefix and a suffix
        return st.tuples(*(_matching(pattern) for pattern in patterns)).map("".join)
    if patterns:
        return _matching(patterns[0])
    least, most = cast("int", schema.get("minLength", 0)), cast("int | None", schema.get("maxLength"))
    return st.text(st.characters(codec="utf-8"), min_size=least, max_size=least + 10 if most is None else most)


def _matching(pattern: str) -> st.SearchStrategy[str]:
    # Python's `$` also matches before a last line feed; ECMA-262's does not.
    return st.from_regex(pattern, alphabet=st.characters(codec="utf-8")).filter(lambda text: not text.endswith("\n"))


def _number(schema: JsonObject, *, whole: bool) -> st.SearchStrategy[int | float]:
    options = cast("Sequence[JsonObject]", schema.get("anyOf", [{}]))
    return st.one_of([_in_range({**schema, **option}, whole=whole) for option in options])


def _in_range(schema: JsonObject, *, whole: bool) -> st.SearchStrategy[int | float]:
    low = cast("float | None", schema.get("minimum", schema.get("exclusiveMinimum")))
    high = cast("float | None", schema.get("maximum", schema.get("exclusiveMaximum")))
    if not whole:
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    numbers = st.integers(None if low is None else math.ceil(low), None if high is None else math.floor(high))
    return numbers | numbers.filter(lambda number: abs(number) < 2**53).map(float)
