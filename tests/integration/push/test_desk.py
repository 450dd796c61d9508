"""The desk where webhooks are named: what it admits and keeps, and what a webhook can verify."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from adapters.messaging.messages import TurnRef
from adapters.messaging.postgres.connections import connect
from adapters.push.channels import Webhook
from gateway.config import PushRules
from gateway.metadata import key_set
from gateway.pushing import Outside
from gateway.seal import Seal, Unsealable
from registry.model import BadRequest, Refused, TurnId, Unknown
from tests.support.identity import FakeClock
from tests.support.push import (
    ISSUER,
    KEY,
    OWNER,
    SECRETS,
    WORDS,
    Pushing,
    answers,
    pushing,
    receiver,
    resolving,
    rows_of,
    say,
    secretive,
    start,
    told_at,
    until_put_off,
)
from tests.support.until import until


@pytest.fixture
async def gateway(url: str, clock: FakeClock) -> AsyncGenerator[Pushing]:
    async with pushing(url, clock=clock) as gateway:
        yield gateway


async def put(gateway: Pushing, webhook: Webhook, turn: TurnRef) -> Webhook:
    return await gateway.desk.put(await gateway.desk.admit(webhook), of=turn, owner=OWNER, context="theirs")


async def test_a_webhook_is_named_shown_replaced_and_dropped(gateway: Pushing) -> None:
    turn = await start(gateway)
    webhook = secretive(turn.turn, "http://127.0.0.1:9999/hook")
    assert await put(gateway, webhook, turn) == webhook
    other = replace(webhook, id="other", token="")
    await put(gateway, other, turn)
    assert await gateway.desk.get(turn.turn, "hook") == webhook
    assert sorted(await gateway.desk.list(turn.turn), key=lambda it: it.id) == [webhook, other]

    changed = replace(webhook, credentials="others")
    await put(gateway, changed, turn)
    assert await gateway.desk.get(turn.turn, "hook") == changed
    for _ in range(2):
        await gateway.desk.delete(turn.turn, "hook")
    with pytest.raises(Unknown, match="no webhook 'hook'"):
        await gateway.desk.get(turn.turn, "hook")
    with pytest.raises(Unknown):
        await gateway.desk.get(TurnId("another turn"), "other")
    assert await gateway.desk.list(turn.turn) == [other]


async def test_a_turn_has_at_most_ten_webhooks(gateway: Pushing) -> None:
    turn = await start(gateway)
    for number in range(10):
        await told_at(gateway, turn, "http://127.0.0.1:9999/", id=str(number))
    with pytest.raises(Refused, match="at most 10 webhooks"):
        await told_at(gateway, turn, "http://127.0.0.1:9999/", id="one more")
    await told_at(gateway, turn, "http://127.0.0.1:9999/", id="9")


HOOK = Webhook(id="hook", turn=TurnId("turn"), url="https://hooks.example/")


@pytest.mark.parametrize(
    ("webhook", "complaint"),
    [
        (replace(HOOK, url="http://hooks.example/"), "over https"),
        (replace(HOOK, url="https://127.0.0.1/"), "no address"),
        (replace(HOOK, url="https://169.254.169.254/latest/meta-data"), "no address"),
        (replace(HOOK, url="https://10.1.2.3/"), "no address"),
        (replace(HOOK, url="https://[::1]/"), "no address"),
        (replace(HOOK, url="https://[::ffff:169.254.169.254]/"), "no address"),
        (replace(HOOK, url="https://[64:ff9b::a9fe:a9fe]/"), "no address"),
        (replace(HOOK, url="https://0xa9fea9fe/"), "usual form"),
        (replace(HOOK, url="gopher://hooks.example/"), "begins with https"),
        (replace(HOOK, id=""), "id has 1 to 128"),
        (replace(HOOK, id="x" * 129), "id has 1 to 128"),
        (replace(HOOK, id="a\0b"), "none of them NUL"),
        (replace(HOOK, id="\ud800"), "none of them NUL"),
        (replace(HOOK, token="a\r\nX-Other: b"), "token has at most"),
        (replace(HOOK, token=" a"), "no spaces around"),
        (replace(HOOK, token="ü"), "printable ASCII"),
        (replace(HOOK, token="x" * 4097), "at most 4,096"),
        (replace(HOOK, scheme="Bearer x"), "one word"),
        (replace(HOOK, scheme="Bearer\n"), "one word"),
        (replace(HOOK, credentials="x"), "need an authentication scheme"),
        (replace(HOOK, scheme="Bearer", credentials="x\n"), "printable ASCII"),
        (replace(HOOK, scheme="Bearer", credentials="x" * 8193), "at most 8,192"),
    ],
)
async def test_what_may_not_be_told_is_refused_when_it_is_named(
    tmp_path: Path, clock: FakeClock, webhook: Webhook, complaint: str
) -> None:
    outside = Outside(resolve=resolving(["93.184.215.14"]))
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with pushing(url, clock=clock, rules=PushRules(), outside=outside) as gateway:
        await gateway.desk.admit(HOOK)
        with pytest.raises(BadRequest, match=complaint):
            await gateway.desk.admit(webhook)


async def test_a_name_that_was_admitted_and_then_leads_inside_is_not_told(url: str, clock: FakeClock) -> None:
    """Rebinding: public when it is named, and then loopback, where somebody listens."""
    outside = Outside(resolve=resolving(["93.184.215.14"], ["127.0.0.1"]))
    async with pushing(url, clock=clock, rules=PushRules(), outside=outside) as gateway, receiver() as inside:
        turn = await start(gateway)
        await told_at(gateway, turn, inside.url(host="hooks.example", scheme="https"))
        await say(gateway, turn, "one")
        await until_put_off(gateway, turn, attempts=1)
        (row,) = await rows_of(gateway, turn)
    assert "no address that the gateway connects to" in row.error
    assert inside.received == []


async def test_nobody_who_reads_the_database_reads_where_a_webhook_is_and_what_opens_it(
    url: str, clock: FakeClock, tmp_path: Path
) -> None:
    async with pushing(url, clock=clock) as gateway, receiver() as webhook:
        webhook.behave = answers(500)
        turn = await start(gateway)
        await put(gateway, secretive(turn.turn, webhook.url()), turn)
        await say(gateway, turn, "one")
        await until_put_off(gateway, turn, attempts=1)
        content = await _everything(url, tmp_path)
        assert b"push_channel" in content
        for secret in SECRETS:
            assert secret.encode() not in content
            assert secret.encode().hex().encode() not in content
        (received,) = webhook.received
        assert received.path.endswith(SECRETS[2])


async def _everything(url: str, folder: Path) -> bytes:
    """All that is in the database: the bytes of the files, or all rows as text."""
    if url.startswith("sqlite"):
        return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    connection = await connect(url)
    try:
        rows = await connection.fetch("SELECT 'push_channel', p::text FROM push_channel AS p")
        return repr([tuple(row) for row in rows]).encode()
    finally:
        await connection.close()


async def test_sealed_for_one_webhook_it_opens_for_no_other(gateway: Pushing) -> None:
    turn = await start(gateway)
    await put(gateway, secretive(turn.turn, "http://127.0.0.1:9999/"), turn)
    (row,) = await rows_of(gateway, turn)
    await gateway.store.put(replace(row, id="thief"))
    with pytest.raises(Unsealable):
        await gateway.desk.get(turn.turn, "thief")


async def test_a_webhook_whose_seal_is_lost_waits_for_it(url: str, clock: FakeClock) -> None:
    async with receiver() as webhook:
        async with pushing(url, clock=clock, poll=3600) as before:
            turn = await start(before)
            await told_at(before, turn, webhook.url())
        async with pushing(url, clock=clock, words=replace(WORDS, seal=Seal([b"x" * 32]))) as other:
            await say(other, turn, "one")
            await until_put_off(other, turn, attempts=1)
        clock.advance(2)
        async with pushing(url, clock=clock):
            await until(lambda: webhook.said == ["one"])


# ---- what a webhook gets, and can verify


async def test_a_webhook_gets_its_token_its_authorization_and_a_signature_it_can_verify(gateway: Pushing) -> None:
    async with receiver() as webhook:
        turn = await start(gateway)
        await put(gateway, secretive(turn.turn, webhook.url()), turn)
        await say(gateway, turn, "one")
        await until(lambda: len(webhook.received) == 1)
    (received,) = webhook.received
    token, credentials, _ = SECRETS
    assert received.headers["x-a2a-notification-token"] == token
    assert received.headers["authorization"] == f"Bearer {credentials}"
    assert received.headers["host"] == f"127.0.0.1:{webhook.port}"

    verified = jwt.decode(received.headers["ix-signature"], KeySet.import_key_set(key_set(KEY.public())))  # pyright: ignore
    assert verified.header == {"alg": "ES256", "typ": "push+jwt", "kid": KEY.kid}
    assert verified.claims == {
        "iss": ISSUER,
        "iat": int(gateway.clock.now),
        "aud": f"http://127.0.0.1:{webhook.port}",
        "jti": received.headers["idempotency-key"],
        "turn": turn.turn,
        "channel": "hook",
        "sha256": urlsafe_b64encode(sha256(received.body).digest()).rstrip(b"=").decode(),
    }


async def test_without_token_and_credentials_neither_is_sent(gateway: Pushing) -> None:
    async with receiver() as webhook:
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url())
        await say(gateway, turn, "one")
        await until(lambda: len(webhook.received) == 1)
    assert not {"authorization", "x-a2a-notification-token", "cookie"} & webhook.received[0].headers.keys()
