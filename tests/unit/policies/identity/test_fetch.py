"""Fetching from addresses that somebody else chose: what is refused, and where connections go."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest
import respx

from policies.identity.fetch import Fetcher, Unfetchable
from registry.addresses import is_public
from tests.support.identity import PUBLIC_ADDRESS, one_public_address

URL = "https://login.example.com/keys"
THERE = f"https://{PUBLIC_ADDRESS}/keys"


class Resolver:
    """Gives one answer after the other, the last for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@respx.mock
async def test_a_document_is_fetched_from_the_address_that_was_screened() -> None:
    route = respx.get(THERE).respond(json={"keys": []})
    resolver = Resolver([PUBLIC_ADDRESS], ["127.0.0.1"])

    assert await Fetcher(resolve=resolver).get_json(URL, limit=1000) == {"keys": []}

    request = route.calls.last.request
    assert request.headers["host"] == "login.example.com"
    assert request.extensions["sni_hostname"] == "login.example.com"
    assert resolver.asked == ["login.example.com"], "resolved once: a second answer cannot change where it goes"


@respx.mock
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:93.184.215.14",
        "::127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1",
        "fec0::1", "rubbish",
    ],
)  # fmt: skip
async def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not is_public(address)
    for answer in ([address], [PUBLIC_ADDRESS, address]):
        with pytest.raises(Unfetchable, match="does not connect to"):
            await Fetcher(resolve=Resolver(answer)).get_json(URL, limit=1000)


@pytest.mark.parametrize("address", [PUBLIC_ADDRESS, "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@respx.mock
@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/keys", "ftp://login.example.com/keys", "file:///etc/passwd",
        "data:application/json,{}",
        "https:///keys", "https://user@login.example.com/keys", "https://user:pw@login.example.com/keys",
        "https://login.example.com/keys#part",
        "https://127.0.0.1/keys", "https://10.0.0.1/keys", "https://[::1]/keys",
        "https://[::ffff:10.0.0.1]/keys",
        "https://2130706433/keys", "https://0177.0.0.1/keys", "https://0x7f.1/keys", "https://0x7f000001/keys",
        "https://127.1/keys", "https://127.0.0.1./keys", "https://[fe80::1%25eth0]/keys", "https://\x00/keys",
        "https://login.example.com:99999/keys", "http://127.0.0.1:9000/keys",
    ],
)  # fmt: skip
async def test_urls_that_hide_something_are_refused(url: str) -> None:
    with pytest.raises(Unfetchable):
        await Fetcher(resolve=one_public_address).get_json(url, limit=1000)


@respx.mock
async def test_an_origin_that_the_operator_configured_may_be_on_this_machine() -> None:
    respx.get("http://127.0.0.1:9000/keys").respond(json={"keys": []})
    fetcher = Fetcher(unscreened=["http://127.0.0.1:9000"], resolve=one_public_address)

    assert await fetcher.get_json("http://127.0.0.1:9000/keys", limit=1000) == {"keys": []}
    for other in ("http://127.0.0.1:9001/keys", "https://127.0.0.1:9000/keys", "http://localhost:9000/keys"):
        with pytest.raises(Unfetchable):
            await fetcher.get_json(other, limit=1000)


@respx.mock
async def test_redirects_are_not_followed() -> None:
    respx.get(THERE).respond(302, headers={"location": "http://169.254.169.254/latest"})

    with pytest.raises(Unfetchable, match="answered 302"):
        await Fetcher(resolve=one_public_address).get_json(URL, limit=1000)


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b'{"a": "' + b"x" * 2000 + b'"}'),
        httpx.Response(200, content=b"not json"),
        httpx.Response(200, content=b"[1]"),
        httpx.Response(200, content=b"[" * 900),
        httpx.Response(500),
        httpx.Response(200, content=b"", headers={"content-encoding": "gzip"}),
    ],
)
async def test_answers_that_are_too_large_or_not_an_object_are_refused(answer: httpx.Response) -> None:
    respx.get(THERE).mock(return_value=answer)

    with pytest.raises(Unfetchable):
        await Fetcher(resolve=one_public_address).get_json(URL, limit=1000)


@respx.mock
async def test_a_host_without_an_answer_is_said_to_have_none() -> None:
    respx.get(THERE).mock(side_effect=httpx.ConnectError("refused"))

    with pytest.raises(Unfetchable, match="ConnectError"):
        await Fetcher(resolve=one_public_address).get_json(URL, limit=1000)
    with pytest.raises(Unfetchable, match="no address"):
        await Fetcher(resolve=Resolver([])).get_json(URL, limit=1000)


@respx.mock
async def test_a_host_that_never_finishes_is_given_up() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    respx.get(THERE).mock(side_effect=never)

    with pytest.raises(Unfetchable, match="TimeoutError"):
        await Fetcher(resolve=one_public_address, seconds=0.05).get_json(URL, limit=1000)
