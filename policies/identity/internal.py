"""Internal tokens: how a far side learns for whom the gateway calls, without ever seeing the caller's own token.

The gateway is their issuer, the target their audience. `sub` is the head of the chain, the person if there is one, and
`act` the links after it, the latest outermost (RFC 8693 §4.1). A person stands by name; an agent or service with its
kind in front (`agent:assistant`), so that none can be taken for a person. Doors of the gateway never accept them.
"""

import secrets
import time
from collections.abc import Callable

from policies.identity.cache import Recent
from policies.identity.keys import SigningKey
from registry.model import Chain, JsonObject, Principal, PrincipalKind

LIFETIME = 300.0
RENEWED_BEFORE = 60.0
"""Seconds. A cached token is handed out only while at least this much of its life is left."""


class InternalIssuer:
    """Signs one token for each chain and audience and hands it out until it is near its end."""

    def __init__(
        self, *, issuer: str, key: SigningKey, clock: Callable[[], float] = time.time, capacity: int = 10_000
    ) -> None:
        self.issuer = issuer
        self._key = key
        self._clock = clock
        self._tokens: Recent[tuple[Chain, str], str] = Recent(capacity)

    async def token_for(self, chain: Chain, audience: str) -> str:
        """Return a token that tells `audience` for whom the gateway calls."""
        now = self._clock()
        token = self._tokens.get((chain, audience), now)
        if token is None:
            token = self._key.sign(self._claims(chain, audience, int(now)))
            self._tokens.put((chain, audience), token, now + LIFETIME - RENEWED_BEFORE)
        return token

    def jwks(self) -> JsonObject:
        """The key set that far sides verify with."""
        return {"keys": [self._key.public()]}

    def _claims(self, chain: Chain, audience: str, now: int) -> JsonObject:
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": audience,
            "sub": spoken_name(chain.links[0]),
            "client_id": spoken_name(chain.caller),
            "iat": now,
            "exp": now + int(LIFETIME),
            "jti": secrets.token_urlsafe(16),
        }
        if len(chain) > 1:
            claims["act"] = _actors(chain.links[1:])
        return claims  # pyright: ignore[reportReturnType]


def spoken_name(principal: Principal) -> str:
    """How a principal is written in an internal token."""
    return principal.name if principal.kind is PrincipalKind.PERSON else str(principal)


def _actors(links: tuple[Principal, ...]) -> JsonObject:
    act: dict[str, object] = {}
    for link in links:
        act = {"sub": spoken_name(link), **({"act": act} if act else {})}
    return act  # pyright: ignore[reportReturnType]
