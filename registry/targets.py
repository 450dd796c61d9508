"""Which addresses a binding may name, and `discover` connect to: `[registry] allowed_targets`.

A target is `host:port`, an IPv6 address in brackets: `10.0.0.7:50051`, `[::1]:50051`, `search.svc.internal:443`. A
pattern has the same two halves. Its port is a number or `*`. Its host is compared without regard to case, and

* `*` alone allows every host,
* a leading `*.` stands for one or more labels: `*.svc.internal:443` allows `a.b.svc.internal:443`,
* any other `*` stands for characters of one label: `search-*.internal:443`, `10.0.*.*:50051`.

A name is matched as it is written and never looked up, so whoever rules over the names decides what they lead to.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from registry.model import BadRequest, Binding, BindingKind, Refused, Tls

TARGETS = 64
"""Addresses one binding may name."""

WITHOUT_ADDRESS: Mapping[BindingKind, str] = MappingProxyType(
    {
        BindingKind.PROCESS: "A binding of kind process is to the gateway itself: it has neither targets nor TLS.",
        BindingKind.MAILBOX: "A binding of kind mailbox is for processes that attach: it has neither targets nor TLS.",
    }
)
"""The kinds of bindings that lead nowhere, and what is wrong with one that names an address."""

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def check_binding(binding: Binding, allowed: Sequence[str]) -> None:
    """Refuse a binding that is malformed or leads where nothing may lead.

    Raises:
        BadRequest, Refused: the sentence names the target.
    """
    if binding.kind in WITHOUT_ADDRESS:
        if binding.targets or binding.tls is not None:
            raise BadRequest(WITHOUT_ADDRESS[binding.kind])
        return
    if not 1 <= len(binding.targets) <= TARGETS:
        raise BadRequest(
            f"A binding names 1 to {TARGETS} targets, each host:port; this one names {len(binding.targets)}."
        )
    for target in binding.targets:
        check_target(target, allowed)
    if binding.tls is not None:
        check_tls(binding.tls)


def check_target(target: str, allowed: Sequence[str]) -> None:
    """Refuse an address that is malformed or not allowed.

    Raises:
        BadRequest, Refused: the sentence names it.
    """
    host, port = _split(target)
    if not any(_matches(pattern, host, port) for pattern in allowed):
        raise Refused(
            f"The target {target} is not among [registry] allowed_targets ({', '.join(allowed) or 'none'});"
            " an operator can add it there."
        )


def check_tls(tls: Tls) -> None:
    """Refuse TLS settings that cannot work on this machine.

    Raises:
        BadRequest: the sentence names the setting.
    """
    if bool(tls.certificate) != bool(tls.key):
        raise BadRequest("Mutual TLS needs both tls.certificate and tls.key.")
    for name in ("ca", "certificate", "key"):
        path = getattr(tls, name)
        if path and not (Path(path).is_absolute() and Path(path).is_file()):
            raise BadRequest(f"tls.{name}: {path} is not the absolute path of a file on the gateway's machine.")
    if tls.server_name and not _HOST.fullmatch(tls.server_name):
        raise BadRequest(f"tls.server_name: {tls.server_name} is not a host name.")


def _split(target: str) -> tuple[str, str]:
    """Host (in lower case, an IPv6 address in brackets) and port of a target."""
    host, _, port = target.rpartition(":")
    if not _PORT.fullmatch(port) or int(port) > 65535 or not (_HOST.fullmatch(host) or _is_ipv6(host)):
        raise BadRequest(f"The target {target[:300]!r} is not host:port, such as 10.0.0.7:50051 or [::1]:50051.")
    return host.lower(), port


def _is_ipv6(host: str) -> bool:
    if not (host.startswith("[") and host.endswith("]")):
        return False
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return "%" not in host


def _matches(pattern: str, host: str, port: str) -> bool:
    wanted_host, _, wanted_port = pattern.rpartition(":")
    return wanted_port in ("*", port) and _host_matches(wanted_host.lower(), host)


def _host_matches(pattern: str, host: str) -> bool:
    if pattern in ("*", host):
        return True
    labels, rest = (r"([^.]+\.)+", pattern[2:]) if pattern.startswith("*.") else ("", pattern)
    return re.fullmatch(labels + r"[^.]*".join(map(re.escape, rest.split("*"))), host) is not None
