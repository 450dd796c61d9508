"""A real agent over gRPC that answers as it should not, when asked: it speaks the bytes of `interchange.v1.TurnEvent`.

What it is asked for is the text of the message, a name of `WAYS`. It runs in this process, or as one of its own
(`python -m tests.support.odd_agent`), to be killed.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc as typed_grpc
from interchange.v1 import agent_pb2 as wire

grpc: Any = typed_grpc

ROOT = Path(__file__).parents[2]
SECRET = "password=hunter2 at db7.internal"
PIECE = 16 * 1024
TINY = 100_000


@dataclass(slots=True)
class OddAgent:
    """A running agent: where, and what it saw. `turns` are all that it got and `tokens` the internal tokens with them;
    `sent` counts the pieces of floods."""

    target: str = ""
    turns: list[wire.Turn] = field(default_factory=list[wire.Turn])
    tokens: list[str] = field(default_factory=list[str])
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    cancelled: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    sent: int = 0
    told: Callable[[wire.Turn], None] = lambda _: None

    def forget(self) -> None:
        """Start to count anew."""
        self.sent = 0
        self.turns.clear()
        for semaphore in (self.begun, self.cancelled):
            while semaphore.acquire(blocking=False):
                pass

    def answer(self, request: wire.Turn, context: Any) -> Iterator[bytes]:
        """One turn, in the way its message names; an echo where it names none."""
        self.turns.append(request)
        self.tokens.append(str(dict(context.invocation_metadata())["authorization"]).removeprefix("Bearer "))
        self.told(request)
        gone = threading.Event()
        if not context.add_callback(gone.set):
            gone.set()
        text = "".join(part.text for message in request.input for part in message.parts)
        yield from WAYS.get(text, _echo)(Asked(self, request, context, gone))


@dataclass(frozen=True, slots=True)
class Asked:
    """One turn in hand."""

    agent: OddAgent
    turn: wire.Turn
    context: Any
    gone: threading.Event

    def wait(self) -> None:
        """Until the gateway no longer wants the answer."""
        self.agent.begun.release()
        if self.gone.wait(60):
            self.agent.cancelled.release()


def piece(text: str = "…", *, artifact: str = "") -> bytes:
    delta = wire.Delta(part=wire.Part(text=text), artifact_id=artifact)
    return wire.TurnEvent(delta=delta).SerializeToString()


def done(*texts: str) -> bytes:
    parts = [wire.Part(text=text) for text in texts]
    return wire.TurnEvent(done=wire.Done(parts=parts)).SerializeToString()


def _echo(asked: Asked) -> Iterator[bytes]:
    parts = [part for message in asked.turn.input for part in message.parts]
    yield wire.TurnEvent(done=wire.Done(parts=parts)).SerializeToString()


def _hang(asked: Asked) -> Iterator[bytes]:
    asked.wait()
    yield from ()


def _tick(asked: Asked) -> Iterator[bytes]:
    yield piece("tick")
    asked.wait()


def _for_ever(asked: Asked) -> Iterator[bytes]:
    try:
        while not asked.gone.wait(0.01):
            yield piece("and ")
    finally:
        asked.agent.cancelled.release()


def _flood(asked: Asked) -> Iterator[bytes]:
    try:
        for _ in range(100 * 1024 * 1024 // PIECE):
            yield piece("x" * PIECE)
            asked.agent.sent += 1
        yield done()
    finally:
        asked.agent.cancelled.release()


def _drizzle(asked: Asked) -> Iterator[bytes]:
    drop = piece("x")
    for _ in range(TINY):
        yield drop
    yield done("x" * TINY)


def _secret(asked: Asked) -> Iterator[bytes]:
    yield from ()
    raise RuntimeError(SECRET)


def _late_secret(asked: Asked) -> Iterator[bytes]:
    yield piece("so far")
    raise RuntimeError(SECRET)


def _status(code: Any) -> Callable[[Asked], Iterator[bytes]]:
    def abort(asked: Asked) -> Iterator[bytes]:
        yield from ()
        asked.context.abort(code, SECRET)

    return abort


def _says(*events: bytes) -> Callable[[Asked], Iterator[bytes]]:
    def say(asked: Asked) -> Iterator[bytes]:
        yield from events

    return say


def _not_a_number() -> bytes:
    answer = wire.Done()
    answer.parts.add().data.number_value = float("nan")
    return wire.TurnEvent(done=answer).SerializeToString()


def _artifact(name: str, *texts: str) -> bytes:
    parts = [wire.Part(text=text) for text in texts]
    return wire.TurnEvent(artifact=wire.Artifact(id=name, parts=parts)).SerializeToString()


def _message(kind: wire.Message.Kind) -> bytes:
    said = wire.Message(kind=kind, parts=[wire.Part(text="hm")])
    return wire.TurnEvent(message=said).SerializeToString()


GARBAGE: Mapping[str, tuple[bytes, ...]] = {
    "garbage": (b"\xff\xff\xff\xff garbage",),
    "garbage after a piece": (piece(), b"\x0a\xff\xff\xff\xff\x0f"),
    "no bytes": (b"",),
    "an event of next year": (b"\xfa\x3f\x00", done()),
    "no end": (piece(),),
    "nothing": (),
    "two ends": (done("one"), done("two")),
    "a piece after the end": (done("one"), piece()),
    "no number": (_not_a_number(),),
    "an empty part": (wire.TurnEvent(done=wire.Done(parts=[wire.Part()])).SerializeToString(),),
    "an artifact without an id": (_artifact("", "x"), done()),
    "an artifact without content": (_artifact("a"), done()),
    "a message nobody sends": (_message(wire.Message.Kind.ASKED), done()),
}
"""Answers that are none, by the message that asks for them."""

STATUSES: Mapping[str, Any] = {
    f"status {code.name}": code for code in grpc.StatusCode if code not in {grpc.StatusCode.OK}
}
"""Statuses to be answered with, likewise; each carries a secret in its details."""

WAYS: Mapping[str, Callable[[Asked], Iterator[bytes]]] = {
    "hang": _hang,
    "tick": _tick,
    "for ever": _for_ever,
    "flood": _flood,
    "drizzle": _drizzle,
    "secret": _secret,
    "late secret": _late_secret,
    **{name: _says(*events) for name, events in GARBAGE.items()},
    **{name: _status(code) for name, code in STATUSES.items()},
}


@contextmanager
def odd_agent() -> Generator[OddAgent]:
    """Serve it until the context ends."""
    agent = OddAgent()
    server = _server(agent)
    server.start()
    try:
        yield agent
    finally:
        server.stop(None)


def _server(agent: OddAgent) -> Any:
    """A server on a port of its own, which the agent then knows."""
    server = grpc.server(
        ThreadPoolExecutor(256), options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
    )
    handler = grpc.unary_stream_rpc_method_handler(agent.answer, request_deserializer=wire.Turn.FromString)
    method = grpc.method_handlers_generic_handler("interchange.v1.ConversingAgent", {"Converse": handler})
    server.add_generic_rpc_handlers((method,))
    agent.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    return server


@contextmanager
def odd_process() -> Generator[tuple["subprocess.Popen[str]", str]]:
    """The same in a process of its own, and where it listens; killed with the context, or before."""
    command = [sys.executable, "-m", "tests.support.odd_agent"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            target = process.stdout.readline().strip() if process.stdout else ""
            assert target, "the agent did not start"
            yield process, target
        finally:
            process.kill()


def main() -> None:
    """Serve until killed. Each line says something: first where it listens, then the token of each turn."""
    agent = OddAgent(told=lambda turn: print(turn.turn_token, flush=True))
    server = _server(agent)
    server.start()
    print(agent.target, flush=True)
    server.wait_for_termination()


def eventually(holds: Callable[[], bool], what: str, *, seconds: float = 10.0) -> None:
    """Wait until something holds that another process brings about."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, what
        threading.Event().wait(0.02)


if __name__ == "__main__":
    main()
