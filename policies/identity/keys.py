"""The gateway's own signing keys: ES256, one PEM file each in `STATE/keys`, made when absent.

A key's id is its thumbprint (RFC 7638), so that a restart publishes the same key set. Private halves never leave this
module except as signatures.
"""

import base64
from functools import lru_cache
from pathlib import Path
from typing import cast

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from policies.identity.private import read_or_create
from registry.model import BadRequest, JsonObject

ALGORITHM = "ES256"

_AT_RANDOM = ECDSA(hashes.SHA256())
_SAME_EVERY_TIME = ECDSA(hashes.SHA256(), deterministic_signing=True)


class SigningKey:
    """A key pair that signs tokens."""

    def __init__(self, key: ECKey) -> None:
        self.key = key
        self.kid = key.thumbprint()
        self._private = key.get_op_key("sign")
        self._header = lru_cache(maxsize=16)(self._write_header)

    def sign(self, claims: JsonObject, *, typ: str = "at+jwt") -> str:
        """A compact JWS over the claims; `typ` says what kind of token it is (RFC 9068 §2.1)."""
        whole = f"{self._header(typ)}.{_base64url(orjson.dumps(claims))}"
        return f"{whole}.{self._signature(whole, _AT_RANDOM)}"

    def sign_detached(self, payload: bytes, header: JsonObject) -> tuple[str, str]:
        """Protected header and signature of a JWS whose payload travels on its own (RFC 7515, appendix F).

        Whatever is signed is signed the same way every time (RFC 6979): on every replica and after every restart.
        """
        protected = _base64url(orjson.dumps({"alg": ALGORITHM, "kid": self.kid, **header}))
        return protected, self._signature(f"{protected}.{_base64url(payload)}", _SAME_EVERY_TIME)

    def _write_header(self, typ: str) -> str:
        return _base64url(orjson.dumps({"alg": ALGORITHM, "typ": typ, "kid": self.kid}))

    def _signature(self, text: str, how: ECDSA) -> str:
        """The signature as RFC 7518 §3.4 has it: both numbers, 32 bytes each."""
        r, s = decode_dss_signature(self._private.sign(text.encode(), how))
        return _base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def public(self) -> JsonObject:
        """The public half as a JWK."""
        return cast("JsonObject", self.key.as_dict(private=False, use="sig", alg=ALGORITHM, kid=self.kid))


def generate_signing_key() -> SigningKey:
    """A fresh key that is kept nowhere."""
    return SigningKey(ECKey.generate_key("P-256"))


def load_signing_key(folder: Path, name: str) -> SigningKey:
    """Return the key of `folder/name.pem`, made when absent; folder and file are for their owner only.

    Raises:
        BadRequest: others may read the file, or it holds no P-256 private key.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / f"{name}.pem"
    pem = read_or_create(path, lambda: generate_signing_key().key.as_pem(private=True))
    try:
        key = ECKey.import_key(pem)
    except (JoseError, ValueError):
        raise BadRequest(f"{path}: not a private key in PEM; move it away and a new one is made") from None
    if not key.is_private or key.curve_name != "P-256":
        raise BadRequest(f"{path}: not a P-256 private key; move it away and a new one is made")
    return SigningKey(key)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
