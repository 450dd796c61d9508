"""A turn: from a message to the end of the answer to it; and what an agent says on the way.

The words are those of `interchange.v1.Turn` and `TurnEvent`. How a turn looks in MCP or A2A is its face's business, how
it is carried to the agent its adapter's.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum

from registry.model.ids import NO_TURN, AgentName, ConversationId, TurnId
from registry.model.json import JsonObject, JsonValue
from registry.model.message import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something made during a turn. `append`: `parts` go behind those that an earlier one of this `id` brought."""

    id: str
    parts: tuple[Part, ...]
    name: str = ""
    description: str = ""
    append: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A message of a conversation, as an agent is told of it.

    `sender` is a principal as `person:alice`, on the word of `issuer`; `kind` one of the names of
    `interchange.v1.Message.Kind` in lower case; `answers` the id of the question that it answers. `at` is in seconds
    since the epoch, `seq` 0 where no log is involved.
    """

    id: str
    sender: str
    parts: tuple[Part, ...]
    issuer: str = ""
    seq: int = 0
    kind: str = "said"
    turn: TurnId = NO_TURN
    answers: str = ""
    at: float = 0.0
    artifacts: tuple[Artifact, ...] = ()


class Attention(StrEnum):
    """Who waits for a turn that they start.

    `leaves`: nobody; the call ends once the message is in the log. `waits`: somebody who may leave, and the turn goes
    on. `listens`: the same, and they are told what happens meanwhile. `attends`: somebody without whom there is no use
    in it: if they leave, it is cancelled.
    """

    LEAVES = "leaves"
    WAITS = "waits"
    LISTENS = "listens"
    ATTENDS = "attends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How a message, or an invocation of a skill, becomes a turn.

    `message` is its id in the words of whoever sends it: the same again, in the same conversation, is the same message
    and is carried out once. `turn` is the id of the turn that it opens; `follows` the one that it goes on with, if any,
    whose question it answers. `context` is what the sender calls the conversation. `attention` says whether somebody
    waits. `background`: it may wait for the off-peak window, and what comes of it counts once its owner has accepted
    it. `webhook` is where its sender wants to be told of the turn, `metadata` what else they say of the message.
    """

    message: str
    turn: TurnId
    follows: TurnId = NO_TURN
    context: str = ""
    attention: Attention
    background: bool = False
    webhook: JsonObject | None = None
    metadata: JsonObject = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a turn that the log gave out.

    `delivery` stays the same over all tries, `number` counts them from 1, `fence` tells whether this one still counts.
    `input` is what is to be answered, `history` what was said before, the oldest first. `root` is the outermost of the
    turns that this one is nested in, or itself. `good_until`, in seconds since the epoch, is when its authority ends.
    """

    turn: TurnId
    conversation: ConversationId
    delivery: str
    number: int
    fence: int
    input: tuple[Utterance, ...]
    history: tuple[Utterance, ...] = ()
    root: TurnId = NO_TURN
    good_until: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One attempt at one turn: `input` is what the agent is to answer, `messages` the same with who said it and when.

    `token` is what the agent presents beside its own credential when it calls back while the turn lasts; `extensions`
    are the URIs of the protocol extensions that the caller activated and the agent has declared.
    """

    id: TurnId
    conversation: ConversationId
    agent: AgentName
    input: tuple[Part, ...]
    attempt: int = 1
    fence: int = 0
    delivery: str = ""
    messages: tuple[Utterance, ...] = ()
    history: tuple[Utterance, ...] = ()
    token: str = ""
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an agent asks before it can go on. `id` is the same whenever an attempt is repeated; `kind` one of the names
    of `interchange.v1.Question.Kind` in lower case; `schema` a JSON Schema for the answer; `expires_in` in seconds from
    when it is asked (None: never)."""

    id: str
    kind: str
    text: str
    schema: JsonObject = field(default_factory=dict[str, JsonValue])
    addressees: tuple[str, ...] = ()
    context: tuple[Part, ...] = ()
    expires_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """The agent goes on by itself, for at most `seconds`, and finishes the turn through the platform face."""

    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of what is being said; of the answer itself where `artifact` is empty. The end says it again, whole."""

    part: Part
    artifact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A whole message, said before the end."""

    parts: tuple[Part, ...]
