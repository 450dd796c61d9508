"""Manifests as documents: what is written is read back, and nothing that was tampered with is."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from registry.manifest import digest_of, read_manifest, read_skill, write_manifest, write_skill
from registry.model import BadRequest
from tests.support.protoc import shared_manifest

MANIFEST = shared_manifest("everything.proto")
TEXT = write_manifest(MANIFEST)
Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> str:
    document = json.loads(TEXT)
    change(document)
    return json.dumps(document)


def refusal(text: str | bytes) -> str:
    with pytest.raises(BadRequest) as refused:
        read_manifest(text)
    return refused.value.message


@pytest.mark.parametrize("file", ["everything.proto", "legacy.proto"])
def test_what_is_written_is_read_back(file: str) -> None:
    manifest = shared_manifest(file)
    text = write_manifest(manifest)
    assert read_manifest(text) == manifest
    assert read_manifest(text.encode()) == manifest
    assert write_manifest(read_manifest(text)) == text
    assert text.endswith("}\n")


def test_documents_survive_json() -> None:
    for skill in MANIFEST.skills:
        assert read_skill(json.loads(json.dumps(write_skill(skill)))) == skill


WRONG_SHAPES: list[tuple[Change, str]] = [
    (lambda d: d.pop("agents"), "agents: is missing."),
    (lambda d: d.update(extra=1), "extra: is not a key that is known here."),
    (lambda d: d.update(format="v2"), 'format: must be "interchange.manifest/v1".'),
    (lambda d: d.update(digest="sha256:00"), "digest: is not that of descriptor_set"),
    (lambda d: d.update(descriptor_set="*"), "descriptor_set: must be base64."),
    (lambda d: d.update(skills={}), "skills: must be a list."),
    (lambda d: d["skills"].append(1), "skills[5]: must be an object."),
    (lambda d: d["skills"][0].update(colour="red"), "skills[0].colour: is not a key that is known here."),
    (lambda d: d["skills"][0].pop("title"), "skills[0].title: is missing."),
    (lambda d: d["skills"][1].update(title=1), "skills[1].title: must be text."),
    (lambda d: d["skills"][1].update(tags=["a", 1]), "skills[1].tags[1]: must be text."),
    (lambda d: d["skills"][1].update(timeout=-1), "skills[1].timeout: must be seconds"),
    (lambda d: d["skills"][1].update(timeout=True), "skills[1].timeout: must be seconds"),
    (lambda d: d["skills"][1].update(classification="secret"), "skills[1].classification: must be one of public,"),
    (lambda d: d["skills"][1]["hints"].update(read_only=1), "skills[1].hints.read_only: must be true or false."),
    (lambda d: d["skills"][1]["hints"].pop("read_only"), "skills[1].hints.read_only: is missing."),
    (lambda d: d["skills"][1].update(params=[{}]), "skills[1].params[0].name: is missing."),
    (
        lambda d: d["skills"][1].update(params=[{"name": "a", "bound": "x"}]),
        "skills[1].params[0].bound: must be one",
    ),
    (
        lambda d: d["skills"][1].update(params=[{"name": "a", "type": "x"}]),
        'skills[1].params[0].type: "x" is none of',
    ),
    (lambda d: d["skills"][1].update(input_schema=[]), "skills[1].input_schema: must be an object."),
    (lambda d: d["agents"][0]["turns"].update(history=-1), "agents[0].turns.history: must be a whole number"),
]


@pytest.mark.parametrize(("change", "path"), WRONG_SHAPES)
def test_a_wrong_shape_is_named_by_its_path(change: Change, path: str) -> None:
    assert refusal(changed(change)).startswith(path)


MISFITS: list[tuple[Change, str]] = [
    (lambda d: d["agents"][0].update(name="Bad!"), 'agents[0].name: "Bad!" must be 1 to 40'),
    (lambda d: d["agents"][0].update(domain=""), 'agents[0].domain: "" must be'),
    (lambda d: d["agents"][0].update(version="1"), 'agents[0].version: "1" is not'),
    (
        lambda d: d["agents"][0].update(name="interchange_result"),
        'agents[0].name: "interchange_result" is the name of a tool of the gateway itself.',
    ),
    (lambda d: d["agents"][0].update(icon_url="javascript:x"), 'agents[0].icon_url: "javascript:x" is not an http'),
    (lambda d: d["agents"][0].update(documentation_url="file:///x"), "agents[0].documentation_url:"),
    (lambda d: d["agents"][0].update(skills=[]), "agents[0].skills: must be the ids of all skills"),
    (lambda d: d["agents"][0].update(converse="/x/Y"), 'agents[0].converse: "/x/Y" is not a method'),
    (lambda d: d["agents"].append(d["agents"][0]), 'agents[1].name: "everything" is also that of agents[0].'),
    (lambda d: d["skills"][1].update(tool_name="a.b"), 'skills[1].tool_name: "a.b" must be 1 to 64'),
    (lambda d: d["skills"][1].update(tool_name="x" * 65), "skills[1].tool_name:"),
    (lambda d: d["skills"][1].update(tool_name="everything_collected"), "skills[1].tool_name:"),
    (lambda d: d["skills"][1].update(tool_name="interchange_result"), "skills[1].tool_name:"),
    (lambda d: d["skills"][1].update(id="other.grow"), 'skills[1].id: "other.grow" must be "everything."'),
    (lambda d: d["skills"][1].update(agent="nobody"), 'skills[1].agent: "nobody" is not an agent'),
    (lambda d: d["skills"][1].update(domain="other"), 'skills[1].domain: "other" is not that of its agent'),
    (lambda d: d["skills"][1].update(method="/everything.v1.Everything/Nope"), "skills[1].method:"),
    (lambda d: d["skills"][1].update(method="Grow"), "skills[1].method:"),
    (lambda d: d["skills"][1].update(input_type="everything.v1.Kinds"), "skills[1].input_type: is"),
    (lambda d: d["skills"][1].update(streaming="last"), 'skills[1].streaming: "last" does not fit'),
    (lambda d: d["skills"][1]["hints"].update(read_only=True), "skills[1].hints: what only reads"),
    (lambda d: d["skills"][1]["input_schema"].update(anyOf=[{}]), "skills[1].input_schema: the root must not have"),
    (lambda d: d["skills"][1]["input_schema"].update(type="string"), "skills[1].input_schema: the root must have"),
    (
        lambda d: d["skills"][1]["input_schema"]["properties"].update(x={"$ref": "https://evil/"}),
        "skills[1].input_schema: \"$ref\": 'https://evil/' leads out of the schema.",
    ),
    (lambda d: d["skills"][1].update(params=[{"name": "nope"}]), 'skills[1].params[0].name: "nope" must be'),
    (lambda d: d["skills"][1].update(params=[{"name": "label", "bound": "subject"}]), "skills[1].params[0].name:"),
]


@pytest.mark.parametrize(("change", "problem"), MISFITS)
def test_what_does_not_fit_together_is_named_by_its_path(change: Change, problem: str) -> None:
    assert any(line.startswith(problem) for line in refusal(changed(change)).splitlines())


def test_a_descriptor_set_that_does_not_hold_is_refused() -> None:
    def broken(document: dict[str, Any]) -> None:
        document.update(descriptor_set=base64.b64encode(b"\xff").decode(), digest=digest_of(b"\xff"))

    assert refusal(changed(broken)).startswith("descriptor_set: The bytes are not a serialised")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "The manifest is not JSON"),
        ("[]", "The manifest must be a JSON object."),
        ('{"a": 1, "a": 2}', 'The manifest is not JSON: "a" occurs twice in one object.'),
        ('{"a": NaN}', "The manifest is not JSON: NaN is not a JSON number."),
        (b"\xff\xfe", "The manifest is not JSON"),
        ("[" * 100_000, "The manifest is not JSON"),
        (" " * 10_000_001, "The manifest has 10,000,001 bytes; 10,000,000 are allowed."),
    ],
)
def test_what_is_not_a_manifest_at_all_is_refused(text: str | bytes, problem: str) -> None:
    assert refusal(text).startswith(problem)


def test_there_is_a_limit_to_skills() -> None:
    assert refusal(changed(lambda d: d.update(skills=[{}] * 5_001))) == "skills: has 5,001 items; 5,000 are allowed."
