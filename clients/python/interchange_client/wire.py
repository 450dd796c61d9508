"""HTTP as this library uses it: one request, one bounded answer, within a time, and never a redirect.

Everything that can go wrong on the way is a `GatewayError`. What is written here never logs, and no error carries
anything that was sent. A credential leaves this machine only by https.
"""

import asyncio
import ipaddress
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx

from interchange_client.errors import GatewayError

SECONDS: Final = 30.0
DOCUMENT: Final = 256 << 10
"""Bytes of a well-known document, a key set or a token answer."""

CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthenticated",
    403: "denied",
    404: "unknown",
    413: "too_large",
    429: "overloaded",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
"""HTTP statuses in our own words; any other is `internal`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def media_type(self) -> str:
        """Of the body, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            GatewayError: it is none (`garbled`).
        """
        return read_json(self.body, self.url)

    def message(self) -> Mapping[str, Any]:
        """The JSON object in the body, whatever the status; empty where the body is something else."""
        found: object = self.json() if self.body and self.media_type.endswith("json") else None
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}

    def document(self) -> Mapping[str, Any]:
        """The JSON object that a request for one brought.

        Raises:
            GatewayError: the status says there is none, or the body is no JSON object.
        """
        if self.status != 200:
            raise GatewayError(f"{self.url} answered {self.status}.", CODES.get(self.status, "internal"))
        found = self.json()
        if not isinstance(found, dict):
            raise GatewayError(f"{self.url} did not answer with a JSON object.", "garbled")
        return cast("Mapping[str, Any]", found)


def open_http() -> httpx.AsyncClient:
    """A client that follows no redirects and takes no compressed answers, whose size nobody knows beforehand."""
    return httpx.AsyncClient(
        verify=_authorities(),
        follow_redirects=False,
        timeout=None,  # noqa: S113 - `exchange` holds the time
        headers={"accept-encoding": "identity"},
    )


@cache
def _authorities() -> ssl.SSLContext:
    """Whom we trust; read once, since that takes longer than a request."""
    return httpx.create_ssl_context()


async def exchange(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    seconds: float | None = SECONDS,
    most: int = DOCUMENT,
) -> Reply:
    """Send one request and return its whole answer, whatever its status. `seconds` None: the caller holds the time.

    Raises:
        GatewayError: `unavailable`, `deadline_passed`, or `too_large` for an answer of more than `most` bytes.
    """
    try:
        async with asyncio.timeout(seconds), http.stream(method, url, headers=headers, content=content) as response:
            body = await _read(response, url, most)
            return Reply(url=url, status=response.status_code, headers=response.headers, body=body)
    except TimeoutError:
        raise GatewayError(f"{url} did not answer within {seconds} s.", "deadline_passed") from None
    except (httpx.TransportError, httpx.StreamError) as error:
        raise GatewayError(f"{url} cannot be reached: {type(error).__name__}.", "unavailable") from None


async def get_document(url: str) -> Mapping[str, Any]:
    """Fetch a small JSON object that anybody may read.

    Raises:
        GatewayError: there is none, or it cannot be had.
    """
    async with open_http() as http:
        reply = await exchange(http, "GET", url, headers={"accept": "application/json"})
    return reply.document()


def read_json(text: bytes, url: str) -> Any:
    """JSON that came from `url`.

    Raises:
        GatewayError: it is none (`garbled`).
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise GatewayError(f"What {url} answered is not JSON.", "garbled") from None


def base_url(url: str) -> str:
    """A gateway's URL without the slash at its end.

    Raises:
        ValueError: it is no http URL, or not one that a secret may be sent to.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{url!r} is not the URL of a gateway, such as http://127.0.0.1:8420")
    if not is_safe(url):
        raise ValueError(f"{url} must be https: an agent's credential leaves its machine only encrypted")
    return url.rstrip("/")


def is_safe(url: str) -> bool:
    """Whether a secret may be sent there: by https, or to this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def well_known(url: str, name: str) -> str:
    """Where the well-known document about `url` is: the name goes between host and path (RFC 8414 §3, RFC 9728 §3)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/.well-known/{name}{parts.path.rstrip('/')}"


async def _read(response: httpx.Response, url: str, most: int) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise GatewayError(f"{url} answered compressed, which was not asked for.", "garbled")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            raise GatewayError(f"{url} answered with more than {most:,} bytes.", "too_large")
    return bytes(body)
