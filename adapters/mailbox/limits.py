"""How much one attached process may take from the gateway, and give to it. Every number has a default that works."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxLimits:
    """Sizes are in bytes.

    `largest` bounds one message of a process, `window` what of one attempt may wait to be dealt with, `buffered` what
    of a whole attachment may, in either direction. `request` bounds what an assignment carries. `seats` is the most
    that one attachment may have, `methods` the most that it may name; `untold` is how many messages may wait for a
    process to read them.
    """

    largest: int = 16 * MIB
    window: int = 256 * KIB
    buffered: int = 32 * MIB
    request: int = 4 * MIB
    seats: int = 256
    methods: int = 1_000
    untold: int = 2_048


MAILBOX_LIMITS = MailboxLimits()

PIECE_COST = 64
"""Bytes that a piece counts for beside its own, so that many of next to nothing are bounded too."""
