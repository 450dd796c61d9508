"""What comes of a delivery, and what else changes in the same transaction.

An outcome ends one attempt (`settle`). Replies get their ids from the delivery, so that an attempt that is repeated
says nothing twice. Delays are in seconds from now: the log's clock is the only one that counts.
"""

from dataclasses import dataclass

from adapters.messaging.messages import Kind, Message, TurnRef
from adapters.messaging.records import record
from adapters.messaging.turns import TurnChange
from registry.model import AgentName, ConversationId, TurnId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to deliver, for so many seconds. `owner` names a process, for operators to read."""

    owner: str
    seconds: float


@record
class Delivery:
    """The duty to bring one message to one agent.

    `id` stays the same over all attempts: an agent that has seen it need not work again. `attempt` counts from 1 for
    this message. `deadline` is when the lease ends, on this process's monotonic clock, and rather too early.
    """

    id: str
    of: TurnRef
    message: Message
    attempt: int
    fence: int
    deadline: float
    authority: bytes = b""

    @property
    def conversation(self) -> ConversationId:
        return self.of.conversation

    @property
    def agent(self) -> AgentName:
        return self.of.agent

    @property
    def turn(self) -> TurnId:
        return self.of.turn


def delivery_id(turn: TurnId, seq: int) -> str:
    """The id of the delivery of message `seq` to a turn."""
    return f"{turn}:{seq}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the agent said at the end, or the gateway for it. The log gives it its id and the turn."""

    body: bytes
    text: str = ""
    kind: Kind = Kind.SAID


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question: `id` is the same whenever an attempt is repeated. It expires after so many seconds (None: never)."""

    id: str
    body: bytes
    text: str = ""
    expires_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The turn is completed; or, with `review_within` seconds, waits for its owner's review."""

    replies: tuple[Reply, ...] = ()
    review_within: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The attempt failed and is repeated after so many seconds; the head stays the head."""

    after: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """The delivery is given up: a dead letter, and a `failed` message with this body for whoever waits."""

    error: str
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """It may not be delivered: policy says no. A `failed` message, and no dead letter: to redrive would not help."""

    reason: str
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The agent asks something. The mailbox is parked until it is answered, expires or is cancelled."""

    question: Ask
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """The agent goes on by itself, for at most `within` seconds. The mailbox is free; `Appended.grant` is the number
    that the finish has to present."""

    within: float
    replies: tuple[Reply, ...] = ()


Outcome = Done | Retry | Dead | Rejected | Asked | Deferred


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTurn:
    """A turn that nobody holds goes on: a deferred one (`grant` must be its number) or one in review.

    Possible changes are FINISHED, BROKE and ASKED (with a `question`) of a deferred turn; ACCEPTED and RETURNED of one
    in review. RETURNED delivers the (one) message appended with it to the turn again.
    """

    of: TurnRef
    change: TurnChange
    grant: int = 0
    question: Ask | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCall:
    """Keep a call, sealed, until somebody approves it; for so many seconds."""

    id: str
    sealed: bytes
    expires_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndHold:
    """A held call was approved, declined or expired (`how`): it can be ended once, and its content is dropped."""

    id: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Something to be told to a webhook. `channel` names its configuration; `body` is what is sent."""

    id: str
    channel: str
    body: bytes


Effect = ChangeTurn | HoldCall | EndHold | Push
