"""Internal tokens: how an agent knows that a call comes from its gateway, and for whom.

The gateway signs one for each chain and each far side, ES256, with the keys of its `/.well-known/jwks.json`. `sub` is
the head of the chain and `act` those after it, the latest outermost (RFC 8693 §4.1); a person stands by name, an agent
or a service with its kind in front (`agent:assistant`). Every doubt is a refusal.
"""

import asyncio
import binascii
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn, cast

from interchange.v1 import agent_pb2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64decode

from interchange_client.errors import GatewayError, TokenRefused
from interchange_client.wire import base_url, get_document, well_known

ALGORITHM: Final = "ES256"
SIZE_LIMIT: Final = 16 << 10
SKEW_SECONDS: Final = 30.0
LINKS: Final = 32
"""The longest chain that is read."""

KEPT_SECONDS: Final = 300.0
"""How long keys are used before they are fetched again; longer, while the gateway cannot be reached."""

PATIENCE_SECONDS: Final = 5.0
"""Between two attempts to fetch keys: tokens signed by nobody we know cost the gateway no more than that."""

_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_KINDS = {agent_pb2.Principal.PERSON: "", agent_pb2.Principal.AGENT: "agent:", agent_pb2.Principal.SERVICE: "service:"}


class InternalTokens:
    """Verifies the internal tokens of one gateway for one audience.

    tokens = InternalTokens("https://gateway.example.com", "grpc://greeter")
    names = await tokens.verify(token)        # ("alice", "agent:assistant")
    """

    def __init__(self, gateway_url: str, audience: str, *, clock: Callable[[], float] = time.time) -> None:
        self.issuer = base_url(gateway_url)
        self.audience = audience
        self._clock = clock
        self._keys = _Keys(well_known(self.issuer, "jwks.json"), clock)

    async def verify(self, token: str) -> tuple[str, ...]:
        """Return the names of the chain that a token is about, its head first.

        Raises:
            TokenRefused: it proves nothing here.
            GatewayError: the gateway's keys cannot be had, so nothing can be proved.
        """
        if len(token) > SIZE_LIMIT or not token.isascii():
            _refuse("it is longer than 16 kB or not ASCII")
        header = _read_header(token)
        key = await self._keys.find(header)
        try:
            claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, binascii.Error):
            _refuse("its signature does not hold, or its claims are none")
        self._check(claims)
        return tuple(_names(claims))

    def _check(self, claims: Mapping[str, Any]) -> None:
        now, expires, begins = self._clock(), claims.get("exp"), claims.get("nbf", 0)
        if claims.get("iss") != self.issuer:
            _refuse(f"its issuer is not {self.issuer}")
        if claims.get("aud") not in (self.audience, [self.audience]):
            _refuse(f"it is not for {self.audience}")
        if not _is_time(expires) or not _is_time(begins):
            _refuse("exp is missing, or a time is not a number")
        if cast("float", expires) + SKEW_SECONDS <= now:
            _refuse("it has expired")
        if begins > now + SKEW_SECONDS:
            _refuse("its time has not come")


def spoken_names(chain: Iterable[agent_pb2.Principal]) -> tuple[str, ...]:
    """How the principals of a chain are written in an internal token.

    Raises:
        TokenRefused: one of them is of no kind that is known.
    """
    return tuple(
        f"{_KINDS[link.kind]}{link.name}" if link.kind in _KINDS else _refuse("the chain has a link of no known kind")
        for link in chain
    )


class _Keys:
    """The gateway's public keys by their ids, fetched when needed and by one at a time."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self._url = url
        self._clock = clock
        self._keys: Mapping[str, ECKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str) -> ECKey:
        """The key of that id.

        Raises:
            TokenRefused: the gateway has no such key.
            GatewayError: none could be fetched, ever.
        """
        if kid not in self._keys or self._clock() - self._fetched_at > KEPT_SECONDS:
            async with self._fetching:
                await self._refresh(kid)
        return self._keys.get(kid) or _refuse("it is signed by a key that the gateway does not publish")

    async def _refresh(self, kid: str) -> None:
        now = self._clock()
        if kid in self._keys and now - self._fetched_at <= KEPT_SECONDS:
            return  # somebody fetched them while we waited
        if now - self._tried_at >= PATIENCE_SECONDS:
            self._tried_at = now
            try:
                self._keys = _read_keys(await get_document(self._url))
                self._fetched_at = now
            except GatewayError:
                if not self._keys:
                    raise
        elif not self._keys:
            raise GatewayError("The gateway's keys could not be fetched a moment ago.", "unavailable")


def _read_keys(document: Mapping[str, Any]) -> Mapping[str, ECKey]:
    listed: object = document.get("keys")
    found: dict[str, ECKey] = {}
    for entry in cast("list[object]", listed) if isinstance(listed, list) else []:
        jwk = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        kid = jwk.get("kid")
        if isinstance(kid, str) and (jwk.get("kty"), jwk.get("crv")) == ("EC", "P-256"):
            try:
                found[kid] = ECKey.import_key(jwk)
            except (JoseError, ValueError):
                continue
    return found


def _read_header(token: str) -> str:
    """The id of the key that a token says it is signed with."""
    try:
        header: object = json.loads(urlsafe_b64decode(token.partition(".")[0].encode()))
    except (ValueError, binascii.Error):
        _refuse("its header is not JSON")
    found = cast("dict[str, object]", header) if isinstance(header, dict) else {}
    if str(found.get("typ")).lower() not in _TYPES or found.get("alg") != ALGORITHM:
        _refuse("it is not an at+jwt signed with ES256")
    kid = found.get("kid")
    return kid if isinstance(kid, str) else _refuse("it names no key")


def _names(claims: Mapping[str, Any]) -> list[str]:
    """`sub`, then the actors, the earliest first."""
    later: list[str] = []
    act: object = claims.get("act")
    while act is not None:
        link = cast("dict[str, object]", act) if isinstance(act, dict) else {}
        later.append(_name(link.get("sub")))
        if len(later) >= LINKS:
            _refuse("its chain is too long")
        act = link.get("act")
    return [_name(claims.get("sub")), *reversed(later)]


def _name(value: object) -> str:
    return value if isinstance(value, str) and value else _refuse("it does not say who asks")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(reason: str) -> NoReturn:
    raise TokenRefused(reason)
