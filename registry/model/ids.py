"""Names and ids, typed, so that one is never passed where another is meant.

An id made here is a UUID of version 7 (RFC 9562): sortable by the time it was made.
"""

import os
import random
import time
import uuid
from typing import NewType

AgentName = NewType("AgentName", str)
"""`[a-z0-9_]{1,40}`, unique in a catalog."""

SkillId = NewType("SkillId", str)
"""`agent.skill`, for example `candidates.search`."""

ToolName = NewType("ToolName", str)
"""How MCP clients see a skill: `[A-Za-z0-9_-]{1,64}`, for example `candidates_search`."""

Domain = NewType("Domain", str)
"""The organisational boundary that owns a skill, an agent or a person."""

Pin = NewType("Pin", str)
"""`sha256:` and the hex digest of all that clients see and policies read of a revision."""

Digest = NewType("Digest", str)
"""`sha256:` and the hex digest of some bytes."""

CallId = NewType("CallId", str)

TurnId = NewType("TurnId", str)

ConversationId = NewType("ConversationId", str)
"""Ours, never a client's: a foreign context id is looked up as (principal, agent, context id)."""


NO_TURN = TurnId("")
NO_CONVERSATION = ConversationId("")


# Ids must differ, not be secret: one reading of the system's randomness is enough, and spares every call one.
_source = random.Random(os.urandom(32))  # noqa: S311
os.register_at_fork(after_in_child=lambda: _source.seed(os.urandom(32)))


def new_call_id() -> CallId:
    """Return a fresh UUIDv7, unique without coordination."""
    return CallId(str(_uuid7(time.time_ns() // 1_000_000, _source.getrandbits(80))))


def new_turn_id() -> TurnId:
    """Return a fresh UUIDv7."""
    return TurnId(new_call_id())


def _uuid7(milliseconds: int, randomness: int) -> uuid.UUID:
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | randomness
    value &= ~(0xF << 76) & ~(0x3 << 62)
    return uuid.UUID(int=value | 0x7 << 76 | 0x2 << 62)
