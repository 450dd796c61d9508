"""A real gRPC server that hangs, floods, fails and notices, when asked: `protos/odd/v1/odd.proto`."""

import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc as typed_grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc as typed_protoc

# Both come without types worth having.
grpc: Any = typed_grpc
protoc: Any = typed_protoc

PROTOS = Path(__file__).parent / "protos"
OURS = Path(__file__).parents[2] / "registry" / "proto"
GOOGLE = Path(protoc.__file__).parent / "_proto"
ROOTS = [f"-I{PROTOS}", f"-I{OURS}", f"-I{GOOGLE}"]
HUNDRED_MEGABYTES = 100 * 1024 * 1024
SECRET = "password=hunter2 at db7.internal"


@dataclass(slots=True)
class Odd:
    """A running service: where, and what it saw."""

    target: str
    server: Any
    hanging: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    cancelled: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    tokens: list[str] = field(default_factory=list)


def odd_manifest(folder: Path) -> Path:
    """Compile the service's proto with the plugin and return the manifest it wrote."""
    return compiled("odd/v1/odd.proto", folder)


def compiled(proto: str, folder: Path) -> Path:
    """The manifest that the plugin writes for one of the protos beside this file."""
    plugin = Path(sys.executable).parent / "protoc-gen-interchange"
    command = ["protoc", *ROOTS, f"--plugin=protoc-gen-interchange={plugin}", f"--interchange_out={folder}", proto]
    assert protoc.main(command) == 0
    return folder / "interchange.manifest.json"


@contextmanager
def odd_service(folder: Path, *, port: int = 0) -> Generator[Odd]:
    """Serve it until the context ends."""
    messages = _messages(folder)
    server = grpc.server(
        ThreadPoolExecutor(32), options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
    )
    odd = Odd(f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}", server)

    def echo(request: Any, context: Any) -> Any:
        odd.tokens.append(str(dict(context.invocation_metadata())["authorization"]))
        return messages["EchoResponse"](text=request.text * max(request.times, 1))

    def hang(request: Any, context: Any) -> Any:
        gone = threading.Event()
        context.add_callback(gone.set)
        odd.hanging.release()
        gone.wait(60)
        odd.cancelled.release()
        return messages["HangResponse"]()

    def huge(request: Any, context: Any) -> Any:
        return messages["EchoResponse"](text="x" * HUNDRED_MEGABYTES)

    def fail(request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.INTERNAL, SECRET)

    def scoped(request: Any, context: Any) -> Any:
        return messages["HangResponse"]()

    handlers = {
        "Echo": _unary(echo, messages["EchoRequest"]),
        "Hang": _unary(hang, messages["HangRequest"]),
        "Late": _unary(hang, messages["HangRequest"]),
        "Huge": _unary(huge, messages["HangRequest"]),
        "Fail": _unary(fail, messages["HangRequest"]),
        "Scoped": _unary(scoped, messages["HangRequest"]),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("odd.v1.Odd", handlers),))
    server.start()
    try:
        yield odd
    finally:
        server.stop(None)


def _unary(function: Any, request: Any) -> Any:
    def write(answer: Any) -> bytes:
        return answer.SerializeToString()

    return grpc.unary_unary_rpc_method_handler(
        function, request_deserializer=request.FromString, response_serializer=write
    )


def _messages(folder: Path) -> dict[str, Any]:
    """The message classes, from a pool of their own."""
    out = folder / "odd.binpb"
    command = [
        "protoc",
        *ROOTS,
        "--include_imports",
        f"--descriptor_set_out={out}",
        "odd/v1/odd.proto",
    ]
    assert protoc.main(command) == 0
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.Add(file)
    file = pool.FindFileByName("odd/v1/odd.proto")
    return {name: message_factory.GetMessageClass(found) for name, found in file.message_types_by_name.items()}
