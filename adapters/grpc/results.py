"""From a far side's messages to a `Result`: messages of its own, as the codec reads them, or `SkillResult`.

Both kinds answer three questions: what a message is as the result, how it looks as progress, and what several are
together. Bytes that are not what the revision says are GARBLED, never a crash.
"""

from collections.abc import Sequence
from typing import Protocol

import orjson
from google.protobuf.message import DecodeError
from interchange.v1 import agent_pb2 as wire

from adapters.grpc.codec import Codec
from adapters.parts import read_part
from adapters.values import read_struct, read_value
from registry.model import (
    FarSideError,
    FarSideFault,
    InputRequest,
    JsonObject,
    JsonValue,
    Result,
    SkillId,
)


class Answers(Protocol):
    """Reads the serialised answers of one skill. Every method raises FarSideError(GARBLED) for what it cannot read."""

    def result(self, data: bytes) -> Result:
        """A message as the result."""
        ...

    def progress(self, data: bytes) -> str:
        """A message as the text of progress."""
        ...

    def together(self, messages: Sequence[bytes]) -> Result:
        """Several messages as one result."""
        ...


class MessageAnswers:
    """A skill that answers with messages of its own."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def result(self, data: bytes) -> Result:
        text = self._codec.decode(data)
        return Result(structured=_loads(text), text=text)

    def progress(self, data: bytes) -> str:
        return self._codec.decode(data)

    def together(self, messages: Sequence[bytes]) -> Result:
        text = '{"items":[' + ",".join(map(self._codec.decode, messages)) + "]}"
        return Result(structured=_loads(text), text=text)


class SpokenAnswers:
    """A skill that speaks for itself, with `interchange.v1.SkillResult`."""

    def __init__(self, skill: SkillId) -> None:
        self._skill = skill

    def result(self, data: bytes) -> Result:
        message = self._parsed(data)
        try:
            structured = read_value(message.structured) if message.HasField("structured") else None
            return Result(
                structured=structured,
                text=orjson.dumps(structured).decode() if message.HasField("structured") else "",
                parts=tuple(map(read_part, message.content)),
                is_error=message.is_error,
                input_requests=_read_requests(message.input_requests),
                request_state=message.request_state,
            )
        except ValueError as error:
            raise self._garbled(str(error)) from error

    def progress(self, data: bytes) -> str:
        return "\n".join(part.text for part in self._parsed(data).content if part.HasField("text"))

    def together(self, messages: Sequence[bytes]) -> Result:
        results = [self.result(data) for data in messages]
        if any(result.input_requests for result in results):
            raise self._garbled("a collected stream cannot ask the client for input")
        items: list[JsonValue] = [result.structured for result in results if result.text]
        structured = {"items": items} if items else None
        return Result(
            structured=structured,
            text=orjson.dumps(structured).decode() if items else "",
            parts=tuple(part for result in results for part in result.parts),
            is_error=any(result.is_error for result in results),
        )

    def _parsed(self, data: bytes) -> wire.SkillResult:
        try:
            return wire.SkillResult.FromString(data)
        except DecodeError as error:
            raise self._garbled("the bytes do not parse") from error

    def _garbled(self, sentence: str) -> FarSideError:
        message = f"{self._skill} answered with a SkillResult that cannot be read: {sentence}."
        return FarSideError(message, fault=FarSideFault.GARBLED)


def _read_requests(requests: Sequence[wire.InputRequest]) -> tuple[InputRequest, ...]:
    keys = {request.key for request in requests}
    if len(keys) != len(requests) or "" in keys:
        raise ValueError("input requests whose keys are empty or the same")
    return tuple(map(_read_request, requests))


def _read_request(request: wire.InputRequest) -> InputRequest:
    kind = request.WhichOneof("request")
    if kind == "question":
        return InputRequest(key=request.key, kind="elicitation", body=_read_question(request.question))
    if kind == "sampling":
        return InputRequest(key=request.key, kind="sampling", body=read_struct(request.sampling))
    if kind == "roots" and request.roots:
        return InputRequest(key=request.key, kind="roots", body={})
    raise ValueError(f"the input request {request.key!r} asks for nothing")


def _read_question(question: wire.Question) -> JsonObject:
    return {"text": question.text, "schema": read_struct(question.answer_schema)}


def _loads(text: str) -> JsonValue:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FarSideError("The answer is no JSON once decoded.", fault=FarSideFault.GARBLED) from error
