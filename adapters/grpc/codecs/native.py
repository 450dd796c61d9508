"""The codec of protobuf-py: Rust all the way from JSON text to bytes and back, some ten times as fast as json_format.

The library is young. What it cannot load is `Unsupported` and left to the other codec; where it refuses arguments, the
other codec says where the fault is.
"""

from functools import lru_cache

import protovalidate
from google.protobuf.descriptor import Descriptor
from protobuf import Message, Registry
from protobuf.wkt import FileDescriptorSet

from adapters.grpc.codecs.faults import garbled, unenforceable, words_of
from adapters.grpc.codecs.google import READING, GoogleCodec, as_json
from registry.model import JsonObject

_REGISTRIES = 256
_LOADING = (ValueError, TypeError, KeyError, AttributeError, NotImplementedError, RuntimeError, AssertionError)
_WRITING = (ValueError, TypeError, KeyError, OverflowError, RecursionError)


class Unsupported(Exception):
    """protobuf-py cannot load these descriptors, or not use these types."""


@lru_cache(maxsize=_REGISTRIES)
def _types(descriptor_set: bytes) -> tuple[Registry, protovalidate.Validator]:
    registry = FileDescriptorSet.from_binary(descriptor_set).to_registry()
    return registry, protovalidate.Validator(registry)


class NativeCodec:
    """A `Codec` on protobuf-py."""

    def __init__(self, descriptor_set: bytes, *, input_type: str, output_type: str) -> None:
        self._google = GoogleCodec(descriptor_set, input_type=input_type, output_type=output_type)
        try:
            self._registry, self._validator = _types(descriptor_set)
            self._input = _class(self._registry, input_type)
            self._output = _class(self._registry, output_type)
            self._validator.collect_violations(self._input())  # compiles the rules now rather than during a call
        except (*_LOADING, protovalidate.CompilationError) as error:
            raise Unsupported(f"{input_type}, {output_type}: {error}") from error
        self._output_name = output_type

    def encode(self, arguments: JsonObject) -> bytes:
        self._google.refuse_two_of_one(arguments)
        try:
            message = self._input.from_json(as_json(arguments), registry=self._registry)
            data = message.to_binary()
            violations = self._validator.collect_violations(message)
            if violations:  # a 32-bit float is one only once it was written: 0.1 may have passed for less than itself
                violations = self._validator.collect_violations(self._input.from_binary(data))
        except protovalidate.EvaluationError as error:
            raise unenforceable(error) from error
        except READING as error:
            raise self._google.located(arguments, error, stricter=self._misfit) from error
        if violations:
            raise self._google.broken(violation.proto for violation in violations)
        return data

    def decode(self, data: bytes) -> str:
        try:
            return self._output.from_binary(data).to_json(registry=self._registry)
        except _WRITING as error:
            raise garbled(self._output_name) from error

    def _misfit(self, message: Descriptor, value: JsonObject) -> str:
        try:
            _class(self._registry, message.full_name).from_json(as_json(value), registry=self._registry).to_binary()
        except READING as error:
            return words_of(error)
        return ""


def _class(registry: Registry, name: str) -> type[Message[str]]:
    found = registry.message(name)
    if found is None:
        raise KeyError(name)
    return found.type
