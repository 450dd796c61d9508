"""Wrong arguments, each with the pointer and the sentence a model reads."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from registry.catalog import SkillEntry
from registry.checks import InputChecks, SchemaError, compile_schema
from registry.model import Digest, Fault, Pin
from tests.support.pets import PETS, manifest_of

Schema = dict[str, Any]
Faults = Callable[..., dict[str, str]]


def entry(schema: Schema, *, exclusive: tuple[tuple[str, ...], ...] = (), pin: str = "") -> SkillEntry:
    skill = replace(manifest_of(PETS).skills[0], input_schema=schema, exclusive=exclusive)
    return SkillEntry(
        skill=skill, revision=1, pin=Pin(pin or str(schema)), descriptors=Digest("sha256:0"), binding=None
    )


def faults(schema: Schema, arguments: Any, *, exclusive: tuple[tuple[str, ...], ...] = ()) -> dict[str, str]:
    found = InputChecks().faults(entry(schema, exclusive=exclusive), arguments)
    return {fault.path: fault.sentence for fault in found}


def one(schema: Schema, value: Any) -> str:
    """The sentence for one wrong field."""
    found = faults({"type": "object", "properties": {"x": schema}}, {"x": value})
    assert list(found) == ["/x"]
    return found["/x"]


SENTENCES: list[tuple[Schema, Any, str]] = [
    ({"type": "integer"}, "7", "expected an integer, found a string"),
    ({"type": "integer"}, 1.5, "expected an integer, found a number"),
    ({"type": "integer"}, True, "expected an integer, found true"),
    ({"type": "string"}, None, "expected a string, found null"),
    ({"type": "string"}, {"a": 1}, "expected a string, found an object"),
    ({"type": ["string", "integer"]}, [], "expected an integer or a string, found a list"),
    ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, [], "expected a string or an integer, found a list"),
    ({"enum": ["A", "B"]}, "C", "must be one of A, B"),
    ({"const": 5}, 6, "must be 5"),
    ({"minimum": 1}, 0, "must be at least 1"),
    ({"exclusiveMinimum": 1}, 1, "must be more than 1"),
    ({"maximum": 100}, 101, "must be at most 100"),
    ({"exclusiveMaximum": 100}, 100, "must be less than 100"),
    ({"minLength": 2}, "a", "must have at least 2 characters"),
    ({"maxLength": 2}, "abc", "must have at most 2 characters"),
    ({"minItems": 1}, [], "must have at least 1 items"),
    ({"maxItems": 1}, [1, 2], "must have at most 1 items"),
    ({"minProperties": 1}, {}, "must have at least 1 entries"),
    ({"maxProperties": 1}, {"a": 1, "b": 2}, "must have at most 1 entries"),
    ({"uniqueItems": True}, [1, 1], "must not hold the same item twice"),
    ({"multipleOf": 3}, 4, "must be a multiple of 3"),
    ({"pattern": "^[a-z]+$"}, "A", "must match the pattern ^[a-z]+$"),
    ({"not": {"enum": [1]}}, 1, "is a value that is not allowed"),
]


@pytest.mark.parametrize(("schema", "value", "sentence"), SENTENCES)
def test_a_wrong_field_is_named_with_what_was_expected(schema: Schema, value: Any, sentence: str) -> None:
    assert one(schema, value) == sentence


def test_every_wrong_field_is_named_by_its_own_pointer() -> None:
    schema = {
        "type": "object",
        "properties": {
            "limit": {"type": "integer"},
            "filters": {"type": "array", "items": {"$ref": "#/$defs/F"}},
            "a/b~c": {"type": "string"},
        },
        "required": ["query"],
        "additionalProperties": False,
        "$defs": {"F": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    }
    arguments = {"limit": "ten", "filters": [{"name": 1}, {}], "a/b~c": 1, "lmit": 3}
    assert faults(schema, arguments) == {
        "/query": "is required",
        "/lmit": "is not a known field; known are limit, filters, a/b~c",
        "/limit": "expected an integer, found a string",
        "/filters/0/name": "expected a string, found a number",
        "/filters/1/name": "is required",
        "/a~1b~0c": "expected a string, found a number",
    }


def test_the_keys_of_a_map_are_named() -> None:
    schema = {"type": "object", "properties": {"m": {"propertyNames": {"pattern": "^[0-9]+$"}}}}
    assert faults(schema, {"m": {"x": 1}}) == {"/m/x": "as a key: must match the pattern ^[0-9]+$"}
    schema = {"type": "object", "patternProperties": {"^[0-9]+$": {"type": "string"}}, "additionalProperties": False}
    assert faults(schema, {"1": 1, "x": 1}) == {"/1": "expected a string, found a number", "/x": "is not a known field"}


def test_what_was_sent_is_never_repeated() -> None:
    schema = {"type": "object", "properties": {name: rule for name, (rule, _, _) in enumerate_rules()}}
    secret = "swordfish" * 3
    found = faults(schema, {name: secret for name, _ in enumerate_rules()})
    assert found
    assert not any("swordfish" in sentence for sentence in found.values())


def enumerate_rules() -> list[tuple[str, tuple[Schema, Any, str]]]:
    return [(f"f{index}", row) for index, row in enumerate(SENTENCES)]


def test_of_a_oneof_only_one_member_may_be_given() -> None:
    schema: Schema = {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}}
    group = (("a", "b", "c"),)
    assert faults(schema, {"a": 1}, exclusive=group) == {}
    assert faults(schema, {"a": 1, "b": None}, exclusive=group) == {}
    assert faults(schema, {"a": 1, "c": 2}, exclusive=group) == dict.fromkeys(
        ("/a", "/c"), "at most one of a, b, c may be given"
    )


def test_formats_are_the_codecs_to_judge() -> None:
    assert faults({"type": "object", "properties": {"x": {"format": "uuid"}}}, {"x": "no"}) == {}


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ({"type": "nonsense"}, "not a JSON Schema"),
        ({"properties": {"a": {"pattern": "("}}}, "is too large or not a regular expression"),
        ({"properties": {"a": {"pattern": "(?=a)b"}}}, "is too large or not a regular expression"),
        ({"properties": {"a": {"pattern": "(x{1000}){1000}"}}}, "is too large or not a regular expression"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}}, "only its own"),
        ({"properties": {"a": {"$ref": "#/$defs/gone"}}}, "only its own"),
        ({"$defs": {"A": {"$ref": "#/$defs/A"}}, "properties": {"a": {"$ref": "#/$defs/A"}}}, "contains itself"),
        ({"patternProperties": {"^[ab]*a[ab]{900}c": {}}}, "not a JSON Schema"),
        ({"dependentSchemas": {"x": {}}}, "dependentSchemas is not supported"),
        ({"$id": "http://x.test/"}, r"\$id is not supported"),
    ],
)
def test_a_schema_nobody_can_check_against_is_refused(schema: Schema, sentence: str) -> None:
    with pytest.raises(SchemaError, match=sentence):
        compile_schema(schema)


def test_a_skill_with_such_a_schema_accepts_nothing() -> None:
    broken = {"$defs": {"A": {"allOf": [{"$ref": "#/$defs/A"}]}}, "properties": {"a": {"$ref": "#/$defs/A"}}}
    [sentence] = faults(broken, {}).values()
    assert "cannot be checked" in sentence


def doubling() -> Schema:
    """A tree that each level meets twice: 2 to the depth of the data."""
    branch = {"properties": {"n": {"$ref": "#/$defs/A"}}}
    return {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"anyOf": [{**branch, "title": "1", "required": ["x"]}, {**branch, "title": "2"}]}},
    }


def wide(levels: int) -> Schema:
    """Alternatives of alternatives: 10 to the number of levels, at one place."""
    schema: Schema = {"type": "string"}
    definitions: Schema = {}
    for level in range(levels):
        definitions[f"L{level}"] = {"anyOf": [schema] * 10}
        schema = {"$ref": f"#/$defs/L{level}"}
    return {"properties": {"x": schema}, "$defs": definitions}


def deep(levels: int) -> Schema:
    schema: Schema = {}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


def patterned() -> Schema:
    """The same doubling, by patterns that match the same key."""
    again = {"$ref": "#/$defs/A"}
    return {**again, "$defs": {"A": {"patternProperties": {"^n": again, "n$": again}}}}


@pytest.mark.parametrize(
    "schema", [doubling(), patterned(), wide(12), deep(50_000)], ids=["doubling", "patterned", "wide", "deep"]
)
def test_a_schema_made_to_take_for_ever_is_refused_at_once(schema: Schema) -> None:
    started = time.perf_counter()
    with pytest.raises(SchemaError):
        compile_schema(schema)
    assert time.perf_counter() - started < 10


def test_recursive_and_shared_definitions_are_fine() -> None:
    node = {"$ref": "#/$defs/N"}
    schema = {
        "type": "object",
        "properties": {f"p{n}": node for n in range(50)},
        "$defs": {
            "N": {
                "type": "object",
                "properties": {
                    "left": node,
                    "right": node,
                    "all": {"type": "array", "items": node},
                    "v": {"$ref": "#/$defs/V"},
                },
                "additionalProperties": False,
            },
            "V": {
                "anyOf": [
                    {"type": ["null", "boolean", "number", "string"]},
                    {"type": "array", "items": {"$ref": "#/$defs/V"}},
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/V"}},
                ]
            },
        },
    }
    assert faults(schema, {"p1": {"left": {"right": {"v": [{"a": [1, None]}], "all": [{}]}}}}) == {}
    found = faults(schema, {"p1": {"left": {"right": {"up": 1}}}})
    assert found == {"/p1/left/right/up": "is not a known field; known are left, right, all, v"}


def nested(levels: int) -> Schema:
    value: Schema = {}
    for _ in range(levels):
        value = {"n": value}
    return value


def test_data_nested_too_deep_is_refused_whatever_the_schema() -> None:
    anything = {"type": "object"}
    assert faults(anything, nested(100)) == {}
    for levels in (101, 100_000):
        value = nested(levels)
        assert faults(anything, value) == {"": "nests deeper than 100 levels"}
        while value:  # taken apart from the outside: CPython frees nested dictionaries by recursion
            value = value["n"]


def test_a_mass_of_faults_costs_no_more_than_one() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "integer"}}}}
    started = time.perf_counter()
    assert list(faults(schema, {"x": ["no"] * 300_000})) == ["/x/0"]
    assert len(faults(schema, {"x": ["no"] * 1_000})) == 20
    assert time.perf_counter() - started < 10


def test_a_huge_key_is_cut_in_the_pointer() -> None:
    [path] = faults({"type": "object", "additionalProperties": False}, {"k" * 1_000_000: 1})
    assert len(path) < 200


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^([a-z]*)*x$"])
def test_patterns_that_hang_other_engines_do_not_hang_this_one(pattern: str) -> None:
    started = time.perf_counter()
    one({"pattern": pattern}, "a" * 100_000 + "!")
    assert time.perf_counter() - started < 10


def test_a_slow_pattern_meets_only_short_text() -> None:
    slow = {"pattern": "^[ab]*a[ab]{2000}c"}
    assert one(slow, "ab" * 200_000) == "is too long to be checked against its pattern"
    assert one(slow, "ab") == "must match the pattern ^[ab]*a[ab]{2000}c"
    base64 = {"pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"}
    assert faults({"type": "object", "properties": {"x": base64}}, {"x": "AAAA" * 900_000}) == {}


def test_text_that_is_not_unicode_is_a_fault() -> None:
    assert faults({"type": "object", "properties": {"x": {"pattern": "^a"}}}, {"x": "\ud800"}) == {
        "": "contains text that is not Unicode"
    }


def test_a_schema_is_compiled_once_per_pin_and_from_any_thread() -> None:
    checks = InputChecks()
    good, bad = entry({"type": "object"}, pin="p"), entry({"type": "object", "required": ["x"]}, pin="p")
    assert checks.faults(good, {}) == ()
    assert checks.faults(bad, {}) == ()  # the pin says it is the same

    found: list[tuple[Fault, ...]] = []
    other = entry({"type": "object", "properties": {"x": {"type": "integer"}}})
    threads = [threading.Thread(target=lambda: found.append(checks.faults(other, {"x": "no"}))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(each) for each in found] == [1] * 16
