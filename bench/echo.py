"""An agent as small as it can be: it says its answer in as many pieces as the first word of the message says.

Raw handler, ready events, no token looked at. Run: `python -m bench.echo`; prints `listening HOST:PORT`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import grpc
from interchange.v1 import agent_pb2 as wire

PIECE = wire.TurnEvent(delta=wire.Delta(part=wire.Part(text="word "))).SerializeToString()
ENDS = [wire.TurnEvent(done=wire.Done(parts=[wire.Part(text="word " * n)])).SerializeToString() for n in range(101)]
METHOD = "/interchange.v1.ConversingAgent/Converse"


async def converse(request: bytes, _: Any) -> AsyncIterator[bytes]:
    turn = wire.Turn.FromString(request)
    pieces = int(turn.input[0].parts[0].text)
    for _ in range(pieces):
        yield PIECE
    yield ENDS[pieces]


async def serve(converse: Callable[[bytes, Any], AsyncIterator[bytes]]) -> None:
    """Answer with what a raw handler says, until the process ends."""
    untyped = cast("Any", grpc)
    server = untyped.aio.server()
    handlers = {"Converse": untyped.unary_stream_rpc_method_handler(converse)}
    service = untyped.method_handlers_generic_handler("interchange.v1.ConversingAgent", handlers)
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(converse))
