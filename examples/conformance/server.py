"""The far side of the official MCP conformance suite: one small gRPC service whose answers the suite knows.

    python examples/conformance/server.py --listen 127.0.0.1:0

`test_trigger_tool_change` makes a real change: it retires or publishes an agent through the gateway's platform face,
at INTERCHANGE_GATEWAY (`host:port`) with the token in INTERCHANGE_TOKEN.
"""

import argparse
import asyncio
import io
import os
import signal
import wave
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
from fixture.v1 import fixture_pb2 as pb
from fixture.v1 import fixture_pb2_grpc as rpc
from google.protobuf.struct_pb2 import Struct
from interchange.v1 import agent_pb2, registry_pb2, registry_pb2_grpc

MANIFEST = Path(__file__).with_name("interchange.manifest.json")
EXTRA = "conformance_extra"
RED_DOT = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC")

Context = grpc.aio.ServicerContext[Any, Any]
Part = agent_pb2.Part
SkillResult = agent_pb2.SkillResult


class Conformance(rpc.ConformanceServicer):
    """Each method is what the suite says of the tool that carries its name."""

    def __init__(self, *, listen: str) -> None:
        self._listen = listen

    async def SimpleText(self, request: pb.Nothing, context: Context) -> SkillResult:
        return _says("This is a simple text response for testing.")

    async def ImageContent(self, request: pb.Nothing, context: Context) -> SkillResult:
        return SkillResult(content=[Part(raw=RED_DOT, media_type="image/png")])

    async def AudioContent(self, request: pb.Nothing, context: Context) -> SkillResult:
        return SkillResult(content=[Part(raw=_silence(), media_type="audio/wav")])

    async def EmbeddedResource(self, request: pb.Nothing, context: Context) -> SkillResult:
        text = "This is an embedded resource content."
        return SkillResult(content=[_resource("test://embedded-resource", text, "text/plain")])

    async def MultipleContentTypes(self, request: pb.Nothing, context: Context) -> SkillResult:
        resource = _resource("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
        image = Part(raw=RED_DOT, media_type="image/png")
        return SkillResult(content=[Part(text="Multiple content types test:"), image, resource])

    async def ErrorHandling(self, request: pb.Nothing, context: Context) -> SkillResult:
        return _says("This tool intentionally returns an error for testing", is_error=True)

    async def ToolWithProgress(self, request: pb.Nothing, context: Context) -> AsyncIterator[SkillResult]:
        for step in ("began", "halfway", "finished"):
            yield _says(step)
        yield _says("The tool went through all its steps.")

    async def MissingCapability(self, request: pb.Nothing, context: Context) -> SkillResult:
        sampling = Struct()
        message = {"role": "user", "content": {"type": "text", "text": "Say something."}}
        sampling.update({"messages": [message], "maxTokens": 100})
        return SkillResult(input_requests=[agent_pb2.InputRequest(key="sampling", sampling=sampling)])

    async def StreamingElicitation(self, request: pb.Nothing, context: Context) -> AsyncIterator[SkillResult]:
        yield _says("about to ask")
        schema = Struct()
        schema.update({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]})
        question = agent_pb2.Question(id="name", text="What is your name?", answer_schema=schema)
        yield SkillResult(input_requests=[agent_pb2.InputRequest(key="name", question=question)])

    async def LoggingTool(self, request: pb.Nothing, context: Context) -> SkillResult:
        return _says("Done, without a word.")

    async def XMcpHeader(self, request: pb.HeaderRequest, context: Context) -> SkillResult:
        return _says(f"The region is {request.region!r}.")

    async def TriggerToolChange(self, request: pb.Nothing, context: Context) -> SkillResult:
        return _says(f"{EXTRA} is now {await _toggle(self._listen)}.")


class Extra(rpc.ExtraServicer):
    async def Text(self, request: pb.Nothing, context: Context) -> SkillResult:
        return _says("I am here at the moment.")


async def _toggle(target: str) -> str:
    """Retire the extra agent; where it is not live, publish the manifest again. Returns what it is now."""
    token = (("authorization", f"Bearer {os.environ['INTERCHANGE_TOKEN']}"),)
    async with grpc.aio.insecure_channel(os.environ["INTERCHANGE_GATEWAY"]) as channel:
        registry = registry_pb2_grpc.RegistryStub(channel)
        listed = await registry.List(registry_pb2.ListRequest(), metadata=token)
        if any(item.name == EXTRA and item.state == "live" for item in listed.items):
            await registry.Retire(registry_pb2.RetireRequest(name=EXTRA, reason="conformance"), metadata=token)
            return "retired"
        binding = registry_pb2.Binding(kind="grpc", targets=[target])
        await registry.Publish(
            registry_pb2.PublishRequest(manifest=MANIFEST.read_text(), binding=binding), metadata=token
        )
        return "live"


def _says(text: str, *, is_error: bool = False) -> SkillResult:
    return SkillResult(content=[Part(text=text)], is_error=is_error)


def _resource(uri: str, text: str, media_type: str) -> Part:
    metadata = Struct()
    metadata.update({"uri": uri})
    return Part(text=text, media_type=media_type, metadata=metadata)


def _silence() -> bytes:
    """A tenth of a second of nothing, as WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8_000)
        sound.writeframes(bytes([128]) * 800)
    return file.getvalue()


async def serve(listen: str) -> None:
    """Serve until SIGTERM or SIGINT, having printed `listening HOST:PORT`."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = cast("Callable[[], grpc.aio.Server]", grpc.aio.server)()
    address = f"{listen.rpartition(':')[0]}:{server.add_insecure_port(listen)}"
    rpc.add_ConformanceServicer_to_server(Conformance(listen=address), server)
    rpc.add_ExtraServicer_to_server(Extra(), server)
    await server.start()
    print(f"listening {address}", flush=True)
    await stopped.wait()
    await server.stop(1.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serves what the official MCP conformance suite expects.")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    asyncio.run(serve(parser.parse_args().listen))
