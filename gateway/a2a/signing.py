"""Signatures of cards: a JWS over the canonical form of what is served (A2A 1.0, section 8.4).

The card that is signed is the card that is served, to the byte: whoever reads it through an SDK's types writes the same
canonical form again, because `cards` puts nothing into it that those types would drop. The key is the gateway's own for
cards, published beside the one of internal tokens.
"""

from gateway.a2a.canonical import canonical
from gateway.metadata import key_set_url
from policies.identity.keys import SigningKey
from registry.model import JsonObject


class CardSigner:
    """Signs every card with one key, always the same way."""

    def __init__(self, key: SigningKey, *, public_url: str) -> None:
        self._key = key
        self._header: JsonObject = {"typ": "JOSE", "jku": key_set_url(public_url)}

    def signed(self, card: JsonObject) -> bytes:
        """A card with its signature, as it goes over the wire."""
        protected, signature = self._key.sign_detached(canonical(card), self._header)
        return canonical({**card, "signatures": [{"protected": protected, "signature": signature}]})
