"""What identity needs to know about URLs: origins, loopback, what is under what, and well-known places."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> str:
    """Scheme, host and port of a URL, the port left out where it is the scheme's own; empty if it has none."""
    parts = _split(url)
    if parts is None or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    suffix = "" if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def is_loopback(url: str) -> bool:
    """Whether a URL names this very machine: a loopback address, written out, or `localhost`."""
    parts = _split(url)
    return parts is not None and is_loopback_host(parts.hostname or "")


def is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_under(url: str, base: str) -> bool:
    """Whether `url` is `base` or a path below it, with the same origin."""
    parts = _split(url)
    if parts is None or parts.fragment or parts.username is not None or origin(url) != origin(base):
        return False
    if {".", ".."} & set(parts.path.split("/")):
        return False
    return f"{parts.path}/".startswith(urlsplit(base).path.rstrip("/") + "/")


def well_known(url: str, name: str) -> str:
    """Where the well-known document about `url` is: the name goes between host and path (RFC 8414 §3, RFC 9728 §3)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/.well-known/{name}{parts.path.rstrip('/')}"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
