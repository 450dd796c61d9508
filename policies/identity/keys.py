"""The gateway's own signing keys: ES256, one PEM file each in `STATE/keys`, made when absent.

A key's id is its thumbprint (RFC 7638), so that a restart publishes the same key set. Private halves never leave this
module except as signatures.
"""

from pathlib import Path
from typing import cast

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from policies.identity.private import read_or_create
from registry.model import BadRequest, JsonObject

ALGORITHM = "ES256"


class SigningKey:
    """A key pair that signs tokens."""

    def __init__(self, key: ECKey) -> None:
        self.key = key
        self.kid = key.thumbprint()

    def sign(self, claims: JsonObject, *, typ: str = "at+jwt") -> str:
        """A compact JWS over the claims; `typ` says what kind of token it is (RFC 9068 §2.1)."""
        header = {"alg": ALGORITHM, "typ": typ, "kid": self.kid}
        return jwt.encode(header, dict(claims), self.key, algorithms=[ALGORITHM], default_type=None)

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
