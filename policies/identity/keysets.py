"""Issuers' public keys: where they come from and which one verifies a token.

`LocalKeys` are at hand, those of the embedded issuer. `RemoteKeys` are discovered (RFC 8414 or OpenID Connect, the
issuer must match exactly) and kept: a key that nobody knows causes at most one fetch in 30 s, however many ask; while
a fetch fails, the keys already held go on serving. Nothing a token says (`jku`, `jwk`, `x5u`) ever leads here.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from policies.identity.fetch import Fetcher, Unfetchable
from policies.identity.urls import well_known
from registry.model import InterchangeError, JsonObject, JsonValue, Unauthenticated

logger = logging.getLogger(__name__)

SIZE_LIMIT = 256 * 1024
RETRY_SECONDS = 30.0
FIRST_RETRY_SECONDS = 5.0
"""Between attempts while no key is held at all: then every caller is locked out."""
FRESH_SECONDS = 600.0
STALE_SECONDS = 24 * 3600.0
"""How long keys outlive the last successful fetch; beyond it a withdrawn key could live for ever."""

EDDSA = frozenset({"Ed25519", "EdDSA"})
ALGORITHMS = frozenset({"ES256", "RS256"}) | EDDSA


class KeysUnavailable(InterchangeError):
    """The issuer's keys cannot be had at the moment, so nobody's token can be verified. Never an anonymous caller."""

    code = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that may verify, and with which algorithms."""

    kid: str | None
    algorithms: frozenset[str]
    key: Key = field(repr=False)


class KeySource(Protocol):
    """Gives the keys of one issuer."""

    async def find(self, kid: str | None, algorithm: str) -> PublicKey:
        """Return the key that a token's header names.

        Raises:
            Unauthenticated: the issuer has no such key.
            KeysUnavailable: its keys are not known at the moment.
        """
        ...

    def withdrawn(self, jti: str) -> bool:
        """Whether the token of this id was taken back before its time."""
        ...

    def when_changed(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever a token that held before may not hold any more."""
        ...


class LocalKeys:
    """Keys of an issuer in this very process."""

    def __init__(self, keys: Iterable[JsonObject]) -> None:
        self._keys = read_key_set({"keys": tuple(keys)})
        self._withdrawn: set[str] = set()
        self._listeners: list[Callable[[], None]] = []

    async def find(self, kid: str | None, algorithm: str) -> PublicKey:
        return choose(self._keys, kid, algorithm)

    def withdraw(self, jtis: Iterable[str]) -> None:
        """Take tokens back. There are few: only those obtained with a code or a refresh token that was used twice."""
        self._withdrawn.update(jtis)
        _call(self._listeners)

    def withdrawn(self, jti: str) -> bool:
        return jti in self._withdrawn

    def when_changed(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)


class RemoteKeys:
    """Keys of an issuer elsewhere. `close` ends a fetch that is under way."""

    def __init__(self, issuer: str, fetcher: Fetcher, *, clock: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._fetcher = fetcher
        self._clock = clock
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched_at = 0.0
        self._not_before = 0.0
        self._place = ""
        self._flight: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []

    async def find(self, kid: str | None, algorithm: str) -> PublicKey:
        if not self._held():
            await self._refreshed()
        if not (keys := self._held()):
            raise KeysUnavailable("The issuer's keys cannot be fetched at the moment; try again in a moment.")
        try:
            key = choose(keys, kid, algorithm)
        except Unauthenticated:
            await self._refreshed()
            return choose(self._held(), kid, algorithm)
        if self._clock() - self._fetched_at > FRESH_SECONDS:
            self._begin()  # and let those held serve meanwhile
        return key

    def withdrawn(self, jti: str) -> bool:  # noqa: ARG002 - only the issuer itself knows
        return False

    def when_changed(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    def _held(self) -> tuple[PublicKey, ...]:
        return self._keys if self._clock() - self._fetched_at <= STALE_SECONDS else ()

    async def _refreshed(self) -> None:
        """Wait for one fetch, shared by all who ask; return at once where it is too early for another."""
        self._begin()
        if self._flight is not None:
            await asyncio.shield(self._flight)  # a caller that goes away does not end it for the others

    def _begin(self) -> None:
        if self._flight is not None and not self._flight.done():
            return
        self._flight = None
        if self._clock() >= self._not_before:
            self._flight = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        self._not_before = self._clock() + (RETRY_SECONDS if self._keys else FIRST_RETRY_SECONDS)
        try:
            keys = read_key_set(await self._fetcher.get_json(await self._key_set_url(), limit=SIZE_LIMIT))
        except (Unfetchable, _NotAnIssuer) as error:
            self._place = ""
            logger.warning("keys of an issuer could not be fetched", extra={"issuer": self._issuer, "why": str(error)})
            return
        changed = _ids(keys) != _ids(self._keys)
        self._keys, self._fetched_at = keys, self._clock()
        self._not_before = self._fetched_at + RETRY_SECONDS
        if changed:
            _call(self._listeners)

    async def _key_set_url(self) -> str:
        """Where the key set is, discovered once and again after a failure."""
        if not self._place:
            metadata = await self._metadata()
            if metadata.get("issuer") != self._issuer:
                raise _NotAnIssuer("its metadata names another issuer")
            place = metadata.get("jwks_uri")
            if not isinstance(place, str):
                raise _NotAnIssuer("its metadata has no jwks_uri")
            self._place = place
        return self._place

    async def _metadata(self) -> JsonObject:
        try:
            return await self._fetcher.get_json(
                well_known(self._issuer, "oauth-authorization-server"), limit=SIZE_LIMIT
            )
        except Unfetchable:
            place = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            return await self._fetcher.get_json(place, limit=SIZE_LIMIT)


class _NotAnIssuer(Exception):
    """What was discovered is not the configured issuer's."""


def choose(keys: tuple[PublicKey, ...], kid: str | None, algorithm: str) -> PublicKey:
    """Return the one key that fits.

    Raises:
        Unauthenticated: none does, or the token names none while there are several.
    """
    if kid is None and len(keys) > 1:
        raise Unauthenticated(
            "The access token is invalid or has expired.", reason="it names no key and the issuer has several"
        )
    for key in keys:
        if kid in (None, key.kid) and algorithm in key.algorithms:
            return key
    raise Unauthenticated("The access token is invalid or has expired.", reason="its issuer has no such key")


def read_key_set(document: JsonObject) -> tuple[PublicKey, ...]:
    """The keys of a JWK set (RFC 7517 §5) that may verify here; others are passed over."""
    rows = document.get("keys")
    if not isinstance(rows, list | tuple):
        return ()
    found = (_read_key(row) for row in rows[:100] if isinstance(row, Mapping))
    return tuple(key for key in found if key is not None)


def _read_key(row: Mapping[str, JsonValue]) -> PublicKey | None:
    if row.get("kty") == "oct" or "d" in row or row.get("use", "sig") != "sig":
        return None
    try:
        key = import_key(cast("dict[str, str | list[str]]", dict(row)))
        algorithms = _algorithms(key)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    named = row.get("alg")
    if named is not None:
        algorithms &= EDDSA if named in EDDSA else frozenset({str(named)})
    kid = row.get("kid")
    return PublicKey(kid=kid if isinstance(kid, str) else None, algorithms=algorithms, key=key) if algorithms else None


def _algorithms(key: Key) -> frozenset[str]:
    if isinstance(key, ECKey) and key.curve_name == "P-256":
        return frozenset({"ES256"})
    if isinstance(key, RSAKey) and key.public_key.key_size >= 2048:
        return frozenset({"RS256"})
    if isinstance(key, OKPKey) and key.curve_name == "Ed25519":
        return EDDSA
    return frozenset()


def _ids(keys: tuple[PublicKey, ...]) -> frozenset[tuple[str | None, str]]:
    return frozenset((key.kid, key.key.thumbprint()) for key in keys)


def _call(listeners: Iterable[Callable[[], None]]) -> None:
    for listener in listeners:
        listener()
