"""Turn tokens: what an agent presents, beside its own credential, to act for those who made it work.

The gateway is their only issuer and their only audience. A token names the turn, attempt and fence, the agent it was
given to, and the chain for which that agent works, with the groups that each link's own token claimed (RFC 7519, `typ`
`turn+jwt`). It ends with the turn's deadline and is never renewed. Reading proves that the gateway issued it and no
more: that the turn is live and the presenter is its agent is for `gateway.turns` (above) to hold. As a bearer it is
worth nothing: `policies.identity.tokens` refuses the gateway's own tokens.
"""

import hashlib
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from joserfc import jwt
from joserfc.errors import JoseError

from policies.identity.cache import Recent
from policies.identity.keys import ALGORITHM, SigningKey
from registry.model import (
    AgentName,
    Chain,
    Domain,
    JsonObject,
    Principal,
    PrincipalKind,
    TooLarge,
    TurnId,
    Unauthenticated,
)

TYPE = "turn+jwt"
SIZE_LIMIT = 16 * 1024

_KINDS = {kind.value: kind for kind in PrincipalKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnClaims:
    """What a turn token says. `chain` are those for whom `agent` works, without it; `groups` are what the token of each
    of these links claimed; `expires_at` is in seconds since the epoch."""

    chain: Chain
    groups: tuple[frozenset[str], ...]
    turn: TurnId
    agent: AgentName
    attempt: int
    fence: int
    expires_at: float

    def __post_init__(self) -> None:
        if len(self.groups) != len(self.chain):
            raise ValueError("a turn has the groups of each link of its chain")


class TurnTokens:
    """Issues turn tokens and reads them back. What was read is remembered by its digest, never by the token."""

    def __init__(
        self, *, issuer: str, key: SigningKey, clock: Callable[[], float] = time.time, capacity: int = 10_000
    ) -> None:
        self._issuer = issuer
        self._key = key
        self._clock = clock
        self._header, _, _ = key.sign({}, typ=TYPE).partition(".")
        self._known: Recent[bytes, TurnClaims] = Recent(capacity)

    def issue(self, claims: TurnClaims) -> str:
        """Return a token that says this, for the turn's agent alone.

        Raises:
            TooLarge: the links are in so many groups that no header could carry it.
        """
        token = self._key.sign(self._written(claims), typ=TYPE)
        if len(token) > SIZE_LIMIT:
            raise TooLarge(f"The groups of the callers make a turn token of {len(token):,} bytes; {SIZE_LIMIT:,} fit.")
        return token

    def read(self, token: str) -> TurnClaims:
        """Return what a token says that `issue` made and whose time is not over.

        Raises:
            Unauthenticated: it is anything else; `reason` says what, for the log.
        """
        if len(token) > SIZE_LIMIT or not token.isascii():
            _refuse("it is longer than 16 kB or not ASCII")
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock()
        known = self._known.get(digest, now)
        if known is None:
            known = self._read(token)
            if known.expires_at <= now:
                _refuse("it has expired")
            self._known.put(digest, known, known.expires_at)
        return known

    def _read(self, token: str) -> TurnClaims:
        # Only one header was ever signed, so nothing of a header is parsed: neither type nor algorithm is up to it.
        if token.partition(".")[0] != self._header:
            _refuse("its header is not that of a turn token of this gateway")
        try:
            claims = jwt.decode(token, self._key.key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError):
            _refuse("its signature does not hold")
        if (claims.get("iss"), claims.get("aud")) != (self._issuer, self._issuer):
            _refuse("it is not from this gateway, or not for it")
        try:
            return _claims(claims)
        except (KeyError, TypeError, ValueError):
            _refuse("its claims are not those of a turn")

    def _written(self, claims: TurnClaims) -> JsonObject:
        return {
            "iss": self._issuer,
            "aud": self._issuer,
            "iat": int(self._clock()),
            "exp": claims.expires_at,
            "jti": secrets.token_urlsafe(16),
            "turn": claims.turn,
            "agent": claims.agent,
            "attempt": claims.attempt,
            "fence": claims.fence,
            "chain": [_write_link(link, groups) for link, groups in zip(claims.chain, claims.groups, strict=True)],
        }


def _write_link(link: Principal, groups: frozenset[str]) -> JsonObject:
    return {
        "kind": link.kind.value,
        "iss": link.issuer,
        "sub": link.subject,
        "name": link.name,
        "domain": link.domain,
        "groups": sorted(groups),
    }


def _claims(claims: Mapping[str, Any]) -> TurnClaims:
    """The claims in our own words; one that is missing or of another type is an error."""
    links = [cast("Mapping[str, Any]", link) for link in _list(claims["chain"])]
    return TurnClaims(
        chain=Chain(tuple(map(_read_link, links))),
        groups=tuple(frozenset(map(_text, _list(link["groups"]))) for link in links),
        turn=TurnId(_text(claims["turn"])),
        agent=AgentName(_text(claims["agent"])),
        attempt=_number(claims["attempt"]),
        fence=_number(claims["fence"]),
        expires_at=_instant(claims["exp"]),
    )


def _read_link(link: Mapping[str, Any]) -> Principal:
    return Principal(
        kind=_KINDS[_text(link["kind"])],
        issuer=_text(link["iss"]),
        subject=_text(link["sub"]),
        name=_text(link["name"]),
        domain=Domain(_text(link["domain"])),
    )


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return cast("Sequence[object]", value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value


def _instant(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError("not an instant")
    return float(value)


def _refuse(reason: str) -> NoReturn:
    raise Unauthenticated("The turn token is invalid or has expired.", reason=reason)
