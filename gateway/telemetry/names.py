"""Names of spans and attributes, pinned here because the conventions move, and what each may say.

An attribute leaves the process only if it is in `ALLOWED` and its value passes the check beside it; a number or a
boolean always does. Names that clients choose (tools, targets) pass only if something is registered under them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

OWN_SCOPES: Final = "interchange"
"""Prefix of our own tracers' names; the rooms below have theirs (`adapters.grpc.names`)."""

MCP_SCOPE: Final = "mcp-python-sdk"

# The span of the policies' room; faces and far sides are named by the conventions of their protocols.
DECIDE: Final = "decide"

CALL_ID: Final = "interchange.call.id"
DOOR: Final = "interchange.door"
ACTION: Final = "interchange.action"
TARGET: Final = "interchange.target"
VERDICT: Final = "interchange.verdict"
POLICY_VERSION: Final = "interchange.policy.version"
CATALOG_VERSION: Final = "interchange.catalog.version"
ERROR_TYPE: Final = "error.type"

MCP_METHOD: Final = "mcp.method.name"
MCP_VERSION: Final = "mcp.protocol.version"
TOOL_NAME: Final = "gen_ai.tool.name"
OPERATION: Final = "gen_ai.operation.name"
AGENT_NAME: Final = "gen_ai.agent.name"
REQUEST_ID: Final = "jsonrpc.request.id"

EXCEPTION: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
DROPPED: Final = "redaction.dropped"

MCP_METHODS: Final = frozenset(
    {
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "notifications/cancelled",
        "notifications/initialized",
        "notifications/progress",
        "notifications/roots/list_changed",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "server/discover",
        "subscriptions/listen",
        "tasks/cancel",
        "tasks/get",
        "tasks/update",
        "tools/call",
        "tools/list",
    }
)

Check = Callable[[str], bool]


def _matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


WORD: Final = _matches(r"[A-Za-z0-9_.:-]{1,80}")
"""What programs call things; also what a version, a digest or an error code looks like."""

OWN_NAME: Final = _matches(r"[A-Za-z0-9_.:-]{1,120}(/[A-Za-z0-9_]{1,80})?")


def allowed(registered: Check) -> Mapping[str, Check]:
    """Every attribute that may leave, and which strings it may hold. `registered` knows skills, agents and tools."""
    return {
        CALL_ID: _matches(r"[0-9a-f-]{36}"),
        DOOR: WORD,
        ACTION: WORD,
        TARGET: lambda text: registered(text.partition(":")[2]),
        VERDICT: WORD,
        POLICY_VERSION: WORD,
        CATALOG_VERSION: WORD,
        ERROR_TYPE: WORD,
        MCP_METHOD: MCP_METHODS.__contains__,
        MCP_VERSION: _matches(r"\d{4}-\d{2}-\d{2}"),
        TOOL_NAME: registered,
        AGENT_NAME: registered,
        OPERATION: WORD,
        REQUEST_ID: _matches(r"\d{1,19}"),
        "rpc.system": WORD,
        "rpc.service": _matches(r"[A-Za-z0-9_.]{1,200}"),
        "rpc.method": _matches(r"[A-Za-z0-9_]{1,200}"),
        "rpc.grpc.status_code": _matches(r"\d{1,3}"),
        "rpc.response.status_code": _matches(r"-?[A-Z0-9_]{1,40}"),
        "server.address": _matches(r"[A-Za-z0-9.:_\[\]-]{1,253}"),
        "server.port": _matches(r"\d{1,5}"),
    }


RESOURCE: Final = frozenset(
    {"service.name", "service.version", "service.instance.id", "telemetry.sdk.language", "telemetry.sdk.name"}
)
"""What is said of the process; whatever detectors or the environment add is left out."""
