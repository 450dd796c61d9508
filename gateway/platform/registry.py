"""The operators' door to the registry: `interchange.v1.Registry`, all methods by one translation.

A request becomes a call on the catalog whose content is the request as proto3 JSON, and whose action is the
operation's; the corridor decides it, and the result's JSON becomes the response. Nothing here knows what an operation
does, and nothing has a way around the corridor.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias, cast

import grpc
import grpc.aio
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from interchange.v1 import registry_pb2

from policies.identity.tokens import Verified
from registry.model import (
    CATALOG,
    BadRequest,
    Call,
    Deadline,
    Emit,
    InterchangeError,
    JsonObject,
    Result,
    Unauthenticated,
    alone,
    new_call_id,
    nowhere,
)
from registry.operations import ACTIONS

log = logging.getLogger(__name__)

Verify: TypeAlias = Callable[[str], Awaitable[Verified]]
Handle: TypeAlias = Callable[[Call, Emit], Awaitable[Result]]
Context: TypeAlias = grpc.aio.ServicerContext[Message, Message]
GenericHandler: TypeAlias = "grpc.GenericRpcHandler[Message, Message]"

SERVICE = registry_pb2.DESCRIPTOR.services_by_name["Registry"]
SECONDS = 60.0
LONGEST = 600.0
SENTENCE = 1_500
"""Characters of an error: gRPC sends it in a header, percent-encoded, and clients accept 8 kB of headers."""

CODE = "ix-error"
"""The trailer that says which of our errors it was."""

STATUSES: Mapping[str, grpc.StatusCode] = MappingProxyType(
    {
        "bad_request": grpc.StatusCode.INVALID_ARGUMENT,
        "invalid_arguments": grpc.StatusCode.INVALID_ARGUMENT,
        "too_large": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
        "unknown": grpc.StatusCode.NOT_FOUND,
        "denied": grpc.StatusCode.PERMISSION_DENIED,
        "needs_approval": grpc.StatusCode.PERMISSION_DENIED,
        "needs_scope": grpc.StatusCode.PERMISSION_DENIED,
        "refused": grpc.StatusCode.FAILED_PRECONDITION,
        "overloaded": grpc.StatusCode.UNAVAILABLE,
        "audit_unavailable": grpc.StatusCode.UNAVAILABLE,
        "unavailable": grpc.StatusCode.UNAVAILABLE,  # the issuer's keys
        "deadline_passed": grpc.StatusCode.DEADLINE_EXCEEDED,
        "far_side": grpc.StatusCode.FAILED_PRECONDITION,
    }
)
"""Our errors as gRPC's; any other is INTERNAL, without its text."""


class RegistryFace:
    """Answers `interchange.v1.Registry`."""

    def __init__(self, *, handle: Handle, verify: Verify) -> None:
        self._handle = handle
        self._verify = verify

    def handlers(self) -> GenericHandler:
        """The service, ready to be added to a server."""
        untyped = cast("Any", grpc)  # its stubs know only blocking handlers
        methods = {
            method.name: untyped.unary_unary_rpc_method_handler(
                self._answering(method),
                request_deserializer=_class(method.input_type).FromString,
                response_serializer=_class(method.output_type).SerializeToString,
            )
            for method in SERVICE.methods
        }
        return untyped.method_handlers_generic_handler(SERVICE.full_name, methods)

    def _answering(self, method: MethodDescriptor) -> Callable[[Message, Context], Awaitable[Message]]:
        """The behaviour of one method."""
        response = _class(method.output_type)

        async def answer(asked: Message, context: Context) -> Message:
            try:
                result = await self._handle(await self._call(method.name, asked, context), nowhere)
                return ParseDict(cast("dict[str, Any]", result.structured), response())
            except InterchangeError as error:
                await _abort(context, error)
            except Exception:
                log.exception("a registry call failed", extra={"operation": method.name})
                await _abort(context, InterchangeError("The gateway failed; its log says why."))

        return answer

    async def _call(self, operation: str, asked: Message, context: Context) -> Call:
        verified = await self._verify(_bearer(context))
        content = cast("JsonObject", MessageToDict(asked))
        return Call(
            id=new_call_id(),
            chain=alone(verified.principal),
            action=ACTIONS[operation],
            target=CATALOG,
            content={"operation": operation, **content},
            deadline=_deadline(context),
            scopes=verified.scopes,
            groups=verified.groups,
            door="platform",
        )


def _bearer(context: Context) -> str:
    """The one token a call came with.

    Raises:
        Unauthenticated: there is none, or not one.
        BadRequest: a header that only the gateway may send.
    """
    metadata = [
        (str(key), value) for key, value in cast("Iterable[tuple[str, object]]", context.invocation_metadata() or ())
    ]
    if any(key.startswith("ix-") for key, _ in metadata):
        raise BadRequest("Metadata that begins with ix- is the gateway's own and may not be sent.")
    found = [value for key, value in metadata if key == "authorization"]
    scheme, _, token = str(found[0]).partition(" ") if len(found) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send one access token as metadata, authorization: Bearer ….")
    return token.strip()


def _deadline(context: Context) -> Deadline:
    remaining = cast("float | None", context.time_remaining())
    return Deadline.after(SECONDS if remaining is None else min(remaining, LONGEST))


async def _abort(context: Context, error: InterchangeError) -> NoReturn:
    """End the RPC as the table says."""
    status = STATUSES.get(error.code)
    if status is None:
        log.error("an error without a status: %s", error.message, extra={"code": error.code})
        await context.abort(grpc.StatusCode.INTERNAL, "The gateway failed; its log says why.", ((CODE, "internal"),))
    message = error.message
    if len(message) > SENTENCE:
        message = f"{message[:SENTENCE]}… ({len(message) - SENTENCE} more characters)"
    await context.abort(status, message, ((CODE, error.code),))


def _class(message: Descriptor) -> type[Message]:
    return message_factory.GetMessageClass(message)
