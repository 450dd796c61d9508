"""The codec of google's own json_format: slower, but it has read everything that protobuf ever wrote.

It is also what finds out for both codecs where in some arguments a fault is: conversion stops at the first mistake and
rarely says where that was.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

import orjson
import protovalidate
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, EncodeError, Message
from protovalidate import ViolationPb

from adapters.grpc.codecs.faults import (
    Misfit,
    garbled,
    groups_of,
    located_faults,
    rule_faults,
    two_of_one,
    unenforceable,
    words_of,
)
from registry.model import BadRequest, Fault, InvalidArguments, JsonObject
from registry.protoc.descriptors import class_in, descriptor_of, private_pool, read_set

READING = (json_format.ParseError, EncodeError, TypeError, ValueError, OverflowError, RecursionError, AttributeError,
           KeyError)  # fmt: skip
"""What conversion raises at arguments that do not fit; the libraries have no error of their own for it."""

_WRITING = (DecodeError, json_format.SerializeToJsonError, TypeError, ValueError, OverflowError, RecursionError,
            KeyError)  # fmt: skip
_POOLS = 256


@lru_cache(maxsize=_POOLS)
def pool_of(descriptor_set: bytes) -> DescriptorPool:
    """The types of a set, read once."""
    return private_pool(read_set(descriptor_set))


class GoogleCodec:
    """A `Codec` on google.protobuf."""

    def __init__(self, descriptor_set: bytes, *, input_type: str, output_type: str) -> None:
        self._pool = pool_of(descriptor_set)
        self._input = _class(self._pool, input_type)
        self._output = _class(self._pool, output_type)
        self._descriptor = descriptor_of(self._input)
        self._groups = groups_of(self._descriptor)
        self._validator = protovalidate.Validator()

    def encode(self, arguments: JsonObject) -> bytes:
        self.refuse_two_of_one(arguments)
        message = self._input()
        try:
            json_format.ParseDict(plain(arguments), message, descriptor_pool=self._pool)
            violations = self._validator.collect_violations(message)
            data = b"" if violations else message.SerializeToString()
        except protovalidate.EvaluationError as error:
            raise unenforceable(error) from error
        except READING as error:
            raise self.located(arguments, error) from error
        if violations:
            raise self.broken(violation.proto for violation in violations)
        return data

    def decode(self, data: bytes) -> str:
        try:
            message = self._output.FromString(data)
            return json_format.MessageToJson(message, indent=None, ensure_ascii=False, descriptor_pool=self._pool)
        except _WRITING as error:
            raise garbled(self._output.DESCRIPTOR.full_name) from error

    def refuse_two_of_one(self, arguments: JsonObject) -> None:
        """Raise `InvalidArguments` where two members of one root oneof are given."""
        if self._groups and (faults := two_of_one(arguments, self._groups)):
            raise InvalidArguments(faults)

    def located(self, arguments: JsonObject, error: Exception, *, stricter: Misfit | None = None) -> InvalidArguments:
        """Every place where the arguments do not convert; the whole, in the error's words, if none is found.

        `stricter` is asked where json_format has nothing against the arguments.
        """
        for misfit in filter(None, (self._misfit, stricter)):
            if faults := located_faults(arguments, self._descriptor, misfit):
                return InvalidArguments(faults)
        return InvalidArguments([Fault("", words_of(error))])

    def broken(self, violations: Iterable[ViolationPb]) -> InvalidArguments:
        """The rules the arguments break."""
        return InvalidArguments(rule_faults(violations, self._descriptor))

    def _misfit(self, message: Descriptor, value: JsonObject) -> str:
        built = class_in(self._pool, message.full_name)()
        try:
            json_format.ParseDict(plain(value), built, descriptor_pool=self._pool)
            built.SerializePartialToString()
        except READING as error:
            return words_of(error)
        return ""


def plain(arguments: JsonObject) -> dict[str, Any]:
    """The arguments as dictionaries and lists, which is all that json_format knows."""
    return cast("dict[str, Any]", orjson.loads(as_json(arguments)))


def as_json(arguments: JsonObject) -> bytes:
    """The arguments as JSON.

    Raises:
        TypeError: they hold what JSON cannot, such as a lone surrogate or an integer of more than 64 bits.
    """
    return orjson.dumps(arguments, default=dict)


def _class(pool: DescriptorPool, name: str) -> type[Message]:
    try:
        return class_in(pool, name)
    except KeyError as error:
        raise BadRequest(f"The descriptor set has no message {name}.") from error
