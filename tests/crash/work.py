"""Working on a delivery: what an agent would do with it, decided by dice; and a note of all that the log says to it."""

import asyncio
from dataclasses import dataclass

from adapters.messaging.errors import AlreadySettled, Fenced, LogUnavailable
from adapters.messaging.outcomes import Ask, Asked, Dead, Deferred, Delivery, Done, Outcome, Rejected, Reply, Retry
from registry.model import InterchangeError
from tests.crash.role import PATIENCE, Part
from tests.crash.setting import is_left_to_expire, replies_of

SHORT = 1.5
"""Seconds until a question expires that nobody answers; all others have a minute."""


@dataclass(slots=True)
class Hand:
    """A delivery in hand, as it is noted. `doubt`: an earlier try to settle it may have succeeded unheard."""

    part: Part
    delivery: Delivery
    doubt: bool = False

    def note(self, what: str, **more: str | int | bool) -> None:
        delivery = self.delivery
        self.part.notes.note(
            {
                "k": what,
                "c": delivery.conversation,
                "a": delivery.agent,
                "seq": delivery.message.seq,
                "fence": delivery.fence,
                "turn": delivery.turn,
                "owner": self.part.life,
                "doubt": self.doubt,
                **more,
            }
        )


async def work_on(part: Part, delivery: Delivery) -> None:
    """Work on a delivery for a while, perhaps too long, and settle it."""
    hand = Hand(part, delivery)
    hand.note("claim", attempt=delivery.attempt, id=delivery.id)
    try:
        await _toil(hand)
        await _settle(hand, outcome_of(part, delivery))
    except AlreadySettled:
        hand.note("already")
    except Fenced:
        hand.note("fenced")
    except InterchangeError as error:
        hand.note("refused", why=repr(error))


async def _toil(hand: Hand) -> None:
    part, lease = hand.part, hand.part.setting.lease
    dice = part.dice.random() if part.is_running else 1.0
    if dice < part.setting.overstay:
        await asyncio.sleep(lease * (1.1 + part.dice.random() / 2))
    elif dice < part.setting.overstay + 0.01:
        await asyncio.sleep(lease * 0.6)
        await _extend(hand)
        await asyncio.sleep(lease * 0.6)
    else:
        await asyncio.sleep(part.dice.random() * 0.01)


async def _extend(hand: Hand) -> None:
    try:
        hand.delivery = await hand.part.opened.log.extend(hand.delivery, seconds=hand.part.setting.lease)
        hand.note("extended")
    except LogUnavailable:
        pass  # what comes next will show whether it is still ours


async def _settle(hand: Hand, outcome: Outcome) -> None:
    """Settle, and again while it is unknown what came of it: to repeat it is always safe.

    Raises:
        Fenced: it is lost, or was settled by a try that was not heard of.
    """
    while not hand.part.is_over:
        try:
            async with asyncio.timeout(PATIENCE):
                settled = await hand.part.opened.log.settle(hand.delivery, outcome)
        except (LogUnavailable, TimeoutError):
            hand.doubt = True
            await asyncio.sleep(0.05)
            continue
        hand.note("settled", how=type(outcome).__name__, replies=len(settled.placed), grant=settled.grant)
        return


def outcome_of(part: Part, delivery: Delivery) -> Outcome:
    """What comes of an attempt, by dice; once the run drains, only what ends it."""
    dice = part.dice.random() if part.is_running else 1.0
    replies = tuple(Reply(body=body) for body in replies_of(delivery.id))
    if dice < 0.05:
        return Retry(after=part.dice.random() * 0.1, error="tried in vain")
    if dice < 0.055:
        return Dead(error="nothing helps", body=b"given up")
    if dice < 0.058:
        return Rejected(reason="not allowed", body=b"rejected")
    if dice < 0.078:
        expires = SHORT if is_left_to_expire(delivery.turn) else 60.0
        return Asked(
            question=Ask(id=f"q{delivery.message.seq}", body=b"which one?", expires_in=expires), replies=replies
        )
    if dice < 0.095:
        return Deferred(within=60.0, replies=replies)
    if dice < 0.105:
        return Done(replies=replies, review_within=60.0)
    return Done(replies=replies)
