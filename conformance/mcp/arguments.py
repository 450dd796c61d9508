"""Arguments made from an input schema: the least that fit, and some that do not."""

from collections.abc import Iterator
from typing import Any, cast

from conformance.jsonrpc import Json, read_json_list, read_json_object
from conformance.schemas import misfit

_SAMPLES: dict[str, Any] = {
    "string": "example",
    "integer": 1,
    "number": 1,
    "boolean": False,
    "array": [],
    "object": {},
    "null": None,
}


def least_arguments(schema: Any) -> dict[str, Any] | None:
    """The fewest arguments that fit a schema, as far as they can be guessed; None where they cannot."""
    if not isinstance(schema, dict):
        return None
    made = _object(cast("Json", schema))
    return made if _fits(made, schema) else None


def wrong_arguments(schema: Any) -> dict[str, Any] | None:
    """Arguments that a schema certainly refuses; None where it refuses nothing that can be guessed."""
    if not isinstance(schema, dict):
        return None
    return next((wrong for wrong in _wrong(cast("Json", schema)) if _fits(wrong, schema) is False), None)


def _wrong(schema: Json) -> Iterator[dict[str, Any]]:
    """The right ones with one of another type; the required ones left out; one too many."""
    right = _object(schema)
    for name, rule in _properties(schema).items():
        kind = read_json_object(rule).get("type")
        if isinstance(kind, str):
            yield {**right, name: 5 if kind == "string" else "not of this type"}
    yield {}
    yield {**right, "no_such_argument_of_the_examiner": True}


def _fits(value: Any, schema: Any) -> bool | None:
    """Whether a value fits; None where the schema cannot tell."""
    try:
        return misfit(value, schema) is None
    except ValueError:
        return None


def _object(schema: Json) -> dict[str, Any]:
    rules = _properties(schema)
    names = [name for name in read_json_list(schema.get("required")) if isinstance(name, str)]
    return {name: _value(rules.get(name)) for name in names}


def _properties(schema: Json) -> Json:
    return read_json_object(schema.get("properties"))


def _value(rule: Any) -> Any:
    """A value that a rule would take: one that it names itself, else the plainest of its type."""
    known = read_json_object(rule)
    named = [known[key] for key in ("const", "default") if key in known]
    listed = [known[key][0] for key in ("examples", "enum") if read_json_list(known.get(key))]
    return next(iter(named + listed), _plain(known))


def _plain(rule: Json) -> Any:
    kind = next(iter(read_json_list(rule.get("type"))), rule.get("type"))
    if kind == "object":
        return _object(rule)
    if kind in {"integer", "number"} and isinstance(rule.get("minimum"), int):
        return rule["minimum"]
    return _SAMPLES.get(kind if isinstance(kind, str) else "", "example")
