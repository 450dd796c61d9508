"""Extensions of A2A on their way from a proto, or an overlay, into a manifest and back."""

import json
from typing import Any

import pytest

from registry.manifest import read_manifest, write_manifest
from registry.model import BadRequest, Extension
from registry.overlay import apply_overlay, load_overlay
from registry.protoc.build import ManifestProblems, build_manifest
from tests.support.protoc import compiled, manifest_of

DECLARED = """
service Talker {
  option (interchange.v1.agent) = {
    domain: "d"
    extensions: { uri: "https://example.com/timestamp/v1" description: "Says when." required: true }
    extensions: { uri: "urn:example:mood" }
  };
  rpc Say(Words) returns (Words) { option (interchange.v1.skill) = {}; }
}
message Words { string text = 1; }
"""
BARE = """syntax = "proto3";
package t.v1;
service Talker { rpc Say(Words) returns (Words); }
message Words { string text = 1; }
"""
EXTENSIONS = (
    Extension(uri="https://example.com/timestamp/v1", description="Says when.", required=True),
    Extension(uri="urn:example:mood"),
)


def changed(**fields: Any) -> str:
    document = json.loads(write_manifest(manifest_of(DECLARED)))
    document["agents"][0].update(fields)
    return json.dumps(document)


def refusal(text: str) -> str:
    with pytest.raises(BadRequest) as refused:
        read_manifest(text)
    return refused.value.message


def test_what_is_declared_in_a_proto_is_in_the_manifest_and_is_read_back() -> None:
    manifest = manifest_of(DECLARED)
    assert manifest.agents[0].extensions == EXTENSIONS
    assert read_manifest(write_manifest(manifest)) == manifest


def test_a_manifest_of_before_there_were_extensions_is_read() -> None:
    document = json.loads(write_manifest(manifest_of(DECLARED)))
    del document["agents"][0]["extensions"]
    assert read_manifest(json.dumps(document)).agents[0].extensions == ()
    assert read_manifest(changed(extensions=[])).agents[0].extensions == ()


TAMPERED: list[tuple[Any, str]] = [
    ("urn:a:b", "agents[0].extensions: must be a list."),
    (["urn:a:b"], "agents[0].extensions[0]: must be an object."),
    ([{}], "agents[0].extensions[0].uri: is missing."),
    ([{"uri": 1}], "agents[0].extensions[0].uri: must be text."),
    ([{"uri": "urn:a:b", "required": "yes"}], "agents[0].extensions[0].required: must be true or false."),
    ([{"uri": "urn:a:b", "params": {}}], "agents[0].extensions[0].params: is not a key that is known here."),
    ([{"uri": "nowhere"}], 'agents[0].extensions: "nowhere" is not an absolute URI'),
    ([{"uri": "urn:a:b"}] * 2, 'agents[0].extensions: the extension "urn:a:b" is declared twice.'),
    ([{"uri": f"urn:a:{n}"} for n in range(17)], "agents[0].extensions: there are 17 extensions; 16 are possible."),
]


@pytest.mark.parametrize(("extensions", "said"), TAMPERED)
def test_a_manifest_that_was_tampered_with_is_refused(extensions: object, said: str) -> None:
    assert refusal(changed(extensions=extensions)).startswith(said)


OVERLAY = """
agents:
  t.v1.Talker:
    domain: d
    extensions:
      - {uri: "https://example.com/timestamp/v1", description: Says when., required: true}
      - {uri: "urn:example:mood"}
    skills: {Say: {}}
"""


def test_an_overlay_declares_them_for_a_service_that_does_not() -> None:
    built = build_manifest(compiled({"t.proto": BARE}), [], overlay=load_overlay(OVERLAY))
    assert built.agents[0].extensions == EXTENSIONS


def test_an_overlay_on_a_manifest_replaces_them_all() -> None:
    text = 'agents: {t.v1.Talker: {extensions: [{uri: "urn:example:other"}]}}'
    assert apply_overlay(manifest_of(DECLARED), load_overlay(text)).agents[0].extensions == (
        Extension(uri="urn:example:other"),
    )
    untouched = apply_overlay(manifest_of(DECLARED), load_overlay("agents: {t.v1.Talker: {title: Chatterbox}}"))
    assert untouched.agents[0].extensions == EXTENSIONS


@pytest.mark.parametrize(
    "extensions",
    [
        "urn:a:b",
        "[urn:a:b]",
        "{uri: urn:a:b}",
        "[{url: urn:a:b}]",
        "[{uri: 7}]",
        "[{uri: urn:a:b, required: 1}]",
    ],
)
def test_an_overlay_that_declares_something_else_says_its_line(extensions: str) -> None:
    with pytest.raises(ManifestProblems) as refused:
        load_overlay(f"agents:\n  t.v1.Talker:\n    extensions: {extensions}\n")
    [problem] = refused.value.problems
    assert problem.startswith('overlay:3: "extensions" has a value that does not fit: ')


def test_an_overlay_with_an_impossible_uri_says_its_line() -> None:
    text = "agents:\n  t.v1.Talker:\n    extensions: [{uri: nowhere}]\n"
    with pytest.raises(ManifestProblems) as refused:
        apply_overlay(manifest_of(DECLARED), load_overlay(text))
    assert refused.value.problems[0].startswith('overlay:3: "nowhere" is not an absolute URI')
