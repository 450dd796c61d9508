"""The screen of addresses: whatever is not plainly public does not pass, in whatever form it is written."""

import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.push.screening import Screen, read_place
from registry.addresses import is_public
from registry.model import BadRequest

INSIDE = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
GIVEN_OUT = ipaddress.ip_network("2000::/3")
PUBLIC = "93.184.215.14"

v4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
inside = st.sampled_from(INSIDE).flatmap(
    lambda text: st.integers(
        int(ipaddress.ip_network(text).network_address), int(ipaddress.ip_network(text).broadcast_address)
    ).map(ipaddress.IPv4Address)
)
v6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)


@given(v4)
def test_an_ipv4_address_is_public_just_where_no_special_network_has_it(address: ipaddress.IPv4Address) -> None:
    assert is_public(str(address)) is not any(address in ipaddress.ip_network(text) for text in INSIDE)


@given(inside)
def test_special_networks_are_not_public(address: ipaddress.IPv4Address) -> None:
    assert not is_public(str(address))


@given(v6)
def test_an_ipv6_address_that_nobody_was_given_is_not_public(address: ipaddress.IPv6Address) -> None:
    assert address in GIVEN_OUT or not is_public(str(address))


@given(v4)
def test_no_ipv6_address_that_hides_an_ipv4_one_is_public(hidden: ipaddress.IPv4Address) -> None:
    number = int(hidden)
    hiding = [
        number,  # compatible
        0xFFFF << 32 | number,  # mapped
        0xFFFF << 48 | number,  # translated (SIIT)
        0x64FF9B << 96 | number,  # NAT64
        0x64FF9B0001 << 80 | number,  # NAT64, local
        0x2002 << 112 | number << 80 | 1,  # 6to4
        0x2001 << 112 | number << 64 | 7,  # Teredo, server
        0x2001 << 112 | 7 << 64 | (number ^ 0xFFFF_FFFF),  # Teredo, client
        0x2606_4700 << 96 | 0x5EFE << 32 | number,  # ISATAP
        0xFE80 << 112 | 0x200_5EFE << 32 | number,
    ]
    for one in hiding:
        assert not is_public(str(ipaddress.IPv6Address(one)))


@given(st.text(max_size=40))
def test_whatever_is_written_is_public_only_as_an_address(text: str) -> None:
    if is_public(text):
        assert str(ipaddress.ip_address(text)) == text or ipaddress.ip_address(text).version == 6


spelt = inside.flatmap(
    lambda address: st.sampled_from(
        [
            str(int(address)),
            hex(int(address)),
            oct(int(address)).replace("0o", "0"),
            ".".join(f"0{octet:o}" for octet in address.packed),
            ".".join(hex(octet) for octet in address.packed),
            f"{address.packed[0]}.{int.from_bytes(address.packed[1:])}",
            f"{address}.",
        ]
    )
)


@given(spelt)
def test_no_odd_spelling_of_an_address_is_a_webhooks_host(host: str) -> None:
    with pytest.raises(BadRequest):
        read_place(f"https://{host}/hook")


@given(found=st.lists(st.one_of(inside.map(str), v6.map(str), st.just(PUBLIC)), max_size=4))
async def test_a_name_passes_just_where_all_its_addresses_are_public(found: list[str]) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return found

    screen = Screen(resolve=resolve)
    if found and all(map(is_public, found)):
        assert (await screen.screened("https://hooks.example/")).addresses == tuple(dict.fromkeys(found))
    else:
        with pytest.raises(BadRequest, match="no address that the gateway connects to"):
            await screen.screened("https://hooks.example/")


@given(st.text(max_size=60), st.sampled_from(["https://", "http://", "https://hooks.example", ""]))
def test_whatever_is_named_is_read_or_refused(text: str, start: str) -> None:
    try:
        place = read_place(start + text)
    except BadRequest:
        return
    assert place.host
    assert place.origin.startswith(("https://", "http://"))
