"""Overlays: read with every mistake named by its line, laid over protos, laid over built manifests."""

import pytest

from registry.manifest import Manifest, read_manifest, write_manifest
from registry.model import Approval, BadRequest, Bound, Classification, Hints, Param, TurnRules, WhenBusy
from registry.overlay import apply_overlay, load_overlay
from registry.protoc.build import ManifestProblems, build_manifest
from tests.support.protoc import compiled, manifest_of

STORE = """syntax = "proto3";
package store.v1;
message GetRequest { string key = 1; string user_id = 2; }
message PutRequest { string key = 1; bytes value = 2; }
message Answer { bytes value = 1; }
service Store {
  rpc Get(GetRequest) returns (Answer);
  rpc Put(PutRequest) returns (Answer);
  rpc Watch(stream GetRequest) returns (stream Answer);
}
"""
OVERLAY = """
agents:
  store.v1.Store:
    domain: storage
    description: Keeps values.
    classification: confidential
    turns: {timeout: 5, when_busy: reject}
    skills:
      Get:
        read_only: true
        title: Look up
        timeout: 1.5s
        params:
          key: {example: '"a"', description: What to look up., policy_visible: true}
          user_id: {bound: subject}
      Put: {destructive: false, idempotent: true, approval: required}
"""
ANNOTATED = """
// Keeps values.
service Store {
  option (interchange.v1.agent) = { domain: "d" };
  // Gets one.
  rpc Get(GetRequest) returns (Answer) { option (interchange.v1.skill) = { tags: ["a", "b"] }; }
  rpc Put(GetRequest) returns (Answer) { option (interchange.v1.skill) = {}; }
}
message GetRequest {
  string key = 1 [(interchange.v1.param).sensitive = true, (buf.validate.field).required = true];
  string user_id = 2;
  Inner inner = 3;
}
message Inner { string secret = 1 [(interchange.v1.param).sensitive = true]; }
message Answer { bytes value = 1; }
"""


@pytest.fixture(scope="module")
def annotated() -> Manifest:
    return manifest_of(ANNOTATED)


def overlaid(manifest: Manifest, lines: str) -> Manifest:
    text = f"agents:\n  t.v1.Store:\n{lines}"
    result = apply_overlay(manifest, load_overlay(text))
    assert read_manifest(write_manifest(result)) == result
    return result


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ManifestProblems) as refused:
        load_overlay(text)
    return refused.value.problems


def test_an_overlay_annotates_a_service_that_nobody_annotated() -> None:
    manifest = build_manifest(compiled({"store.proto": STORE}), [], overlay=load_overlay(OVERLAY))
    (agent,) = manifest.agents
    get, put = manifest.skills
    assert (agent.name, agent.domain, agent.description) == ("store", "storage", "Keeps values.")
    assert agent.turns == TurnRules(timeout=5.0, when_busy=WhenBusy.REJECT)
    assert (get.id, get.title, get.timeout, get.classification) == (
        "store.get",
        "Look up",
        1.5,
        Classification.CONFIDENTIAL,
    )
    assert get.params == (
        Param(name="key", policy_visible=True, type="String", default=""),
        Param(name="userId", bound=Bound.SUBJECT),
    )
    assert get.input_schema["properties"] == {
        "key": {"type": "string", "description": "What to look up.", "examples": ["a"]}
    }
    assert put.hints == Hints(read_only=False, destructive=False, idempotent=True, open_world=False)
    assert put.approval is Approval.REQUIRED


def test_an_overlay_corrects_single_fields_of_an_annotated_service() -> None:
    overlay = load_overlay(
        "agents: {t.v1.Store: {title: Shop, skills: {Get: {tags: [c], params: {key: {sensitive: false}}}}}}"
    )
    manifest = manifest_of(ANNOTATED, overlay=overlay)
    get, _ = manifest.skills
    assert (manifest.agents[0].title, manifest.agents[0].domain) == ("Shop", "d")
    assert (get.tags, get.description) == (("c",), "Gets one.")
    assert get.params == (Param(name="inner.secret", sensitive=True),)


@pytest.mark.parametrize(
    ("overlay", "problem"),
    [
        ("agents:\n  no.Such: {domain: d}", "overlay:2: there is no service no.Such."),
        (
            "agents:\n  store.v1.Store:\n    domain: d\n    skills:\n      Nope: {}",
            "overlay:5: store.v1.Store has no method Nope.",
        ),
        (
            "agents:\n  store.v1.Store:\n    domain: d\n    skills:\n      Get:\n        params:\n          nope: {}",
            "overlay:7: store.v1.GetRequest has no field nope.",
        ),
        ("agents:\n  store.v1.Store:\n    name: x", "overlay:2: Store has no domain: say who owns it."),
        ("agents:\n  store.v1.Store:\n    domain: a b", 'overlay:3: "a b" is not a domain'),
        (
            "agents:\n  store.v1.Store:\n    domain: d\n    skills:\n      Watch: {}",
            "overlay:5: Watch streams from the client",
        ),
        (
            "agents:\n  store.v1.Store:\n    domain: d\n    skills:\n      Put: {params: {value: {bound: agent}}}",
            "overlay:5: store.v1.PutRequest.value: only a single string field can be bound.",
        ),
        (
            "agents:\n  store.v1.Store:\n    domain: d\n    skills:\n      Get:\n        examples: ['{\"k\": 1}']",
            'overlay:6: the example {"k": 1} does not fit',
        ),
    ],
)
def test_what_an_overlay_says_wrongly_is_named_by_its_line(overlay: str, problem: str) -> None:
    with pytest.raises(ManifestProblems) as refused:
        build_manifest(compiled({"store.proto": STORE}), ["store.proto"], overlay=load_overlay(overlay))
    (said,) = refused.value.problems
    assert said.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("other: 1", 'overlay:1: unknown key "other"'),
        ("agents: [a]", "overlay:1: agents must be a mapping."),
        ("agents:\n  S: x", "overlay:2: S must be a mapping."),
        ("agents:\n  S:\n    colour: red", 'overlay:3: unknown key "colour"; known are classification, description'),
        ("agents:\n  S:\n    domain: 5", 'overlay:3: "domain" has a value that does not fit: it must be text'),
        ("agents:\n  S:\n    domain:", 'overlay:3: "domain" has a value that does not fit: it is empty.'),
        ("agents:\n  S:\n    domain: a\n    domain: b", 'overlay:4: "domain" is written twice.'),
        (
            "agents:\n  S:\n    classification: loud",
            'overlay:3: "classification" has a value that does not fit: "loud" is none of',
        ),
        (
            "agents:\n  S:\n    turns: {speed: 1}",
            'overlay:3: "turns" has a value that does not fit: unknown key "speed".',
        ),
        ("agents:\n  S:\n    skills:\n      M: {read_only: 1}", 'overlay:4: "read_only" has a value that does not fit'),
        ("agents:\n  S:\n    skills:\n      M: {timeout: soon}", 'overlay:4: "timeout" has a value that does not fit'),
        ("agents:\n  S:\n    skills:\n      M:\n        params: {f: {bound: me}}", 'overlay:5: "bound" has a value'),
        ("agents: {", "overlay:1: this is not YAML"),
        ("a: &x [1]\nb: *x", "overlay:2: aliases are not allowed."),
        ("agents: !!python/object:os.system {}", ""),
        ("[" * 50_000, "overlay:1: more than 64 levels of nesting."),
    ],
)
def test_what_is_not_an_overlay_is_named_by_its_line(text: str, problem: str) -> None:
    if problem:
        assert problems_of(text)[0].startswith(problem)
    else:
        assert load_overlay(text).agents == {}


def test_an_overlay_has_a_size() -> None:
    with pytest.raises(BadRequest, match="256,000 are allowed"):
        load_overlay("#" * 1_000_001)


def test_an_empty_overlay_says_nothing(annotated: Manifest) -> None:
    assert apply_overlay(annotated, load_overlay("")) == annotated


def test_texts_and_settings_of_a_manifest_can_be_corrected(annotated: Manifest) -> None:
    manifest = overlaid(
        annotated,
        """    domain: other
    description: New.
    version: 2.0.0
    skills:
      Get: {title: T, description: D., timeout: 3, scopes: [s], external_name: Fetch, examples: ['{"key": "k"}']}
""",
    )
    (agent,), (get, put) = manifest.agents, manifest.skills
    assert (agent.domain, agent.description, agent.version) == ("other", "New.", "2.0.0")
    assert (get.title, get.description, get.timeout, get.scopes, get.tool_name) == ("T", "D.", 3.0, ("s",), "Fetch")
    assert (get.examples, get.tags, get.domain) == (({"key": "k"},), ("a", "b"), "other")
    assert (put.domain, put.title) == ("other", "Put")


def test_hints_that_follow_from_read_only_follow_again(annotated: Manifest) -> None:
    get, put = overlaid(annotated, "    skills: {Get: {read_only: true}, Put: {destructive: false}}").skills
    assert get.hints == Hints(read_only=True, destructive=False, idempotent=True, open_world=False)
    assert put.hints == Hints(read_only=False, destructive=False, idempotent=False, open_world=False)


def test_params_of_a_manifest_can_be_corrected(annotated: Manifest) -> None:
    get, _ = overlaid(
        annotated,
        """    skills:
      Get:
        params:
          key: {sensitive: false, policy_visible: true, description: The key., example: '"k"', header: Key}
          userId: {bound: subject}
""",
    ).skills
    assert get.params == (
        Param(name="key", policy_visible=True, type="String", default="", header="Key"),
        Param(name="userId", bound=Bound.SUBJECT),
        Param(name="inner.secret", sensitive=True),
    )
    assert get.input_schema["properties"] == {
        "key": {"type": "string", "minLength": 1, "description": "The key.", "x-mcp-header": "Key", "examples": ["k"]},
        "inner": {"$ref": "#/$defs/t.v1.Inner"},
    }
    assert get.input_schema["required"] == ["key"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("    name: other", "overlay:3: a name cannot be corrected in a manifest"),
        ("    skills: {Get: {name: other}}", "overlay:3: a name cannot be corrected in a manifest"),
        ("    skills: {Nope: {}}", "overlay:3: Nope of t.v1.Store is no skill in the manifest."),
        ("    skills: {Get: {params: {nope: {}}}}", "overlay:3: t.v1.GetRequest has no field nope."),
        ("    skills: {Get: {read_only: true, destructive: true}}", "overlay:3: store.get: read_only and destructive"),
        ("    skills: {Get: {external_name: store_put}}", 'overlay: skills[1].tool_name: "store_put"'),
        (
            "    skills: {Get: {params: {key: {example: '5'}}}}",
            "overlay:3: the example of t.v1.GetRequest.key does not fit",
        ),
        ("    skills: {Get: {examples: ['{}']}}", "overlay:3: the example {} does not fit"),
    ],
)
def test_what_cannot_be_corrected_in_a_manifest_is_refused(annotated: Manifest, lines: str, problem: str) -> None:
    with pytest.raises(BadRequest) as refused:
        overlaid(annotated, lines)
    assert refused.value.message.startswith(problem)


def test_a_service_that_the_manifest_lacks_is_refused(annotated: Manifest) -> None:
    with pytest.raises(BadRequest, match="overlay:1: the manifest has no agent of service x"):
        apply_overlay(annotated, load_overlay("agents: {x.Y: {title: t}}"))
