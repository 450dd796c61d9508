"""The connection to a webhook, on real sockets: where it goes, what it proves, and when it is given up."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from adapters.push.connection import Line, Untold
from adapters.push.screening import Resolve, Screen
from registry.model import BadRequest
from tests.integration.adapters_grpc.certificates import Authority
from tests.support.push import Endless, Received, Receiver, answers, closes, hangs, receiver, resolving
from tests.support.until import until

LOOPBACK = ("127.0.0.0/8",)
NAME = "hooks.example"


@pytest.fixture
async def webhook() -> AsyncGenerator[Receiver]:
    async with receiver() as webhook:
        yield webhook


def line(
    *found: str, allowed: Sequence[str] = LOOPBACK, seconds: float = 15.0, tls: ssl.SSLContext | None = None
) -> Line:
    """A line for which every name leads to these addresses."""
    return Line(Screen(allowed=allowed, resolve=resolving(found)), seconds=seconds, tls=tls)


async def post(line: Line, url: str) -> int:
    return (await line.post(url, headers={"X-Mine": "kept"}, body=b'{"said": "hello"}')).status


async def test_it_goes_to_the_address_that_passed_under_the_name_that_was_asked_for(webhook: Receiver) -> None:
    assert await post(line("127.0.0.1"), webhook.url(host=NAME)) == 200

    (received,) = webhook.received
    assert (received.method, received.path, received.said) == ("POST", "/hook", "hello")
    assert received.headers["host"] == f"{NAME}:{webhook.port}"
    assert received.headers["x-mine"] == "kept"


async def test_a_name_that_leads_elsewhere_once_it_was_admitted_leads_nowhere(webhook: Receiver) -> None:
    """Rebinding: public when the webhook is named, and this machine when it is told something."""
    flips = resolving(["93.184.215.14"], ["127.0.0.1"])
    screen = Screen(resolve=flips)
    url = f"https://{NAME}:{webhook.port}/hook"
    assert (await screen.screened(url)).addresses == ("93.184.215.14",)

    with pytest.raises(Untold, match="no address that the gateway connects to"):
        await post(Line(screen), url)
    assert webhook.open == len(webhook.received) == 0


async def test_a_name_is_resolved_once_for_screening_and_connecting(webhook: Receiver) -> None:
    """Rebinding between the two looks of one attempt: there is only one."""
    flips = resolving(["127.0.0.1"], ["127.0.0.2"])
    assert await post(Line(Screen(allowed=("127.0.0.1/32",), resolve=flips)), webhook.url(host=NAME)) == 200


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"], ["100.64.0.1"], ["::1"], ["::ffff:127.0.0.1"],
        ["93.184.215.14", "127.0.0.1"], ["fe80::1%lo"], [],
    ],
)  # fmt: skip
async def test_no_connection_is_made_to_an_address_that_does_not_pass(webhook: Receiver, found: list[str]) -> None:
    with pytest.raises(Untold, match="no address"):
        await post(line(*found, allowed=()), f"https://{NAME}:{webhook.port}/")
    assert webhook.received == []


async def test_without_encryption_only_allowed_networks_are_told(webhook: Receiver) -> None:
    with pytest.raises(Untold, match="over https"):
        await post(line("93.184.215.14"), f"http://{NAME}:{webhook.port}/")
    with pytest.raises(Untold, match="over https"):
        await post(line("127.0.0.1", "93.184.215.14"), webhook.url(host=NAME))


async def test_the_next_address_is_tried_where_nobody_listens_at_the_first(webhook: Receiver) -> None:
    assert await post(line("127.0.0.77", "127.0.0.1"), webhook.url(host=NAME)) == 200
    with pytest.raises(Untold, match="ConnectError"):
        await post(line("127.0.0.77", "127.0.0.78"), webhook.url(host=NAME))


async def test_the_second_address_is_not_told_what_the_first_may_have_been_told() -> None:
    async with receiver(host="127.0.0.2") as first, receiver(host="127.0.0.1", port=first.port) as second:
        first.behave = closes
        with pytest.raises(Untold, match="RemoteProtocolError"):
            await post(line("127.0.0.2", "127.0.0.1"), first.url(host=NAME))
        assert (len(first.received), len(second.received)) == (1, 0)


async def test_redirects_are_not_followed(webhook: Receiver) -> None:
    for status in (301, 302, 303, 307, 308):
        webhook.behave = answers(status, headers=f"Location: {webhook.url('/elsewhere')}\r\n")
        answer = await line().post(webhook.url(), headers={}, body=b"{}")
        assert (answer.status, answer.is_told) == (status, False)
    assert {received.path for received in webhook.received} == {"/hook"}


async def test_proxies_of_the_environment_are_not_used(webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await post(line(), webhook.url()) == 200


async def test_a_webhook_that_never_answers_is_given_up(webhook: Receiver) -> None:
    webhook.behave = hangs
    with pytest.raises(Untold, match=r"no answer within 0\.1 seconds"):
        await post(line(seconds=0.1), webhook.url())


async def test_one_whose_name_is_never_resolved_is_given_up() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        raise AssertionError

    stuck: Resolve = never
    with pytest.raises(Untold, match="no answer within"):
        await post(Line(Screen(resolve=stuck), seconds=0.1), f"https://{NAME}/")


async def test_one_that_answers_byte_by_byte_is_given_up(webhook: Receiver) -> None:
    async def drips(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: and more\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    webhook.behave = drips
    with pytest.raises(Untold):
        await post(line(seconds=0.3), webhook.url())


async def test_one_that_sends_interim_answers_for_ever_is_given_up(webhook: Receiver) -> None:
    async def interim(_: Received, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.001)

    webhook.behave = interim
    with pytest.raises(Untold):
        await post(line(seconds=0.3), webhook.url())


async def test_little_of_an_endless_answer_is_read(webhook: Receiver) -> None:
    webhook.behave = endless = Endless()
    assert await post(line(), webhook.url()) == 200
    await until(lambda: webhook.open == 0)
    assert endless.written < 8 << 20  # what is read is 4 kB, and the rest is in the buffers of the two sockets


async def test_what_is_no_http_is_no_answer(webhook: Receiver) -> None:
    async def babbles(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")

    webhook.behave = babbles
    with pytest.raises(Untold, match="RemoteProtocolError"):
        await post(line(), webhook.url())


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("Retry-After: 7", 7.0), ("Retry-After: 99999999999999", 3600.0), ("Retry-After: -1", 0.0),
        ("Retry-After: soon", 0.0), ("Retry-After: ٣", 0.0), ("X: y", 0.0),
    ],
)  # fmt: skip
async def test_how_long_it_wants_to_be_left_alone_is_read(webhook: Receiver, header: str, wait: float) -> None:
    webhook.behave = answers(503, headers=f"{header}\r\n")
    assert (await line().post(webhook.url(), headers={}, body=b"{}")).wait == wait


# ---- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def served(authority: Authority, *hosts: str) -> ssl.SSLContext:
    pair = authority.sign(hosts[0], *hosts)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.certificate))


async def test_the_certificate_has_to_be_that_of_the_name_and_not_of_the_address(authority: Authority) -> None:
    names: list[str | None] = []
    tls = served(authority, NAME)
    tls.sni_callback = lambda _socket, name, _context: names.append(name)  # pyright: ignore[reportAttributeAccessIssue]
    async with receiver(tls=tls) as webhook:
        here = line("127.0.0.1", tls=trusting(authority))
        assert await post(here, webhook.url(host=NAME, scheme="https")) == 200
        assert names == [NAME]
        for host in ("other.example", "127.0.0.1"):
            with pytest.raises(Untold, match="CERTIFICATE_VERIFY_FAILED"):
                await post(here, webhook.url(host=host, scheme="https"))
        with pytest.raises(Untold, match="CERTIFICATE_VERIFY_FAILED"):
            await post(line("127.0.0.1"), webhook.url(host=NAME, scheme="https"))
    assert len(webhook.received) == 1


async def test_an_address_may_have_a_certificate_of_its_own(authority: Authority) -> None:
    async with receiver(tls=served(authority, "127.0.0.1")) as webhook:
        assert await post(line(tls=trusting(authority)), webhook.url(scheme="https")) == 200


async def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"\[push\] allowed_networks: '10.0.0.1/8' is no network"):
        Screen(allowed=("10.0.0.1/8",), resolve=resolving([]))
