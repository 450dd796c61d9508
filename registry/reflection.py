"""A running gRPC server, asked what it serves: server reflection, v1 and where that is missing v1alpha.

Gives the serialised files behind all its services as the server itself compiled them, so custom options (our
annotations) survive. Ordinary blocking code for a worker thread; how many files, bytes and seconds a stranger may cost
us is bounded. Which addresses may be asked is `registry.targets`' to say.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, cast

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from registry.model import BadRequest, FarSideError, FarSideFault, Tls

SECONDS = 10.0
FILES = 2_000
BYTES = 16 << 20
ONE_MESSAGE = 4 << 20
METHODS = tuple(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1", "v1alpha"))
INTERNAL = "grpc."
"""Services of gRPC itself (health, reflection, channelz) are nobody's skills."""

Stream: TypeAlias = Callable[..., Iterator[ServerReflectionResponse]]


@dataclass(frozen=True, slots=True)
class Reflected:
    """What a server says of itself: full names of its services, and every file behind them."""

    services: tuple[str, ...]
    files: tuple[FileDescriptorProto, ...]

    def roots(self) -> tuple[str, ...]:
        """The names of the files that declare the services."""
        return tuple(file.name for file in self.files if any(name in self.services for name in _declared(file)))


def reflect(target: str, tls: Tls | None = None, *, seconds: float = SECONDS) -> Reflected:
    """Read everything a server serves.

    Raises:
        BadRequest: a TLS file cannot be read.
        FarSideError: it cannot be reached, has no reflection, or answers with nonsense or too much.
    """
    with _channel(target, tls) as channel:
        for method in METHODS:
            try:
                return _Conversation(channel, method, target, time.monotonic() + seconds).everything()
            except _NoSuchServiceError:
                continue
    raise FarSideError(
        f"{target} has no server reflection. Enable it there, or compile a descriptor set and use"
        " `interchange registry import`.",
        fault=FarSideFault.UNSUPPORTED,
    )


class _NoSuchServiceError(Exception):
    """The server does not know this version of reflection."""


class _Conversation:
    """Questions to one server, a stream for each round of them: answers come in the order of the questions."""

    def __init__(self, channel: grpc.Channel, method: str, target: str, until: float) -> None:
        self._stream = cast(
            "Stream",
            cast("Any", channel).stream_stream(
                method,
                request_serializer=ServerReflectionRequest.SerializeToString,
                response_deserializer=ServerReflectionResponse.FromString,
            ),
        )
        self._target = target
        self._until = until
        self._bytes = 0

    def everything(self) -> Reflected:
        """The services, the files that declare them, and what those import."""
        listed = self._ask([ServerReflectionRequest(list_services="*")])[0].list_services_response
        services = tuple(sorted(found.name for found in listed.service if not found.name.startswith(INTERNAL)))
        if len(services) > FILES:
            raise self._garbled(f"lists more than {FILES} services")
        files: dict[str, FileDescriptorProto] = {}
        questions = [ServerReflectionRequest(file_containing_symbol=name) for name in services]
        while questions:
            for answer in self._ask(questions):
                for file in self._files(answer):
                    files.setdefault(file.name, file)
            if len(files) > FILES:
                raise self._garbled(f"has more than {FILES} files")
            questions = [ServerReflectionRequest(file_by_filename=name) for name in _lacking(files)]
        return Reflected(services, tuple(files.values()))

    def _ask(self, questions: Sequence[ServerReflectionRequest]) -> list[ServerReflectionResponse]:
        """One round: all answers, or the reason why not."""
        call = self._stream(iter(questions), timeout=max(0.0, self._until - time.monotonic()))
        try:
            answers = list(islice(call, len(questions)))
        except grpc.RpcError as error:
            raise self._failed(error) from None
        finally:
            cast("Any", call).cancel()
        for answer in answers:
            if answer.HasField("error_response"):
                raise self._garbled(
                    f"does not answer for its own services: {answer.error_response.error_message[:200]}"
                )
        if len(answers) < len(questions):
            raise self._garbled("stopped answering")
        return answers

    def _files(self, answer: ServerReflectionResponse) -> Iterator[FileDescriptorProto]:
        for data in answer.file_descriptor_response.file_descriptor_proto:
            self._bytes += len(data)
            if self._bytes > BYTES:
                raise self._garbled(f"sends more than {BYTES >> 20} MiB of descriptors")
            try:
                yield FileDescriptorProto.FromString(data)
            except DecodeError:
                raise self._garbled("sends a descriptor that is not one") from None

    def _failed(self, error: grpc.RpcError) -> Exception:
        code = cast("grpc.Call", error).code()
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return _NoSuchServiceError()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return FarSideError(
                f"{self._target} did not answer in time.", fault=FarSideFault.UNAVAILABLE, retryable=True
            )
        if code is grpc.StatusCode.UNAVAILABLE:
            return FarSideError(
                f"{self._target} cannot be reached. Is it running, and does it speak"
                " the same TLS (or plain text) as was asked for?",
                fault=FarSideFault.UNAVAILABLE,
                retryable=True,
            )
        return self._garbled(f"refused to describe itself ({code.name.lower()})")

    def _garbled(self, what: str) -> FarSideError:
        return FarSideError(f"{self._target} {what}.", fault=FarSideFault.GARBLED)


def _lacking(files: dict[str, FileDescriptorProto]) -> list[str]:
    return sorted({name for file in files.values() for name in file.dependency if name not in files})


def _declared(file: FileDescriptorProto) -> Iterator[str]:
    for service in file.service:
        yield f"{file.package}.{service.name}" if file.package else service.name


@contextmanager
def _channel(target: str, tls: Tls | None) -> Generator[grpc.Channel]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", ONE_MESSAGE),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if tls is not None and tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    channel = (
        grpc.insecure_channel(target, options)
        if tls is None
        else grpc.secure_channel(target, _credentials(tls), options)
    )
    try:
        yield channel
    finally:
        channel.close()


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    ca, key, certificate = (_read(path) for path in (tls.ca, tls.key, tls.certificate))
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=certificate)


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise BadRequest(f"The TLS file {path} cannot be read: {error.strerror}.") from None
