"""The wire: plain HTTP, every exchange kept as evidence, no token ever in it.

A request carries exactly the headers it is given (besides Host and Content-Length), because what a server does with a
missing or odd header is half of what is examined. A status is never an error here. One `Wire` lives for one check.
"""

import json
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote

import httpx

MOST_BYTES = 8 * 1024 * 1024
"""An answer longer than this is cut: no requirement needs more, and a server must not fill the examiner."""
SECRET = "[token]"  # noqa: S105
_JWT = re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_SECRET_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})

Headers: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what came back. Names of `came_headers` are in small letters; repetitions are kept."""

    method: str
    url: str
    sent_headers: tuple[tuple[str, str], ...]
    sent: bytes
    status: int
    came_headers: tuple[tuple[str, str], ...]
    came: bytes

    def header(self, name: str) -> str:
        """The value of a header of the answer, repetitions joined as HTTP says; empty if there is none."""
        return ", ".join(value for known, value in self.came_headers if known == name.lower())

    @property
    def media_type(self) -> str:
        """The answer's content type without parameters, in small letters."""
        return self.header("content-type").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The answer's body as JSON; None if it is none."""
        return read_json(self.came)

    def events(self) -> list[Any]:
        """The data of each server-sent event of the answer, as JSON (None where it is none)."""
        return [read_json(data) for data in _event_data(self.came)]


@dataclass(slots=True)
class Stream:
    """An answer that is still coming: its head, and its events one by one."""

    status: int
    came_headers: tuple[tuple[str, str], ...]
    _response: httpx.Response
    _read: bytearray = field(default_factory=bytearray)

    @property
    def media_type(self) -> str:
        """The answer's content type without parameters, in small letters."""
        return dict(self.came_headers).get("content-type", "").partition(";")[0].strip().lower()

    async def events(self) -> AsyncIterator[Any]:
        """The data of each event as it arrives, as JSON (None where it is none)."""
        lines: list[str] = []
        async for line in self._lines():
            if line.startswith("data:"):
                lines.append(line[5:].removeprefix(" "))
            elif not line and lines:
                yield read_json("\n".join(lines))
                lines.clear()

    async def body(self) -> bytes:
        """All that is left, for an answer that is no stream of events after all."""
        async for chunk in self._response.aiter_bytes():
            self._read += chunk[: MOST_BYTES - len(self._read)]
            if len(self._read) >= MOST_BYTES:
                break
        return bytes(self._read)

    async def _lines(self) -> AsyncIterator[str]:
        """The lines as they arrive: httpx would end one at characters that are content in a stream of events."""
        rest = b""
        async for chunk in self._response.aiter_bytes():
            self._read += chunk[: max(0, MOST_BYTES - len(self._read))]
            rest += chunk
            perhaps_half = b"\r" if rest.endswith(b"\r") else b""
            *lines, rest = _LINE_END.split(rest.removesuffix(perhaps_half))
            rest += perhaps_half
            for line in lines:
                yield line.decode("utf-8", "replace")

    def read_so_far(self) -> bytes:
        """What has come of the body."""
        return bytes(self._read)


class Wire:
    """Sends requests and keeps the exchanges. `token` goes with each request unless it says otherwise."""

    def __init__(self, http: httpx.AsyncClient, *, token: str | None) -> None:
        self._http = http
        self._token = token
        self._exchanges: list[Exchange] = []

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """What was said so far, fit to be shown: without tokens."""
        return tuple(_without_secrets(exchange, self._token) for exchange in self._exchanges)

    @property
    def has_token(self) -> bool:
        """Whether the examiner was given a token."""
        return bool(self._token)

    async def get(self, url: str, *, headers: Headers = (), authorised: bool = True) -> Exchange:
        """One GET."""
        return await self.send("GET", url, headers=headers, authorised=authorised)

    async def post(self, url: str, body: object, *, headers: Headers = (), authorised: bool = True) -> Exchange:
        """One POST. A body that is not bytes is sent as JSON."""
        return await self.send("POST", url, headers=headers, body=body, authorised=authorised)

    async def send(
        self, method: str, url: str, *, headers: Headers = (), body: object = b"", authorised: bool = True
    ) -> Exchange:
        """One exchange, whatever its status.

        Raises:
            httpx.RequestError: there was no answer.
        """
        async with self.open(method, url, headers=headers, body=body, authorised=authorised) as stream:
            await stream.body()
        return self._exchanges[-1]

    @asynccontextmanager
    async def open(
        self, method: str, url: str, *, headers: Headers = (), body: object = b"", authorised: bool = True
    ) -> AsyncGenerator[Stream]:
        """An exchange whose answer is read as it comes; it is closed, and kept as evidence, when the context ends."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = _pairs(headers)
        if self._token and authorised:
            sent.append(("authorization", f"Bearer {self._token}"))
        raw = [(name.encode(), value.encode()) for name, value in sent]
        request = httpx.Request(method, url, headers=raw, content=content or None)
        response = await self._http.send(request, stream=True)
        came = tuple((name.lower(), value) for name, value in response.headers.multi_items())
        stream = Stream(response.status_code, came, response)
        try:
            yield stream
        finally:
            await response.aclose()
            self._exchanges.append(
                Exchange(
                    method=method,
                    url=url,
                    sent_headers=tuple(sent),
                    sent=content,
                    status=response.status_code,
                    came_headers=came,
                    came=stream.read_so_far(),
                )
            )

    async def post_with_altered_token(self, url: str, body: object, *, headers: Headers = ()) -> Exchange:
        """One POST with the token that was given, one character of it changed."""
        sent = [*_pairs(headers), ("authorization", f"Bearer {_altered(self._token or '')}")]
        return await self.post(url, body, headers=sent, authorised=False)

    async def post_with_token_in_query(self, url: str, body: object, *, headers: Headers = ()) -> Exchange:
        """One POST whose only credential is `access_token` in the URL, where no server may look for it."""
        joint = "&" if "?" in url else "?"
        return await self.post(
            f"{url}{joint}access_token={quote(self._token or '', safe='')}", body, headers=headers, authorised=False
        )


class Wires:
    """Makes a wire for each check, with connections of its own. `transport` takes the place of the network."""

    def __init__(self, *, token: str | None, seconds: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._token = token
        self._seconds = seconds
        self._transport = transport
        # Made once, since that takes longer than most checks.
        self._tls = ssl.create_default_context() if transport is None else False

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Wire]:
        """A wire whose connections are closed with the context."""
        async with httpx.AsyncClient(timeout=self._seconds, verify=self._tls, transport=self._transport) as http:
            yield Wire(http, token=self._token)


def read_json(text: bytes | str) -> Any:
    """JSON, or None where a text is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    if isinstance(headers, Mapping):
        return list(headers.items())
    return list(headers)


def _altered(token: str) -> str:
    """A token with another character in the middle of its last part: at its very end some bits may mean nothing."""
    at = token.rfind(".") + 1
    at += (len(token) - at) // 2
    return token[:at] + ("A" if token[at : at + 1] != "A" else "B") + token[at + 1 :]


def _event_data(body: bytes) -> Iterator[str]:
    """The data lines of each event, joined (WHATWG, server-sent events)."""
    lines: list[str] = []
    for raw in [*_LINE_END.split(body), b""]:
        line = raw.decode("utf-8", "replace")
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


def _without_secrets(exchange: Exchange, token: str | None) -> Exchange:
    return Exchange(
        method=exchange.method,
        url=_veil(exchange.url, token),
        sent_headers=_veil_headers(exchange.sent_headers, token),
        sent=_veil(exchange.sent.decode("utf-8", "replace"), token).encode(),
        status=exchange.status,
        came_headers=_veil_headers(exchange.came_headers, token),
        came=_veil(exchange.came.decode("utf-8", "replace"), token).encode(),
    )


def _veil_headers(headers: Iterable[tuple[str, str]], token: str | None) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, _scheme(value) if name.lower() in _SECRET_HEADERS else _veil(value, token)) for name, value in headers
    )


def _scheme(credential: str) -> str:
    """What kind of credential it was, and nothing more."""
    scheme, space, _ = credential.partition(" ")
    return f"{scheme} {SECRET}" if space and "=" not in scheme else SECRET


def _veil(text: str, token: str | None) -> str:
    """A text without the token, however it is written there, and without anything that looks like one."""
    for form in {token, quote(token, safe=""), json.dumps(token)[1:-1]} if token else ():
        text = text.replace(form, SECRET)
    return _JWT.sub(SECRET, text)
