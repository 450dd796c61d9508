"""The outbox: tells webhooks what turns say, in order, at least once.

One worker per gateway, any number of gateways. It claims channels behind whose cursor their conversation goes on, reads
the messages of the turn from the log, has each written as the face's protocol wants it, and posts it. Only an answer
that takes it moves the cursor; whatever happens before that, the same is told again under the same key. Channels are
told beside each other, a few of each place and owner, so that a slow webhook delays nobody but itself.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from adapters.messaging.errors import Fenced, LogUnavailable
from adapters.messaging.log import History, WhichTurns
from adapters.messaging.messages import Message
from adapters.messaging.turns import ENDED
from adapters.push.channels import (
    Channel,
    InHand,
    Shares,
    Webhook,
    advanced,
    extended,
    failed,
    idempotency_key,
    passed_over,
    rested,
)
from adapters.push.connection import SECONDS, Line, Untold
from adapters.push.hints import Hints
from adapters.push.requests import Sign, write_headers
from adapters.push.sealing import open_webhook
from adapters.push.store import ChannelStore, Claim
from adapters.sealing import Seal
from registry.model import ConversationId, TurnId

Write = Callable[[Channel, Message], Awaitable[bytes | None]]
"""Writes a message as a channel's webhook is told of it; None: it is not told of this one."""

_PAGE = 20  # messages that are read at once
_AT_A_TIME = 20  # messages that a channel is told before others have their turn
_ORPHANED_AFTER = 600.0  # seconds after which a channel is dropped whose turn nobody has opened
_SPACING = 0.02  # seconds between two claims
_MARGIN = SECONDS + 1.0  # of a lease that an attempt needs

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What telling takes from above: who writes messages and signs requests, and who opens what is sealed."""

    write: Write
    sign: Sign
    seal: Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the outbox goes about it: `clock` is the time of day, `poll` how many seconds pass between two looks at
    everything, `shares` how much is in hand at once."""

    clock: Callable[[], float] = time.time
    poll: float = 1.0
    shares: Shares = field(default_factory=Shares)


class Outbox:
    """Tells webhooks while `run` runs."""

    def __init__(
        self, store: ChannelStore, history: History, *, line: Line, words: Words, hints: Hints, pace: Pace
    ) -> None:
        self._store = store
        self._history = history
        self._line = line
        self._words = words
        self._hints = hints
        self._pace = pace
        self._holder = f"outbox {uuid.uuid4()}"
        self._in_hand: dict[tuple[TurnId, str, int], Channel] = {}
        self._was_full = self._is_away = False

    async def run(self) -> None:
        """Tell webhooks until cancelled; then attempts in hand are given up, and whatever was claimed is given back."""
        try:
            async with asyncio.TaskGroup() as tasks:
                looked_at = float("-inf")
                while True:
                    now = time.monotonic()
                    is_time = now - looked_at >= self._pace.poll
                    looked_at = now if is_time else looked_at
                    claimed = await self._claim(tasks, everything=is_time or self._was_full)
                    await asyncio.sleep(max(_SPACING, time.monotonic() - now))  # more where claims are slow
                    if not (claimed and self._was_full):  # then those who were behind others may be next
                        await self._hints.some(seconds=max(0.0, looked_at + self._pace.poll - time.monotonic()))
        finally:
            with suppress(LogUnavailable):  # then the leases end by themselves
                await self._store.release(self._holder, now=self._pace.clock())

    async def _claim(self, tasks: asyncio.TaskGroup, *, everything: bool) -> int:
        """Claim what there is to be told, and begin to tell it; says how much that is."""
        grown = self._hints.take()
        if not (everything or grown):
            return 0
        claimed = await self._claimed(None if everything else grown)
        for channel in claimed:
            self._in_hand[_name_of(channel)] = channel
            tasks.create_task(self._attend(channel))
        self._was_full = self._pace.shares.are_reached(InHand.of(self._in_hand.values()))
        return len(claimed)

    async def _claimed(self, among: Collection[ConversationId] | None) -> Sequence[Channel]:
        """What may be told now. Without the database it is nothing, and later more."""
        claim = Claim(
            holder=self._holder,
            now=self._pace.clock(),
            in_hand=InHand.of(self._in_hand.values()),
            shares=self._pace.shares,
            among=among,
        )
        try:
            claimed = await self._store.claim(claim)
        except LogUnavailable as unavailable:
            self._note_away(unavailable)
            return ()
        except Exception:
            _log.exception("Webhooks could not be claimed")
            return ()
        self._note_back()
        return claimed

    async def _attend(self, claimed: Channel) -> None:
        """Tell one channel what there is. Whatever goes wrong here harms no other one, and ends with the lease."""
        self._hints.listen(claimed.conversation)
        try:
            await self._tell_all(claimed)
        except Fenced:
            _log.debug("A webhook was replaced or deleted meanwhile.", extra={"turn": claimed.turn})
        except LogUnavailable as unavailable:
            self._note_away(unavailable)
        except Exception:
            _log.exception("A webhook could not be told", extra={"turn": claimed.turn, "channel": claimed.id})
        finally:
            del self._in_hand[_name_of(claimed)]
            self._hints.note(claimed.conversation)  # for what was said while it could not be claimed

    async def _tell_all(self, channel: Channel) -> None:
        told = 0
        while told < _AT_A_TIME:
            # In this order: whatever the turn said before it ended is then on the page.
            tail = await self._tail(channel)
            is_over = await self._is_over(channel)
            page = await self._history.of_turn(channel.conversation, channel.turn, after=channel.cursor, limit=_PAGE)
            if not page:
                rest = rested(channel, cursor=tail, now=self._pace.clock())
                await self._store.settle(channel, None if is_over else rest)
                return
            for message in page:
                following = await self._tell(channel, message)
                if following is None:
                    return
                channel, told = following, told + 1
        await self._store.settle(channel, rested(channel, cursor=0, now=self._pace.clock()))

    async def _tail(self, channel: Channel) -> int:
        """Where the conversation ends; 0 where it has not begun."""
        found = await self._history.conversations(ids=(channel.conversation,))
        return found[0].tail if found else 0

    async def _is_over(self, channel: Channel) -> bool:
        """Whether the turn will say nothing more."""
        which = WhichTurns(conversation=channel.conversation, turns=(channel.turn,))
        found = await self._history.turns(which, limit=1)
        if not found:
            return self._pace.clock() - channel.created_at > _ORPHANED_AFTER
        return found[0].state in ENDED

    async def _tell(self, channel: Channel, message: Message) -> Channel | None:
        """The channel once its webhook has taken this message; None where it has not, and the channel was settled."""
        try:
            body = await self._written(channel, message)
            if body is None:
                return passed_over(channel, cursor=message.seq)
            channel = await self._with_time_left(channel)
            await self._post(channel, message.seq, body)
        except Untold as untold:
            await self._put_off(channel, untold)
            return None
        following = advanced(channel, cursor=message.seq, now=self._pace.clock())
        await self._store.settle(channel, following)
        return following

    async def _written(self, channel: Channel, message: Message) -> bytes | None:
        try:
            return await self._words.write(channel, message)
        except LogUnavailable:
            raise
        except Exception as error:
            _log.exception("A message could not be written for a webhook", extra={"turn": channel.turn})
            raise Untold(f"message {message.seq} could not be written: {type(error).__name__}") from None

    async def _with_time_left(self, channel: Channel) -> Channel:
        """The channel under a lease that is long enough for an attempt."""
        now = self._pace.clock()
        if channel.ready_at - now >= _MARGIN:
            return channel
        following = extended(channel, now=now)
        await self._store.settle(channel, following)
        return following

    async def _post(self, channel: Channel, seq: int, body: bytes) -> None:
        """Post to the webhook.

        Raises:
            Untold: it did not take it.
        """
        webhook, key = self._opened(channel), idempotency_key(channel, seq)
        headers = write_headers(webhook, body, key=key, now=self._pace.clock(), sign=self._words.sign)
        answer = await self._line.post(webhook.url, headers=headers, body=body)
        if not answer.is_told:
            raise Untold(f"it answered {answer.status}", wait=answer.wait, for_ever=answer.is_gone)

    def _opened(self, channel: Channel) -> Webhook:
        try:
            return open_webhook(self._words.seal, channel.sealed, turn=channel.turn, id=channel.id)
        except Exception as error:
            raise Untold(f"its URL and credentials cannot be unsealed: {error}") from error

    async def _put_off(self, channel: Channel, untold: Untold) -> None:
        """Settle a failed attempt: another one in a while, or none any more."""
        why = untold.message
        after = None if untold.for_ever else failed(channel, error=why, wait=untold.wait, now=self._pace.clock())
        about = {"turn": channel.turn, "channel": channel.id, "place": channel.place, "error": why}
        if after is None:
            _log.warning("A webhook is given up.", extra=about)
        elif after.attempts == 1:
            _log.info("A webhook was not told, and will be.", extra=about)
        await self._store.settle(channel, after)

    def _note_away(self, why: LogUnavailable) -> None:
        if not self._is_away:
            self._is_away = True
            _log.warning("Webhooks have to wait for the log.", extra={"error": why.message})

    def _note_back(self) -> None:
        if self._is_away:
            self._is_away = False
            _log.warning("Webhooks are told again.")


def _name_of(channel: Channel) -> tuple[TurnId, str, int]:
    """What tells claims apart: a channel may be claimed anew while an attempt under a former fence still runs."""
    return channel.turn, channel.id, channel.fence
