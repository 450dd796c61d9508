"""Which addresses may be named, as a table."""

from pathlib import Path

import pytest

from registry.model import BadRequest, Refused, Tls
from registry.targets import check_target, check_tls

ALLOWED = [
    ("127.0.0.1:50051", "127.0.0.1:*"),
    ("127.0.0.1:50051", "127.0.0.1:50051"),
    ("[::1]:50051", "[::1]:*"),
    ("LOCALHOST:1", "localhost:*"),
    ("a.svc.internal:443", "*.svc.internal:443"),
    ("a.b.svc.internal:443", "*.svc.internal:443"),
    ("search-7.internal:443", "search-*.internal:443"),
    ("10.0.7.9:50051", "10.0.*.*:50051"),
    ("anything.example:65535", "*:*"),
    ("my_service:8080", "*:8080"),
]
REFUSED = [
    ("127.0.0.1:50051", "127.0.0.1:50052"),
    ("svc.internal:443", "*.svc.internal:443"),
    ("evilsvc.internal:443", "*.svc.internal:443"),
    ("a.svc.internal.evil.test:443", "*.svc.internal:443"),
    ("search-7.evil.test.internal:443", "search-*.internal:443"),
    ("127.0.0.1.evil.test:1", "127.0.0.*:*"),
    ("axsvc.internal:443", "a.svc.internal:443"),
    ("[::2]:50051", "[::1]:*"),
    ("localhost:80", "localhost:8*"),
    ("x.internal:443", "*.internal"),
]
MALFORMED = [
    "",
    "localhost",
    "localhost:",
    ":50051",
    "localhost:0",
    "localhost:65536",
    "localhost:050",
    "localhost:١",
    "http://localhost:80",
    "dns:///localhost:80",
    "unix:/tmp/socket",
    "unix:80",
    "::1:80",
    "[::1%lo]:80",
    "[localhost]:80",
    "user@localhost:80",
    "local host:80",
    "localhost:80\n",
    "a..b:80",
    "-a.b:80",
    "x" * 300 + ":80",
]


@pytest.mark.parametrize(("target", "pattern"), ALLOWED)
def test_an_allowed_target_passes(target: str, pattern: str) -> None:
    check_target(target, ["nowhere:1", pattern])


@pytest.mark.parametrize(("target", "pattern"), REFUSED)
def test_any_other_is_refused_by_name(target: str, pattern: str) -> None:
    with pytest.raises(Refused) as refused:
        check_target(target, [pattern])
    assert target in refused.value.message
    assert "[registry] allowed_targets" in refused.value.message


@pytest.mark.parametrize("target", [target for target in MALFORMED if target != "unix:80"])
def test_what_is_not_host_and_port_is_a_bad_request(target: str) -> None:
    with pytest.raises(BadRequest, match="is not host:port"):
        check_target(target, ["*:*"])


def test_nothing_is_allowed_by_no_pattern() -> None:
    with pytest.raises(Refused, match="none"):
        check_target("localhost:1", [])


def test_tls_files_must_be_there(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_text("x")
    check_tls(Tls(ca=str(pem), server_name="pets.internal"))
    with pytest.raises(BadRequest, match=r"tls\.ca"):
        check_tls(Tls(ca="ca.pem"))
    with pytest.raises(BadRequest, match="both"):
        check_tls(Tls(certificate=str(pem)))
    with pytest.raises(BadRequest, match="server_name"):
        check_tls(Tls(server_name="a b"))
