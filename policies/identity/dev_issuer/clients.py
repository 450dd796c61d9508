"""OAuth clients of the development issuer: fixed ones, and those that registered themselves (RFC 7591).

Registered clients are public ones (no secret) and are kept in the state folder, so that an editor that registered once
still works after a restart. Redirects go to https, to loopback, or to an application's own scheme, never elsewhere.
"""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import orjson

from policies.identity.private import write_private
from policies.identity.urls import is_loopback_host
from registry.model import BadRequest, JsonObject

CODE_GRANTS = frozenset({"authorization_code", "refresh_token"})
CAPACITY = 200
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_DANGEROUS_SCHEMES = frozenset(
    {"about", "blob", "data", "file", "filesystem", "ftp", "http", "https", "javascript"}
) | {
    "mailto",
    "tel",
    "vbscript",
    "view-source",
    "ws",
    "wss",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An OAuth client, public where `secret` is empty. `name` is what people are shown; it proves nothing.

    Its methods are those that Authlib asks a client.
    """

    client_id: str
    name: str = ""
    redirect_uris: tuple[str, ...] = ()
    grants: frozenset[str] = CODE_GRANTS
    secret: str = field(default="", repr=False)  # INVARIANT: Authlib logs clients; their secrets must not print

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return any(same_redirect(registered, redirect_uri) for registered in self.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        return bool(self.secret) and hmac.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - Authlib's signature
        return method in {"client_secret_basic", "client_secret_post"} if self.secret else method == "none"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.grants

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


def is_legal_redirect(uri: str) -> bool:
    """Whether codes may ever be sent there: https, loopback http, or an application's own scheme (RFC 8252 §7)."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return False
    if not _is_plain(uri) or parts.fragment or "#" in uri or parts.username is not None or parts.password is not None:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme == "http":
        return is_loopback_host(parts.hostname or "")
    return bool(_PRIVATE_SCHEME.fullmatch(parts.scheme)) and parts.scheme not in _DANGEROUS_SCHEMES


def same_redirect(registered: str, asked: str) -> bool:
    """Exact equality; on loopback the port is free, since a native client takes whichever it gets (RFC 8252 §7.3)."""
    if registered == asked:
        return True
    if not is_legal_redirect(asked):
        return False
    one, other = urlsplit(registered), urlsplit(asked)
    return (
        one.scheme == other.scheme == "http"
        and one.hostname == other.hostname
        and is_loopback_host(one.hostname or "")
        and (one.path, one.query) == (other.path, other.query)
    )


def read_redirects(value: object) -> tuple[str, ...]:
    """The `redirect_uris` of a client's metadata.

    Raises:
        BadRequest: not one to ten redirect URIs, or one of them is not legal.
    """
    uris = cast("list[object]", value) if isinstance(value, list) else []
    if not 1 <= len(uris) <= 10:
        raise BadRequest("redirect_uris: one to ten are needed")
    for uri in uris:
        if not isinstance(uri, str) or len(uri) > 1024 or not is_legal_redirect(uri):
            raise BadRequest("redirect_uris: only https, http on loopback or an application's own scheme are accepted")
    return tuple(cast("list[str]", uris))


def read_name(value: object, otherwise: str) -> str:
    """A client's name as people may be shown it: one line of at most 80 characters."""
    name = "".join(c for c in value if c.isprintable()).strip()[:80] if isinstance(value, str) else ""
    return name or otherwise


def read_registration(document: object) -> Client:
    """A new public client as its registration asks for.

    Raises:
        BadRequest: the metadata is not acceptable.
    """
    if not isinstance(document, dict):
        raise BadRequest("client metadata is a JSON object")
    metadata = cast("dict[str, object]", document)
    asked = metadata.get("grant_types", sorted(CODE_GRANTS))
    grants = {str(grant) for grant in cast("list[object]", asked)} if isinstance(asked, list) else set[str]()
    if "authorization_code" not in grants:
        raise BadRequest("grant_types: only clients of the authorization code grant can register")
    client_id = f"client-{secrets.token_hex(8)}"
    return Client(
        client_id=client_id,
        name=read_name(metadata.get("client_name"), client_id),
        redirect_uris=read_redirects(metadata.get("redirect_uris")),
        grants=frozenset(grants) & CODE_GRANTS,
    )


def write_registration(client: Client) -> JsonObject:
    """What a registered client is told (RFC 7591 §3.2.1)."""
    return {
        "client_id": client.client_id,
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": sorted(client.grants),
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }


class Registrations:
    """The registered clients, in a file; with too many, the oldest is forgotten."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._clients = _read_file(path)

    def find(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def add(self, client: Client) -> None:
        self._clients[client.client_id] = client
        while len(self._clients) > CAPACITY:
            del self._clients[next(iter(self._clients))]
        write_private(self._path, orjson.dumps([write_registration(client) for client in self._clients.values()]))


def _read_file(path: Path) -> dict[str, Client]:
    if not path.exists():
        return {}
    try:
        rows = cast("list[dict[str, object]]", orjson.loads(path.read_bytes()))
        clients = [
            Client(
                client_id=str(row["client_id"]),
                name=str(row["client_name"]),
                redirect_uris=read_redirects(row["redirect_uris"]),
                grants=frozenset(cast("list[str]", row["grant_types"])) & CODE_GRANTS,
            )
            for row in rows
        ]
    except (ValueError, TypeError, KeyError, BadRequest):
        raise BadRequest(f"{path}: not a list of registered clients; delete it and clients register anew") from None
    return {client.client_id: client for client in clients}


def _is_plain(text: str) -> bool:
    """Whether a URI is what RFC 3986 lets it be made of: visible ASCII without quotes, angles and backslashes."""
    return text.isascii() and text.isprintable() and not set(text) & set(' "<>\\^`{|}')
