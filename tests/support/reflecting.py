"""Real gRPC servers that describe themselves by reflection, well or badly."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection, reflection_pb2

from registry.protoc.descriptors import private_pool

Answer = Callable[[Iterator[Any], Any], Iterable[Any]]
V1, V1ALPHA = "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"


def describing(files: Sequence[FileDescriptorProto], services: Sequence[str]) -> Answer:
    """What grpcio's own reflection answers for these files."""
    names = (*services, V1, V1ALPHA, "grpc.health.v1.Health")
    servicer = cast("Any", reflection).ReflectionServicer(names, pool=private_pool(files))
    return servicer.ServerReflectionInfo


@contextmanager
def reflecting_server(
    answer: Answer, *, versions: Sequence[str] = (V1ALPHA,), credentials: Any = None
) -> Generator[str]:
    """A server with nothing but reflection; gives its address."""
    untyped = cast("Any", grpc)
    server = untyped.server(ThreadPoolExecutor(max_workers=4))
    handler = untyped.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for version in versions:
        methods = {"ServerReflectionInfo": handler}
        server.add_generic_rpc_handlers((untyped.method_handlers_generic_handler(version, methods),))
    address = "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
