"""Screening: which URLs a webhook may have, and which addresses are connected to for one.

Whoever names a webhook makes the gateway connect somewhere, so this is asked twice: when the webhook is named, and
again whenever it is told something. The name is resolved here, every address has to pass, and the connection (above)
goes to one of those that passed. Networks that the operator allows are exempt, and may be told without encryption.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import httpx

from registry.addresses import is_address, is_public, looks_numeric
from registry.model import BadRequest

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host, for a connection to this port. What it raises means that there are none."""

URL_LIMIT = 2048
"""Characters."""

RESOLVE_SECONDS = 5.0

HOST_LIMIT = 253
"""Characters: no name that can be resolved is longer."""

_PORTS = {"https": 443, "http": 80}
_FREE_PORTS = range(1024, 65_536)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a webhook is, as its URL says; nothing of it was resolved yet."""

    url: httpx.URL
    host: str
    port: int

    @property
    def name(self) -> str:
        """What webhooks at one place have in common: host and port."""
        return f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port, the port left out where it is the scheme's own."""
        return f"{self.url.scheme}://{self.url.netloc.decode('ascii')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """A place whose addresses have passed, in the order in which they are to be tried."""

    place: Place
    addresses: tuple[str, ...]


class Screen:
    """Knows which networks are allowed beside the public internet, and resolves names."""

    def __init__(self, *, allowed: Collection[str] = (), resolve: Resolve) -> None:
        self._allowed = tuple(map(read_network, allowed))
        self._resolve = resolve

    async def screened(self, url: str) -> Screened:
        """The place of a webhook with addresses that may be connected to now.

        Raises:
            BadRequest: the URL may not be a webhook's, or one of its addresses may not be connected to.
        """
        place = read_place(url)
        addresses = await self._addresses(place)
        is_allowed = bool(addresses) and all(map(self._is_allowed, addresses))
        if place.url.scheme == "http" and not is_allowed:
            raise BadRequest(
                f"The webhook at {place.name} has to be told over https, or be in [push] allowed_networks."
            )
        if not addresses or not all(is_public(found) or self._is_allowed(found) for found in addresses):
            # One sentence for both: which names lead somewhere inside is nobody's business.
            raise BadRequest(
                f"The webhook's host {place.host} has no address that the gateway connects to: a public one, or one of"
                " [push] allowed_networks."
            )
        return Screened(place=place, addresses=tuple(addresses))

    async def _addresses(self, place: Place) -> Sequence[str]:
        """All addresses of a place; none where they cannot be found out, or not soon."""
        if is_address(place.host):
            return (place.host.strip("[]"),)
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                return tuple(dict.fromkeys(await self._resolve(place.host, place.port)))
        except (OSError, UnicodeError):  # a TimeoutError is an OSError
            return ()

    def _is_allowed(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._allowed)


def read_place(url: str) -> Place:
    """The place that a URL names.

    Raises:
        BadRequest: it is no URL of a webhook; it says why.
    """
    if len(url) > URL_LIMIT:
        raise BadRequest(f"A webhook's URL has at most {URL_LIMIT:,} characters.")
    if not (url.isascii() and url.isprintable()) or any(character in ' \\"<>^`{|}' for character in url):
        raise BadRequest("A webhook's URL has characters that are not a URL's: escape them.")
    try:
        read = httpx.URL(url)
        host, port = read.raw_host.decode("ascii"), read.port
    except (httpx.InvalidURL, ValueError):
        raise BadRequest("A webhook's URL cannot be read.") from None
    if read.scheme not in _PORTS:
        raise BadRequest("A webhook's URL begins with https://.")
    if "@" in read.netloc.decode("ascii") or "@" in url.partition("://")[2].partition("/")[0] or "#" in url:
        raise BadRequest("A webhook's URL has neither user information nor a fragment.")
    return Place(url=read, host=_checked_host(host), port=_checked_port(port, read.scheme))


def read_network(text: str) -> Network:
    """A network as the operator wrote it, such as `10.1.0.0/16`.

    Raises:
        BadRequest: it is none.
    """
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise BadRequest(f"[push] allowed_networks: {text!r} is no network: {error}") from None


def _checked_host(host: str) -> str:
    """The host in the one form in which places are compared and certificates are checked."""
    if looks_numeric(host) and not is_address(host):
        raise BadRequest(f"The webhook's host {host[:HOST_LIMIT]} is not an address in its usual form.")
    name = host.lower().removesuffix(".")
    if not name or len(name) > HOST_LIMIT or "%" in name:
        raise BadRequest("A webhook's URL has no host, or one that is no name and no address.")
    return name


def _checked_port(port: int | None, scheme: str) -> int:
    """The scheme's own port, or one that is free for all: the others belong to services that are no webhooks."""
    if port is None:
        return _PORTS[scheme]
    if port != _PORTS[scheme] and port not in _FREE_PORTS:
        raise BadRequest(f"A webhook is told at port {_PORTS[scheme]}, or at one from 1024 on; not at {port}.")
    return port
