"""Verification of inbound tokens: from the text after `Bearer` to who asks, or to a refusal.

Accepts only `at+jwt` (RFC 9068) of configured issuers, for our audience, signed asymmetrically with a key of that
issuer. The gateway's own internal and turn tokens are never accepted. What was verified is remembered for at most a
minute by the token's digest, never by the token. Every doubt is a refusal; nothing here yields an anonymous caller.
"""

import binascii
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, cast

import orjson
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from policies.identity.cache import Recent
from policies.identity.directory import NOBODY, Directory, qualified
from policies.identity.keysets import ALGORITHMS, EDDSA, KeySource, PublicKey
from registry.model import NO_TURN, Chain, JsonObject, JsonValue, Principal, TurnId, Unauthenticated

SIZE_LIMIT = 16 * 1024
REMEMBERED_SECONDS = 60.0
SKEW_SECONDS = 30.0
_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_FORBIDDEN_HEADERS = ("jwk", "jku", "x5u", "x5c", "crit", "b64")
_SIGNATURES = JWSRegistry(algorithms=sorted(ALGORITHMS - {"EdDSA"}))
"""`EdDSA` is the old name of `Ed25519` (RFC 9864) and is looked up under the new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a token proved. `expires_at` is in seconds since the epoch; `groups` are those that it claims.

    `behind` are those for whom an agent acts, as the `turn` it holds proved, the person first; `groups_behind` are what
    their own tokens claimed, one for each. `fence` and `attempt` are those of the attempt that it holds.
    """

    principal: Principal
    scopes: frozenset[str]
    groups: frozenset[str]
    client_id: str
    expires_at: float
    behind: tuple[Principal, ...] = ()
    groups_behind: tuple[frozenset[str], ...] = ()
    turn: TurnId = NO_TURN
    fence: int = 0
    attempt: int = 0

    @property
    def chain(self) -> Chain:
        """Everybody for whom a call with this token is made, and its bearer."""
        return Chain((*self.behind, self.principal))


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundIssuer:
    """An issuer whose tokens are accepted. `alias` qualifies its names where several are configured.

    `audiences`: a token must be for one of them. `groups_claim` empty: its word on groups does not count. Of
    `scope_claims` the first present counts.
    """

    issuer: str
    audiences: tuple[str, ...]
    keys: KeySource
    alias: str = ""
    groups_claim: str = ""
    scope_claims: tuple[str, ...] = ("scope", "scp")


class TokenVerifier:
    """Verifies bearer tokens. `directory` tells the one in force; `own_issuer` is the gateway itself, whose tokens are
    for far sides only."""

    def __init__(
        self,
        issuers: Sequence[InboundIssuer],
        *,
        directory: Callable[[], Directory],
        own_issuer: str,
        clock: Callable[[], float] = time.time,
        capacity: int = 10_000,
    ) -> None:
        _check_issuers(issuers, own_issuer)
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._directory = directory
        self._proved_by = directory()
        self._own_issuer = own_issuer
        self._clock = clock
        self._known: Recent[bytes, Verified] = Recent(capacity)
        for issuer in issuers:
            issuer.keys.when_changed(self._known.clear)

    async def verify(self, token: str) -> Verified:
        """Return what a bearer token proves.

        Raises:
            Unauthenticated: it proves nothing here; `reason` says why, for the log.
            KeysUnavailable: the issuer's keys cannot be had at the moment.
        """
        if len(token) > SIZE_LIMIT or not token.isascii():
            _refuse("it is longer than 16 kB or not ASCII")
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock()
        self._directory_now()
        known = self._known.get(digest, now)
        if known is not None:
            return known
        verified = await self._verify(token, now)
        self._known.put(digest, verified, min(verified.expires_at, now + REMEMBERED_SECONDS))
        return verified

    async def _verify(self, token: str, now: float) -> Verified:
        parts = token.split(".")
        if len(parts) != 3:
            _refuse("it is not a signed JWT")
        header, claims = _read_segment(parts[0]), _read_segment(parts[1])
        algorithm, kid = _check_header(header)
        issuer = self._issuer_of(claims)
        key = await issuer.keys.find(kid, algorithm)
        _check_signature(parts, algorithm, key)
        expires_at = _check_times(claims, now)
        _check_audience(claims, issuer)
        if issuer.keys.withdrawn(str(claims.get("jti", ""))):
            _refuse("it was withdrawn")
        return self._proved(claims, issuer, expires_at)

    def _directory_now(self) -> Directory:
        """The directory in force. What was proved under another one is proved no more."""
        directory = self._directory()
        if directory is not self._proved_by:
            self._known.clear()
            self._proved_by = directory
        return directory

    def _issuer_of(self, claims: JsonObject) -> InboundIssuer:
        name = claims.get("iss")
        if name == self._own_issuer:
            _refuse("it is one of the gateway's own internal tokens")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        return issuer or _refuse("its issuer is not configured")

    def _proved(self, claims: JsonObject, issuer: InboundIssuer, expires_at: float) -> Verified:
        subject, client_id = claims.get("sub"), claims.get("client_id")
        if not (isinstance(subject, str) and isinstance(client_id, str) and client_id):
            _refuse("it has no sub or no client_id")
        directory = self._directory_now()
        principal = directory.principal(issuer=issuer.issuer, subject=subject, client_id=client_id, alias=issuer.alias)
        if directory.standing(principal).disabled:
            _refuse(f"{principal} is disabled in the directory")
        return Verified(
            principal=principal,
            scopes=_read_scopes(claims, issuer),
            groups=_read_groups(claims, issuer),
            client_id=client_id,
            expires_at=expires_at,
        )


def _check_issuers(issuers: Sequence[InboundIssuer], own_issuer: str) -> None:
    """Refuse a configuration in which one party's word could pass for another's."""
    if not issuers or not all(issuer.issuer and issuer.audiences and all(issuer.audiences) for issuer in issuers):
        raise ValueError("at least one issuer is needed, each with its name and an audience")
    names = [issuer.issuer for issuer in issuers]
    aliases = [issuer.alias for issuer in issuers]
    if len(set(names)) < len(names) or own_issuer in names:
        raise ValueError("an issuer is configured twice, or is the gateway itself")
    if len(issuers) > 1 and (not all(aliases) or len(set(aliases)) < len(aliases) or any("/" in a for a in aliases)):
        raise ValueError("several issuers need an alias each, all different and without a slash")


def _read_segment(segment: str) -> JsonObject:
    try:
        value = orjson.loads(urlsafe_b64decode(segment.encode()))
    except (ValueError, binascii.Error):
        _refuse("its header or its claims are not JSON")
    if not isinstance(value, dict):
        _refuse("its header or its claims are not a JSON object")
    return cast("JsonObject", value)


def _check_header(header: JsonObject) -> tuple[str, str | None]:
    """The algorithm and the id of the key."""
    if any(name in header for name in _FORBIDDEN_HEADERS):
        _refuse("its header brings a key or an extension along")
    typ, algorithm, kid = header.get("typ"), header.get("alg"), header.get("kid")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        _refuse("its type is not at+jwt")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        _refuse("its algorithm is not allowed")
    if kid is not None and not isinstance(kid, str):
        _refuse("its kid is not a string")
    return algorithm, kid


def _check_signature(parts: list[str], algorithm: str, key: PublicKey) -> None:
    try:
        model = _SIGNATURES.get_alg("Ed25519" if algorithm in EDDSA else algorithm)
        model.check_key(key.key)
        holds = model.verify(f"{parts[0]}.{parts[1]}".encode(), urlsafe_b64decode(parts[2].encode()), key.key)
    except (JoseError, ValueError, binascii.Error):
        holds = False
    if not holds:
        _refuse("its signature does not hold")


def _check_times(claims: JsonObject, now: float) -> float:
    """The instant at which it ends."""
    expires, issued, begins = claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)
    if not (_is_time(expires) and _is_time(issued) and _is_time(begins)):
        _refuse("exp or iat is missing, or a time is not a number")
    if float(cast("float", expires)) + SKEW_SECONDS <= now:
        _refuse("it has expired")
    if max(float(cast("float", issued)), float(cast("float", begins))) > now + SKEW_SECONDS:
        _refuse("its time has not come")
    return float(cast("float", expires))


def _is_time(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_audience(claims: JsonObject, issuer: InboundIssuer) -> None:
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    if not any(audience in issuer.audiences for audience in audiences if isinstance(audience, str)):
        _refuse("it is for another audience")


def _read_scopes(claims: JsonObject, issuer: InboundIssuer) -> frozenset[str]:
    value = next((claims[name] for name in issuer.scope_claims if name in claims), "")
    return frozenset(value.split() if isinstance(value, str) else _read_strings(value, "scopes"))


def _read_groups(claims: JsonObject, issuer: InboundIssuer) -> frozenset[str]:
    if not issuer.groups_claim or issuer.groups_claim not in claims:
        return NOBODY
    groups = _read_strings(claims[issuer.groups_claim], "groups")
    return frozenset(qualified(group, issuer.alias) for group in groups)


def _read_strings(value: JsonValue, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        _refuse(f"its {what} are not a list of strings")
    return cast("list[str]", value)


def _refuse(reason: str) -> NoReturn:
    raise Unauthenticated("The access token is invalid or has expired.", reason=reason)
