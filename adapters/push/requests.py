"""What a webhook is sent beside the body: which message this is, that the webhook is meant, and that it is from us."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256

from adapters.push.channels import Webhook
from adapters.push.screening import read_place
from registry.model import JsonObject

Sign = Callable[[JsonObject], str]
"""Signs claims: a compact JWS that anybody can verify with the gateway's published keys."""

CONTENT_TYPE = "application/a2a+json"


def write_headers(webhook: Webhook, body: bytes, *, key: str, now: float, sign: Sign) -> dict[str, str]:
    """The headers under which a webhook is told a message; `key` is the same for every attempt to tell it this one.

    The signature is for this webhook's origin, this key and this body: it proves nothing about any other request.
    """
    claims: JsonObject = {
        "iat": int(now),
        "aud": read_place(webhook.url).origin,
        "jti": key,
        "turn": webhook.turn,
        "channel": webhook.id,
        "sha256": urlsafe_b64encode(sha256(body).digest()).rstrip(b"=").decode(),
    }
    headers = {"Content-Type": CONTENT_TYPE, "Idempotency-Key": key, "Ix-Signature": sign(claims)}
    if webhook.scheme:
        headers["Authorization"] = f"{webhook.scheme} {webhook.credentials}".rstrip()
    if webhook.token:
        headers["X-A2A-Notification-Token"] = webhook.token
    return {**headers, "User-Agent": "interchange", "Accept-Encoding": "identity"}
