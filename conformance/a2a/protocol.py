"""The words of A2A 1.0 that the examiner goes by: operations and where they are over REST, errors, states."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

VERSION = "1.0"
MEDIA_TYPE = "application/a2a+json"
EVENT_STREAM = "text/event-stream"
WELL_KNOWN = "/.well-known/agent-card.json"
CLOSED = (401, 403)
"""Statuses of a door that does not let somebody in (section 7.4)."""
DOMAIN = "a2a-protocol.org"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class Binding(StrEnum):
    """The bindings that are examined, by their names in a card. gRPC is not."""

    JSONRPC = "JSONRPC"
    REST = "HTTP+JSON"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation is over REST."""

    method: str
    path: str


_CONFIGS = "/tasks/{taskId}/pushNotificationConfigs"
OPERATIONS: Mapping[str, Place] = {
    "SendMessage": Place("POST", "/message:send"),
    "SendStreamingMessage": Place("POST", "/message:stream"),
    "GetTask": Place("GET", "/tasks/{id}"),
    "ListTasks": Place("GET", "/tasks"),
    "CancelTask": Place("POST", "/tasks/{id}:cancel"),
    "SubscribeToTask": Place("POST", "/tasks/{id}:subscribe"),
    "CreateTaskPushNotificationConfig": Place("POST", _CONFIGS),
    "GetTaskPushNotificationConfig": Place("GET", f"{_CONFIGS}/{{id}}"),
    "ListTaskPushNotificationConfigs": Place("GET", _CONFIGS),
    "DeleteTaskPushNotificationConfig": Place("DELETE", f"{_CONFIGS}/{{id}}"),
    "GetExtendedAgentCard": Place("GET", "/extendedAgentCard"),
}
"""Section 5.3."""


@dataclass(frozen=True, slots=True)
class KnownError:
    """An error of A2A in both bindings (section 5.4)."""

    code: int
    status: int


TASK_NOT_FOUND = "TASK_NOT_FOUND"
TASK_NOT_CANCELABLE = "TASK_NOT_CANCELABLE"
PUSH_NOT_SUPPORTED = "PUSH_NOTIFICATION_NOT_SUPPORTED"
UNSUPPORTED_OPERATION = "UNSUPPORTED_OPERATION"
CONTENT_TYPE_NOT_SUPPORTED = "CONTENT_TYPE_NOT_SUPPORTED"
EXTENDED_CARD_NOT_CONFIGURED = "EXTENDED_AGENT_CARD_NOT_CONFIGURED"
EXTENSION_REQUIRED = "EXTENSION_SUPPORT_REQUIRED"
VERSION_NOT_SUPPORTED = "VERSION_NOT_SUPPORTED"

ERRORS: Mapping[str, KnownError] = {
    TASK_NOT_FOUND: KnownError(-32001, 404),
    TASK_NOT_CANCELABLE: KnownError(-32002, 400),
    PUSH_NOT_SUPPORTED: KnownError(-32003, 400),
    UNSUPPORTED_OPERATION: KnownError(-32004, 400),
    CONTENT_TYPE_NOT_SUPPORTED: KnownError(-32005, 400),
    "INVALID_AGENT_RESPONSE": KnownError(-32006, 500),
    EXTENDED_CARD_NOT_CONFIGURED: KnownError(-32007, 400),
    EXTENSION_REQUIRED: KnownError(-32008, 400),
    VERSION_NOT_SUPPORTED: KnownError(-32009, 400),
}
INVALID_PARAMS = -32602

STATUS_NAMES: Mapping[int, frozenset[str]] = {
    400: frozenset({"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"}),
    401: frozenset({"UNAUTHENTICATED"}),
    403: frozenset({"PERMISSION_DENIED"}),
    404: frozenset({"NOT_FOUND"}),
    409: frozenset({"ABORTED", "ALREADY_EXISTS"}),
    429: frozenset({"RESOURCE_EXHAUSTED"}),
    499: frozenset({"CANCELLED"}),
    500: frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"}),
    501: frozenset({"UNIMPLEMENTED"}),
    503: frozenset({"UNAVAILABLE"}),
    504: frozenset({"DEADLINE_EXCEEDED"}),
}
"""The names of google.rpc.Code by the HTTP status each has (google/rpc/code.proto)."""

ENDED = frozenset({"TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_REJECTED"})
INTERRUPTED = frozenset({"TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED"})
SETTLED = ENDED | INTERRUPTED
STATES = SETTLED | {"TASK_STATE_SUBMITTED", "TASK_STATE_WORKING"}
