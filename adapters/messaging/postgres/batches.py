"""Which requests go into the next transaction: pure bookkeeping, no task and no database.

Requests of one conversation are carried out in the order in which they were submitted, so a conversation that is in a
transaction now is not in another one: what else it has waits for the next. Conversations take turns.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from adapters.messaging.requests import Request
from registry.model import ConversationId

REQUESTS = 256
BYTES = 16 << 20
"""How much a transaction takes; one request is taken however large it is."""


@dataclass(slots=True, eq=False)
class Submitted:
    """A request, and who waits for its answer."""

    request: Request
    answer: asyncio.Future[Any]
    size: int

    def succeed(self, result: Any) -> None:
        """Answer, unless the caller has gone."""
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Answer with an error, unless the caller has gone."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(slots=True)
class Queue:
    """Requests that wait, by conversation."""

    _waiting: dict[ConversationId, deque[Submitted]] = field(default_factory=dict[ConversationId, deque[Submitted]])
    _next: deque[ConversationId] = field(default_factory=deque[ConversationId])
    """Conversations that have something to do and are not in a transaction."""
    _busy: set[ConversationId] = field(default_factory=set[ConversationId])

    @property
    def is_ready(self) -> bool:
        """Whether a batch can be taken."""
        return bool(self._next)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, be it that it cannot be taken yet."""
        return not self._waiting

    def add(self, submitted: Submitted) -> None:
        """Let a request wait for its turn."""
        conversation = submitted.request.conversation
        waiting = self._waiting.get(conversation)
        if waiting is not None:
            waiting.append(submitted)
            return
        self._waiting[conversation] = deque((submitted,))
        if conversation not in self._busy:
            self._next.append(conversation)

    def take(self) -> list[Submitted]:
        """The next batch; give it back with `finished` once it is carried out."""
        batch: list[Submitted] = []
        room = BYTES
        while self._next and room > 0 and len(batch) < REQUESTS:
            conversation = self._next.popleft()
            waiting = self._waiting[conversation]
            while waiting and len(batch) < REQUESTS and (not batch or waiting[0].size <= room):
                submitted = waiting.popleft()
                if submitted.answer.done():  # its caller was cancelled while it waited
                    continue
                batch.append(submitted)
                room -= submitted.size
            self._put_away(conversation, waiting, batch)
            if waiting:
                break
        return batch

    def finished(self, batch: list[Submitted]) -> None:
        """Let the conversations of a batch go on."""
        for conversation in {submitted.request.conversation for submitted in batch}:
            self._busy.discard(conversation)
            if conversation in self._waiting:
                self._next.append(conversation)

    def drain(self) -> list[Submitted]:
        """Everything that waits; then nothing does."""
        left = [submitted for waiting in self._waiting.values() for submitted in waiting]
        self._waiting.clear()
        self._next.clear()
        return left

    def _put_away(self, conversation: ConversationId, waiting: deque[Submitted], batch: list[Submitted]) -> None:
        taken = bool(batch) and batch[-1].request.conversation == conversation
        if taken:
            self._busy.add(conversation)
        elif waiting:
            self._next.appendleft(conversation)
        if not waiting:
            del self._waiting[conversation]
