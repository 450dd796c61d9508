"""JSON ⇄ protobuf for one method, from descriptors alone: two verbs, so that nothing else knows how it is done.

protobuf-py (Rust) does it wherever it can; it is young, so google's json_format stands behind it, and both pass the
same contract tests. A codec is made once per method and revision; making one costs milliseconds, using it microseconds.
"""

from functools import lru_cache
from typing import Protocol

from adapters.grpc.codecs.google import GoogleCodec
from adapters.grpc.codecs.native import NativeCodec, Unsupported
from registry.model import JsonObject

_CODECS = 4_096


class Codec(Protocol):
    """Arguments to bytes, bytes to JSON text. Stateless; may be used by several threads at once."""

    def encode(self, arguments: JsonObject) -> bytes:
        """The request of a gRPC call, after buf.validate has passed it.

        `arguments` fit the skill's input schema, except that bound fields are filled in.

        Raises:
            InvalidArguments: the message refuses them all the same; each fault has a JSON pointer.
        """
        ...

    def decode(self, data: bytes) -> str:
        """The ProtoJSON of an answer.

        Raises:
            FarSideError: GARBLED, the bytes are not such a message, or it cannot be written as JSON.
        """
        ...


@lru_cache(maxsize=_CODECS)
def codec_for(descriptor_set: bytes, *, input_type: str, output_type: str) -> Codec:
    """The codec of a method whose types are in a serialised FileDescriptorSet; made once, kept while it is in use.

    Raises:
        BadRequest: the set does not hold the types.
    """
    try:
        return NativeCodec(descriptor_set, input_type=input_type, output_type=output_type)
    except Unsupported:
        return GoogleCodec(descriptor_set, input_type=input_type, output_type=output_type)
