"""An issuer somewhere else, a clock that stands still, and bad tokens, for tests of who asks."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policies.identity.keys import SigningKey, generate_signing_key
from registry.model import JsonObject

GATEWAY = "http://127.0.0.1:8420"
ISSUER = "https://login.example.com/realms/prod"
NOW = 1_800_000_000.0
PUBLIC_ADDRESS = "93.184.215.14"


@dataclass(slots=True)
class FakeClock:
    """A clock that is set by hand."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def claims(**changes: object) -> dict[str, Any]:
    """The claims of a good token for the gateway; a change to None takes a claim away."""
    good: dict[str, object] = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": GATEWAY,
        "client_id": "editor",
        "iat": int(NOW),
        "exp": int(NOW) + 900,
        "jti": "token-1",
        "scope": "mcp:tools",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ForeignIssuer:
    """Signs tokens as a provider in the field does."""

    key: SigningKey = field(default_factory=generate_signing_key)

    def token(self, *, typ: str = "at+jwt", **changes: object) -> str:
        return self.key.sign(claims(**changes), typ=typ)

    def jwks(self) -> JsonObject:
        return {"keys": [self.key.public()]}


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(header: Mapping[str, object], body: Mapping[str, object], signature: bytes = b"") -> str:
    """A token put together by hand."""
    return f"{segment(header)}.{segment(body)}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def read_claims(token: str) -> dict[str, Any]:
    """What a token says, verified by nobody."""
    return _read(token.split(".", 2)[1])


def read_header(token: str) -> dict[str, Any]:
    return _read(token.partition(".")[0])


def _read(part: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def one_public_address(host: str, port: int) -> Sequence[str]:
    """A resolver for which the whole world is at one address."""
    return [PUBLIC_ADDRESS]
