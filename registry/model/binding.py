"""A binding: where an agent's far side is and which adapter reaches it. Mutable in the registry, outside every pin."""

from dataclasses import dataclass
from enum import StrEnum


class BindingKind(StrEnum):
    """`grpc`: the gateway calls the service. `foreign`: the same for a service that is not ours, so nothing of ours
    (token, ids, trace) goes with a call. `mailbox`: the process attaches to us. `process`: hosted inside."""

    GRPC = "grpc"
    FOREIGN = "foreign"
    MAILBOX = "mailbox"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How to speak TLS to a target. Paths of PEM files on the gateway's machine.

    `ca` empty: the system's roots. `certificate` and `key` together: mutual TLS. `server_name`: what the target's
    certificate must say where that is not the host of the target.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One or several `host:port`, equals of each other; `tls` is None for plain text."""

    kind: BindingKind
    targets: tuple[str, ...] = ()
    tls: Tls | None = None
