"""An agent's own credential: OAuth 2.1 client credentials, from the issuer that the gateway itself names.

The gateway says who issues tokens for it (RFC 9728), the issuer says where (RFC 8414); an agent is given only the
gateway's URL, a client id and a secret. Tokens are kept until shortly before their end and never written anywhere.
"""

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote_plus, urlencode

from interchange_client.errors import GatewayError
from interchange_client.wire import base_url, exchange, get_document, is_safe, open_http, well_known

CLIENT_ID: Final = "INTERCHANGE_CLIENT_ID"
CLIENT_SECRET: Final = "INTERCHANGE_CLIENT_SECRET"  # noqa: S105 - the name of a variable

RENEWED_BEFORE: Final = 30.0
"""Seconds before its end at which a token is no longer handed out; half of its life where that is shorter."""

UNTOLD_LIFETIME: Final = 300.0
"""Seconds that a token is taken to live where its issuer does not say (RFC 6749 §5.1 leaves it open)."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    good_until: float


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where tokens come from, and whether the credential goes there in a header or in the form."""

    url: str
    by_header: bool


class AgentCredentials:
    """Access tokens of one agent for one gateway.

        credentials = AgentCredentials("https://gateway.example.com", client_id, client_secret)
        token = await credentials.token()

    May be shared by everything in one event loop: whoever comes while a token is being fetched waits for that one.
    """

    def __init__(
        self, gateway_url: str, client_id: str, client_secret: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.gateway_url = base_url(gateway_url)
        self.client_id = client_id
        self._secret = client_secret
        self._clock = clock
        self._endpoint: _Endpoint | None = None
        self._token: _Token | None = None
        self._fetching = asyncio.Lock()

    @classmethod
    def from_environment(cls, gateway_url: str) -> "AgentCredentials":
        """The credential in `INTERCHANGE_CLIENT_ID` and `INTERCHANGE_CLIENT_SECRET`.

        Raises:
            ValueError: one of them is not set.
        """
        found = [os.environ.get(name, "") for name in (CLIENT_ID, CLIENT_SECRET)]
        if not all(found):
            raise ValueError(
                f"an agent needs a credential of its own: set {CLIENT_ID} and {CLIENT_SECRET}, which the development"
                ' issuer\'s come by: eval "$(interchange agents credentials NAME)"'
            )
        return cls(gateway_url, *found)

    def __repr__(self) -> str:
        return f"AgentCredentials({self.gateway_url!r}, {self.client_id!r})"

    async def token(self) -> str:
        """An access token that is good for a while yet.

        Raises:
            GatewayError: `unauthenticated` where the issuer refuses the credential, `unavailable` where it, or the
                gateway that names it, cannot be reached.
        """
        async with self._fetching:
            if self._token is None or self._token.good_until <= self._clock():
                self._token = await self._fetch()
            return self._token.text

    def forget(self, token: str) -> None:
        """Take it that the gateway refused this token: the next one is fetched anew."""
        if self._token is not None and self._token.text == token:
            self._token = None

    async def _fetch(self) -> _Token:
        self._endpoint = endpoint = self._endpoint or await _find_endpoint(self.gateway_url)
        form = {"grant_type": "client_credentials", "resource": self.gateway_url}
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if endpoint.by_header:
            headers["authorization"] = self._basic()
        else:
            form |= {"client_id": self.client_id, "client_secret": self._secret}
        asked_at = self._clock()
        async with open_http() as http:
            reply = await exchange(http, "POST", endpoint.url, headers=headers, content=urlencode(form).encode())
        if 400 <= reply.status < 500 and reply.status != 429:
            self._endpoint = None  # it may have moved
            raise GatewayError(
                f"The issuer at {endpoint.url} refuses the credential of client {self.client_id}"
                f"{_reason(reply.body)}: check {CLIENT_ID} and {CLIENT_SECRET}.",
                "unauthenticated",
            )
        return _read_token(reply.document(), endpoint.url, asked_at)

    def _basic(self) -> str:
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self._secret)}"  # RFC 6749 §2.3.1
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


async def _find_endpoint(gateway_url: str) -> _Endpoint:
    """Follow the gateway's word to its issuer's token endpoint."""
    place = well_known(gateway_url, "oauth-protected-resource")
    resource = await get_document(place)
    if str(resource.get("resource", "")).rstrip("/") != gateway_url:  # RFC 9728 §3.3
        raise GatewayError(
            f"{place} speaks of {resource.get('resource')}, not of {gateway_url}: use the gateway's own URL.",
            "bad_request",
        )
    issuers: object = resource.get("authorization_servers")
    issuer = cast("list[object]", issuers)[0] if isinstance(issuers, list) and issuers else None
    if not isinstance(issuer, str):
        raise GatewayError(f"{place} names no authorization server.", "garbled")
    metadata = await _issuer_metadata(issuer)
    url = metadata.get("token_endpoint")
    if metadata.get("issuer") != issuer or not isinstance(url, str) or not is_safe(url):  # RFC 8414 §3.3
        raise GatewayError(f"The metadata of {issuer} is another's, or has no token endpoint at https.", "garbled")
    methods: object = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return _Endpoint(url, by_header=isinstance(methods, list) and "client_secret_basic" in methods)


async def _issuer_metadata(issuer: str) -> Mapping[str, Any]:
    """As RFC 8414 places it, else as OpenID Connect does."""
    try:
        return await get_document(well_known(issuer, "oauth-authorization-server"))
    except GatewayError as error:
        if error.code != "unknown":
            raise
    return await get_document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")


def _read_token(answer: Mapping[str, Any], url: str, asked_at: float) -> _Token:
    text, kind, lives = answer.get("access_token"), answer.get("token_type"), answer.get("expires_in", UNTOLD_LIFETIME)
    if not isinstance(text, str) or not text or str(kind).lower() != "bearer":
        raise GatewayError(f"{url} answered without a bearer token.", "garbled")
    seconds = float(lives) if isinstance(lives, int | float) else UNTOLD_LIFETIME
    return _Token(text, asked_at + seconds - min(RENEWED_BEFORE, seconds / 2))


def _reason(body: bytes) -> str:
    """The issuer's own word for it (RFC 6749 §5.2), and no more of its answer."""
    try:
        answer: object = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    word = cast("dict[str, object]", answer).get("error") if isinstance(answer, dict) else None
    return f" ({word[:80]})" if isinstance(word, str) and word.isprintable() else ""
