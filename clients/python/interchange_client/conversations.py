"""The conversation of a turn, as its agent takes part in it besides answering: it says something more, replaces what it
said, reads, follows; and of a turn that it has put off, it asks and finishes.

Every call may be repeated, so what gets no answer is repeated here, at another gateway if need be. What is followed
comes once and in order, whatever breaks meanwhile.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from interchange.v1 import agent_pb2
from interchange.v1 import conversations_pb2 as wire

from interchange_client.doors import Carrier
from interchange_client.errors import GatewayError
from interchange_client.parts import Content, part

SECONDS: Final = 60.0
"""How long a call is repeated while nobody answers it."""

PAUSES: Final = (0.1, 5.0)
"""Seconds before something is tried again for the first time, and at most before any."""

LASTED: Final = 5.0
"""Seconds after which a stream that broke was a good one: the next is tried at once."""

Said = TypeVar("Said", bound=Message)


class Conversation:
    """The conversation of the turn that `turn_token` is of.

    `remaining` says how many seconds there are for it, None: as many as it takes.
    """

    def __init__(self, carrier: Carrier, *, turn_token: str, remaining: Callable[[], float] | None = None) -> None:
        self._carrier = carrier
        self._token = turn_token
        self._remaining = remaining

    async def say(
        self,
        *content: Content,
        id: str = "",  # noqa: A002 - its name on the wire
        artifacts: Iterable[agent_pb2.Artifact] = (),
    ) -> agent_pb2.Message:
        """Say something more, whole and at once, and return it as it was logged, without its content.

        The same `id` again in the same turn is the same message, and is there once; without one it is a new message
        each time.

        Raises:
            GatewayError: it is not said, or nobody answers. `unauthenticated`: the turn is over, or somebody else's.
        """
        request = wire.AppendRequest(id=id or str(uuid.uuid4()), parts=map(part, content), artifacts=artifacts)
        return (await self._insist("Append", request, wire.AppendResponse)).message

    async def update(
        self,
        said: agent_pb2.Message | int,
        *content: Content,
        id: str = "",  # noqa: A002 - its name on the wire
        artifacts: Iterable[agent_pb2.Artifact] = (),
    ) -> agent_pb2.Message:
        """Say something instead of what this agent `said` before (the message, or its number).

        Raises:
            GatewayError: as `say`.
        """
        request = wire.UpdateRequest(
            id=id or str(uuid.uuid4()),
            seq=said if isinstance(said, int) else said.seq,
            parts=map(part, content),
            artifacts=artifacts,
        )
        return (await self._insist("Update", request, wire.UpdateResponse)).message

    async def read(self, *, after: int = 0, before: int = 0, limit: int = 100) -> Sequence[agent_pb2.Message]:
        """Some messages in their order: the first ones behind number `after`, or the last ones in front of `before`.

        Raises:
            GatewayError: as `say`.
        """
        request = wire.ReadRequest(after=after, before=before, limit=limit)
        return (await self._insist("Read", request, wire.ReadResponse)).messages

    async def follow(self, *, after: int = 0) -> AsyncGenerator[agent_pb2.Message]:
        """Every message behind number `after`, and those to come, each once and in order, until the turn is over.

        A connection that breaks, a gateway that ends and the time that a stream may last are not noticed here: it goes
        on behind the last message.

        Raises:
            GatewayError: it is not allowed (any more); `deadline_passed`: the time for the turn has.
        """
        pauses, admitted, refused = _Pauses(), False, False
        while True:
            with pauses.trying():
                try:
                    async with aclosing(self._stream(wire.FollowRequest(after=after))) as answers:
                        async for answer in answers:
                            admitted, refused = True, False
                            if answer.message.seq > after:
                                after = answer.message.seq
                                yield answer.message
                            if answer.over:
                                return
                except GatewayError as error:
                    if admitted and refused and error.code == "unauthenticated":
                        return  # the turn ended while nobody could say so
                    if not error.retryable and (refused or error.code not in {"unauthenticated", "denied"}):
                        raise
                    refused = refused or not error.retryable  # it may be an access token's end, or an attempt's
            self._left()
            await pauses.wait()

    async def ask(self, question: agent_pb2.Question) -> None:
        """Ask whoever started a turn that was put off. The answer comes as another attempt at it; this one is over.

        Raises:
            GatewayError: as `say`.
        """
        await self._last("Ask", wire.AskRequest(question=question), wire.AskResponse)

    async def finish(
        self,
        *content: Content,
        artifacts: Iterable[agent_pb2.Artifact] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """End a turn that was put off, with its answer.

        Raises:
            GatewayError: as `say`. `refused`: it was not put off, or was ended before and otherwise.
        """
        finished = wire.Finished(parts=map(part, content), artifacts=artifacts)
        if metadata:
            finished.metadata.update(dict(metadata))
        await self._last("Finish", wire.FinishRequest(finished=finished), wire.FinishResponse)

    async def fail(self, text: str, *, code: str = "failed", retryable: bool = False) -> None:
        """End a turn that was put off as failed; `text` is shown to whoever asked.

        Raises:
            GatewayError: as `finish`.
        """
        failed = agent_pb2.Failed(code=code, text=text, retryable=retryable)
        await self._last("Finish", wire.FinishRequest(failed=failed), wire.FinishResponse)

    async def _last(self, method: str, request: Message, response: type[Message]) -> None:
        """Make a call by which this attempt is over. Where the answer to an earlier try was lost, that it is over by
        then is the answer."""
        tried: list[GatewayError] = []
        try:
            await self._insist(method, request, response, tried=tried)
        except GatewayError as error:
            if error.code != "unauthenticated" or not tried:
                raise

    async def _insist(
        self, method: str, request: Message, response: type[Said], *, tried: list[GatewayError] | None = None
    ) -> Said:
        """Make a call until it is answered. What went wrong before is added to `tried`."""
        loop, pauses = asyncio.get_running_loop(), _Pauses()
        until = loop.time() + min(SECONDS, self._left() or SECONDS)
        while True:
            try:
                left = max(until - loop.time(), 0.001)
                return await self._carrier.ask(method, request, response, turn_token=self._token, seconds=left)
            except GatewayError as error:
                if not error.retryable or loop.time() + pauses.seconds >= until:
                    raise
                if tried is not None:
                    tried.append(error)
            await pauses.wait()

    def _stream(self, request: wire.FollowRequest) -> AsyncGenerator[wire.FollowResponse]:
        return self._carrier.stream(
            "Follow", request, wire.FollowResponse, turn_token=self._token, seconds=self._left()
        )

    def _left(self) -> float | None:
        """Seconds that there are; None where nobody limits them.

        Raises:
            GatewayError: there are none.
        """
        if self._remaining is None:
            return None
        left = self._remaining()
        if left <= 0:
            raise GatewayError("The turn is over: there is no time left.", "deadline_passed")
        return left


class _Pauses:
    """Pauses between tries: none behind one that lasted, ever longer ones behind those that did not."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def trying(self) -> Generator[None]:
        """One try."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        yield
        if loop.time() - began >= LASTED:
            self.seconds = 0.0

    async def wait(self) -> None:
        """Make a pause: none at first."""
        first, most = PAUSES
        await asyncio.sleep(self.seconds * random.uniform(0.8, 1.2))  # noqa: S311 - so that not all come at once
        self.seconds = min(max(self.seconds * 2, first), most)
