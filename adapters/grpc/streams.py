"""Server streams: what of them is progress and what is the result.

LAST: each message is progress once the next one has come, the last is the result. COLLECT: all of them together are
the result, bounded in number and bytes. A message is read when the one before has been dealt with, so a client that
reads slowly slows the far side down, not the gateway.
"""

from collections.abc import AsyncIterator, Callable
from typing import Self

from adapters.grpc.limits import Limits
from adapters.grpc.line import Answering
from adapters.grpc.results import Answers
from adapters.text import cut
from registry.model import Emit, FarSideError, FarSideFault, Progress, Result, TooLarge


class Heard:
    """Messages of a stream as they come; `on_message` is told of each, `any` says whether there was one."""

    def __init__(self, answering: Answering, on_message: Callable[[], None]) -> None:
        self._answering = answering
        self._on_message = on_message
        self.any = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        message = await self._answering.read()
        if not isinstance(message, bytes):  # gRPC's mark for the end
            raise StopAsyncIteration
        self.any = True
        self._on_message()
        return message


async def read_last(messages: AsyncIterator[bytes], answers: Answers, emit: Emit, *, limits: Limits) -> Result:
    """The last message, the earlier ones emitted.

    Raises:
        FarSideError: GARBLED, there was none or one could not be read.
    """
    last: bytes | None = None
    count = 0
    async for message in messages:
        if last is not None:
            count += 1
            await emit(Progress(progress=count, text=cut(answers.progress(last), limits.progress)))
        last = message
    if last is None:
        message = "The service ended its answer without a message, and so without a result."
        raise FarSideError(message, fault=FarSideFault.GARBLED)
    return answers.result(last)


async def read_all(messages: AsyncIterator[bytes], answers: Answers, *, limits: Limits) -> Result:
    """All messages together.

    Raises:
        TooLarge: there are more than `limits.items`, or they hold more than `limits.answer` bytes.
        FarSideError: GARBLED, one could not be read.
    """
    found: list[bytes] = []
    size = 0
    async for message in messages:
        found.append(message)
        size += len(message)
        if len(found) > limits.items:
            raise TooLarge(f"The answer has more than {limits.items} items, which is the limit.")
        if size > limits.answer:
            raise TooLarge(f"The answer has more than {limits.answer} bytes, which is the limit.")
    return answers.together(found)
