"""Which URLs a webhook may have."""

import pytest

from adapters.push.screening import Screen, read_place
from registry.model import BadRequest
from tests.support.push import resolving

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    ("url", "name", "origin"),
    [
        ("https://hooks.example/a?b=c", "hooks.example:443", "https://hooks.example"),
        ("https://Hooks.Example.:443/", "hooks.example:443", "https://hooks.example."),
        ("HTTPS://hooks.example:8443", "hooks.example:8443", "https://hooks.example:8443"),
        ("http://hooks.example:80/", "hooks.example:80", "http://hooks.example"),
        ("https://93.184.215.14/", "93.184.215.14:443", "https://93.184.215.14"),
        ("https://[2606:2800:21f::1]:8443/", "2606:2800:21f::1:8443", "https://[2606:2800:21f::1]:8443"),
        ("https://hooks.example/a@b", "hooks.example:443", "https://hooks.example"),
    ],
)
def test_urls_of_webhooks_are_read(url: str, name: str, origin: str) -> None:
    place = read_place(url)
    assert (place.name, place.origin) == (name, origin)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("ftp://hooks.example/", "begins with https"),
        ("file:///etc/passwd", "begins with https"),
        ("hooks.example/a", "begins with https"),
        ("", "begins with https"),
        ("https:///a", "no host"),
        ("https://", "no host"),
        ("https://user@hooks.example/", "neither user information"),
        ("https://user:secret@hooks.example/", "neither user information"),
        ("https://@hooks.example/", "neither user information"),
        ("https://hooks.example/#", "nor a fragment"),
        ("https://hooks.example/#part", "nor a fragment"),
        ("https://hooks.example:22/", "not at 22"),
        ("https://hooks.example:80/", "not at 80"),
        ("https://hooks.example:0/", "not at 0"),
        ("https://hooks.example:65536/", "not at 65536"),
        ("https://hooks.example:port/", "cannot be read"),
        ("https://hooks example/", "not a URL's"),
        ("https://hooks.example/\r\nHost: other", "not a URL's"),
        ("https://hooks.example\\@other.example/", "not a URL's"),
        ("https://hööks.example/", "not a URL's"),
        ("https://127。0。0。1/", "not a URL's"),
        ("https://%31%32%37.0.0.1/", "usual form"),
        ("https://%68ooks.example/", "no name and no address"),
        ("https://./", "no host"),
        ("https://[fe80::1%25eth0]/", "no name and no address"),
        ("https://2130706433/", "usual form"),
        ("https://0x7f.1/", "usual form"),
        ("https://127.1/", "usual form"),
        ("https://" + "a" * 254 + "/", "no host, or one that"),
        ("https://hooks.example/" + "a" * 2048, "at most 2,048 characters"),
    ],
)
def test_urls_that_hide_something_are_refused(url: str, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        read_place(url)


async def test_allowed_networks_are_told_without_encryption_and_nothing_else_is() -> None:
    def screen(*found: str) -> Screen:
        return Screen(allowed=("10.1.0.0/16", "fd00:1::/32"), resolve=resolving(found))

    for found in ("10.1.2.3", "fd00:1::5"):
        assert (await screen(found).screened("http://hooks.example/")).addresses == (found,)
    for found in ("10.2.0.1", "::ffff:10.1.2.3", "fd00:2::5"):
        for scheme in ("http", "https"):
            with pytest.raises(BadRequest):
                await screen(found).screened(f"{scheme}://hooks.example/")
    assert (await screen("10.1.2.3", PUBLIC).screened("https://hooks.example/")).addresses == ("10.1.2.3", PUBLIC)
    with pytest.raises(BadRequest, match="over https"):
        await screen("10.1.2.3", PUBLIC).screened("http://hooks.example/")


async def test_a_name_that_does_not_exist_and_one_that_leads_inside_look_the_same() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    said: set[str] = set()
    for resolve in (nowhere, resolving([]), resolving(["10.0.0.1"])):
        with pytest.raises(BadRequest) as refused:
            await Screen(resolve=resolve).screened("https://db.internal/")
        said.add(refused.value.message)
    assert len(said) == 1
