"""Which addresses of the internet are public: those that a gateway connects to although somebody else chose them.

Pure, and for both who connect so: identity, which fetches documents, and push, which tells webhooks. Whoever connects
resolves a name first, asks here about every address that came, and connects to one of those, so that a second answer
of the name's server changes nothing.
"""

import ipaddress
import re

_GIVEN_OUT = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments
            "192.88.99.0/24",  # relays of 6to4
            "2001::/23",  # protocol assignments, and Teredo, which hides an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which hides an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
_LOOKS_NUMERIC = re.compile(r"(?:.*\.)?(?:0x[0-9a-f]*|[0-9]+)\.?", re.IGNORECASE)


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet's: not ours, not our neighbours', and hiding no other."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and not _is_global_unicast(address):
        return False
    if any(address in network for network in _NOT_PUBLIC):  # Python's own table differs from release to release
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def is_address(host: str) -> bool:
    """Whether a URL's host is an address in its usual form, an IPv6 one with or without brackets."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def looks_numeric(host: str) -> bool:
    """Whether a host is what some resolvers take for an IPv4 address: decimal, octal, hexadecimal or shortened."""
    return _LOOKS_NUMERIC.fullmatch(host) is not None


def _is_global_unicast(address: ipaddress.IPv6Address) -> bool:
    """2000::/3 is all that is given out. IPv4 in disguise (mapped, NAT64, compatible) is outside it, or excluded."""
    hides_ipv4 = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
    return address in _GIVEN_OUT and address.scope_id is None and not hides_ipv4
