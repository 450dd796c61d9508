"""Every mistake in a proto ends the build with its place; nothing of it reaches a manifest.

Each case is a file of its own, compiled by protoc together with all others; line 1 of a case is its first line here.
"""

from collections.abc import Mapping
from functools import cache

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from registry.protoc.build import ManifestProblems, build_manifest
from tests.support.protoc import HEADER, compiled

AGENT = 'option (interchange.v1.agent) = { domain: "d" };'
SKILL = "option (interchange.v1.skill) = {};"

# name: (the proto, what is said, each with its line)
CASES: Mapping[str, tuple[str, list[str]]] = {
    "no domain": (
        """service S {
  option (interchange.v1.agent) = {};
}""",
        ["2: S has no domain: say who owns it."],
    ),
    "illegal domain": (
        'service S { option (interchange.v1.agent) = { domain: "a b" }; }',
        ['1: "a b" is not a domain: 1 to 63 of A-Z, a-z, 0-9, dot, - and _.'],
    ),
    "illegal agent name": (
        'service S { option (interchange.v1.agent) = { domain: "d" name: "Big-Name" }; }',
        ['1: "Big-Name" is not a name of an agent: 1 to 40 of a-z, 0-9 and _.'],
    ),
    "invalid version and timeout of turns": (
        """service S { option (interchange.v1.agent) = {
  domain: "d" version: "one" turns: { timeout: { seconds: -1 } }
}; }""",
        [
            '1: "one" is not a semantic version such as 1.2.0.',
            "1: the timeout is -1 s; it must be more than 0 and at most 86,400 s.",
        ],
    ),
    "invalid url": (
        'service S { option (interchange.v1.agent) = { domain: "d" icon_url: "javascript:x" }; }',
        ['1: icon_url "javascript:x" is not an http or https URL.'],
    ),
    "invalid extensions": (
        """service S { option (interchange.v1.agent) = {
  domain: "d" extensions: { uri: "timestamps" } extensions: { uri: "urn:x:a" } extensions: { uri: "urn:x:a" }
}; }""",
        [
            '1: "timestamps" is not an absolute URI, or has a comma: an extension is named by one such as https://….',
            '1: the extension "urn:x:a" is declared twice.',
        ],
    ),
    "two agents of one name": (
        f"""service S {{ {AGENT} }}
service T {{ option (interchange.v1.agent) = {{ domain: "d" name: "s" }}; }}""",
        ['2: the agent name "s" is taken by PKG.S and would clash.'],
    ),
    "skill without an agent": (
        f"service S {{\n  rpc A(Empty) returns (Empty) {{ {SKILL} }}\n}}\nmessage Empty {{}}",
        ["2: A is a skill of no agent: S has no option agent."],
    ),
    "two skills of one name": (
        f"""service S {{ {AGENT}
  rpc A(Empty) returns (Empty) {{ {SKILL} }}
  rpc B(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ name: "a" }}; }}
}}
message Empty {{}}""",
        ['3: the skill name "s.a" is taken by A and would clash.'],
    ),
    "illegal skill name": (
        f"""service S {{ {AGENT}
  rpc A(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ name: "a.b" }}; }}
}}
message Empty {{}}""",
        [
            '2: "a.b" is not a name of a skill: 1 to 60 of a-z, 0-9 and _.',
        ],
    ),
    "tool names clash across agents": (
        """service S { option (interchange.v1.agent) = { domain: "d" name: "a" };
  rpc One(Empty) returns (Empty) { option (interchange.v1.skill) = { name: "b_c" }; }
}
service T { option (interchange.v1.agent) = { domain: "d" name: "a_b" };
  rpc Two(Empty) returns (Empty) { option (interchange.v1.skill) = { name: "c" }; }
}
message Empty {}""",
        ['5: the tool name "a_b_c" is taken by PKG.S.One and would clash.'],
    ),
    "external name clashes": (
        f"""service S {{ {AGENT}
  rpc A(Empty) returns (Empty) {{ {SKILL} }}
  rpc B(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ external_name: "s_a" }}; }}
}}
message Empty {{}}""",
        ['3: the tool name "s_a" is taken by PKG.S.A and would clash.'],
    ),
    "tool name of a conversing agent": (
        f"""service S {{ {AGENT}
  rpc Talk(interchange.v1.Turn) returns (stream interchange.v1.TurnEvent);
  rpc B(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ external_name: "s" }}; }}
}}
message Empty {{}}""",
        ['3: the tool name "s" is taken by PKG.S and would clash.'],
    ),
    "external name that is ours or illegal": (
        f"""service S {{ {AGENT}
  rpc A(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ external_name: "interchange_result" }}; }}
  rpc B(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ external_name: "a.b" }}; }}
}}
message Empty {{}}""",
        [
            '2: the tool name "interchange_result" is taken by the gateway and would clash.',
            '3: "a.b" is not a tool name: 1 to 64 of A-Z, a-z, 0-9, _ and -.',
        ],
    ),
    "tool name too long": (
        f"""service S {{ option (interchange.v1.agent) = {{ domain: "d" name: "{"a" * 40}" }};
  rpc A(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ name: "{"b" * 24}" }}; }}
}}
message Empty {{}}""",
        [f'2: the tool name "{"a" * 40}_{"b" * 24}" is too long: set external_name.'],
    ),
    "written contradictions": (
        f"""service S {{ {AGENT}
  rpc A(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ read_only: true destructive: true }}; }}
  rpc B(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ read_only: true idempotent: false }}; }}
  rpc C(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ streaming: STREAMING_COLLECT }}; }}
}}
message Empty {{}}""",
        [
            "2: A: read_only and destructive contradict each other.",
            "3: B: read_only and idempotent: false contradict each other: reading twice does no harm.",
            "4: C has an option for streaming, but does not stream.",
        ],
    ),
    "shapes that cannot be skills": (
        f"""service S {{ {AGENT}
  rpc A(stream Empty) returns (Empty) {{ {SKILL} }}
  rpc B(stream Empty) returns (stream Empty) {{ {SKILL} }}
  rpc C(google.protobuf.StringValue) returns (Empty) {{ {SKILL} }}
  rpc D(Empty) returns (google.protobuf.Timestamp) {{ {SKILL} }}
  rpc E(interchange.v1.Turn) returns (stream interchange.v1.TurnEvent) {{ {SKILL} }}
  rpc F(Empty) returns (stream interchange.v1.SkillResult) {{
    option (interchange.v1.skill) = {{ streaming: STREAMING_COLLECT }};
  }}
}}
message Empty {{}}""",
        [
            "2: A streams from the client: a skill takes one message.",
            "3: B streams from the client: a skill takes one message.",
            "4: C takes google.protobuf.StringValue, whose JSON is not an object: use a message of your own.",
            "5: D returns google.protobuf.Timestamp, whose JSON is not an object: use a message of your own.",
            "6: E is how the agent converses (Turn → stream TurnEvent) and cannot be a skill as well.",
            "8: F answers with SkillResult, which cannot be collected.",
        ],
    ),
    "two ways to converse": (
        f"""service S {{ {AGENT}
  rpc A(interchange.v1.Turn) returns (stream interchange.v1.TurnEvent);
  rpc B(interchange.v1.Turn) returns (stream interchange.v1.TurnEvent);
}}""",
        ["1: S has several methods Turn → stream TurnEvent; one is possible."],
    ),
    "settings of skills": (
        f"""service S {{ {AGENT}
  rpc A(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ timeout: {{}} }}; }}
  rpc B(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ timeout: {{ seconds: 86401 }} }}; }}
  rpc C(Empty) returns (Empty) {{ option (interchange.v1.skill) = {{ scopes: "a b" }}; }}
}}
message Empty {{}}""",
        [
            "2: A: the timeout is 0 s; it must be more than 0 and at most 86,400 s.",
            "3: B: the timeout is 86401 s; it must be more than 0 and at most 86,400 s.",
            '4: C: "a b" is not an OAuth scope (RFC 6749 §3.3).',
        ],
    ),
    "examples of skills": (
        f"""service S {{ {AGENT}
  rpc A(In) returns (In) {{
    option (interchange.v1.skill) = {{ examples: "nonsense" }};
  }}
  rpc B(In) returns (In) {{ option (interchange.v1.skill) = {{ examples: '{{"n": "x"}}' }}; }}
  rpc C(In) returns (In) {{ option (interchange.v1.skill) = {{ examples: '{{"m": 1}}' }}; }}
  rpc D(In) returns (In) {{ option (interchange.v1.skill) = {{ examples: '[1]' }}; }}
  rpc E(In) returns (In) {{ option (interchange.v1.skill) = {{ examples: '{{"n": 3, "even": 3}}' }}; }}
  rpc F(In) returns (In) {{ option (interchange.v1.skill) = {{ examples: '{{"a": "x", "b": "y"}}' }}; }}
}}
message In {{
  int32 n = 1;
  int32 even = 2 [(buf.validate.field).cel = {{ id: "even" message: "must be even" expression: "this % 2 == 0" }}];
  string me = 3 [(interchange.v1.param).bound = BOUND_SUBJECT, (buf.validate.field).required = true];
  oneof one {{ string a = 4; string b = 5; }}
}}""",
        [
            "3: the example nonsense does not fit: is not JSON: Expecting value: line 1 column 1 (char 0).",
            '5: the example {"n": "x"} does not fit: /n: "x" is not of type "integer".',
            "6: the example {\"m\": 1} does not fit: it: Additional properties are not allowed ('m' was unexpected).",
            "7: the example [1] does not fit: it must be a JSON object.",
            '8: the example {"n": 3, "even": 3} does not fit: even: must be even.',
            '9: the example {"a": "x", "b": "y"} does not fit: at most one of a, b may be given.',
        ],
    ),
    "examples of fields": (
        f"""service S {{ {AGENT}
  rpc A(In) returns (In) {{ {SKILL} }}
}}
message In {{
  string city = 1 [(interchange.v1.param).example = "Dublin"];
  int32 n = 2 [(interchange.v1.param).example = "\\"x\\"", (buf.validate.field).int32.gte = 5];
  int32 m = 3 [(interchange.v1.param).example = "4", (buf.validate.field).int32.gte = 5];
  Inner inner = 4;
}}
message Inner {{ repeated string tags = 1 [(interchange.v1.param).example = "[1]"]; }}""",
        [
            "5: PKG.In.city: the example Dublin is not JSON: Expecting value: line 1 column 1 (char 0)."
            ' Text needs quotes: "\\"Dublin\\"".',
            '6: PKG.In.n: the example "x" does not fit: it: "x" is not of type "integer".',
            "7: PKG.In.m: the example 4 does not fit: it: 4 is less than the minimum of 5.",
            '10: PKG.Inner.tags: the example [1] does not fit: /0: 1 is not of type "string".',
        ],
    ),
    "bound fields": (
        f"""service S {{ {AGENT}
  rpc A(In) returns (In) {{ {SKILL} }}
}}
message In {{
  int32 number = 1 [(interchange.v1.param).bound = BOUND_SUBJECT];
  repeated string many = 2 [(interchange.v1.param).bound = BOUND_SUBJECT];
  string example = 3 [(interchange.v1.param) = {{ bound: BOUND_AGENT example: "\\"x\\"" }}];
  string header = 4 [(interchange.v1.param) = {{ bound: BOUND_AGENT header: "X" }}];
  oneof one {{ string chosen = 5 [(interchange.v1.param).bound = BOUND_DOMAIN]; }}
  Inner inner = 6;
}}
message Inner {{
  string who = 1 [(interchange.v1.param).bound = BOUND_SUBJECT];
  bool seen = 2 [(interchange.v1.param).policy_visible = true];
  string head = 3 [(interchange.v1.param).header = "Y"];
}}""",
        [
            "5: PKG.In.number: only a single string field can be bound.",
            "6: PKG.In.many: only a single string field can be bound.",
            "7: PKG.In.example: bound and example contradict each other: the caller never writes this field.",
            "8: PKG.In.header: bound and header contradict each other: the caller never sends this field.",
            "9: PKG.In.chosen: a member of a oneof cannot be bound.",
            "13: PKG.Inner.who: bound is possible only on a field of a skill's input itself.",
            "14: PKG.Inner.seen: policy_visible is possible only on a field of a skill's input itself.",
            "15: PKG.Inner.head: header is possible only on a field of a skill's input itself.",
        ],
    ),
    "annotations in an output": (
        f"""service S {{ {AGENT}
  rpc A(In) returns (Out) {{ {SKILL} }}
}}
message In {{}}
message Out {{ string who = 1 [(interchange.v1.param).bound = BOUND_SUBJECT]; }}""",
        ["5: PKG.Out.who: bound is possible only on a field of a skill's input itself."],
    ),
    "what policies cannot see": (
        f"""service S {{ {AGENT}
  rpc A(In) returns (In) {{ {SKILL} }}
}}
message In {{
  double a = 1 [(interchange.v1.param).policy_visible = true];
  bytes b = 2 [(interchange.v1.param).policy_visible = true];
  repeated int32 c = 3 [(interchange.v1.param).policy_visible = true];
  In d = 4 [(interchange.v1.param).policy_visible = true];
  map<string, string> e = 5 [(interchange.v1.param).policy_visible = true];
}}""",
        [
            f"{line}: PKG.In.{name}: policies can see only bool, string, enum, integer and repeated string fields."
            for line, name in ((5, "a"), (6, "b"), (7, "c"), (8, "d"), (9, "e"))
        ],
    ),
    "headers": (
        f"""service S {{ {AGENT}
  rpc A(In) returns (In) {{ {SKILL} }}
}}
message In {{
  string a = 1 [(interchange.v1.param).header = "a b"];
  int64 b = 2 [(interchange.v1.param).header = "B"];
  repeated string c = 3 [(interchange.v1.param).header = "C"];
  string d = 4 [(interchange.v1.param) = {{ header: "D" sensitive: true }}];
  string e = 5 [(interchange.v1.param).header = "Same"];
  string f = 6 [(interchange.v1.param).header = "same"];
}}""",
        [
            '5: PKG.In.a: "a b" is not the name of a header (RFC 9110 token).',
            "6: PKG.In.b: only a single string, bool, enum or 32-bit integer can be mirrored in a header.",
            "7: PKG.In.c: only a single string, bool, enum or 32-bit integer can be mirrored in a header.",
            "8: PKG.In.d: sensitive and header contradict each other: headers are logged on the way.",
            '10: PKG.In.f: the header "same" is also e\'s.',
        ],
    ),
    "rules that do not compile": (
        f"""service S {{ {AGENT}
  rpc A(In) returns (In) {{ {SKILL} }}
}}
message In {{
  int32 a = 1 [(buf.validate.field).string.min_len = 1];
}}""",
        ["4: buf.validate: "],
    ),
}


@cache
def all_files() -> tuple[FileDescriptorProto, ...]:
    sources = {f"case{index}.proto": source(index) for index in range(len(CASES))}
    return compiled(sources)


def source(index: int) -> str:
    body, _ = list(CASES.values())[index]
    return HEADER.replace("t.v1", f"case{index}").replace("\n", " ") + body


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_ends_the_build_and_says_where(name: str) -> None:
    index = list(CASES).index(name)
    _, expected = CASES[name]
    with pytest.raises(ManifestProblems) as ended:
        build_manifest(all_files(), [f"case{index}.proto"])
    said = [
        problem.replace(f"case{index}.proto:", "", 1).replace(f"case{index}.", "PKG.")
        for problem in ended.value.problems
    ]
    assert len(said) == len(expected)
    assert all(real.startswith(wanted) for real, wanted in zip(said, expected, strict=True)), said
    assert ended.value.message == "\n".join(ended.value.problems)


def test_mistakes_of_several_files_are_told_together() -> None:
    with pytest.raises(ManifestProblems) as ended:
        build_manifest(all_files(), ["case0.proto", "case1.proto"])
    assert {problem.split(":")[0] for problem in ended.value.problems} == {"case0.proto", "case1.proto"}


def test_an_option_of_a_newer_version_is_not_lost() -> None:
    files = compiled({"t.proto": HEADER + f"service S {{ {AGENT} }}"})
    for file in files:
        if file.name == "t.proto":
            file.service[0].options.MergeFromString(_NEWER_AGENT)
        if file.name == "interchange/v1/annotations.proto":
            file.message_type[0].field.add(name="brand_new", number=99, type=8, label=1)
    with pytest.raises(ManifestProblems, match=r"^t\.proto:10: an option here is of a newer annotations\.proto"):
        build_manifest(files, ["t.proto"])


_NEWER_AGENT = b"\xca\xf3\x18\x03\x98\x06\x01"  # (interchange.v1.agent) = { brand_new: true }
