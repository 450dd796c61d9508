"""Which addresses are public; the property test has the rest."""

import pytest

from registry.addresses import is_address, is_public, looks_numeric


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.127.255.255", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "192.0.0.8", "192.0.0.170", "192.88.99.1",
        "::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:5db8:d70e::1", "2001:0:4136:e378::1",
        "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0", "fc00::1", "fd12:3456::1", "fd00:ec2::254", "ff02::1",
        "2001:db8::1", "3fff::1", "fec0::1", "100::1", "5f00::1", "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:10.0.0.1",
        "", "rubbish", "1", "127.1", "0177.0.0.1", "0x7f000001", "2130706433", "1.1.1.1 ", "[2606:4700::1111]",
        "1.1.1.1/32", "१.१.१.१",
    ],
)  # fmt: skip
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["93.184.215.14", "8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
)
def test_what_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.1", "0177.0.0.1", "0x7f.1", "0X7F000001", "2130706433", "1.2.3.4.", "a.1", "0x"])
def test_what_some_take_for_an_address_looks_numeric(host: str) -> None:
    assert looks_numeric(host)


@pytest.mark.parametrize("host", ["hooks.example", "1a.example", "0x7f.example", "a-1", "x1", "a.0xg"])
def test_names_do_not_look_numeric(host: str) -> None:
    assert not looks_numeric(host)


@pytest.mark.parametrize(("host", "yes"), [("1.2.3.4", True), ("[::1]", True), ("::1", True), ("1.2.3", False)])
def test_addresses_in_their_usual_form_are_addresses(host: str, *, yes: bool) -> None:
    assert is_address(host) is yes
