"""Webhooks for tests: a real HTTP receiver on loopback that answers as it is told to, and gateways that push to it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ssl import SSLContext
from typing import Any

from adapters.messaging.fabric import Fabric, InProcessFabric
from adapters.messaging.messages import Message, TurnRef
from adapters.messaging.opening import OpenLog, open_log
from adapters.push.channels import Channel, Shares, Webhook
from adapters.push.database import open_database
from adapters.push.outbox import Pace, Words
from adapters.push.store import ChannelStore
from gateway.config import PushRules
from gateway.pushing import Outside, PushDesk, open_push, signing
from gateway.seal import Seal
from policies.identity.keys import generate_signing_key
from registry.model import TurnId
from tests.support.identity import FakeClock
from tests.support.logs import claim_one, done, new_conversation, open_turn, said

LOOPBACK = PushRules(allowed_networks=("127.0.0.0/8",))
OWNER = "owner-digest"
KEY = generate_signing_key()
ISSUER = "https://gateway.example"
SEAL = Seal([b"s" * 32])
POLL = 0.02
SECRETS = ("token-4711", "credentials-4712", "path-4713")


@dataclass(frozen=True, slots=True)
class Received:
    """A request as a webhook gets it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> str:
        return json.loads(self.body)["said"]

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


Behave = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def answers(status: int, *, headers: str = "", body: bytes = b"") -> Behave:
    """Answer with this."""

    async def behave(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    return behave


async def hangs(_: Received, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def closes(_: Received, writer: asyncio.StreamWriter) -> None:
    """Go away without an answer."""
    writer.close()


@dataclass(slots=True)
class Endless:
    """Takes it, and answers with more and more; `written` is how many bytes that were."""

    written: int = 0

    async def __call__(self, _: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()
            self.written += 4096


@dataclass(slots=True)
class Receiver:
    """A webhook: what it has received, and how it behaves. `first` is what it does before that, each once."""

    port: int = 0
    received: list[Received] = field(default_factory=list[Received])
    behave: Behave = field(default_factory=lambda: answers(200))
    first: list[Behave] = field(default_factory=list[Behave])
    open: int = 0
    most_open: int = 0

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    @property
    def said(self) -> list[str]:
        return [received.said for received in self.received]

    @property
    def keys(self) -> list[str]:
        return [received.key for received in self.received]

    def each_once(self) -> list[str]:
        """What was said, in order, repetitions (which have the same key) taken out."""
        return [said for _, said in dict.fromkeys((received.key, received.said) for received in self.received)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            received = await _read(reader)
            if received.method != "POST":
                return  # a stranger: ports are used again, and somebody may still look for who had this one before
            self.received.append(received)
            await (self.first.pop(0) if self.first else self.behave)(received, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *lines = head.strip().split("\r\n")
    method, path, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


@asynccontextmanager
async def receiver(
    *, tls: SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[Receiver]:
    """A webhook that takes everything, until it is told otherwise."""
    webhook = Receiver()
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await webhook.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    webhook.port = server.sockets[0].getsockname()[1]
    try:
        yield webhook
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# ---- gateways that push


async def write(channel: Channel, message: Message) -> bytes | None:
    """What a webhook is told of a message: its words; nothing of what the owner said."""
    if message.sender.startswith("person:"):
        return None
    return json.dumps({"said": message.text or message.kind.value, "turn": channel.turn}).encode()


WORDS = Words(write=write, sign=signing(KEY, issuer=ISSUER), seal=SEAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushing:
    """A gateway as far as pushing goes: its view of the log, and its desk."""

    opened: OpenLog
    desk: PushDesk
    store: ChannelStore
    clock: FakeClock


@asynccontextmanager
async def pushing(
    url: str,
    *,
    clock: FakeClock,
    fabric: Fabric | None = None,
    words: Words = WORDS,
    rules: PushRules = LOOPBACK,
    outside: Outside | None = None,
    shares: Shares | None = None,
    poll: float = POLL,
) -> AsyncGenerator[Pushing]:
    """A gateway that has a log open and tells webhooks what is said there."""
    pace = Pace(clock=clock, poll=poll, shares=shares or Shares())
    async with (
        open_log(url, fabric=fabric or InProcessFabric(), poll=POLL) as opened,
        open_push(rules, opened, url=url, words=words, outside=outside or Outside(), pace=pace) as desk,
        open_database(url) as database,
    ):
        yield Pushing(opened=opened, desk=desk, store=ChannelStore(database), clock=clock)


async def told_at(gateway: Pushing, of: TurnRef, url: str, *, id: str = "hook", after: int = 0) -> Webhook:  # noqa: A002
    """Have a webhook told of a turn."""
    webhook = Webhook(id=id, turn=of.turn, url=url)
    return await gateway.desk.put(await gateway.desk.admit(webhook), of=of, owner=OWNER, after=after)


def secretive(turn: TurnId, url: str) -> Webhook:
    """A webhook that is full of secrets."""
    token, credentials, path = SECRETS
    return Webhook(id="hook", turn=turn, url=f"{url}?{path}", token=token, scheme="Bearer", credentials=credentials)


def repeated(receiver: Receiver) -> dict[str, int]:
    """How often each key came that came more than once."""
    return {key: count for key, count in Counter(receiver.keys).items() if count > 1}


def resolving(*answers: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A resolver that gives one answer after the other, the last for ever."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


# ---- what happens at a gateway


async def start(gateway: Pushing) -> TurnRef:
    return await open_turn(gateway.opened.log, new_conversation(), "hello")


async def end(gateway: Pushing, *words: str) -> None:
    """The agent answers the one turn that is queued, and that is the end of it."""
    delivery = await claim_one(gateway.opened.log)
    await gateway.opened.log.settle(delivery, done(*words))


async def say(gateway: Pushing, turn: TurnRef, *words: str) -> None:
    """The agent says something, and goes on."""
    messages = [replace(said(word, by="agent:echo"), turn=turn.turn) for word in words]
    await gateway.opened.log.append(turn.conversation, messages)


async def is_gone(gateway: Pushing, of: TurnRef) -> bool:
    return not await gateway.desk.list(of.turn)


async def until_gone(gateway: Pushing, of: TurnRef) -> None:
    async with asyncio.timeout(20):
        while not await is_gone(gateway, of):
            await asyncio.sleep(0.01)


async def until_put_off(gateway: Pushing, turn: TurnRef, *, attempts: int) -> None:
    """Until the store says that so many attempts have failed."""
    async with asyncio.timeout(20):
        while True:
            rows = await rows_of(gateway, turn)
            if rows and rows[0].attempts == attempts and not rows[0].holder:
                return
            await asyncio.sleep(0.01)


async def rows_of(gateway: Pushing, turn: TurnRef) -> Sequence[Channel]:
    return await gateway.store.of_turn(turn.turn)
