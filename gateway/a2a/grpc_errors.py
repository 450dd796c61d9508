"""Errors of A2A as gRPC carries them: a status, and in the trailers `google.rpc.Status` with the reason (A2A 1.0,
section 10.6). Pure; our own errors have their statuses in `gateway.platform.rpc`."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import grpc
from a2a.utils.errors import A2A_ERROR_MAPPING, A2AError, InternalError
from google.rpc import error_details_pb2, status_pb2

from gateway.platform.rpc import Ended, cut

DOMAIN: Final = "a2a-protocol.org"
DETAILS: Final = "grpc-status-details-bin"

SENTENCE: Final = 1_500
"""Bytes of the sentence as it is sent; it is in the details a second time."""
DETAIL: Final = 1_500
"""Bytes of the faults by field: of headers, clients accept 8 kB for certain."""


@contextmanager
def in_grpcs_words() -> Generator[None]:
    """Let errors of A2A end the RPC with their status.

    Raises:
        Ended: there was one.
    """
    try:
        yield
    except A2AError as error:
        raise ended(error) from None


def ended(error: A2AError) -> Ended:
    """The end of an RPC that an error makes."""
    mapping = A2A_ERROR_MAPPING.get(type(error), A2A_ERROR_MAPPING[InternalError])
    code = grpc.StatusCode[mapping.grpc_status]
    sentence = cut(error.message, most=SENTENCE)
    status = status_pb2.Status(code=cast("int", code.value[0]), message=sentence)
    data = _data(error)
    said = {name: value for name, value in data.items() if isinstance(value, str)}
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=mapping.reason, domain=DOMAIN, metadata=said))
    if faults := cast("Sequence[Mapping[str, str]]", data.get("errors") or ()):
        status.details.add().Pack(_bad_request(faults))
    return Ended(code, sentence, ((DETAILS, status.SerializeToString()),))


def _data(error: A2AError) -> Mapping[str, Any]:
    """What an error says beside its sentence; faults are in there even where it has no members."""
    found = cast("Mapping[str, Any] | None", error.data)  # pyright: ignore[reportUnknownMemberType]
    nothing: Mapping[str, Any] = {}
    return nothing if found is None else found


def _bad_request(faults: Iterable[Mapping[str, str]]) -> error_details_pb2.BadRequest:
    """As many faults as there is room for."""
    written = error_details_pb2.BadRequest()
    for fault in faults:
        written.field_violations.add(field=fault["field"], description=fault["message"])
        if written.ByteSize() > DETAIL:
            del written.field_violations[-1]
            break
    return written
