"""Telemetry names this room writes, in one place and pinned by a test.

From the OpenTelemetry semantic conventions for RPC and general attributes; whoever lets spans out by an allow-list
takes them from here.
"""

from typing import Final

TRACER: Final = "interchange.adapters.grpc"

RPC_SYSTEM: Final = "rpc.system"
RPC_SERVICE: Final = "rpc.service"
RPC_METHOD: Final = "rpc.method"
RPC_STATUS: Final = "rpc.grpc.status_code"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"

ALL: Final = frozenset({RPC_SYSTEM, RPC_SERVICE, RPC_METHOD, RPC_STATUS, SERVER_ADDRESS, SERVER_PORT, ERROR_TYPE})
