"""A turn: from a message to the end of the answer to it; and what an agent says on the way.

The words are those of `interchange.v1.Turn` and `TurnEvent`. How a turn looks in MCP or A2A is its face's business, how
it is carried to the agent its adapter's.
"""

from dataclasses import dataclass

from registry.model.ids import AgentName, ConversationId, TurnId
from registry.model.message import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One attempt at one turn: `input` is what the agent is to answer.

    `token` is what the agent presents beside its own credential when it calls back while the turn lasts; `extensions`
    are the URIs of the protocol extensions that the caller activated and the agent has declared.
    """

    id: TurnId
    conversation: ConversationId
    agent: AgentName
    input: tuple[Part, ...]
    attempt: int = 1
    fence: int = 0
    token: str = ""
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of what is being said; of the answer itself where `artifact` is empty. The end says it again, whole."""

    part: Part
    artifact: str = ""


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
class Said:
    """A whole message, said before the end."""

    parts: tuple[Part, ...]
