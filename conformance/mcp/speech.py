"""How a client of revision 2026-07-28 asks: one regular request, and the ways in which a check bends it.

Every request is complete in itself: envelope in `_meta`, mirrored headers, no handshake before it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

VERSION: Final = "2026-07-28"
PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022
_NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_CLIENT: Final = {"name": "interchange-conformance", "version": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request as it will be sent."""

    method: str
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    id: str | int | None = "examiner-1"
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def body(self) -> dict[str, Any]:
        """The JSON-RPC request."""
        return {"jsonrpc": "2.0", "id": self.id, "method": self.method, "params": self.params, **self.more}

    def with_headers(self, **headers: str) -> "Ask":
        """The same with other or further headers; `_` stands for `-`."""
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): headers[name] for name in headers}})

    def without_header(self, name: str) -> "Ask":
        """The same with one header less."""
        return replace(self, headers={known: self.headers[known] for known in self.headers if known != name})

    def with_meta(self, **entries: Any) -> "Ask":
        """The same with other or further entries in the envelope."""
        return replace(self, params={**self.params, "_meta": {**self.params.get("_meta", {}), **entries}})

    def without_meta(self, *keys: str) -> "Ask":
        """The same with fewer entries in the envelope."""
        kept = {key: value for key, value in self.params["_meta"].items() if key not in keys}
        return replace(self, params={**self.params, "_meta": kept})


def regular(method: str, **params: Any) -> Ask:
    """A request that is right in every respect."""
    meta: dict[str, Any] = {PROTOCOL_VERSION: VERSION, CLIENT_CAPABILITIES: {}, CLIENT_INFO: _CLIENT}
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": method,
    }
    if method in _NAMED_BY:
        headers["mcp-name"] = header_value(params[_NAMED_BY[method]])
    return Ask(method=method, params={**params, "_meta": meta}, headers=headers)


def handshake(version: str) -> Ask:
    """The `initialize` of an older revision, by which a server shows that it speaks that one too."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": _CLIENT}
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    return Ask(method="initialize", params=params, headers=headers)


def header_value(text: str) -> str:
    """A text as a header's value: itself, or in the Base64 form where it is not safe there."""
    plain = text.isascii() and text.isprintable() and text == text.strip()
    return text if plain and not (text.startswith("=?base64?") and text.endswith("?=")) else in_base64(text)


def in_base64(text: str) -> str:
    """The Base64 form of a header's value."""
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="
