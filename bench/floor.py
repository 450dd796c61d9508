"""The floor: the least that a gateway could do. Raw ASGI on uvicorn with uvloop and httptools: a token looked up in a
dictionary, the body parsed, one gRPC call of ready bytes on a pooled channel, a small answer. No protocol, no policy,
no record. Everything is measured as a ratio to this.

Run: `python -m bench.floor PORT TARGET METHOD REQUEST_HEX TOKEN [HOW]`. HOW is `unary`, or for a streaming method
`collected` into one answer or `passed on` as events.
"""

import sys
from typing import Any, cast

import grpc.aio
import orjson
import uvicorn


class Floor:
    def __init__(self, target: str, method: str, request: bytes, token: str, how: str) -> None:
        self.target, self.method, self.request, self.how = target, method, request, how
        self.tokens = {f"Bearer {token}".encode(): "recruiter"}
        self.call: Any = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if self.call is None:
            channel = cast("Any", grpc.aio.insecure_channel(self.target))
            self.call = (channel.unary_unary if self.how == "unary" else channel.unary_stream)(self.method)
        assert self.tokens[dict(scope["headers"])[b"authorization"]]
        body = orjson.loads((await receive())["body"])
        if self.how == "passed on":
            await self.pass_on(body["id"], send)
            return
        call = self.call(self.request, timeout=5)
        answer = await call if self.how == "unary" else b"".join([event async for event in call])
        out = orjson.dumps({"jsonrpc": "2.0", "id": body["id"], "result": {"bytes": len(answer)}})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(out)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": out})

    async def pass_on(self, number: int, send: Any) -> None:
        """One event for each message of the stream."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        async for event in self.call(self.request, timeout=5):
            out = orjson.dumps({"jsonrpc": "2.0", "id": number, "result": {"bytes": len(event)}})
            await send({"type": "http.response.body", "body": b"data: " + out + b"\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def main() -> None:
    port, target, method, request, token = sys.argv[1:6]
    app = Floor(target, method, bytes.fromhex(request), token, sys.argv[6] if len(sys.argv) > 6 else "unary")
    settings = uvicorn.Config(
        cast("Any", app),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="error",
        access_log=False,
    )
    uvicorn.Server(settings).run()


if __name__ == "__main__":
    main()
