"""What changes break whom, as a table."""

from dataclasses import replace
from typing import Any

import pytest

from registry.compare import compare_agents, compare_skills
from registry.compare_schemas import compare_inputs, compare_outputs
from registry.model import Agent, Classification, Extension, Skill, ToolName
from tests.support.pets import PETS, manifest_of

Schema = dict[str, Any]


def root(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}

INPUTS: list[tuple[Schema, Schema, str, bool]] = [
    (root(a=TEXT), root(), "input.a: removed", True),
    (root(), root(a=TEXT), "input.a: new", False),
    (root(a=TEXT), root(a=WHOLE), "input.a: type was string, is integer", True),
    (root(a=WHOLE), root(a={"type": "number"}), "input.a: type widened to number", False),
    (root(a={"type": "number"}), root(a=WHOLE), "input.a: type was number, is integer", True),
    (root(a=TEXT), root(a={"type": ["string", "null"]}), "input.a: type widened to string or null", False),
    (root(a=TEXT), root(a={}), "input.a: type widened to anything", False),
    (root(a={}), root(a=TEXT), "input.a: type was anything, is string", True),
    (root(a=TEXT), {**root(a=TEXT), "required": ["a"]}, "input.a: required now", True),
    ({**root(a=TEXT), "required": ["a"]}, root(a=TEXT), "input.a: no longer required", False),
    (root(a={"enum": ["x", "y"]}), root(a={"enum": ["x"]}), "input.a: no longer accepts y", True),
    (root(a={"enum": ["x"]}), root(a={"enum": ["x", "y"]}), "input.a: accepts y too", False),
    (root(a=TEXT), root(a={**TEXT, "enum": ["x"]}), "input.a: only certain values are accepted now", True),
    (root(a={**TEXT, "enum": ["x"]}), root(a=TEXT), "input.a: any value is accepted now", False),
    (root(a={"maximum": 9}), root(a={"maximum": 8}), "input.a: maximum was 9, is 8", True),
    (root(a={"maximum": 9}), root(a={"maximum": 10}), "input.a: maximum was 9, is 10", False),
    (root(a={}), root(a={"maxLength": 8}), "input.a: maxLength was nothing, is 8", True),
    (root(a={"maxLength": 8}), root(a={}), "input.a: maxLength was 8, is nothing", False),
    (root(a={"minimum": 1}), root(a={"minimum": 2}), "input.a: minimum was 1, is 2", True),
    (root(a={"minItems": 2}), root(a={"minItems": 1}), "input.a: minItems was 2, is 1", False),
    (root(a=TEXT), root(a={**TEXT, "pattern": "^x"}), "input.a: pattern was nothing, is ^x", True),
    (root(a={**TEXT, "pattern": "^x"}), root(a=TEXT), "input.a: pattern lifted", False),
    (root(a=TEXT), root(a={**TEXT, "format": "uuid"}), "input.a: format was nothing, is uuid", True),
    (root(a={"default": 5}), root(a={}), "input.a: no longer has the default 5", True),
    (root(a={"default": 5}), root(a={"default": 6}), "input.a: default was 5, is 6", True),
    (root(a={}), root(a={"default": 6}), "input.a: has a default now, 6", False),
    (root(a={"description": "x"}), root(a={"description": "y"}), "input.a: description changed", False),
    (root(a={"not": {"enum": [1]}}), root(a={"not": {"enum": [2]}}), "input.a: not changed", True),
    (root(a={"items": TEXT}), root(a={"items": WHOLE}), "input.a[]: type was string, is integer", True),
    (root(a={}), root(a={"items": TEXT}), "input.a: items closed", True),
    (
        root(a={"additionalProperties": TEXT}),
        root(a={"additionalProperties": WHOLE}),
        "input.a{}: type was string, is integer",
        True,
    ),
    ({"type": "object"}, {"type": "object", "additionalProperties": False}, "input: additionalProperties closed", True),
    (
        root(a={"anyOf": [TEXT, WHOLE]}),
        root(a={"anyOf": [TEXT]}),
        "input.a: the forms it may have changed",
        True,
    ),
    (
        root(a={"anyOf": [TEXT]}),
        root(a={"anyOf": [WHOLE, TEXT]}),
        "input.a: the forms it may have changed, compatibly",
        False,
    ),
]

OUTPUTS: list[tuple[Schema, Schema, str, bool]] = [
    (root(a=TEXT), root(), "output.a: removed", True),
    (root(), root(a=TEXT), "output.a: new", False),
    (root(a=TEXT), root(a=WHOLE), "output.a: type was string, is integer", True),
    (root(a=WHOLE), root(a={"type": "number"}), "output.a: type was integer, is number", True),
    (root(a={"type": "number"}), root(a=WHOLE), "output.a: type was number, is integer", False),
    ({**root(a=TEXT), "required": ["a"]}, root(a=TEXT), "output.a: may be absent now", True),
    (root(a=TEXT), {**root(a=TEXT), "required": ["a"]}, "output.a: always present now", False),
    (root(a={**TEXT, "format": "uuid"}), root(a=TEXT), "output.a: format was uuid, is nothing", True),
    (root(a={"enum": ["x"]}), root(a={"enum": ["x", "y"]}), "output.a: enum changed", False),
    (root(a={"items": TEXT}), root(a={"items": WHOLE}), "output.a[]: type was string, is integer", True),
    (root(a={"items": TEXT}), root(a={}), "output.a: items no longer says what to expect", True),
    (root(a={"anyOf": [TEXT]}), root(a={"anyOf": [TEXT, WHOLE]}), "output.a: the forms it may have changed", True),
]


@pytest.mark.parametrize(("old", "new", "sentence", "breaking"), INPUTS)
def test_a_change_of_an_input(old: Schema, new: Schema, sentence: str, breaking: bool) -> None:
    [found] = compare_inputs(old, new)
    assert (found.sentence, found.breaking) == (sentence, breaking)


@pytest.mark.parametrize(("old", "new", "sentence", "breaking"), OUTPUTS)
def test_a_change_of_an_output(old: Schema, new: Schema, sentence: str, breaking: bool) -> None:
    [found] = compare_outputs(old, new)
    assert (found.sentence, found.breaking) == (sentence, breaking)


@pytest.mark.parametrize("schema", [schema for old, new, _, _ in [*INPUTS, *OUTPUTS] for schema in (old, new)])
def test_nothing_differs_from_itself(schema: Schema) -> None:
    assert compare_inputs(schema, dict(schema)) == ()
    assert compare_outputs(schema, dict(schema)) == ()


def test_references_are_followed_and_recursion_ends() -> None:
    def tree(limit: int) -> Schema:
        node = root(
            value={"type": "integer", "maximum": limit}, left={"$ref": "#/$defs/N"}, right={"$ref": "#/$defs/N"}
        )
        return {**root(tree={"$ref": "#/$defs/N"}), "$defs": {"N": node}}

    [found] = compare_inputs(tree(10), tree(9))
    assert found.sentence == "input.tree.value: maximum was 10, is 9"


def test_a_name_for_the_same_shape_is_no_change() -> None:
    inline, named = root(a=root(b=TEXT)), {**root(a={"$ref": "#/$defs/A"}), "$defs": {"A": root(b=TEXT)}}
    assert compare_inputs(inline, named) == ()


def test_schemas_made_to_take_for_ever_count_as_broken() -> None:
    def wide(last: Schema) -> Schema:
        schema: Schema = last
        for _ in range(12):
            schema = {"anyOf": [{**schema, "title": str(n)} for n in range(8)]}
        return root(a=schema)

    assert any(found.breaking for found in compare_inputs(wide(TEXT), wide(WHOLE)))


@pytest.fixture
def skill() -> Skill:
    return manifest_of(PETS).skills[1]


def test_what_a_skill_is_called_matters_to_clients(skill: Skill) -> None:
    [found] = compare_skills(skill, replace(skill, tool_name=ToolName("find")))
    assert found.breaking
    assert "was pets_find, is find" in found.sentence


def test_a_loosened_hint_is_said_plainly(skill: Skill) -> None:
    new = replace(skill, hints=replace(skill.hints, read_only=False), classification=Classification.PUBLIC)
    found = {difference.sentence: difference.breaking for difference in compare_skills(skill, new)}
    assert found == {"read only: was yes, is no": False, "classification: was internal, is public": False}


def test_fields_that_exclude_each_other_break_who_gave_both(skill: Skill) -> None:
    [found] = compare_skills(skill, replace(skill, exclusive=(("limit", "text"),)))
    assert (found.sentence, found.breaking) == ("input: limit and text can no longer be given together", True)
    [added] = compare_skills(skill, replace(skill, exclusive=(("text", "brand_new"),)))
    assert not added.breaking


def test_an_output_that_loses_its_schema_breaks(skill: Skill) -> None:
    [found] = compare_skills(skill, replace(skill, output_schema=None))
    assert found.breaking
    [back] = compare_skills(replace(skill, output_schema=None), skill)
    assert not back.breaking


PLAIN, OTHER = Extension(uri="urn:x:a"), Extension(uri="urn:x:b")
NEEDED = replace(PLAIN, required=True)
EXTENSIONS: list[tuple[tuple[Extension, ...], tuple[Extension, ...], str, bool]] = [
    ((), (PLAIN,), "extension urn:x:a: new", False),
    ((PLAIN,), (), "extension urn:x:a: no longer understood", True),
    ((), (NEEDED,), "extension urn:x:a: required now, so who does not activate it is refused", True),
    ((PLAIN,), (NEEDED,), "extension urn:x:a: required now, so who does not activate it is refused", True),
    ((NEEDED,), (PLAIN,), "extension urn:x:a: no longer required", False),
    ((PLAIN,), (replace(PLAIN, description="A."),), "extension urn:x:a: description changed", False),
    ((PLAIN, OTHER), (OTHER, PLAIN), "extensions: in another order", False),
]


@pytest.mark.parametrize(("old", "new", "sentence", "breaking"), EXTENSIONS)
def test_a_change_of_extensions(
    old: tuple[Extension, ...], new: tuple[Extension, ...], sentence: str, breaking: bool
) -> None:
    agent: Agent = manifest_of(PETS).agents[0]
    [found] = compare_agents(replace(agent, extensions=old), replace(agent, extensions=new))
    assert (found.sentence, found.breaking) == (sentence, breaking)


def test_an_agent_that_changes_hands_breaks() -> None:
    agent = manifest_of(PETS).agents[0]
    [found] = compare_agents(agent, replace(agent, service="evil.v1.Pets"))
    assert found.breaking
    assert "pets.v1.Pets" in found.sentence
