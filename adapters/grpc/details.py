"""What a service says beside its status (google.rpc.Status): which fields are wrong, when to try again.

Strangers write these bytes: whatever does not parse is as if it were not there, and everything is bounded.
"""

import math
from dataclasses import dataclass
from typing import Final

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, PreconditionFailure, RetryInfo
from google.rpc.status_pb2 import Status
from grpc.aio import Metadata

KEY: Final = "grpc-status-details-bin"
MOST: Final = 20
"""How many details, and violations of one detail, are read."""

LONGEST_WAIT: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Extra:
    """`violations` are sentences for the caller; `retry_after` is in seconds."""

    violations: tuple[str, ...] = ()
    retry_after: float | None = None


NOTHING = Extra()


def read_extra(trailing: Metadata | None) -> Extra:
    """Read the details in a status's trailing metadata."""
    value = trailing[KEY] if trailing and KEY in trailing else None
    if not isinstance(value, bytes):
        return NOTHING
    try:
        return _read(Status.FromString(value))
    except DecodeError:
        return NOTHING


def _read(status: Status) -> Extra:
    violations: list[str] = []
    retry_after: float | None = None
    for detail in status.details[:MOST]:
        violations += _violations(detail)
        retry_after = retry_after if (found := _retry_after(detail)) is None else found
    return Extra(tuple(violations[:MOST]), retry_after)


def _violations(detail: Any) -> list[str]:
    if detail.TypeName() == BadRequest.DESCRIPTOR.full_name:
        fields = BadRequest.FromString(detail.value).field_violations[:MOST]
        return [f"{field.field}: {field.description}" for field in fields]
    if detail.TypeName() == PreconditionFailure.DESCRIPTOR.full_name:
        failures = PreconditionFailure.FromString(detail.value).violations[:MOST]
        return [f"{failure.subject}: {failure.description}" for failure in failures]
    return []


def _retry_after(detail: Any) -> float | None:
    if detail.TypeName() != RetryInfo.DESCRIPTOR.full_name:
        return None
    delay = RetryInfo.FromString(detail.value).retry_delay
    seconds = delay.seconds + delay.nanos / 1e9
    return seconds if math.isfinite(seconds) and 0 <= seconds <= LONGEST_WAIT else None
