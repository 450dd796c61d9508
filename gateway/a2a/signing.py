"""Signatures of cards: a JWS over the canonical form of what is served (A2A 1.0, section 8.4).

The card that is signed is the card that is served, to the byte. Whoever reads it through an SDK's types of 1.0 writes
another form, without the members of 0.3, which is signed as well; those types drop nothing else, because `cards` puts
nothing else into it that they would. The key is the gateway's own for
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

    def signed(self, card: JsonObject, *readings: JsonObject) -> bytes:
        """A card as it goes over the wire, with a signature of itself and one of each of its readings: of what it is to
        those who pass over some of its members."""
        forms = [card, *(reading for reading in readings if reading != card)]
        return canonical({**card, "signatures": [self._signature(form) for form in forms]})

    def _signature(self, form: JsonObject) -> JsonObject:
        protected, signature = self._key.sign_detached(canonical(form), self._header)
        return {"protected": protected, "signature": signature}
