"""The contract of `adapters.grpc.codec.Codec`, run on both: what they read and write, what they refuse and how."""

import json
from collections.abc import Callable

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from adapters.grpc.codec import Codec, codec_for
from adapters.grpc.codecs.google import GoogleCodec
from adapters.grpc.codecs.native import NativeCodec
from registry.model import BadRequest, FarSideError, FarSideFault, Fault, InvalidArguments, JsonObject, JsonValue
from tests.support.protoc import compiled, shared_manifest, shared_protos

KINDS, RULED, TREE, INNER = (f"everything.v1.{name}" for name in ("Kinds", "Ruled", "Tree", "Inner"))
FITTING: JsonObject = {
    "short": "abc",
    "notThese": -1,
    "yes": True,
    "some": "RED",
    "words": ["a"],
    "counts": {"a": 1},
    "must": {},
    "need": "",
    "wrappedNeed": "5",
}
Make = Callable[[str], Codec]


@pytest.fixture(params=[NativeCodec, GoogleCodec], ids=["native", "google"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a codec whose input and output are the same message."""
    manifest = shared_manifest("everything.proto")
    return lambda name: request.param(manifest.descriptor_set, input_type=name, output_type=name)


def faults_of(codec: Codec, arguments: JsonObject) -> tuple[Fault, ...]:
    with pytest.raises(InvalidArguments) as refused:
        codec.encode(arguments)
    return refused.value.faults


def nested(depth: int) -> JsonObject:
    tree: JsonObject = {}
    for _ in range(depth):
        tree = {"left": tree}
    return tree


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({}, {}),
        ({"anInt64": 9007199254740993}, {"anInt64": "9007199254740993"}),
        ({"anInt64": "-9223372036854775808"}, {"anInt64": "-9223372036854775808"}),
        ({"aUint64": "18446744073709551615"}, {"aUint64": "18446744073709551615"}),
        ({"anInt32": 5.0}, {"anInt32": 5}),
        ({"implicit": 0}, {}),
        ({"colour": "COLOUR_UNSPECIFIED"}, {}),
        ({"someBytes": "AP8="}, {"someBytes": "AP8="}),
        ({"@other-name": "x"}, {"@other-name": "x"}),
        ({"timestamp": "2024-02-29T12:00:00+02:00"}, {"timestamp": "2024-02-29T10:00:00Z"}),
        ({"duration": "-1.5s"}, {"duration": "-1.500s"}),
        ({"mask": "fooBar,baz.qux"}, {"mask": "fooBar,baz.qux"}),
        ({"struct": {"a": [1, None, {"b": True}]}}, {"struct": {"a": [1, None, {"b": True}]}}),
        ({"value": None}, {"value": None}),
        ({"int64Value": None}, {}),
        ({"int64Value": "7"}, {"int64Value": "7"}),
        ({"byBool": {"true": "RED"}}, {"byBool": {"true": "RED"}}),
        ({"byInt64": {"-1": {"label": "x"}}}, {"byInt64": {"-1": {"label": "x"}}}),
        ({"chosenNothing": None}, {"chosenNothing": None}),
        ({"strings": ("a", "b")}, {"strings": ["a", "b"]}),
    ],
)
def test_what_is_encoded_is_decoded_as_protojson(make: Make, arguments: JsonObject, answer: JsonObject) -> None:
    codec = make(KINDS)
    assert json.loads(codec.decode(codec.encode(arguments))) == answer


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"aString": 5}, "/aString"),
        ({"anInt32": 2**40}, "/anInt32"),
        ({"anInt32": 1.5}, "/anInt32"),
        ({"anInt64": str(2**63)}, "/anInt64"),
        ({"anInt64": 10**400}, "/anInt64"),
        ({"aFloat": 1e39}, "/aFloat"),
        ({"colour": "PURPLE"}, "/colour"),
        ({"timestamp": "2023-02-29T00:00:00Z"}, "/timestamp"),
        ({"strings": ["a", 1]}, "/strings/1"),
        ({"trees": [{}, {"named": {"a/b~c": {"label": [1]}}}]}, "/trees/1/named/a~1b~0c/label"),
        ({"byInt32": {"x": ""}}, "/byInt32/x"),
        ({"unheardOf": 1}, "/unheardOf"),
        ({"tree": {"unheardOf": 1}}, "/tree/unheardOf"),
        ({"aString": "\ud800"}, "/aString"),
        ({"chosenText": "a", "chosenNumber": 1}, "/chosenNumber"),
    ],
)
def test_what_does_not_convert_is_named_by_its_pointer(make: Make, arguments: JsonObject, path: str) -> None:
    (fault,) = faults_of(make(KINDS), arguments)
    assert fault.path == path
    assert fault.sentence


def test_all_that_does_not_convert_is_named_at_once(make: Make) -> None:
    faults = faults_of(make(KINDS), {"anInt32": "x", "aBool": 1, "trees": [{"label": 1}, {"left": {"label": 2}}]})
    assert [fault.path for fault in faults] == ["/anInt32", "/aBool", "/trees/0/label", "/trees/1/left/label"]


def test_what_fits_the_rules_is_encoded(make: Make) -> None:
    assert make(RULED).encode(FITTING)


@pytest.mark.parametrize(
    ("broken", "paths"),
    [
        ({"short": "a"}, ["/short"]),
        ({"need": None, "must": None}, ["/must", "/need"]),
        ({"words": ["", "a", "a"]}, ["/words", "/words/0"]),
        ({"counts": {"A": 0}}, ["/counts/A", "/counts/A"]),
        ({"inner": {"needed": "x"}}, ["/inner"]),
        ({"inner": {"one": "x"}}, ["/inner/needed"]),
        ({"mail": "nobody"}, ["/mail"]),
        ({"matching": "x"}, ["/matching"]),
        ({"wrapped": ""}, ["/wrapped"]),
        ({"wide": "5"}, ["/wide"]),
    ],
)
def test_broken_rules_are_named_by_their_pointers(make: Make, broken: JsonObject, paths: list[str]) -> None:
    arguments = {name: value for name, value in {**FITTING, **broken}.items() if value is not None}
    assert sorted(fault.path for fault in faults_of(make(RULED), arguments)) == paths


@pytest.mark.parametrize("tenth", [0.1, 0.7])
def test_a_float_at_the_very_limit_passes(make: Make, tenth: float) -> None:
    assert make(RULED).encode({**FITTING, "tenth": tenth})


@pytest.mark.parametrize("depth", [101, 1_000, 100_000])
def test_endless_nesting_is_refused(make: Make, depth: int) -> None:
    assert faults_of(make(TREE), nested(depth)) == (Fault("", "is nested more than 100 deep"),)


@pytest.mark.parametrize("depth", [60, 1_000])
def test_endless_nesting_of_plain_json_is_refused(make: Make, depth: int) -> None:
    value: JsonValue = 1
    for _ in range(depth):
        value = [value]
    assert faults_of(make(KINDS), {"value": value})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x72\x05ab", id="truncated"),
        pytest.param(b"\x72\x02\xff\xfe", id="not UTF-8"),
        pytest.param(b"\xff\xff\xff", id="no tag"),
        pytest.param(b"\x07", id="no wire type"),
        pytest.param(b"\x6a" + b"\xff" * 11, id="endless varint"),
        pytest.param(b"\xe2\x03\x02\x08", id="truncated in a nested message"),
    ],
)
def test_garbled_answers_are_the_far_sides_fault(make: Make, data: bytes) -> None:
    with pytest.raises(FarSideError) as refused:
        make(KINDS).decode(data)
    assert refused.value.fault is FarSideFault.GARBLED
    assert not refused.value.retryable


def test_an_answer_nested_without_end_is_garbled(make: Make) -> None:
    data = b""
    for _ in range(100_000):
        data = b"\x12" + _varint(len(data)) + data if len(data) < 5_000 else data
    with pytest.raises(FarSideError):
        make(TREE).decode(data)


def test_unknown_numbers_of_an_enum_are_numbers(make: Make) -> None:
    assert json.loads(make(KINDS).decode(b"\x80\x01\x63")) == {"colour": 99}


def test_unknown_fields_are_left_out(make: Make) -> None:
    assert json.loads(make(TREE).decode(b"\x0a\x01a\xf2\x7e\x03abc")) == {"label": "a"}


def test_not_a_number_is_text(make: Make) -> None:
    assert json.loads(make(KINDS).decode(b"\x09\x00\x00\x00\x00\x00\x00\xf8\x7f")) == {"aDouble": "NaN"}


ANY = """syntax = "proto3";
package any.v1;
import "google/protobuf/any.proto";
message Box { google.protobuf.Any content = 1; }
message Toy { string name = 1; }
"""


@pytest.fixture(params=[NativeCodec, GoogleCodec], ids=["native", "google"])
def boxes(request: pytest.FixtureRequest) -> Codec:
    files = FileDescriptorSet(file=compiled({"any.proto": ANY}))
    return request.param(files.SerializeToString(), input_type="any.v1.Box", output_type="any.v1.Box")


def test_an_any_of_a_known_type_is_written_out(boxes: Codec) -> None:
    arguments = {"content": {"@type": "type.googleapis.com/any.v1.Toy", "name": "bear"}}
    assert json.loads(boxes.decode(boxes.encode(arguments))) == arguments


def test_an_any_of_an_unknown_type_is_refused(boxes: Codec) -> None:
    (fault,) = faults_of(boxes, {"content": {"@type": "type.googleapis.com/any.v1.Gun", "name": "x"}})
    assert fault.path == "/content"


def test_an_any_of_an_unknown_type_in_an_answer_is_garbled(boxes: Codec) -> None:
    with pytest.raises(FarSideError, match=r"any\.v1\.Box"):
        boxes.decode(b"\x0a\x08\x0a\x06t/a.Gun")


def test_the_fast_codec_is_chosen_and_kept() -> None:
    data = shared_manifest("everything.proto").descriptor_set
    codec = codec_for(data, input_type=KINDS, output_type=TREE)
    assert isinstance(codec, NativeCodec)
    assert codec_for(data, input_type=KINDS, output_type=TREE) is codec


def test_what_only_the_fast_codec_refuses_is_named_too() -> None:
    data = shared_manifest("everything.proto").descriptor_set
    codec = codec_for(data, input_type=KINDS, output_type=KINDS)
    assert faults_of(codec, {"tree": {"label": "x"}, "someBytes": "*"}) == (Fault("/someBytes", "invalid base64 data"),)


def test_a_set_that_protobuf_py_cannot_load_falls_back() -> None:
    unordered = FileDescriptorSet(file=sorted(shared_protos(), key=lambda file: file.name != "legacy.proto"))
    codec = codec_for(unordered.SerializeToString(), input_type="legacy.v1.Old", output_type="legacy.v1.Old")
    assert isinstance(codec, GoogleCodec)


def test_a_type_that_is_not_in_the_set_is_a_bad_request() -> None:
    data = shared_manifest("everything.proto").descriptor_set
    with pytest.raises(BadRequest, match=r"no message everything\.v1\.Nobody"):
        codec_for(data, input_type="everything.v1.Nobody", output_type=TREE)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
