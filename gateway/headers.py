"""What the guard thinks of the head of a request: its line, its headers, who it says it is for. Pure.

Two readers that pick different ones of two `Host`, `Authorization` or `Mcp-Name` headers are how a check is walked
around, so what must be single is single or the request is turned away; headers that only we may set do not come in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from gateway.hosts import Doors, read_origin
from registry.model import BadRequest, Overloaded

Headers = list[tuple[bytes, bytes]]
ONCE_KEY = "interchange.once"
"""In the scope of a request whose head was checked: the headers that occur once, by name."""


class TurnedAway(BadRequest):
    """A request the guard does not let in. `status` is HTTP's, `code` ours, `rpc_code` JSON-RPC's.

    `unread` says that there may be body left on the connection, so that it must not be used again.
    """

    def __init__(self, status: int, message: str, *, rpc_code: int = -32600, unread: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.rpc_code = rpc_code
        self.unread = unread


class TooBusy(TurnedAway):
    """503: what is in hand already leaves no room for this request."""

    code = Overloaded.code

    def __init__(self, message: str) -> None:
        super().__init__(503, message, rpc_code=-32603, unread=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """How large the head of a request may be, in bytes; more is 414 or 431."""

    url: int = 8 * 1024
    headers: int = 32 * 1024
    count: int = 100


class Fate(Enum):
    """What becomes of a header."""

    KEPT = "kept"
    ONCE = "once"  # kept, and a second one is refused
    STRIPPED = "stripped"
    REFUSED = "refused"


KEPT, ONCE, STRIPPED, REFUSED = Fate
_ONCE = frozenset(
    b"authorization content-encoding content-length content-type host origin transfer-encoding ix-turn-token".split()
)
_PROXY = frozenset({b"forwarded", b"x-real-ip"})
_INTERNAL = (b"x-gw-", b"router-key")  # headers by which other gateways were steered from outside


@lru_cache(maxsize=1024)
def fate(name: bytes, trust_forwarded: bool) -> Fate:  # noqa: FBT001 (a key of the cache)
    """What becomes of a header of this name (in lower case)."""
    if name in _ONCE or name.startswith(b"mcp-"):
        return ONCE
    if name.startswith(b"ix-"):
        return REFUSED
    if name in _PROXY or name.startswith(b"x-forwarded-"):
        return KEPT if trust_forwarded else STRIPPED
    return STRIPPED if name.startswith(_INTERNAL) else KEPT


class Head(NamedTuple):
    """A head that may come in: the headers that stay, and those that may occur once, by name."""

    headers: Headers
    once: Mapping[bytes, bytes]


def read_headers(headers: Iterable[tuple[bytes, bytes]], limits: HeadLimits, *, trust_forwarded: bool) -> Head:
    """Sort headers by their fate; blanks round values are not part of them (RFC 9110 §5.5).

    Raises:
        TurnedAway: 400 or 431.
    """
    kept: Headers = []
    once: dict[bytes, bytes] = {}
    count = size = 0
    for name, padded in headers:
        value = padded.strip(b" \t")
        count += 1
        size += len(name) + len(value)
        what = fate(name, trust_forwarded)
        if what is STRIPPED:
            continue
        if what is not KEPT:
            _admit_once(name, value, once, what)
        kept.append((name, value))
    if count > limits.count or size > limits.headers:
        raise TurnedAway(431, f"The headers are over {limits.count} or {limits.headers} bytes", unread=True)
    return Head(kept, once)


def _admit_once(name: bytes, value: bytes, once: dict[bytes, bytes], what: Fate) -> None:
    if what is REFUSED:
        raise TurnedAway(400, f"The header {_shown(name)} is not for clients to send", unread=True)
    if name in once:
        raise TurnedAway(400, f"The header {_shown(name)} occurs twice", unread=True)
    once[name] = value


def _shown(name: bytes) -> str:
    return name[:64].decode("ascii", "replace")


def has_body(once: Mapping[bytes, bytes]) -> bool:
    """Whether a body comes after the head with these headers."""
    return b"transfer-encoding" in once or once.get(b"content-length", b"0") != b"0"


def is_below(path: str, prefixes: Iterable[str]) -> bool:
    """Whether a path is one of these or below it."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def check_line(path: str, raw_path: bytes, query: bytes, limits: HeadLimits) -> None:
    """Refuse URLs that are too long, hide control characters, or carry a token.

    Raises:
        TurnedAway: 400 or 414.
    """
    if len(raw_path) + len(query) > limits.url:
        raise TurnedAway(414, f"The URL is longer than {limits.url} bytes", unread=True)
    if not path.isprintable():
        raise TurnedAway(400, "The path has characters that cannot be printed", unread=True)
    if b"access_token=" in query:
        raise TurnedAway(400, "A token goes into the Authorization header, never into the URL", unread=True)


def check_doors(once: Mapping[bytes, bytes], doors: Doors) -> None:
    """Refuse requests for other hosts, and from pages that are not ours.

    Raises:
        TurnedAway: 400, 403 or 421.
    """
    host, origin = once.get(b"host", b""), once.get(b"origin")
    if (host, origin) not in doors.opened:
        _check_host(host, doors)
        _check_origin(origin, doors)
        doors.remember(host, origin)


def _check_host(text: bytes, doors: Doors) -> None:
    host = doors.read_host(text.decode("latin-1"))
    if host is None:
        raise TurnedAway(400, "The Host header is missing or malformed", unread=True)
    if not doors.answers_to(host):
        raise TurnedAway(421, "This gateway is not known by that Host; allow it as [web] allowed_hosts", unread=True)


def _check_origin(text: bytes | None, doors: Doors) -> None:
    if text is None:
        return
    origin = read_origin(text.decode("latin-1"))
    if origin is None or not doors.trusts(*origin):
        raise TurnedAway(403, "Pages of that Origin may not call; allow it as [web] allowed_origins", unread=True)
