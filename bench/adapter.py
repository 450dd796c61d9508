"""What the gRPC adapter adds to a call: `GrpcAdapter.deliver` against the same call as bare bytes on a pooled channel.

    python -m bench.adapter [--rounds N] [--calls N]

One run, interleaved rounds, the service in a process of its own, so that CPU is the client's alone; one caller, whose
caches are cold after each wait, and sixteen. JSON on stdout: medians over the rounds of microseconds per call.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol, cast

import grpc
import grpc.aio
import uvloop
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc

from adapters.base import Permitted
from adapters.grpc.adapter import GrpcAdapter
from adapters.grpc.channels import Channels
from adapters.grpc.line import Methods
from registry.catalog import SkillEntry
from registry.model import (
    Action,
    AgentName,
    Approval,
    Binding,
    BindingKind,
    Call,
    Chain,
    Classification,
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
    ToolName,
    alone,
    new_call_id,
    nowhere,
)

PROTO: Final = """
syntax = "proto3";
package bench.v1;
message SearchRequest { string query = 1; int32 limit = 2; repeated string skills = 3; int64 since_id = 4; }
message Candidate { string id = 1; string name = 2; repeated string skills = 3; int64 views = 4; }
message SearchResponse { repeated Candidate candidates = 1; string next_page = 2; }
"""
METHOD: Final = "/bench.v1.Candidates/Search"
ARGUMENTS: Final[JsonObject] = {"query": "rust engineer", "limit": 5, "skills": ["rust"], "sinceId": "12"}
CALLERS: Final = (1, 16)

Once = Callable[[], Awaitable[object]]


class Server(Protocol):
    """The part of grpc.aio's server that is used here, with types."""

    def add_generic_rpc_handlers(self, handlers: tuple[object, ...]) -> None: ...
    def add_insecure_port(self, address: str) -> int: ...
    async def start(self) -> None: ...
    async def wait_for_termination(self) -> bool: ...


_protoc = cast("Callable[[list[str]], int]", protoc.main)  # pyright: ignore[reportUnknownMemberType]
_new_server = cast("Callable[[], Server]", grpc.aio.server)  # pyright: ignore[reportUnknownMemberType]
_handlers = cast(
    "Callable[[str, Mapping[str, object]], object]",
    grpc.method_handlers_generic_handler,  # pyright: ignore[reportUnknownMemberType]
)
_unary = cast(
    "Callable[[Callable[..., object]], object]",
    grpc.unary_unary_rpc_method_handler,  # pyright: ignore[reportUnknownMemberType]
)


def compiled() -> bytes:
    """The descriptor set of `PROTO`."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bench.proto").write_text(PROTO)
        out = Path(folder, "out.binpb")
        code = _protoc(["protoc", f"-I{folder}", f"--descriptor_set_out={out}", "bench.proto"])
        if code != 0:
            raise SystemExit("protoc failed")
        return out.read_bytes()


def message_bytes(descriptor_set: bytes, name: str, content: Mapping[str, object]) -> bytes:
    """A message of that type, serialised."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
        pool.Add(file)  # pyright: ignore[reportUnknownMemberType]
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()
    return json_format.ParseDict(dict(content), message).SerializeToString()


async def serve(descriptor_set: bytes) -> None:
    """The far side: five candidates, whatever is asked."""
    candidates = [
        {"id": f"id-{n}", "name": f"Candidate {n}", "skills": ["rust", "python"], "views": n} for n in range(5)
    ]
    answer = message_bytes(descriptor_set, "bench.v1.SearchResponse", {"candidates": candidates, "nextPage": "p2"})

    async def search(_request: bytes, _context: object) -> bytes:
        return answer

    server = _new_server()
    server.add_generic_rpc_handlers((_handlers("bench.v1.Candidates", {"Search": _unary(search)}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def permitted(port: int, descriptor_set: bytes) -> Callable[[], Permitted]:
    """Fresh calls of the one skill."""
    skill = Skill(
        id=SkillId("candidates.search"),
        agent=AgentName("candidates"),
        domain=Domain("hiring"),
        tool_name=ToolName("candidates_search"),
        title="",
        description="",
        tags=(),
        examples=(),
        method=METHOD,
        input_type="bench.v1.SearchRequest",
        output_type="bench.v1.SearchResponse",
        streaming=Streaming.UNARY,
        hints=Hints(read_only=True, destructive=False, idempotent=True, open_world=False),
        approval=Approval.BY_POLICY,
        invocation=Invocation.DIRECT,
        scopes=(),
        timeout=5.0,
        classification=Classification.INTERNAL,
        input_schema={"type": "object"},
        output_schema={"type": "object"},
    )
    binding = Binding(kind=BindingKind.GRPC, targets=(f"127.0.0.1:{port}",))
    entry = SkillEntry(skill=skill, revision=1, pin=Pin("pin"), descriptors=Digest("descriptors"), binding=binding)
    chain = alone(Principal(kind=PrincipalKind.PERSON, issuer="https://issuer.example", subject="ada", name="ada"))

    def one() -> Permitted:
        call = Call(
            id=new_call_id(),
            chain=chain,
            action=Action.INVOKE,
            target=Target(TargetKind.SKILL, skill.id),
            content=ARGUMENTS,
            deadline=Deadline.after(60),
        )
        return Permitted(call=call, entry=entry, arguments=ARGUMENTS, descriptor_set=lambda: descriptor_set)

    return one


async def token(_chain: Chain, _audience: str) -> str:
    return "x" * 600


async def timed(jobs: Sequence[Once], callers: int) -> tuple[float, float]:
    """CPU and wall microseconds per job, with that many in flight."""
    todo = iter(jobs)

    async def caller() -> None:
        for job in todo:
            await job()

    cpu, wall = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return (time.process_time() - cpu) / len(jobs) * 1e6, (time.perf_counter() - wall) / len(jobs) * 1e6


async def compare(port: int, descriptor_set: bytes, *, rounds: int, calls: int) -> Mapping[str, Mapping[str, float]]:
    request = message_bytes(descriptor_set, "bench.v1.SearchRequest", ARGUMENTS)
    fresh = permitted(port, descriptor_set)
    channels = Channels()
    adapter = GrpcAdapter(channels, token)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    bare = cast("Methods", channel).unary_unary(METHOD)

    async def raw() -> bytes:
        return await bare(request, timeout=5.0, metadata=grpc.aio.Metadata())

    def delivered() -> list[Once]:
        return [partial(adapter.deliver, fresh(), nowhere) for _ in range(calls)]

    figures: dict[str, Mapping[str, float]] = {}
    for callers in CALLERS:
        await timed([raw] * calls + delivered(), callers)
        pairs = [(await timed([raw] * calls, callers), await timed(delivered(), callers)) for _ in range(rounds)]
        figures[f"{callers} callers"] = summary(pairs)
    await channel.close(None)
    await channels.close()
    return figures


def summary(pairs: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> Mapping[str, float]:
    columns = {
        "raw_cpu_us": [raw[0] for raw, _ in pairs],
        "adapter_cpu_us": [ours[0] for _, ours in pairs],
        "added_cpu_us": [ours[0] - raw[0] for raw, ours in pairs],
        "cpu_ratio": [ours[0] / raw[0] for raw, ours in pairs],
        "raw_wall_us": [raw[1] for raw, _ in pairs],
        "adapter_wall_us": [ours[1] for _, ours in pairs],
    }
    medians = {name: round(statistics.median(column), 2) for name, column in columns.items()}
    quietest = min(columns["adapter_cpu_us"]) - min(columns["raw_cpu_us"])
    return {**medians, "added_cpu_us_quietest": round(quietest, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--serve", action="store_true", help="be the far side")
    options = parser.parse_args()
    descriptor_set = compiled()
    if options.serve:
        asyncio.run(serve(descriptor_set))
        return
    command = [sys.executable, "-m", "bench.adapter", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline()) if server.stdout else 0
            figures = uvloop.run(compare(port, descriptor_set, rounds=options.rounds, calls=options.calls))
        finally:
            server.terminate()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
