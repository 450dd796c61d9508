"""Turns that are put off: an agent ends its attempt without an answer, and goes on by itself for hours if need be.

What it needs then is a `DeferredTurn`: small, kept wherever the agent keeps its work, and good in any of its processes.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any, Final, Self

from google.protobuf.timestamp_pb2 import Timestamp
from interchange.v1 import agent_pb2

from interchange_client.conversations import Conversation
from interchange_client.gateway import Gateway

DAY: Final = 24.0
"""Hours that an answer may be put off at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredTurn:
    """A turn that goes on by itself: yield its `event`, and finish it later, in whichever process.

    `until` is in seconds since 1970; a turn that is not finished by then fails. Who has this can finish the turn, if it
    has the agent's credential as well: keep it as you keep what the turn is about.
    """

    turn: str
    conversation: str
    agent: str
    until: float
    token: str = field(repr=False)
    reason: str = ""

    @property
    def event(self) -> agent_pb2.TurnEvent:
        """The end of the attempt, which says that the answer comes later."""
        return _event(self.until, self.reason)

    def at(self, gateway: Gateway) -> Conversation:
        """The turn's conversation, to go on in: `say`, `follow`, `ask`, and once `finish` or `fail`."""
        return gateway.conversation(turn_token=self.token)

    def write(self) -> str:
        """All of it as text, for `read`."""
        names = ("turn", "conversation", "agent", "until", "token", "reason")
        return json.dumps({name: getattr(self, name) for name in names})

    @classmethod
    def read(cls, text: str) -> Self:
        """What `write` wrote.

        Raises:
            ValueError: it did not write this.
        """
        try:
            written: dict[str, Any] = json.loads(text)
            names = ("turn", "conversation", "agent", "token", "reason")
            return cls(until=float(written["until"]), **{name: str(written[name]) for name in names})
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError("this is no deferred turn") from error


def deferred(*, hours: float = DAY, reason: str = "") -> agent_pb2.TurnEvent:
    """The end of an attempt whose answer comes later, within so many hours; see `TurnInHand.put_off` for how."""
    return _event(time.time() + hours * 3600, reason)


def _event(until: float, reason: str) -> agent_pb2.TurnEvent:
    whole = int(until)
    instant = Timestamp(seconds=whole, nanos=int((until - whole) * 1e9))
    return agent_pb2.TurnEvent(deferred=agent_pb2.Deferred(until=instant, reason=reason))
