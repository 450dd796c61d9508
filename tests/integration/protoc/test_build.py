"""What a manifest says of well-annotated protos: names, defaults, hints, descriptions, special fields."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from registry.model import (
    Approval,
    Bound,
    Classification,
    Hints,
    Invocation,
    Param,
    Skill,
    Streaming,
    TurnRules,
    Visibility,
    WhenBusy,
)
from registry.protoc.build import build_manifest
from registry.protoc.descriptors import private_pool, read_set
from tests.support.protoc import compiled, manifest_of

BARE = """// Does things.
//
// buf:lint:ignore SERVICE_SUFFIX
service ThingDoer {
  option (interchange.v1.agent) = { domain: "tests" };
  // Does a thing.
  rpc DoThing(In) returns (In) { option (interchange.v1.skill) = {}; }
  // Stays private.
  rpc Hidden(In) returns (In);
}
// Nobody's.
service Unannotated { rpc Hidden(In) returns (In); }
message In { string text = 1; }
"""


def only_skill(body: str) -> Skill:
    (skill,) = manifest_of(body).skills
    return skill


def skill_with(fields: str, *, options: str = "", more: str = "") -> Skill:
    return only_skill(
        f"""service S {{ option (interchange.v1.agent) = {{ domain: "d" }};
  rpc Do(In) returns (Out) {{ option (interchange.v1.skill) = {{ {options} }}; }} }}
message Out {{}}
message In {{ {fields} }}
{more}"""
    )


def test_a_bare_agent_has_careful_defaults() -> None:
    (agent,) = manifest_of(BARE).agents
    assert (agent.name, agent.title, agent.description) == ("thing_doer", "Thing doer", "Does things.")
    assert (agent.domain, agent.version, agent.service) == ("tests", "0.1.0", "t.v1.ThingDoer")
    assert agent.skills == ("thing_doer.do_thing",)
    assert (agent.classification, agent.visibility) == (Classification.INTERNAL, Visibility.AUTHENTICATED)
    assert agent.turns == TurnRules()
    assert not agent.converse


def test_a_bare_skill_has_careful_defaults() -> None:
    skill = only_skill(BARE)
    assert (skill.id, skill.tool_name, skill.title) == ("thing_doer.do_thing", "thing_doer_do_thing", "Do thing")
    assert (skill.description, skill.method) == ("Does a thing.", "/t.v1.ThingDoer/DoThing")
    assert skill.hints == Hints(read_only=False, destructive=True, idempotent=False, open_world=False)
    assert (skill.approval, skill.invocation, skill.streaming) == (
        Approval.BY_POLICY,
        Invocation.DIRECT,
        Streaming.UNARY,
    )
    assert (skill.timeout, skill.classification, skill.domain) == (30.0, Classification.INTERNAL, "tests")


@pytest.mark.parametrize(
    ("options", "hints"),
    [
        ("read_only: true", Hints(read_only=True, destructive=False, idempotent=True, open_world=False)),
        ("destructive: false", Hints(read_only=False, destructive=False, idempotent=False, open_world=False)),
        ("idempotent: true", Hints(read_only=False, destructive=True, idempotent=True, open_world=False)),
        (
            "read_only: true open_world: true",
            Hints(read_only=True, destructive=False, idempotent=True, open_world=True),
        ),
    ],
)
def test_unset_hints_follow_from_read_only(options: str, hints: Hints) -> None:
    assert skill_with("", options=options).hints == hints


def test_everything_an_agent_can_say_is_read() -> None:
    (agent,) = manifest_of(
        """service S {
  option (interchange.v1.agent) = {
    name: "other" title: "Other" domain: "d" version: "2.1.0-rc.1" tags: ["a", "b"] examples: "Say something"
    icon_url: "https://x/i.png" documentation_url: "https://x/" provider: "Us" classification: CLASSIFICATION_RESTRICTED
    visibility: VISIBILITY_PUBLIC
    turns: { timeout: { seconds: 7 nanos: 500000000 } max_attempts: 2 when_busy: WHEN_BUSY_REJECT history: 3 }
  };
  rpc Talk(interchange.v1.Turn) returns (stream interchange.v1.TurnEvent);
}"""
    ).agents
    assert (agent.name, agent.title, agent.version, agent.tags) == ("other", "Other", "2.1.0-rc.1", ("a", "b"))
    assert (agent.icon_url, agent.documentation_url, agent.provider) == ("https://x/i.png", "https://x/", "Us")
    assert (agent.classification, agent.visibility) == (Classification.RESTRICTED, Visibility.PUBLIC)
    assert agent.turns == TurnRules(timeout=7.5, max_attempts=2, when_busy=WhenBusy.REJECT, history=3)
    assert (agent.examples, agent.converse) == (("Say something",), "/t.v1.S/Talk")


def test_everything_a_skill_can_say_is_read() -> None:
    skill = skill_with(
        "string text = 1;",
        options="""name: "x" external_name: "X-1" title: "T" tags: "a" examples: '{"text": "hi"}'
          approval: APPROVAL_REQUIRED scopes: ["one", "two"] timeout: { seconds: 1 } invocation: INVOCATION_QUEUED
          classification: CLASSIFICATION_CONFIDENTIAL""",
    )
    assert (skill.id, skill.tool_name, skill.title, skill.tags) == ("s.x", "X-1", "T", ("a",))
    assert skill.examples == ({"text": "hi"},)
    assert (skill.approval, skill.invocation) == (Approval.REQUIRED, Invocation.QUEUED)
    assert (skill.scopes, skill.timeout, skill.classification) == (("one", "two"), 1.0, Classification.CONFIDENTIAL)


def test_a_skill_takes_its_agents_classification() -> None:
    skill = only_skill(BARE.replace('domain: "tests"', 'domain: "tests" classification: CLASSIFICATION_CONFIDENTIAL'))
    assert skill.classification is Classification.CONFIDENTIAL


@pytest.mark.parametrize(
    ("field", "kind", "default"),
    [
        ("bool f = 1", "Bool", False),
        ("int32 f = 1", "Long", 0),
        ("uint64 f = 1", "Long", 0),
        ("string f = 1", "String", ""),
        ("optional string f = 1", "String", None),
        ("repeated string f = 1", "Set<String>", ()),
        ("Kind f = 1", "String", "KIND_NONE"),
        ("optional Kind f = 1", "String", None),
    ],
)
def test_policies_see_a_type_and_the_default_that_absence_hides(
    field: str, kind: str, default: bool | int | str | tuple[str, ...] | None
) -> None:
    skill = skill_with(
        f"{field} [(interchange.v1.param).policy_visible = true];", more="enum Kind { KIND_NONE = 0; KIND_ONE = 1; }"
    )
    assert skill.params == (Param(name="f", policy_visible=True, type=kind, default=default),)


def test_a_bound_field_is_a_param_and_not_in_the_schema() -> None:
    skill = skill_with(
        "string who_asks = 1 [(interchange.v1.param).bound = BOUND_SUBJECT, (buf.validate.field).required = true];"
        "string text = 2;"
    )
    assert skill.params == (Param(name="whoAsks", bound=Bound.SUBJECT),)
    assert skill.input_schema == {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "additionalProperties": False,
    }


def test_sensitive_fields_are_found_wherever_they_are() -> None:
    skill = skill_with(
        """string own = 1 [(interchange.v1.param).sensitive = true];
  Inner inner = 2; repeated Inner many = 3; map<string, Inner> named = 4;
  Inner whole = 5 [(interchange.v1.param).sensitive = true]; Node node = 6;""",
        more="""message Inner { string secret_text = 1 [(interchange.v1.param).sensitive = true]; }
message Node { string key = 1 [(interchange.v1.param).sensitive = true]; Node next = 2; }""",
    )
    names = ["own", "whole", "inner.secretText", "many.secretText", "named.secretText", "node.key", "node.next"]
    assert skill.params == tuple(Param(name=name, sensitive=True) for name in names)


def test_a_header_is_a_param_and_in_the_schema() -> None:
    skill = skill_with('string region = 1 [(interchange.v1.param).header = "Region"];')
    assert skill.params == (Param(name="region", header="Region"),)
    assert skill.input_schema["properties"] == {"region": {"type": "string", "x-mcp-header": "Region"}}


def test_root_oneofs_are_exclusive_and_the_schema_only_says_so() -> None:
    skill = skill_with("oneof place { string city_name = 1; int32 zip = 2; } oneof alone { string other = 3; }")
    assert skill.exclusive == (("cityName", "zip"),)
    assert "oneOf" not in skill.input_schema
    assert "not" not in skill.input_schema


@pytest.mark.parametrize(
    ("returns", "options", "streaming"),
    [
        ("Out", "", Streaming.UNARY),
        ("stream Out", "", Streaming.LAST),
        ("stream Out", "streaming: STREAMING_COLLECT", Streaming.COLLECT),
    ],
)
def test_streaming_is_that_of_the_method(returns: str, options: str, streaming: Streaming) -> None:
    skill = only_skill(
        f"""service S {{ option (interchange.v1.agent) = {{ domain: "d" }};
  rpc Do(Out) returns ({returns}) {{ option (interchange.v1.skill) = {{ {options} }}; }} }}
message Out {{}}"""
    )
    assert skill.streaming is streaming


def test_a_skill_result_speaks_for_itself() -> None:
    skill = only_skill(
        """service S { option (interchange.v1.agent) = { domain: "d" };
  rpc Do(In) returns (interchange.v1.SkillResult) { option (interchange.v1.skill) = {}; } }
message In {}"""
    )
    assert skill.output_schema is None
    assert skill.speaks_for_itself


def test_a_field_that_is_special_in_one_skill_may_be_in_the_output_of_another() -> None:
    manifest = manifest_of(
        """service S { option (interchange.v1.agent) = { domain: "d" };
  rpc Put(Thing) returns (Thing) { option (interchange.v1.skill) = {}; } }
message Thing { string id = 1 [(interchange.v1.param).policy_visible = true]; }"""
    )
    assert manifest.skills[0].params[0].policy_visible


def test_an_agent_may_have_no_annotated_service_at_all() -> None:
    manifest = manifest_of("message In {}")
    assert (manifest.agents, manifest.skills, manifest.descriptor_set) == ((), (), b"")


def test_our_annotations_may_be_at_another_path() -> None:
    files = compiled({"t.proto": _at_another_path(BARE)})
    moved = [_moved(file) for file in files]
    manifest = build_manifest(moved, ["t.proto"])
    assert manifest.skills[0].id == "thing_doer.do_thing"


def test_somebody_elses_option_of_our_number_is_not_ours() -> None:
    foreign = """syntax = "proto3";
package foreign;
import "google/protobuf/descriptor.proto";
extend google.protobuf.ServiceOptions { Mine agent = 51001; }
extend google.protobuf.MethodOptions { Mine skill = 51001; }
message Mine { string name = 1; }
service S {
  option (foreign.agent) = { name: "x" };
  rpc A(Mine) returns (Mine) { option (foreign.skill) = { name: "y" }; }
}
"""
    assert build_manifest(compiled({"t.proto": foreign}), ["t.proto"]).agents == ()


def test_the_descriptor_set_is_canonical_and_small() -> None:
    body = BARE.replace("string text = 1;", "string text = 1 [(buf.validate.field).string.min_len = 1];")
    ruled = _at_another_path(f'import "buf/validate/validate.proto";\n{body}')
    manifest = build_manifest(compiled({"t.proto": ruled}), ["t.proto"])
    files = read_set(manifest.descriptor_set)
    assert [file.name for file in files] == ["t.proto"]
    assert not files[0].HasField("source_code_info")
    assert len(manifest.descriptor_set) < 600
    assert private_pool(files).FindMethodByName("t.v1.ThingDoer.DoThing").input_type.name == "In"


def test_the_same_protos_in_another_order_give_the_same_manifest() -> None:
    files = compiled({"t.proto": _at_another_path(BARE)})
    assert build_manifest(files[::-1], ["t.proto"]) == build_manifest(files, ["t.proto"])


def test_a_set_without_comments_differs_only_in_its_texts() -> None:
    sources = {"t.proto": _at_another_path(BARE)}
    without = build_manifest(compiled(sources, comments=False), ["t.proto"])
    assert without.digest == build_manifest(compiled(sources), ["t.proto"]).digest
    assert without.skills[0].description == ""


def _at_another_path(body: str) -> str:
    return f'syntax = "proto3";\npackage t.v1;\nimport "interchange/v1/annotations.proto";\n{body}'


def _moved(file: FileDescriptorProto) -> FileDescriptorProto:
    moved = FileDescriptorProto.FromString(file.SerializeToString())
    if moved.name == "interchange/v1/annotations.proto":
        moved.name = "third_party/annotations.proto"
    names = [name.replace("interchange/v1/annotations", "third_party/annotations") for name in moved.dependency]
    del moved.dependency[:]
    moved.dependency.extend(names)
    return moved
