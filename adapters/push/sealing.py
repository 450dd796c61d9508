"""Webhooks at rest: where a webhook is and what opens it is kept sealed, for its own row and for no other."""

import orjson

from adapters.push.channels import Webhook
from adapters.sealing import Seal
from registry.model import TurnId


def seal_webhook(seal: Seal, webhook: Webhook) -> bytes:
    """A webhook's URL, token and credentials, sealed. A URL is as secret: many carry a key of their own."""
    words = [webhook.url, webhook.token, webhook.scheme, webhook.credentials]
    return seal.seal(orjson.dumps(words), purpose=_purpose(webhook.turn, webhook.id))


def open_webhook(seal: Seal, sealed: bytes, *, turn: TurnId, id: str) -> Webhook:  # noqa: A002  the word of the field
    """The webhook that was sealed for this channel of this turn. Raises whatever the seal does."""
    url, token, scheme, credentials = orjson.loads(seal.open(sealed, purpose=_purpose(turn, id)))
    return Webhook(id=id, turn=turn, url=url, token=token, scheme=scheme, credentials=credentials)


def _purpose(turn: TurnId, channel: str) -> str:
    return f"push webhook {turn} {channel}"
