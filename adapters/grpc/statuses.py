"""What a gRPC status means to the caller: one table, and how much of the far side's own words may be shown.

A service's words about the request are for whoever made it. Its words about itself (INTERNAL, UNKNOWN, DATA_LOSS) and
gRPC's about the network may hold what is nobody's business; they go to the log, under the call's id.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from adapters.grpc.details import Extra, read_extra
from adapters.text import clean
from registry.model import Call, DeadlinePassed, FarSideError, FarSideFault, TooLarge

log = logging.getLogger(__name__)

DETAILS = 1_024
"""Bytes of a service's words that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who was asked: a skill by its id, an agent by its name. `repeatable`: asking twice does nothing twice."""

    name: str
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Meaning:
    """`sentence` follows the name of who was asked. `shown`: the service's own words may come after."""

    fault: FarSideFault
    sentence: str
    shown: bool = True
    retryable: bool = False


_OUR_FAULT = "did not accept the gateway's own credential; that is the gateway's fault, not the caller's"
_WITHHELD = "failed; the details are in the gateway's log"

MEANINGS: Mapping[StatusCode, Meaning] = {
    StatusCode.INVALID_ARGUMENT: Meaning(FarSideFault.REJECTED, "rejected what it was sent"),
    StatusCode.OUT_OF_RANGE: Meaning(FarSideFault.REJECTED, "rejected something it was sent as out of range"),
    StatusCode.FAILED_PRECONDITION: Meaning(FarSideFault.REJECTED, "cannot do this as things stand"),
    StatusCode.NOT_FOUND: Meaning(FarSideFault.NOT_FOUND, "did not find it"),
    StatusCode.ALREADY_EXISTS: Meaning(FarSideFault.CONFLICT, "says that it exists already"),
    StatusCode.ABORTED: Meaning(FarSideFault.CONFLICT, "gave up because of a conflict", retryable=True),
    StatusCode.RESOURCE_EXHAUSTED: Meaning(FarSideFault.EXHAUSTED, "has no more to give for now", retryable=True),
    StatusCode.PERMISSION_DENIED: Meaning(FarSideFault.REFUSED_CALLER, "refused: the service does not permit it"),
    StatusCode.UNAUTHENTICATED: Meaning(FarSideFault.REFUSED_US, _OUR_FAULT, shown=False),
    StatusCode.UNAVAILABLE: Meaning(FarSideFault.UNAVAILABLE, "is not available", shown=False, retryable=True),
    StatusCode.UNIMPLEMENTED: Meaning(
        FarSideFault.UNSUPPORTED, "is not implemented where it is bound; the binding is out of date", shown=False
    ),
    # We cancel what nobody waits for, and hear no status then; a server says it to a call that came while it stopped.
    StatusCode.CANCELLED: Meaning(FarSideFault.UNAVAILABLE, "gave up the call", shown=False, retryable=True),
    StatusCode.INTERNAL: Meaning(FarSideFault.BROKEN, _WITHHELD, shown=False),
    StatusCode.UNKNOWN: Meaning(FarSideFault.BROKEN, _WITHHELD, shown=False),
    StatusCode.DATA_LOSS: Meaning(FarSideFault.BROKEN, _WITHHELD, shown=False),
}

DOUBT = "; what was asked may have been carried out all the same."

SILENCE = frozenset({StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED})
"""What a dead or hanging target looks like."""

# gRPC's own words when an answer is over `grpc.max_receive_message_length`, before and after decompression, or when
# the metadata after it are over `grpc.absolute_max_metadata_size`.
_TOO_LARGE = (
    "CLIENT: Received message larger than max",
    "Decompressed message larger than max",
    "received metadata size exceeds",
)


# gRPC's own words where there is no connection, so that nothing can have been sent. A service may say the same of
# somebody else, so they count only while the channel is not connected.
_NO_CONNECTION = (
    "failed to connect to all addresses",
    "connections to all backends failing",
    "errors resolving",
    "DNS resolution failed",
)
_UNSENT = "Nothing was sent."


class _Error(Protocol):
    """The part of AioRpcError that its stubs lack."""

    def code(self) -> StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Metadata | None: ...


def code_of(error: AioRpcError) -> StatusCode:
    return cast("_Error", error).code()


def note_if_unsent(error: AioRpcError, *, connected: bool) -> None:
    """Remember with an error, which may outlive the attempt, that nothing of it went out."""
    words = cast("_Error", error).details() or ""
    if code_of(error) is StatusCode.UNAVAILABLE and not connected and words.startswith(_NO_CONNECTION):
        error.add_note(_UNSENT)


def read_status(
    error: AioRpcError, *, call: Call, asked: Asked, limit: int
) -> DeadlinePassed | FarSideError | TooLarge:
    """Say in our own words what a status means. `limit` is the answer's, for the message."""
    wire = cast("_Error", error)
    code, details = wire.code(), wire.details() or ""
    if code is StatusCode.DEADLINE_EXCEEDED:
        return DeadlinePassed(f"{asked.name} did not answer in time.")
    if code is StatusCode.RESOURCE_EXHAUSTED and any(words in details for words in _TOO_LARGE):
        return TooLarge(
            f"The answer of {asked.name} is over the limit of {limit} bytes, or the metadata with it over theirs."
        )
    meaning = MEANINGS[code]
    if not meaning.shown:
        _withhold(call, asked, code, details)
    if _UNSENT in getattr(error, "__notes__", ()):
        message = f"{asked.name} cannot be reached; nothing was sent; try again later."
        return FarSideError(message, fault=meaning.fault, retryable=True)
    extra = read_extra(wire.trailing_metadata())
    return FarSideError(
        _message(meaning, asked, details, extra),
        fault=meaning.fault,
        retryable=meaning.retryable and not _in_doubt(meaning, asked),
        retry_after=extra.retry_after,
    )


def _message(meaning: Meaning, asked: Asked, details: str, extra: Extra) -> str:
    words = [clean(word, DETAILS) for word in (details, *extra.violations) if word] if meaning.shown else []
    end = DOUBT if _in_doubt(meaning, asked) else "."
    return f"{asked.name} {meaning.sentence}" + (f": {clean('; '.join(words), DETAILS)}" if words else end)


def _in_doubt(meaning: Meaning, asked: Asked) -> bool:
    """Whether it may have been done, and should not be done twice: then it is not for a machine to ask again."""
    return meaning.fault is FarSideFault.UNAVAILABLE and not asked.repeatable


def _withhold(call: Call, asked: Asked, code: StatusCode, details: str) -> None:
    fields = {"call": call.id, "asked": asked.name, "status": code.name, "details": clean(details, 4 * DETAILS)}
    log.warning("A service failed.", extra=fields)
