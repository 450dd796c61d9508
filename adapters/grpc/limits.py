"""How much one far side may take from the gateway, and give to it. Every number has a default that works."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes are in bytes, `patience` in seconds.

    `answer` bounds one message and, added up, the messages of a collected stream and all that an agent says in a turn.
    `metadata` bounds a client's answers with their state, because servers refuse headers of more than 8 or 16 KiB.
    `in_hand` is how many calls a target gets at a time, `turns` how many turns beside them, `waiting` how many more of
    either may wait for a place, `patience` how long. `channels` are kept open at most, the least recently used closed
    first.
    """

    request: int = 4 * MIB
    answer: int = 16 * MIB
    metadata: int = 5 * KIB
    items: int = 1_000
    progress: int = 1 * KIB
    in_hand: int = 100
    turns: int = 100
    waiting: int = 100
    patience: float = 1.0
    channels: int = 256


LIMITS = Limits()
