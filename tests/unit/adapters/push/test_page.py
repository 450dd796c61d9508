"""docs/push.md says what the code does: its numbers, and its check of a signature."""

import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from adapters.push import channels, connection, screening
from gateway import pushing
from gateway.metadata import key_set
from policies.identity.keys import generate_signing_key

PAGE = (Path(__file__).parents[4] / "docs" / "push.md").read_text()
GATEWAY, ME = "https://gateway.example", "https://hooks.example"
BODY = b'{"statusUpdate": {}}'
KEY = generate_signing_key()


@pytest.mark.parametrize(
    "sentence",
    [
        f"no answer within {connection.SECONDS:.0f} seconds",
        f"After {channels.GIVEN_UP_AFTER / 3600:.0f} hours",
        f"tells {channels.LEASE_SECONDS:.0f} seconds later",
        f"at most {channels.Shares().total} attempts in hand, at most {channels.Shares().place} for one",
        f"at most {channels.Shares().owner} for webhooks of one owner",
        f"at most {channels.CHANNELS_PER_TURN} webhooks",
        f"at most {screening.URL_LIMIT:,} characters",
        f"no more than {connection.ANSWER_LIMIT // 1024} kB",
        f"Tokens may have {pushing.TOKEN_LIMIT:,} characters, credentials {pushing.CREDENTIALS_LIMIT:,}",
        f"`typ` is `{pushing.TYPE}`",
    ],
)
def test_the_page_has_the_numbers_of_the_code(sentence: str) -> None:
    assert sentence in re.sub(r"\s+", " ", PAGE)


@pytest.fixture
def is_from_gateway() -> Callable[..., bool]:
    """The check that the page shows."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["is_from_gateway"]


def signed(**changes: str | int) -> str:
    claims: dict[str, Any] = {
        "iat": int(time.time()),
        "aud": ME,
        "jti": "key",
        "turn": "turn",
        "channel": "hook",
        "sha256": urlsafe_b64encode(sha256(BODY).digest()).rstrip(b"=").decode(),
    }
    return pushing.signing(KEY, issuer=GATEWAY)({**claims, **changes})


def headers(signature: str) -> Mapping[str, str]:
    return {"ix-signature": signature, "idempotency-key": "key"}


def test_the_check_that_the_page_shows_finds_what_is_genuine_and_what_is_not(
    is_from_gateway: Callable[..., bool],
) -> None:
    keys = KeySet.import_key_set(key_set(KEY.public()))  # pyright: ignore[reportArgumentType]

    def check(signature: str, body: bytes = BODY) -> bool:
        return is_from_gateway(headers(signature), body, keys=keys, gateway=GATEWAY, me=ME)

    assert check(signed())
    assert not check(signed(), BODY + b" ")
    assert not check(signed(aud="https://other.example"))
    assert not check(signed(jti="another"))
    assert not check(signed(iat=int(time.time()) - 3600))
    assert not check(signed(iss="https://other.example"))
    assert not check(KEY.sign({"iss": GATEWAY, "aud": ME}, typ="at+jwt"))
    stranger = pushing.signing(generate_signing_key(), issuer=GATEWAY)({"aud": ME})
    with pytest.raises(JoseError):
        check(stranger)
