"""Which names we answer to, and which pages may speak to us: the defence against DNS rebinding and foreign pages.

A browser cannot be made to lie in `Host` or `Origin`, so a page that had its own name resolved to our address is known
by them. Everything here is exact comparison of normalised names; nothing is resolved, guessed or matched by pattern.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from registry.model import BadRequest

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_AUTHORITY = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Authority:
    """A host as clients write it: name in lower case, port empty where it is the scheme's default."""

    name: str
    port: str = ""

    @property
    def loopback(self) -> bool:
        return self.name in LOOPBACK_NAMES


def read_authority(text: str, scheme: str) -> Authority | None:
    """`host` or `host:port`; None where it is anything else."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    port = found["port"] or ""
    return Authority(found["name"].lower(), "" if port == _DEFAULT_PORTS.get(scheme) else port)


def read_origin(text: str) -> tuple[str, Authority] | None:
    """Scheme and authority of a serialised origin (RFC 6454 §6.2); None where it is anything else, `null` included."""
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS or (authority := read_authority(rest, scheme)) is None:
        return None
    return scheme, authority


class Doors:
    """The hosts and origins of one gateway."""

    def __init__(self, public_url: str, *, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        parts = urlsplit(public_url)
        self._scheme = parts.scheme
        self._public = _authority(parts.netloc, parts.scheme, what="public_url")
        self._hosts = {self._public, *(_authority(host, self._scheme, what="allowed_hosts") for host in hosts)}
        self.opened: set[tuple[bytes, bytes | None]] = set()
        self._origins = {(self._scheme, self._public), *(_origin(origin) for origin in origins)}

    def remember(self, host: bytes, origin: bytes | None) -> None:
        """Note a pair of headers that was found good, so that it need not be read again; bounded."""
        if len(self.opened) < 256:
            self.opened.add((host, origin))

    def answers_to(self, host: Authority) -> bool:
        """Whether a request for this host is ours.

        A gateway on loopback answers to every loopback name on any port: behind a forwarded port the client's port is
        not ours, and no foreign page can make a browser send such a name.
        """
        return host in self._hosts or (self._public.loopback and host.loopback)

    def trusts(self, scheme: str, origin: Authority) -> bool:
        """Whether a page of this origin may speak to us; on loopback every loopback page may."""
        return (scheme, origin) in self._origins or (self._public.loopback and origin.loopback)

    def read_host(self, text: str) -> Authority | None:
        """A `Host` header; None where it is malformed."""
        return read_authority(text, self._scheme)


def _authority(text: str, scheme: str, *, what: str) -> Authority:
    authority = read_authority(text, scheme)
    if authority is None:
        raise BadRequest(f"{what}: {text!r} is not a host or host:port")
    return authority


def _origin(text: str) -> tuple[str, Authority]:
    origin = read_origin(text.rstrip("/"))
    if origin is None:
        raise BadRequest(f"allowed_origins: {text!r} is not an origin such as https://app.example.com")
    return origin
