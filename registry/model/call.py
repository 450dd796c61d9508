"""A call: one request in our own words, and what comes of it.

Whatever protocol a request arrived by, a face turns it into a `Call`, `gateway.corridor` decides it and has it
delivered, and the face turns the `Result` back. No wire version, header or SDK type is known here.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from registry.model.ids import NO_CONVERSATION, NO_TURN, CallId, ConversationId, TurnId
from registry.model.json import JsonObject, JsonValue
from registry.model.message import Part
from registry.model.principal import Chain
from registry.model.turn import Artifact, Attempt, Deferral, Delta, Question, Said, Sending


class Action(StrEnum):
    """What is asked of a target; the names are those of the actions in policies."""

    LIST = "list"
    INVOKE = "invoke"
    MESSAGE = "message"
    PUBLISH = "publish"
    PIN = "pin"
    READ_CONVERSATION = "read_conversation"
    TAKE_PART = "take_part"
    KEEP_CONVERSATION = "keep_conversation"


class TargetKind(StrEnum):
    """Values are the names of the entity types in policies, in lower case."""

    SKILL = "skill"
    AGENT = "agent"
    CATALOG = "catalog"
    CONVERSATION = "conversation"
    MESSAGE_LOG = "messagelog"


@dataclass(frozen=True, slots=True)
class Target:
    """What a call is about, by the name the caller used. It may not exist; `facts` finds out."""

    kind: TargetKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


CATALOG = Target(TargetKind.CATALOG, "catalog")
MESSAGE_LOG = Target(TargetKind.MESSAGE_LOG, "messages")


@dataclass(frozen=True, slots=True)
class Deadline:
    """An instant on this process's monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left; negative once it has passed."""
        return self.at - time.monotonic()

    def sooner(self, seconds: float) -> "Deadline":
        """The earlier of this deadline and one that many seconds from now."""
        return Deadline(min(self.at, time.monotonic() + seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOffer:
    """What the caller's software can do for us while the call runs, as far as a far side may depend on it.

    `elicitation`, `sampling` and `roots` say which questions the client can answer; `answers` are its answers to the
    questions of an earlier round (key to value), `request_state` the state that came with them.
    """

    elicitation: bool = False
    sampling: bool = False
    roots: bool = False
    answers: JsonObject = field(default_factory=dict[str, JsonValue])
    request_state: bytes = b""


NOTHING_OFFERED = ClientOffer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request in our own words, whichever face it came through.

    `content` is what the action needs: the arguments of a skill, the fields of an operator's request, of a message its
    `conversation` and, where the face has only arguments, its `message` and `data`. `parts` are a message that came as
    one, `extensions` the protocol extensions activated with it. `scopes` are those of the token that came with the call
    and `groups` what its issuer says the caller is in, beside the directory; `groups_before` says the same of each link
    before the caller, and `turn` is the turn in which an agent makes the call for others, and with which it ends;
    `fence` is that of the attempt at it. `door` names the face, for the audit.

    `sending` makes a message, or an invocation, a turn of the conversation log; `attempt` is set where the log gave a
    turn out, and this call is one attempt at it.
    """

    id: CallId
    chain: Chain
    action: Action
    target: Target
    content: JsonObject
    deadline: Deadline
    scopes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    groups_before: tuple[frozenset[str], ...] = ()
    turn: TurnId = NO_TURN
    fence: int = 0
    parts: tuple[Part, ...] = ()
    extensions: tuple[str, ...] = ()
    door: str = ""
    offer: ClientOffer = NOTHING_OFFERED
    sending: Sending | None = None
    attempt: Attempt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRequest:
    """Something the far side wants from the client before it goes on (`interchange.v1.InputRequest`).

    `kind` is `elicitation`, `sampling` or `roots`; `body` the question (`text`, `schema`), the sampling request, or {}.
    """

    key: str
    kind: str
    body: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of a call.

    `structured` fits the skill's output schema and `text` is the same as JSON, written once; a far side that speaks
    for itself sets `parts`. `is_error` marks an error the caller, a model, can read and mend. The answer of an agent is
    `parts`, all it said in order, and `artifacts`, each whole; it belongs to a `turn` of a `conversation`. The first
    `said` of these parts were said as messages before the end. An agent may end with a `question`, or put its answer
    off (`deferral`). `found` is what an operation of our own gives to the face that asked; it goes on no wire as it is.
    """

    structured: JsonValue = None
    text: str = ""
    parts: tuple[Part, ...] = ()
    is_error: bool = False
    input_requests: tuple[InputRequest, ...] = ()
    request_state: bytes = b""
    artifacts: tuple[Artifact, ...] = ()
    metadata: JsonObject = field(default_factory=dict[str, JsonValue])
    turn: TurnId = NO_TURN
    conversation: ConversationId = NO_CONVERSATION
    said: int = 0
    question: Question | None = None
    deferral: Deferral | None = None
    found: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Something emitted before the end. `total` is None where nobody knows."""

    progress: float
    total: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of an answer that is too long, or comes too late, to be given whole."""

    content: JsonObject


@dataclass(frozen=True, slots=True)
class Found:
    """What an operation of our own found on the way, for the face that asked: see `Result.found`."""

    what: object


Emission = Progress | Delta | Artifact | Said | Item | Found
"""What may come before the end: how far a skill is, what an agent says while it answers, a piece of a long answer."""

Emit = Callable[[Emission], Awaitable[None]]


async def nowhere(_: Emission) -> None:
    """An `Emit` for callers that do not listen."""
