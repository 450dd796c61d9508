"""A real gRPC service for the adapter to call: a small proto compiled at test time, and behaviours given per test."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, cast

import grpc
import grpc.aio
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    json_format,
    message_factory,
    struct_pb2,
    timestamp_pb2,
)
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb  # no wheel carries the file itself

import registry
from adapters.base import Permitted
from registry.catalog import SkillEntry
from registry.model import (
    NOTHING_OFFERED,
    Action,
    AgentName,
    Approval,
    Binding,
    BindingKind,
    Call,
    Chain,
    Classification,
    ClientOffer,
    Deadline,
    Digest,
    Domain,
    Hints,
    Invocation,
    JsonObject,
    Pin,
    Principal,
    PrincipalKind,
    Skill,
    SkillId,
    Streaming,
    Target,
    TargetKind,
    Tls,
    ToolName,
    alone,
    new_call_id,
)

PROTO = """
syntax = "proto3";
package desk.v1;
import "buf/validate/validate.proto";
import "interchange/v1/agent.proto";
message Question {
  string text = 1 [(buf.validate.field).string.max_len = 5000000];
  int32 count = 2 [(buf.validate.field).int32.lte = 100];
}
message Reply { string text = 1; int64 views = 2; repeated string tags = 3; }
service Desk {
  rpc Ask(Question) returns (Reply);
  rpc Tell(Question) returns (stream Reply);
  rpc Say(Question) returns (interchange.v1.SkillResult);
}
"""
SERVICE = "desk.v1.Desk"
PROTOS = Path(registry.__file__).parent / "proto"


class Context(Protocol):
    """The part of grpc.aio's servicer context that behaviours use."""

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: tuple[tuple[str, str | bytes], ...] = ()
    ) -> None: ...
    def invocation_metadata(self) -> grpc.aio.Metadata | None: ...
    def auth_context(self) -> Mapping[str, list[bytes]]: ...


class Server(Protocol):
    """The part of grpc.aio's server that is used here, with types."""

    def add_generic_rpc_handlers(self, handlers: tuple[object, ...]) -> None: ...
    def add_insecure_port(self, address: str) -> int: ...
    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int: ...
    async def start(self) -> None: ...
    async def stop(self, grace: float | None) -> None: ...


class Behaviour(Protocol):
    """How grpc makes a method of a function."""

    def __call__(self, behaviour: Callable[..., object], /) -> object: ...


_new_server = cast("Callable[..., Server]", grpc.aio.server)  # pyright: ignore[reportUnknownMemberType]
_handlers = cast(
    "Callable[[str, Mapping[str, object]], object]",
    grpc.method_handlers_generic_handler,  # pyright: ignore[reportUnknownMemberType]
)
_unary = cast("Behaviour", grpc.unary_unary_rpc_method_handler)
_stream = cast("Behaviour", grpc.unary_stream_rpc_method_handler)

Answer = Callable[[bytes, Context], Awaitable[bytes]]
Telling = Callable[[bytes, Context], AsyncIterator[bytes]]


@cache
def descriptor_set() -> bytes:
    """`PROTO`, compiled, with all it imports."""
    imports = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(imports.file.add())
    imports.file.append(descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary()))
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "desk.proto").write_text(PROTO)
        (folder / "imports.binpb").write_bytes(imports.SerializeToString())
        arguments = [f"-I{folder}", f"-I{PROTOS}", f"--descriptor_set_in={folder}/imports.binpb", "--include_imports"]
        arguments += [f"--descriptor_set_out={folder}/desk.binpb", "desk.proto"]
        assert cast("Callable[[list[str]], int]", protoc.main)(["protoc", *arguments]) == 0
        return (folder / "desk.binpb").read_bytes()


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def reply(**content: object) -> bytes:
    """A serialised desk.v1.Reply."""
    message = message_factory.GetMessageClass(_pool().FindMessageTypeByName("desk.v1.Reply"))()
    return json_format.ParseDict(content, message).SerializeToString()


def question(data: bytes) -> Mapping[str, object]:
    """A desk.v1.Question as JSON."""
    message = message_factory.GetMessageClass(_pool().FindMessageTypeByName("desk.v1.Question")).FromString(data)
    return cast("Mapping[str, object]", json_format.MessageToDict(message))


async def answer_ok(_request: bytes, _context: Context) -> bytes:
    return reply(text="ok")


def answering(data: bytes) -> Answer:
    """Answers with those bytes."""

    async def answer(_request: bytes, _context: Context) -> bytes:
        return data

    return answer


def telling(*messages: bytes) -> Telling:
    """Answers with a stream of those bytes."""

    async def tell(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        for message in messages:
            yield message

    return tell


def failing(code: grpc.StatusCode, details: str = "", *, trailing: tuple[tuple[str, str | bytes], ...] = ()) -> Answer:
    """Answers with a status."""

    async def answer(_request: bytes, context: Context) -> bytes:
        await context.abort(code, details, trailing)
        raise AssertionError

    return answer


@dataclass
class FarSide:
    """A running server. `requests` and `metadata` are what it saw, in order."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list[bytes])
    metadata: list[dict[str, str | bytes]] = field(default_factory=list[dict[str, str | bytes]])

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def attempts(self) -> int:
        return len(self.requests)

    def saw(self, request: bytes, context: Context) -> None:
        self.requests.append(request)
        metadata = context.invocation_metadata()
        self.metadata.append({} if metadata is None else _flat(metadata))


def _flat(metadata: grpc.aio.Metadata) -> dict[str, str | bytes]:
    pairs = cast("list[tuple[str, str | bytes]]", list(metadata))
    return dict(pairs)


@asynccontextmanager
async def serving(
    ask: Answer = answer_ok,
    *,
    tell: Telling | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncGenerator[FarSide, None]:
    """Run the service until the context is left; `ask` and `tell` say what it does."""
    far_side = FarSide()

    async def on_ask(request: bytes, context: Context) -> bytes:
        far_side.saw(request, context)
        return await ask(request, context)

    async def on_tell(request: bytes, context: Context) -> AsyncIterator[bytes]:
        far_side.saw(request, context)
        async for message in (tell or telling())(request, context):
            yield message

    options = [("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
    server = _new_server(options=options)
    server.add_generic_rpc_handlers((_handlers(SERVICE, {"Ask": _unary(on_ask), "Tell": _stream(on_tell)}),))
    address = f"{host}:{port}"
    far_side.port = (
        server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    )
    await server.start()
    try:
        yield far_side
    finally:
        await server.stop(0)


ADA = Principal(kind=PrincipalKind.PERSON, issuer="https://issuer.example", subject="ada", name="ada")
READS = Hints(read_only=True, destructive=False, idempotent=True, open_world=False)
WRITES = Hints(read_only=False, destructive=True, idempotent=False, open_world=False)
SKILL_RESULT = "interchange.v1.SkillResult"


def binding(*targets: str, tls: Tls | None = None) -> Binding:
    return Binding(kind=BindingKind.GRPC, targets=targets, tls=tls)


def permitted(
    where: Binding | None,
    *,
    arguments: JsonObject | None = None,
    hints: Hints = WRITES,
    streaming: Streaming = Streaming.UNARY,
    output_type: str = "desk.v1.Reply",
    timeout: float = 5.0,
    seconds: float = 10.0,
    offer: ClientOffer = NOTHING_OFFERED,
    method: str = "",
    chain: Chain | None = None,
) -> Permitted:
    """A permitted call of the desk's skill, bound there."""
    name = "Ask" if streaming is Streaming.UNARY else "Tell"
    skill = Skill(
        id=SkillId(f"desk.{name.lower()}"),
        agent=AgentName("desk"),
        domain=Domain("office"),
        tool_name=ToolName(f"desk_{name.lower()}"),
        title="",
        description="",
        tags=(),
        examples=(),
        method=method or f"/{SERVICE}/{name}",
        input_type="desk.v1.Question",
        output_type=output_type,
        streaming=streaming,
        hints=hints,
        approval=Approval.BY_POLICY,
        invocation=Invocation.DIRECT,
        scopes=(),
        timeout=timeout,
        classification=Classification.INTERNAL,
        input_schema={"type": "object"},
        output_schema=None if output_type == SKILL_RESULT else {"type": "object"},
    )
    entry = SkillEntry(
        skill=skill, revision=1, pin=Pin(f"pin:{output_type}"), descriptors=Digest("sha256:desk"), binding=where
    )
    content = {"text": "hello"} if arguments is None else arguments
    call = Call(
        id=new_call_id(),
        chain=chain or alone(ADA),
        action=Action.INVOKE,
        target=Target(TargetKind.SKILL, skill.id),
        content=content,
        deadline=Deadline.after(seconds),
        offer=offer,
    )
    return Permitted(call=call, entry=entry, arguments=content, descriptor_set=descriptor_set)
