"""Which schemas are safe to check data against, whoever wrote them.

A manifest comes from outside, and JSON Schema lets a few lines demand unbounded work: a reference to itself,
alternatives that repeat themselves at every level, a document fetched from the network. Here a schema is walked the way
a validator would walk it, keeping count of how many subschemas meet at any one place of the data; a schema whose count
grows beyond reason is refused when it is published, before anything is checked against it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from registry.model import JsonObject, JsonValue

DEPTH = 100
NODES = 20_000
MEETING = 1_000
"""How many subschemas may meet at one place of the data."""

IN_A_ROW = ("allOf", "anyOf", "oneOf")
SINGLE = ("not", "if", "then", "else")
ITEMS = ("items", "contains")
UNSUPPORTED = (
    "$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary",
    "dependentSchemas", "dependencies", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
LOCAL = "#/$defs/"

State = tuple[JsonObject, ...]


class _UnboundedError(Exception):
    """The schema is refused; the message says why."""


def unbounded(schema: JsonObject) -> str | None:
    """Why a schema may not be checked against, as a sentence; None if it may."""
    try:
        _measure(schema)
        _Walk(schema).run()
    except _UnboundedError as refused:
        return str(refused)
    return None


def _measure(schema: JsonObject) -> None:
    """Hold the size of the document itself, level by level, so that nothing after this can recurse too deep."""
    level: list[JsonValue] = [schema]
    nodes = 0
    for _ in range(DEPTH):
        nodes += len(level)
        if nodes > NODES:
            raise _UnboundedError(f"it has more than {NODES} nodes")
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise _UnboundedError(f"it nests deeper than {DEPTH} levels")


def _children(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


@dataclass(slots=True)
class _Walk:
    """States are the subschemas that apply at one place of the data; a state seen before leads nowhere new."""

    root: JsonObject
    seen: set[tuple[int, ...]] = field(default_factory=set[tuple[int, ...]])

    def run(self) -> None:
        todo: list[State] = [(self.root,)]
        while todo:
            state = todo.pop()
            key = tuple(sorted(map(id, state)))
            if key in self.seen:
                continue
            self.seen.add(key)
            if len(self.seen) > NODES:
                raise _UnboundedError("its alternatives combine in too many ways")
            todo += self._below(self._meeting(state))

    def _meeting(self, state: State) -> list[JsonObject]:
        """All subschemas that apply where these do."""
        found: list[JsonObject] = []
        todo = list(state)
        while todo:
            schema = todo.pop()
            found.append(schema)
            if len(found) > MEETING:
                raise _UnboundedError(
                    f"more than {MEETING} of its subschemas meet at one place, or one contains itself"
                )
            todo += self._beside(schema)
        return found

    def _beside(self, schema: JsonObject) -> Iterator[JsonObject]:
        for keyword in UNSUPPORTED:
            if keyword in schema:
                raise _UnboundedError(f"the keyword {keyword} is not supported")
        for keyword in IN_A_ROW:
            for part in cast("list[JsonValue]", schema.get(keyword, [])):
                yield from _schema(part)
        for keyword in SINGLE:
            yield from _schema(schema.get(keyword))
        if "$ref" in schema:
            yield self._target(schema["$ref"])

    def _target(self, reference: JsonValue) -> JsonObject:
        definitions = self.root.get("$defs")
        if isinstance(reference, str) and reference.startswith(LOCAL) and isinstance(definitions, Mapping):
            target = definitions.get(reference.removeprefix(LOCAL))
            if isinstance(target, Mapping):
                return target
        raise _UnboundedError(f"it refers to {str(reference)[:100]}, and only its own {LOCAL}… can be referred to")

    def _below(self, schemas: list[JsonObject]) -> Iterator[State]:
        """The states one step down: one for each named property, one for all other keys, names and items."""
        names = {name for schema in schemas for name in _properties(schema)}
        for name in names:
            yield tuple(child for schema in schemas for child in _of_property(schema, name))
        yield tuple(child for schema in schemas for child in _of_other_properties(schema))
        yield tuple(child for schema in schemas for child in _schema(schema.get("propertyNames")))
        yield tuple(child for schema in schemas for child in _items(schema))


def _of_property(schema: JsonObject, name: str) -> Iterator[JsonObject]:
    own = _properties(schema)
    if name in own:
        yield from _schema(own[name])
        yield from _of_patterns(schema)
    else:
        yield from _of_other_properties(schema)


def _of_other_properties(schema: JsonObject) -> Iterator[JsonObject]:
    yield from _schema(schema.get("additionalProperties"))
    yield from _of_patterns(schema)


def _of_patterns(schema: JsonObject) -> Iterator[JsonObject]:
    """A pattern is taken to match every name."""
    found = schema.get("patternProperties")
    for child in found.values() if isinstance(found, Mapping) else ():
        yield from _schema(child)


def _properties(schema: JsonObject) -> JsonObject:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _items(schema: JsonObject) -> Iterator[JsonObject]:
    for keyword in ITEMS:
        yield from _schema(schema.get(keyword))
    for part in cast("list[JsonValue]", schema.get("prefixItems", [])):
        yield from _schema(part)


def _schema(value: JsonValue) -> Iterator[JsonObject]:
    """A subschema, unless it is true, false or not there."""
    if isinstance(value, Mapping):
        yield value
