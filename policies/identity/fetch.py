"""Outbound HTTP to addresses that somebody else chose: key sets, issuer metadata, clients' metadata documents.

https only, and only to public addresses: the name is resolved here, every address is screened, and the connection goes
to the very address that was screened, so a second DNS answer changes nothing. No redirects, no proxies of the
environment, bounded in size and time. Origins that the operator wrote into the configuration may be exempt.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import cached_property
from typing import cast

import httpx

from policies.identity.urls import origin
from registry.addresses import is_address, is_public, looks_numeric
from registry.model import InterchangeError, JsonObject

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

SECONDS = 5.0


class Unfetchable(InterchangeError):
    """A URL was not fetched: it is not allowed, or the other side did not deliver."""

    code = "unfetchable"


class Fetcher:
    """Gets JSON documents from URLs that are not to be trusted.

    `unscreened` are origins (`http://127.0.0.1:9000`) that the operator configured: they may be plain http and may
    have any address.
    """

    def __init__(
        self, *, unscreened: Collection[str] = (), resolve: Resolve | None = None, seconds: float = SECONDS
    ) -> None:
        self._unscreened = frozenset(unscreened)
        self._resolve = resolve or resolve_host
        self._seconds = seconds

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()  # 30 ms, so only once something is fetched, and once

    async def get_json(self, url: str, *, limit: int) -> JsonObject:
        """Return the JSON object at `url`, of at most `limit` bytes.

        Raises:
            Unfetchable: the URL or its address is not allowed, or no such document came in time.
        """
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._get(url, limit)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise Unfetchable(f"{_shown(url)} could not be fetched: {type(error).__name__}") from error
        return _read_object(body, url)

    async def _get(self, url: str, limit: int) -> bytes:
        request = await self._screened(url)
        async with httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False) as client:
            answer = await client.send(request, stream=True)
            try:
                return await _read(answer, url, limit)
            finally:
                await answer.aclose()

    async def _screened(self, url: str) -> httpx.Request:
        """The request for `url`, addressed to an address that passed. The name stays in Host and in TLS."""
        asked = httpx.URL(url)
        exempt = origin(url) in self._unscreened
        host = asked.raw_host.decode("ascii")
        if asked.scheme != "https" and not (exempt and asked.scheme == "http"):
            raise Unfetchable(f"{_shown(url)} is not https")
        if asked.userinfo or asked.fragment or not host or not origin(url):
            raise Unfetchable(f"{_shown(url)} has user information, a fragment, an odd port or no host")
        address = await self._address(host, asked.port or (443 if asked.scheme == "https" else 80), exempt=exempt)
        headers = {"Host": asked.netloc.decode("ascii"), "Accept": "application/json", "Accept-Encoding": "identity"}
        name = {} if is_address(host) else {"sni_hostname": host}
        timeout = httpx.Timeout(self._seconds).as_dict()
        return httpx.Request(
            "GET", asked.copy_with(host=address), headers=headers, extensions={**name, "timeout": timeout}
        )

    async def _address(self, host: str, port: int, *, exempt: bool) -> str:
        if is_address(host):
            found: Sequence[str] = [host.strip("[]")]
        elif looks_numeric(host):
            raise Unfetchable(f"{host} is not an address in its usual form")
        else:
            found = await self._resolve(host, port)
        if not found:
            raise Unfetchable(f"{host} has no address")
        if not exempt and not all(map(is_public, found)):
            raise Unfetchable(f"{host} leads to an address that the gateway does not connect to")
        return found[0]


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, as the system resolves it."""
    rows = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]


async def _read(answer: httpx.Response, url: str, limit: int) -> bytes:
    if answer.status_code != 200:
        raise Unfetchable(f"{_shown(url)} answered {answer.status_code}")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise Unfetchable(f"{_shown(url)} answered in an encoding that was not asked for")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise Unfetchable(f"{_shown(url)} answered more than {limit} bytes")
    return bytes(body)


def _read_object(body: bytes, url: str) -> JsonObject:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Unfetchable(f"{_shown(url)} did not answer with JSON") from None
    if not isinstance(document, dict):
        raise Unfetchable(f"{_shown(url)} did not answer with a JSON object")
    return cast("JsonObject", document)


def _shown(url: str) -> str:
    """A URL as messages may show it: no query, no line breaks, not endless."""
    return "".join(character for character in url.partition("?")[0][:200] if character.isprintable())
