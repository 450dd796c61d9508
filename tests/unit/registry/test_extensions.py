"""What an extension may be called, and how many an agent may declare."""

import pytest

from registry.extensions import LENGTH, MOST, extension_faults
from registry.model import Extension


def faults(*uris: str) -> list[str]:
    return list(extension_faults([Extension(uri=uri) for uri in uris]))


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/extensions/timestamp/v1",
        "https://example.com/a?b=c#d",
        "urn:example:extension:1",
        "https://example.com/%C3%A9",
        "https://[::1]:8080/x",
        "x:" + "y" * (LENGTH - 2),
    ],
)
def test_an_absolute_uri_names_an_extension(uri: str) -> None:
    assert faults(uri) == []


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "timestamp",
        "/extensions/timestamp",
        "//example.com/x",
        "https:",
        "https://example.com/a b",
        "https://example.com/a,https://example.com/b",
        "https://example.com/\r\nX: y",
        "https://example.com/é",
        "https://example.com/%zz",
        'https://example.com/"',
        "1https://example.com/",
    ],
)
def test_anything_else_names_none(uri: str) -> None:
    [fault] = faults(uri)
    assert "is not an absolute URI" in fault


def test_a_uri_has_its_length_and_its_one_declaration() -> None:
    assert faults("x:" + "y" * (LENGTH - 1)) == ["the URI of an extension has 257 characters; 256 are possible."]
    assert faults("urn:a:b", "urn:a:c", "urn:a:b") == ['the extension "urn:a:b" is declared twice.']


def test_an_agent_declares_sixteen_at_most() -> None:
    uris = [f"urn:a:{number}" for number in range(MOST + 1)]
    assert faults(*uris[:MOST]) == []
    assert faults(*uris) == ["there are 17 extensions; 16 are possible."]
