"""Where a message belongs: which conversation of ours is meant by what its sender calls it.

A sender's name for a conversation is theirs alone: for another chain, or another agent, the same name is another
conversation. It may also be our own id of one, for whoever has a turn in it. Whoever names none begins one; and as they
may not have heard the answer, the same message again finds the same one.
"""

import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import Final

from adapters.messaging.log import History, WhichTurns
from registry.model import AgentName, Chain, ConversationId

_OURS: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """A message to an agent: `context` is what its sender calls the conversation, `message` what they call the
    message."""

    chain: Chain
    agent: AgentName
    context: str
    message: str


async def find_place(placing: Placing, *, owner: str, history: History) -> ConversationId:
    """Our id of the conversation. It may not be there yet."""
    if _OURS.fullmatch(placing.context):
        ours = ConversationId(placing.context)
        which = WhichTurns(conversation=ours, agents=(placing.agent,), owner=owner)
        if await history.turns(which, limit=1):
            return ours
    if placing.context:
        return conversation_of(placing.chain, placing.agent, f"context:{placing.context}")
    return conversation_of(placing.chain, placing.agent, f"message:{placing.message}")


def conversation_of(chain: Chain, agent: AgentName, name: str) -> ConversationId:
    """Our id of a conversation that its callers call so: another one for every chain of them and every agent."""
    names = [agent, name]
    for link in chain:
        names += [link.kind, link.issuer, link.subject]
    digest = hashlib.sha256("".join(f"{len(each)}:{each}" for each in names).encode()).digest()
    value = int.from_bytes(digest[:16]) & ~(0xF << 76) & ~(0x3 << 62)
    return ConversationId(str(uuid.UUID(int=value | 0x8 << 76 | 0x2 << 62)))  # RFC 9562, version 8
