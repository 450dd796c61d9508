"""Channels: what a webhook is told, how far it has been told, and what comes next after an attempt.

Pure. A channel is a reader of the log: nothing is written beside a message that is to be told, and what is behind the
cursor is what is still to be told. `outbox` (above) makes the attempts; `store` keeps what is decided here.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from adapters.messaging.retry import RetryRule
from registry.model import AgentName, ConversationId, TurnId

CHANNELS_PER_TURN = 10
LEASE_SECONDS = 30.0
GIVEN_UP_AFTER = 24 * 3600.0
"""Seconds for which a webhook may fail before it is given up."""

BACKOFF = RetryRule(attempts=1_000_000, first=1.0, growth=2.0, longest=3600.0)
_ERROR_LIMIT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What somebody asked to be told of a turn, and where.

    `token` comes back in every request, so that a webhook knows whose it is; `scheme` and `credentials` are its
    Authorization. `id` is unique within the turn.
    """

    id: str
    turn: TurnId
    url: str = field(repr=False)
    token: str = field(default="", repr=False)
    scheme: str = ""
    credentials: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A webhook of a turn, as the store has it.

    `context` is what its owner calls the conversation. All up to `cursor` was told, or is nothing to be told; since
    then `attempts` have failed, from `failing_since` on. Its holder has it under `fence` until `ready_at`; without a
    holder that is when it may be claimed.
    """

    turn: TurnId
    id: str
    conversation: ConversationId
    agent: AgentName
    owner: str
    context: str
    place: str
    sealed: bytes = field(repr=False)
    cursor: int
    created_at: float
    attempts: int = 0
    ready_at: float = 0.0
    looked_at: float = 0.0
    failing_since: float | None = None
    error: str = ""
    holder: str = ""
    fence: int = 0


def extended(channel: Channel, *, now: float) -> Channel:
    """The channel under a lease from now on."""
    return replace(channel, ready_at=now + LEASE_SECONDS)


def passed_over(channel: Channel, *, cursor: int) -> Channel:
    """The channel behind a message that its webhook is not told of."""
    return replace(channel, cursor=max(cursor, channel.cursor))


def advanced(channel: Channel, *, cursor: int, now: float) -> Channel:
    """The channel once all up to `cursor` was told; its holder keeps it, under a lease from now on."""
    return replace(
        channel,
        cursor=max(cursor, channel.cursor),
        attempts=0,
        failing_since=None,
        error="",
        looked_at=now,
        ready_at=now + LEASE_SECONDS,
    )


def rested(channel: Channel, *, cursor: int, now: float) -> Channel:
    """The channel once all up to `cursor` was told, given back: whoever finds more to be told may claim it."""
    return replace(advanced(channel, cursor=cursor, now=now), holder="", ready_at=now)


def failed(channel: Channel, *, error: str, wait: float = 0.0, now: float) -> Channel | None:
    """The channel after a failed attempt, given back until it is time for another one; None: it is given up.

    `wait` is for how many seconds the webhook asked to be left alone.
    """
    since = now if channel.failing_since is None else channel.failing_since
    if now - since >= GIVEN_UP_AFTER:
        return None
    attempts = channel.attempts + 1
    delay = BACKOFF.delay_after(attempts, delivery=f"{channel.turn}/{channel.id}/{channel.cursor}") or BACKOFF.longest
    return replace(
        channel,
        attempts=attempts,
        failing_since=since,
        error=error[:_ERROR_LIMIT],
        looked_at=now,
        holder="",
        ready_at=now + max(delay, min(wait, BACKOFF.longest)),
    )


def idempotency_key(channel: Channel, seq: int) -> str:
    """What tells a repetition from something new: the same for every attempt to tell this channel this message."""
    of = "\0".join((channel.conversation, str(seq), channel.turn, channel.id))
    return hashlib.sha256(of.encode()).hexdigest()


# ---- how many at once


@dataclass(frozen=True, slots=True, kw_only=True)
class InHand:
    """How many channels a gateway has in hand, by place and by owner."""

    places: Mapping[str, int]
    owners: Mapping[str, int]

    @classmethod
    def of(cls, channels: Iterable[Channel]) -> "InHand":
        """Count those in hand."""
        places: dict[str, int] = {}
        owners: dict[str, int] = {}
        for channel in channels:
            places[channel.place] = places.get(channel.place, 0) + 1
            owners[channel.owner] = owners.get(channel.owner, 0) + 1
        return cls(places=places, owners=owners)

    @property
    def total(self) -> int:
        return sum(self.places.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many channels a gateway has in hand at once: in all, of webhooks at one place, and of one owner."""

    total: int = 64
    place: int = 8
    owner: int = 16

    def are_reached(self, in_hand: InHand) -> bool:
        """Whether somebody may have to wait until something that is in hand has ended."""
        return (
            in_hand.total >= self.total
            or max(in_hand.places.values(), default=0) >= self.place
            or max(in_hand.owners.values(), default=0) >= self.owner
        )


def admitted(candidates: Iterable[Channel], in_hand: InHand, shares: Shares) -> list[Channel]:
    """Those candidates, in their order, that a gateway may take beside what it has in hand."""
    places, owners, room = dict(in_hand.places), dict(in_hand.owners), shares.total - in_hand.total
    taken: list[Channel] = []
    for channel in candidates:
        at_place, of_owner = places.get(channel.place, 0), owners.get(channel.owner, 0)
        if room > len(taken) and at_place < shares.place and of_owner < shares.owner:
            places[channel.place], owners[channel.owner] = at_place + 1, of_owner + 1
            taken.append(channel)
    return taken
