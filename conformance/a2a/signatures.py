"""The signatures of a card: JWS (RFC 7515) over its canonical form, read and verified without a protocol's SDK."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from conformance.a2a.canonical import NotCanonical, signed_bytes
from conformance.a2a.shapes import Object, is_filled, is_object, objects
from conformance.wire import Wire, read_json

ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "Ed25519", "EdDSA")
SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature of a card as it came; `header` is its protected header, None where that is unreadable."""

    protected: Any
    value: Any
    header: Object | None = None

    @property
    def jku(self) -> str:
        """Where its header says the key is; empty without."""
        jku = (self.header or {}).get("jku")
        return jku if isinstance(jku, str) else ""

    @property
    def kid(self) -> Any:
        return (self.header or {}).get("kid")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """What came from where a signature's key should be. `why` says what is wrong where there are no keys."""

    keys: tuple[Object, ...] = field(default=())
    why: str = ""

    def named(self, kid: object) -> Object | None:
        """The key of that id."""
        return next((key for key in self.keys if key.get("kid") == kid), None)


def read_signatures(card: Object) -> list[Signature]:
    """The signatures of a card."""
    listed = card.get("signatures")
    return [_read(one) for one in cast("list[Any]", listed)] if isinstance(listed, list) else []


def is_base64url(text: object) -> bool:
    """Whether it is base64url without padding, as JWS has it."""
    return isinstance(text, str) and bool(_BASE64URL.fullmatch(text)) and len(text) % 4 != 1


async def fetch_keys(signature: Signature, wire: Wire) -> KeySet:
    """The key set that a signature's header points to. The token never goes there."""
    if urlsplit(signature.jku).scheme not in ("http", "https"):
        return KeySet(why=f"jku is {signature.jku!r}")
    try:
        exchange = await wire.get(signature.jku, headers={"accept": "application/json"}, authorised=False)
    except (httpx.RequestError, httpx.InvalidURL, ValueError) as error:
        return KeySet(why=f"{signature.jku} did not answer ({type(error).__name__})")
    body = exchange.json()
    if exchange.status != 200 or not is_object(body) or not isinstance(body.get("keys"), list):
        return KeySet(why=f"{signature.jku} answered HTTP {exchange.status} and no key set")
    return KeySet(keys=tuple(objects(body["keys"])))


def verification_fault(card: Object, signature: Signature, key: Mapping[str, Any]) -> str:
    """Why a signature is not one of this card with this key; empty if it is."""
    try:
        payload = signed_bytes(card)
    except NotCanonical as error:
        return f"the card has no canonical form: {error}"
    if not is_filled(signature.protected) or not is_filled(signature.value):
        return "there is no protected header or no signature"
    if (algorithm := (signature.header or {}).get("alg")) not in ALGORITHMS:
        return f"its algorithm is {algorithm!r}"
    public = {name: member for name, member in key.items() if name not in SECRET_MEMBERS}
    try:
        detached = f"{signature.protected}..{signature.value}"
        jws.deserialize_compact(
            detached,
            import_key(public),
            payload=payload,
            registry=_registry(),  # pyright: ignore[reportArgumentType]
        )
    except (JoseError, ValueError, TypeError, KeyError) as error:
        return f"it is not valid for the canonical form of the card ({type(error).__name__})"
    return ""


def tampered(card: Object) -> Iterator[tuple[str, Object]]:
    """Cards that are not this one: each with one member changed, and the member's name."""
    for name, member in card.items():
        if name != "signatures":
            yield name, {**card, name: [member, "examiner"]}
    yield "member that was not there", {**card, "examiner": "was here"}


def _registry() -> jws.JWSRegistry:
    return jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)


def _read(one: object) -> Signature:
    if not is_object(one):
        return Signature(protected=None, value=None)
    protected = one.get("protected")
    return Signature(protected=protected, value=one.get("signature"), header=_read_header(protected))


def _read_header(protected: object) -> Object | None:
    if not isinstance(protected, str):
        return None
    try:
        text = base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4))
    except (binascii.Error, ValueError):
        return None
    header = read_json(text)
    return header if is_object(header) else None
