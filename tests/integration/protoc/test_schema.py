"""What the schemas look like; that they fit the codecs is a property (`tests/property/test_schema_and_codec.py`)."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from mcp.shared.inbound import find_invalid_x_mcp_header

from adapters.grpc.codec import codec_for
from registry.model import JsonObject
from registry.protoc.build import build_manifest
from tests.support.protoc import compiled, manifest_of, shared_manifest

COMPOSITIONS = ("$ref", "oneOf", "anyOf", "allOf", "not", "$schema")


def schemas_of(fields: str, *, more: str = "") -> tuple[JsonObject, JsonObject]:
    (skill,) = manifest_of(
        f"""service S {{ option (interchange.v1.agent) = {{ domain: "d" }};
  rpc Do(In) returns (In) {{ option (interchange.v1.skill) = {{}}; }} }}
message In {{ {fields} }}
{more}"""
    ).skills
    assert skill.output_schema is not None
    return skill.input_schema, skill.output_schema


def field_of(field: str, *, more: str = "") -> Any:
    """The schema of the one field of an input."""
    return next(iter(cast("Mapping[str, Any]", schemas_of(field, more=more)[0]["properties"]).values()))


@pytest.mark.parametrize("file", ["everything.proto", "legacy.proto"])
def test_roots_are_plain_objects(file: str) -> None:
    for skill in shared_manifest(file).skills:
        for schema in filter(None, (skill.input_schema, skill.output_schema)):
            assert schema["type"] == "object"
            assert isinstance(schema["properties"], Mapping)
            assert not set(COMPOSITIONS) & set(schema)


def test_a_recursive_root_is_written_out_and_in_the_definitions() -> None:
    schema, _ = schemas_of("In next = 1; string text = 2;")
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/t.v1.In"}, "text": {"type": "string"}},
        "additionalProperties": False,
    }
    assert schema == {**node, "$defs": {"t.v1.In": node}}


def test_outputs_require_nothing_and_know_no_rules() -> None:
    _, output = schemas_of('string a = 1 [(buf.validate.field).string = { min_len: 2 in: ["xx"] }]; Inner b = 2;',
                           more="message Inner { oneof one { string p = 1; string q = 2; } }")  # fmt: skip
    assert output["properties"] == {"a": {"type": "string"}, "b": {"$ref": "#/$defs/t.v1.Inner"}}
    inner = cast("Mapping[str, JsonObject]", output["$defs"])["t.v1.Inner"]
    assert not {"required", "not", "oneOf"} & (set(output) | set(inner))


def test_comments_describe_fields_messages_and_enum_values() -> None:
    schema, _ = schemas_of(
        """
  // Which one,
  // if any.
  Kind kind = 1;
  Inner inner = 2; // What is inside.
""",
        more="""enum Kind {
  NONE = 0;
  // The good one.
  GOOD = 1;
}
// An inner thing.
message Inner {}""",
    )
    assert schema["properties"] == {
        "kind": {
            "type": "string",
            "enum": ["NONE", "GOOD"],
            "description": "Which one, if any.\n- GOOD: The good one.",
        },
        "inner": {"$ref": "#/$defs/t.v1.Inner", "description": "What is inside."},
    }
    inner = cast("Mapping[str, JsonObject]", schema["$defs"])["t.v1.Inner"]
    assert inner["description"] == "An inner thing."


@pytest.mark.parametrize(
    ("required", "sentence"),
    [
        ("", "At most one of: a, bC."),
        (" option (buf.validate.oneof).required = true;", "Exactly one of: a, bC."),
    ],
)
def test_members_of_a_root_oneof_say_so(required: str, sentence: str) -> None:
    schema, _ = schemas_of(f"oneof one {{{required} string a = 1; string b_c = 2; }}")
    described = {"type": "string", "description": sentence}
    assert schema["properties"] == {"a": described, "bC": described}


@pytest.mark.parametrize(
    "field",
    [
        "string f = 1 [(buf.validate.field).required = true];",
        "optional string f = 1 [(buf.validate.field).required = true];",
        "string f = 1 [(buf.validate.field).string.min_len = 1];",
        "int32 f = 1 [(buf.validate.field).int32.gt = 0];",
        "repeated string f = 1 [(buf.validate.field).repeated.min_items = 1];",
        "bool f = 1 [(buf.validate.field).bool.const = true];",
        'string f = 1 [(buf.validate.field).cel = { id: "x" message: "m" expression: "this != \'\'" }];',
        "google.protobuf.Timestamp f = 1 [(buf.validate.field).required = true];",
    ],
)
def test_a_field_whose_absence_breaks_a_rule_is_required(field: str) -> None:
    assert schemas_of(field)[0]["required"] == ["f"]


@pytest.mark.parametrize(
    "field",
    [
        "string f = 1;",
        "optional string f = 1 [(buf.validate.field).string.min_len = 1];",
        "string f = 1 [(buf.validate.field) = { ignore: IGNORE_IF_ZERO_VALUE string: { min_len: 1 } }];",
        "string f = 1 [(buf.validate.field) = { ignore: IGNORE_ALWAYS required: true }];",
        "google.protobuf.StringValue f = 1 [(buf.validate.field).string.min_len = 1];",
    ],
)
def test_a_field_that_may_be_absent_is_not(field: str) -> None:
    assert "required" not in schemas_of(field)[0]


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        ("string f = 1 [(buf.validate.field).required = true];", {"type": "string", "minLength": 1}),
        ("bytes f = 1 [(buf.validate.field).required = true];", {"minLength": 1}),
        ("repeated string f = 1 [(buf.validate.field).required = true];", {"minItems": 1}),
        ("map<string, string> f = 1 [(buf.validate.field).required = true];", {"minProperties": 1}),
        ("bool f = 1 [(buf.validate.field).required = true];", {"const": True}),
        ("int32 f = 1 [(buf.validate.field).required = true];", {"not": {"enum": [0]}}),
        ("uint64 f = 1 [(buf.validate.field).required = true];", {"not": {"enum": [0, "0"]}}),
        ("Kind f = 1 [(buf.validate.field).required = true];", {"enum": ["ONE"]}),
        ("string f = 1 [(buf.validate.field).string.pattern = '\\\\pL'];", {"type": "string"}),
        ("google.protobuf.Int32Value f = 1;", {"type": ["integer", "null"]}),
        ("google.protobuf.Int64Value f = 1;", {"anyOf": [{"$ref": "#/$defs/int64"}, {"type": "null"}]}),
        ("google.protobuf.Value f = 1;", {}),
        ("string f = 1 [deprecated = true];", {"deprecated": True}),
        ("int32 f = 1 [(interchange.v1.param).example = '7'];", {"examples": [7]}),
    ],
)
def test_what_is_special_about_a_field_is_in_its_schema(field: str, schema: JsonObject) -> None:
    found = field_of(field, more="enum Kind { ZERO = 0; ONE = 1; }")
    assert {key: found.get(key) for key in schema} == schema
    if "pL" in field:
        assert "pattern" not in found


def test_headers_are_what_the_official_sdk_accepts() -> None:
    schema, _ = schemas_of(
        """string region = 1 [(interchange.v1.param).header = "Region"];
  bool dry = 2 [(interchange.v1.param).header = "Dry"]; int32 n = 3 [(interchange.v1.param).header = "N"];
  Kind kind = 4 [(interchange.v1.param).header = "Kind"]; Inner inner = 5;""",
        more="enum Kind { ZERO = 0; } message Inner { string region = 1; }",
    )
    assert find_invalid_x_mcp_header(schema) is None


def test_rules_in_cel_are_said_in_words() -> None:
    rule = '{ id: "even" message: "must be even" expression: "this % 2 == 0" }'
    field = field_of(f"\n// How many.\nint32 f = 1 [(buf.validate.field).cel = {rule}];")
    assert field["description"] == "How many.\nRule: must be even"


def test_a_rule_that_cannot_judge_an_empty_message_requires_nothing() -> None:
    rule = '{ id: "first" message: "first" expression: "this[0] > 1" }'
    assert "required" not in schemas_of(f"repeated int32 f = 1 [(buf.validate.field).cel = {rule}];")[0]


NAMED = """edition = "2023";
package named.v1;
import "google/protobuf/json_enumvalue_options.proto";
import "interchange/v1/annotations.proto";
service S {
  option (interchange.v1.agent) = { domain: "d" };
  rpc Do(In) returns (In) { option (interchange.v1.skill) = {}; }
}
enum Kind { ZERO = 0; ONE = 1 [(pb.enumvalue.json).string = "one!"]; }
message In { Kind kind = 1; }
"""
NAMES = """edition = "2023";
package pb.enumvalue;
import "google/protobuf/descriptor.proto";
message JsonEnumValueOptions { string string = 1; }
extend google.protobuf.EnumValueOptions { JsonEnumValueOptions json = 998; }
"""


def test_custom_json_names_of_enum_values_fit_the_output() -> None:
    files = compiled({"named.proto": NAMED, "google/protobuf/json_enumvalue_options.proto": NAMES})
    manifest = build_manifest(files, ["named.proto"])
    (skill,) = manifest.skills
    codec = codec_for(manifest.descriptor_set, input_type=skill.input_type, output_type=skill.output_type)
    assert json.loads(codec.decode(codec.encode({"kind": "ONE"}))) == {"kind": "one!"}
    assert cast("Any", skill.output_schema)["properties"] == {
        "kind": {"anyOf": [{"type": "string", "enum": ["ZERO", "ONE", "one!"]}, {"type": "integer"}]}
    }


def test_a_struct_may_be_a_root_and_stays_open() -> None:
    skill = next(skill for skill in shared_manifest("everything.proto").skills if skill.id == "everything.loose")
    assert skill.input_schema == {"type": "object", "properties": {}}
    assert skill.output_schema == {"type": "object", "properties": {}, "additionalProperties": False}
