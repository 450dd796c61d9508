"""What the input schema admits both codecs read, and what they emit fits the output schema.

Instances are drawn from the schema, messages from the descriptors, so neither is made from the other.
"""

import contextlib
import json
import struct
from collections.abc import Callable
from typing import Any, cast

import jsonschema_rs
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from adapters.grpc.codec import Codec
from adapters.grpc.codecs.google import GoogleCodec, pool_of
from adapters.grpc.codecs.native import NativeCodec
from registry.manifest import Manifest
from registry.model import FarSideError, InvalidArguments, JsonObject, Skill
from registry.protoc.descriptors import class_in
from tests.support.instances import instances
from tests.support.messages import messages
from tests.support.protoc import shared_manifest

EVERYTHING = "everything.proto"
CODECS: dict[str, Callable[..., Codec]] = {"native": NativeCodec, "google": GoogleCodec}
THOROUGH = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def skill_of(name: str, *, file: str = EVERYTHING) -> tuple[Manifest, Skill]:
    manifest = shared_manifest(file)
    return manifest, next(skill for skill in manifest.skills if skill.id == name)


def codecs_of(manifest: Manifest, *, input_type: str, output_type: str) -> list[Codec]:
    return [make(manifest.descriptor_set, input_type=input_type, output_type=output_type) for make in CODECS.values()]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (EVERYTHING, "everything.show_kinds"),
        (EVERYTHING, "everything.show_ruled"),
        (EVERYTHING, "everything.grow"),
        ("legacy.proto", "legacy.keep"),
    ],
)
def test_what_the_input_schema_admits_both_codecs_read(file: str, name: str) -> None:
    manifest, skill = skill_of(name, file=file)
    codecs = codecs_of(manifest, input_type=skill.input_type, output_type=skill.input_type)

    @THOROUGH
    @given(arguments=instances(skill.input_schema).map(lambda value: only_one_of_each(skill, value)))
    def check(arguments: JsonObject) -> None:
        sent = [codec.encode(arguments) for codec in codecs]
        read = [comparable(codec.decode(data)) for codec in codecs for data in sent]
        assert all(each == read[0] for each in read)

    check()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (EVERYTHING, "everything.show_kinds"),
        (EVERYTHING, "everything.show_ruled"),
        (EVERYTHING, "everything.grow"),
        ("legacy.proto", "legacy.keep"),
    ],
)
def test_whatever_a_codec_emits_fits_the_output_schema(file: str, name: str) -> None:
    manifest, skill = skill_of(name, file=file)
    codecs = codecs_of(manifest, input_type=skill.output_type, output_type=skill.output_type)
    python, rust = validators_of(skill)
    message = class_in(pool_of(manifest.descriptor_set), skill.output_type)

    @THOROUGH
    @given(sent=messages(message))
    def check(sent: Message) -> None:
        data = sent.SerializePartialToString()
        read = [json.loads(codec.decode(data)) for codec in codecs]
        for answer in read:
            python.validate(answer)
            rust.validate(answer)
        assert comparable(codecs[0].decode(data)) == comparable(codecs[1].decode(data))

    check()


def test_a_collected_stream_fits_its_output_schema() -> None:
    manifest, skill = skill_of("everything.collected")
    codec, _ = codecs_of(manifest, input_type=skill.input_type, output_type=skill.output_type)
    python, rust = validators_of(skill)
    message = class_in(pool_of(manifest.descriptor_set), skill.output_type)

    @settings(THOROUGH, max_examples=50)
    @given(stream=st.lists(messages(message), max_size=3))
    def check(stream: list[Message]) -> None:
        answer = {"items": [json.loads(codec.decode(each.SerializeToString())) for each in stream]}
        python.validate(answer)
        rust.validate(answer)

    check()


@pytest.mark.parametrize("name", ["everything.v1.Kinds", "everything.v1.Ruled", "everything.v1.Tree"])
def test_any_bytes_are_read_or_garbled(name: str) -> None:
    manifest = shared_manifest(EVERYTHING)
    codecs = codecs_of(manifest, input_type=name, output_type=name)
    message = class_in(pool_of(manifest.descriptor_set), name)

    @settings(THOROUGH, max_examples=500)
    @given(data=st.binary(max_size=40) | st.builds(damaged, messages(message), st.data()))
    def check(data: bytes) -> None:
        for codec in codecs:
            with contextlib.suppress(FarSideError):
                json.loads(codec.decode(data))

    check()


@pytest.mark.parametrize("name", ["everything.v1.Kinds", "everything.v1.Ruled", "everything.v1.Tree"])
def test_any_arguments_are_read_or_refused(name: str) -> None:
    manifest = shared_manifest(EVERYTHING)
    codecs = codecs_of(manifest, input_type=name, output_type=name)
    names = [field.json_name for field in class_in(pool_of(manifest.descriptor_set), name).DESCRIPTOR.fields]
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names) | st.text(), inner, max_size=3)
        ),
        max_leaves=8,
    )

    @settings(THOROUGH, max_examples=500)
    @given(arguments=st.dictionaries(st.sampled_from(names), anything, max_size=3))
    def check(arguments: JsonObject) -> None:
        for codec in codecs:
            try:
                assert isinstance(codec.encode(arguments), bytes)
            except InvalidArguments as refused:
                assert all(fault.sentence for fault in refused.faults)

    check()


def damaged(message: Message, draw: st.DataObject) -> bytes:
    """The bytes of a message with one of them changed."""
    data = bytearray(message.SerializePartialToString())
    if data:
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    return bytes(data)


def comparable(answer: str) -> JsonObject:
    """The answer without what ProtoJSON leaves open: which of two names a number has, how many digits a float."""
    return json.loads(answer.replace('"ERST"', '"FIRST"'), parse_float=single)


def single(digits: str) -> float:
    """A number as a float of 32 bits has it, if it is one."""
    try:
        return struct.unpack("<f", struct.pack("<f", float(digits)))[0]
    except OverflowError:
        return float(digits)


def only_one_of_each(skill: Skill, arguments: JsonObject) -> JsonObject:
    """What the gateway checks beside the schema: of each root oneof one member at most."""
    dropped = {name for group in skill.exclusive for name in [each for each in group if each in arguments][1:]}
    return {name: value for name, value in arguments.items() if name not in dropped}


def validators_of(skill: Skill) -> tuple[Any, Any]:
    schema = cast("dict[str, Any]", skill.output_schema)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema), jsonschema_rs.validator_for(schema)
