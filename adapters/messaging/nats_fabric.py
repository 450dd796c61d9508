"""The fabric between processes: NATS core, which keeps nothing and confirms nothing, and need not.

While NATS is away, whatever is told reaches this process alone, and the connection is tried again for ever. Each
connection is a fresh client that hears all topics anew: the library's own reconnecting would keep what was told
meanwhile, and tell it when nobody waits for it any more.
"""

import asyncio
import hashlib
import logging
import re
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from adapters.messaging.beside import beside
from adapters.messaging.fabric import Listener, Stop, Topics
from registry.model import BadRequest

_AGAIN = 1.0  # seconds between two attempts to connect
_PATIENCE = 5.0  # seconds for one attempt
_GOODBYE = 1.0  # seconds for closing
_PULSE = 10.0  # seconds between two signs of life that are asked for; two missing ones end the connection
_OUTBOX = 10_000  # messages that wait to be sent
_OUTBOX_BYTES = 16 << 20
_LONGEST = 200  # characters of a subject; a server takes a few thousand
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsPlace:
    """Where NATS is, and how it is spoken to. `subjects` is what the subjects of all topics begin with."""

    servers: tuple[str, ...]
    user: str | None
    password: str | None
    token: str | None
    encrypted: bool
    subjects: str

    @property
    def where(self) -> str:
        """For people to read: no secrets."""
        return ", ".join(self.servers)


def nats_place(urls: str, *, name: str = "interchange", prefix: str = "ix") -> NatsPlace:
    """Read `nats://[user:password@|token@]host[:port]`, or tls://; several of a cluster are separated by commas.

    Gateways that serve the same log have the same `name`; other users of the same NATS another one.

    Raises:
        BadRequest: it is no such URL, or no such name.
    """
    places = [_split(url.strip()) for url in urls.split(",")]
    for token in (name, *prefix.split(".")):
        if not _TOKEN.fullmatch(token):
            raise BadRequest(f"{token!r} cannot be part of a NATS subject: letters, digits, '-' and '_' can.")
    login = next((place for place in places if place.username), None)
    user = unquote(login.username) if login is not None and login.username else None
    password = unquote(login.password) if login is not None and login.password is not None else None
    return NatsPlace(
        servers=tuple(map(_bare, places)),
        user=user if password is not None else None,
        password=password,
        token=user if password is None else None,
        encrypted=any(place.scheme == "tls" for place in places),
        subjects=f"{prefix}.{name}",
    )


def _split(url: str) -> SplitResult:
    wrong = BadRequest(f"The fabric's URL {url.rpartition('@')[2]!r} is not nats://HOST:PORT or tls://HOST:PORT.")
    try:
        place = urlsplit(url)
        if place.scheme in ("nats", "tls") and place.hostname and place.port != 0 and not place.path.strip("/"):
            return place
    except ValueError:  # a port that is no number, half an address
        raise wrong from None
    raise wrong


def _bare(place: SplitResult) -> str:
    """A URL without what is nobody's business."""
    return f"{place.scheme}://{place.netloc.rpartition('@')[2]}"


class NatsFabric:
    """Reaches every process that is connected to the same NATS; see `Fabric`. Made by `connected`."""

    def __init__(self, place: NatsPlace, *, tls: ssl.SSLContext | None = None) -> None:
        self._place = place
        self._tls = tls
        self._topics = Topics()
        self._changed: set[str] = set()
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._outbox_bytes = 0
        self._work = asyncio.Event()
        self._client: Client | None = None
        self._away = self._forbidden = False
        self._last: Exception | None = None
        self._ending = False

    @classmethod
    @asynccontextmanager
    async def connected(cls, place: NatsPlace, *, tls: ssl.SSLContext | None = None) -> "AsyncGenerator[NatsFabric]":
        """Connect in the background, and stay connected as far as possible while this lasts."""
        fabric = cls(place, tls=tls)
        async with beside(fabric._stay_connected()):
            try:
                yield fabric
            finally:
                fabric._ending = True
                fabric._work.set()

    @property
    def is_connected(self) -> bool:
        """Whether other processes can be reached now."""
        return self._client is not None and self._client.is_connected

    def tell(self, topic: str, payload: bytes) -> None:
        """See `Fabric`. This process is told in any case; the others, if they can be reached and all goes well."""
        for listener in self._topics.of(topic):
            asyncio.get_running_loop().call_soon(listener, payload)
        full = len(self._outbox) >= _OUTBOX or self._outbox_bytes + len(payload) > _OUTBOX_BYTES
        if self.is_connected and not full:
            self._outbox.append((topic, payload))
            self._outbox_bytes += len(payload)
            self._work.set()

    def hear(self, topic: str, listener: Listener) -> Stop:
        """See `Fabric`."""
        if topic not in self._topics:
            self._note_changed(topic)
        stop_here = self._topics.add(topic, listener)

        def stop() -> None:
            stop_here()
            if topic not in self._topics:
                self._note_changed(topic)

        return stop

    def _note_changed(self, topic: str) -> None:
        self._changed.add(topic)
        self._work.set()

    async def _stay_connected(self) -> None:
        while not self._ending:
            client = _Client(must_encrypt=self._place.encrypted)
            try:
                await self._connect(client)
                await self._serve(client)
            except Exception as error:  # whatever the library raises: the log goes on without it
                self._note_away(error)
            finally:
                self._client = None
                self._outbox.clear()
                self._outbox_bytes = 0
                await _close(client)
            await asyncio.sleep(_AGAIN)

    async def _connect(self, client: Client) -> None:
        place = self._place
        async with asyncio.timeout(_PATIENCE * (len(place.servers) + 1)):
            await client.connect(
                servers=list(place.servers),
                name=place.subjects,
                user=place.user,
                password=place.password,
                token=place.token,
                tls=self._tls,
                no_echo=True,  # `tell` has told this process already
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=int(_PATIENCE),
                ping_interval=int(_PULSE),
                error_cb=self._wrong,
                closed_cb=self._closed,
                flush_timeout=_PATIENCE,
            )
        self._client = client
        self._forbidden = False
        self._note_back()

    async def _serve(self, client: Client) -> None:
        """Hear what is to be heard and send what is to be sent, until the connection ends."""
        heard: dict[str, Subscription] = {}
        self._changed = set(self._topics)
        while not client.is_closed and not self._ending:  # the library may swallow that this task is cancelled
            if self._changed:
                await self._hear_or_stop(self._changed.pop(), heard, client)
            elif self._outbox:
                await self._send(client)
            else:
                self._work.clear()
                await self._work.wait()

    async def _hear_or_stop(self, topic: str, heard: dict[str, Subscription], client: Client) -> None:
        wanted = topic in self._topics
        if wanted and topic not in heard:
            hear = self._listener_of(topic)
            heard[topic] = await client.subscribe(self._subject(topic), cb=hear)  # pyright: ignore[reportUnknownMemberType]
        elif not wanted and (subscription := heard.pop(topic, None)) is not None:
            await subscription.unsubscribe()

    async def _send(self, client: Client) -> None:
        topic, payload = self._outbox.popleft()
        self._outbox_bytes -= len(payload)
        with suppress(errors.MaxPayloadError):  # it will not become smaller
            await client.publish(self._subject(topic), payload)

    def _listener_of(self, topic: str) -> Callable[[Msg], Awaitable[None]]:
        async def hear(message: Msg) -> None:
            for listener in self._topics.of(topic):
                listener(message.data)

        return hear

    def _subject(self, topic: str) -> str:
        """The subject of a topic: its first word as it is, the rest as one word."""
        kind, _, rest = topic.partition(".")
        words = [
            self._place.subjects,
            *(quote(word, safe="", errors="replace").replace(".", "%2E") for word in (kind, rest) if word),
        ]
        subject = ".".join(words)
        if len(subject) <= _LONGEST:
            return subject
        return f"{self._place.subjects}.long.{hashlib.sha256(topic.encode(errors='replace')).hexdigest()}"

    async def _closed(self) -> None:
        self._note_away(None)
        self._work.set()

    async def _wrong(self, error: Exception) -> None:
        """The library says so of whatever goes wrong; what ends a connection is seen where it ends."""
        self._last = error
        if "permissions" in str(error).lower() and not self._forbidden:
            self._forbidden = True
            fields = {"subjects": f"{self._place.subjects}.>", "error": str(error)}
            _log.warning("NATS forbids what waking needs: to publish and to subscribe to these subjects.", extra=fields)

    def _note_away(self, why: Exception | None) -> None:
        if not self._away and not self._ending:
            self._away = True
            if why is None or isinstance(why, errors.NoServersError):  # what came before it says more
                why = self._last
            fields = {"servers": self._place.where, "error": repr(why)}
            _log.warning("NATS cannot be reached: waking goes by polling until it can.", extra=fields)

    def _note_back(self) -> None:
        if self._away:
            self._away = False
            _log.info("NATS can be reached again.", extra={"servers": self._place.where})


class _Client(Client):
    """A client that says nothing, its password least of all, to a server that does not encrypt though it must."""

    def __init__(self, *, must_encrypt: bool) -> None:
        super().__init__()
        self._must_encrypt = must_encrypt

    def _connect_command(self) -> Any:
        if self._must_encrypt and not self._server_info.get("tls_required"):
            raise errors.Error("the server offers no TLS, and the URL demands it")
        return super()._connect_command()


async def _close(client: Client) -> None:
    """Close a client, however far it came."""
    with suppress(OSError, TimeoutError, errors.Error):
        async with asyncio.timeout(_GOODBYE):
            await client.close()
