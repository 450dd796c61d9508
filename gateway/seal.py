"""The seal: bytes that are kept elsewhere, readable for us and unreadable and unchangeable for everybody else.

AES-256-GCM under a key of `keys/`. What is sealed for one purpose opens for no other. It says which key it was sealed
with, so that keys can be changed: `keys/seal` seals, every `keys/seal.*` beside it still opens. It hides neither that
there is something nor how long it is, and does not tell an old value from a new one.
"""

import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.state import read_secret, secret
from registry.model import InterchangeError

NAME = "seal"

_VERSION = b"\x01"
_ID = 4
_NONCE = 12
_HEAD = len(_VERSION) + _ID
_TAG = 16
_SMALLEST = _HEAD + _NONCE + _TAG


class Unsealable(InterchangeError):
    """Sealed bytes that do not open: damaged, changed, for another purpose, or of a key that is gone."""

    code = "unsealable"


class Seal:
    """Seals with the first of some keys of 32 bytes and opens with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._head = _VERSION + _id(keys[0])
        self._key = AESGCM(keys[0])
        self._keys: Mapping[bytes, AESGCM] = {_VERSION + _id(key): AESGCM(key) for key in keys}

    def seal(self, data: bytes, *, purpose: str) -> bytes:
        """Make bytes that only `open` with the same purpose reads; other ones every time."""
        nonce = os.urandom(_NONCE)
        return self._head + nonce + self._key.encrypt(nonce, data, self._head + purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Return what was sealed for this purpose.

        Raises:
            Unsealable: it was not, or not with a key that is at hand; nothing of it can be used.
        """
        head = sealed[:_HEAD]
        key = self._keys.get(head)
        if key is None or len(sealed) < _SMALLEST:
            raise Unsealable(_why(sealed))
        try:
            return key.decrypt(sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :], head + purpose.encode())
        except InvalidTag:
            raise Unsealable("It was changed since it was sealed, or sealed for another purpose.") from None


def open_seal(state: Path) -> Seal:
    """The seal of a state folder, whose key is made when first asked for.

    Raises:
        Refused: a key is damaged.
    """
    first = secret(state, NAME)
    return Seal([first, *(read_secret(path) for path in sorted((state / "keys").glob(f"{NAME}.*")))])


def _id(key: bytes) -> bytes:
    """What tells keys apart and tells nothing of them."""
    return sha256(b"interchange seal" + key).digest()[:_ID]


def _why(sealed: bytes) -> str:
    if len(sealed) < _SMALLEST or sealed[:1] != _VERSION:
        return "It is not what this gateway seals."
    return f"It was sealed with key {sealed[1:_HEAD].hex()}, which is not in keys/: put it back there as {NAME}.old."
