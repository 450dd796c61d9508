"""How a request that is turned away is told so, in the words of the protocol that it was meant for.

JSON-RPC on the paths of MCP and of agents, `google.rpc.Status` where agents speak REST, our own small object elsewhere.
"""

from typing import Final, NamedTuple

import orjson

from gateway.headers import TurnedAway, is_below

AGENTS: Final = "/agents"
RPC_PATHS: Final = ("/mcp",)

_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    414: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    421: "INVALID_ARGUMENT",
    431: "INVALID_ARGUMENT",
    503: "UNAVAILABLE",
}


class Refusal(NamedTuple):
    """An HTTP status and a JSON body."""

    status: int
    body: bytes


def explained(refusal: TurnedAway, path: str) -> Refusal:
    """What the sender of a request to `path` reads."""
    if is_rpc(path):
        error = {"code": refusal.rpc_code, "message": refusal.message}
        body = orjson.dumps({"jsonrpc": "2.0", "id": None, "error": error})
        return Refusal(_rpc_status(refusal, path), body)
    if is_below(path, (AGENTS,)):
        return Refusal(refusal.status, status_body(refusal.status, refusal.message))
    return Refusal(refusal.status, orjson.dumps({"error": {"code": refusal.code, "message": refusal.message}}))


def is_rpc(path: str) -> bool:
    """Whether JSON-RPC is spoken at a path: at that of MCP and below, and at an agent's, but not below it."""
    return is_below(path, RPC_PATHS) or (path.startswith(f"{AGENTS}/") and path.rstrip("/").count("/") == 2)


def status_body(status: int, message: str) -> bytes:
    """A `google.rpc.Status`, as A2A 1.0 has it over REST (section 11.6)."""
    return orjson.dumps({"error": {"code": status, "status": _STATUSES.get(status, "UNKNOWN"), "message": message}})


def _rpc_status(refusal: TurnedAway, path: str) -> int:
    """A2A's JSON-RPC answers what it could not read with 200 (section 9.5), as its SDKs do; MCP's does not."""
    unread_json = refusal.status == 400 and not refusal.unread
    return 200 if unread_json and not is_below(path, RPC_PATHS) else refusal.status
