"""The agents' door to the conversations of the turns they hold: `interchange.v1.Conversations`.

Every call is about the turn whose token came with it, and about no other: what it names besides can only agree.
"""

from collections.abc import Mapping
from types import MappingProxyType

from interchange.v1 import conversations_pb2

from gateway.operators import Asked
from gateway.platform.callers import Callers
from gateway.platform.operations import Handle, OperationsFace
from policies.identity.tokens import Verified
from registry.model import Action, JsonObject, Target, TargetKind, Unauthenticated

SERVICE = conversations_pb2.DESCRIPTOR.services_by_name["Conversations"]

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "Append": "Say",
        "Update": "Update",
        "Read": "Read",
        "Follow": "FollowMessages",
        "Ask": "Ask",
        "Finish": "Finish",
    }
)
"""The methods, and what they are called among all operations on a turn."""

DOOR = "conversations"

READING = frozenset({"Read", "Follow"})

MESSAGE = (4 << 20) + (64 << 10)
"""Bytes of a request: as much as the log takes of one message."""

AT_A_TIME = 16
STREAMS = 64
"""RPCs that one agent may have in hand: it may hold many turns."""


def conversations_face(*, handle: Handle, callers: Callers) -> OperationsFace:
    """Answers `interchange.v1.Conversations`."""
    return OperationsFace(
        SERVICE,
        asked_by=_asked,
        handle=handle,
        callers=callers,
        door=DOOR,
        within=_within,
        most=MESSAGE,
        at_a_time=AT_A_TIME,
        streams_at_a_time=STREAMS,
    )


def _asked(method: str, content: JsonObject) -> Asked:
    action = Action.READ_CONVERSATION if method in READING else Action.TAKE_PART
    return Asked(action, Target(TargetKind.CONVERSATION, str(content["turn"])))


def _within(method: str, verified: Verified) -> JsonObject:
    """The turn that a call is made in.

    Raises:
        Unauthenticated: none.
    """
    if not verified.turn:
        raise Unauthenticated("Send the token of the turn that this is about as metadata, ix-turn-token: ….")
    return {"operation": OPERATIONS[method], "turn": verified.turn, "attempt": verified.attempt}
