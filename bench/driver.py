"""A load driver as small as it can be: N connections, each sends its request again as soon as it has the answer.

Run as a process of its own (`python -m bench.driver`), it reads one JSON line per round from standard input
({"port", "request", "connections", "seconds"}) and writes one ({"calls", "seconds", "errors", "p50", "p99"}, in s).
"""

import asyncio
import base64
import itertools
import json
import sys
import time
from typing import Any, cast

import uvloop

SERIAL = b"serial-000000000"
"""Where a request has this, it is another number every time: what is said twice is carried out once."""

_serial = itertools.count(time.time_ns())


class Connection(asyncio.Protocol):
    """Sends one request over and over until told to stop; answers carry a Content-Length or come in chunks."""

    def __init__(self, request: bytes, until: float, done: asyncio.Future[None], times: list[float]) -> None:
        self.request, self.until, self.done, self.times = request, until, done, times
        self.errors = 0
        self.buffer = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own
        self._send()

    def _send(self) -> None:
        request = self.request.replace(SERIAL, b"%016x" % next(_serial)) if SERIAL in self.request else self.request
        self.started = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found or not _is_whole(head, body):
            return
        now = time.perf_counter()
        self.times.append(now - self.started)
        self.errors += not head.startswith(b"HTTP/1.1 200") or b'"isError":true' in body or b'"error"' in body
        self.buffer = b""
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.errors += exc is not None
        if not self.done.done():
            self.done.set_result(None)


def _is_whole(head: bytes, body: bytes) -> bool:
    if b"chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= _length(head)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


async def play(*, port: int, request: bytes, connections: int, seconds: float) -> dict[str, Any]:
    """Drive one round and return its figures."""
    loop = asyncio.get_running_loop()
    times: list[float] = []
    started = time.perf_counter()
    played: list[Connection] = []
    for _ in range(connections):
        connection = Connection(request, started + seconds, loop.create_future(), times)
        await loop.create_connection(lambda it=connection: it, "127.0.0.1", port)
        played.append(connection)
    await asyncio.gather(*(connection.done for connection in played))
    took = time.perf_counter() - started
    times.sort()
    return {
        "calls": len(times),
        "seconds": took,
        "errors": sum(connection.errors for connection in played),
        "p50": times[len(times) // 2],
        "p99": times[int(len(times) * 0.99)],
    }


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            order = json.loads(line)
            order["request"] = base64.b64decode(order["request"])
            print(json.dumps(runner.run(play(**order))), flush=True)


if __name__ == "__main__":
    main()
