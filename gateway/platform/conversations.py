"""The agents' door to the conversations of the turns they hold: `interchange.v1.Conversations`.

Every call is about the turn whose token came with it, and about no other: what it names besides can only agree.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from interchange.v1 import conversations_pb2
from interchange.v1.agent_pb2 import Part
from interchange.v1.conversations_pb2 import AppendRequest, AskRequest, Finished, FinishRequest, UpdateRequest

from gateway.operators import Asked
from gateway.platform.callers import Callers
from gateway.platform.operations import Handle, OperationsFace
from policies.identity.tokens import Verified
from registry.model import Action, JsonObject, Target, TargetKind, TooLarge, Unauthenticated

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

PARTS = 1_000
"""Parts and artifacts of one message."""

STRUCTURE = 512 << 10
"""Bytes of one message that are data, metadata or a schema: a value of four bytes takes as long to translate as a page
of text."""

AT_A_TIME = 16
STREAMS = 32
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
        check=check_content,
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


def check_content(request: Message) -> None:
    """Refuse what is so finely divided that to translate it would keep everybody else waiting.

    Raises:
        TooLarge: it names the limit.
    """
    pieces, structure = 0, 0
    for parts, more, structs in _divided(request):
        pieces += len(parts) + more
        if pieces > PARTS:
            raise TooLarge(f"The message has more than {PARTS:,} parts and artifacts.")
        structure += sum(part.data.ByteSize() + part.metadata.ByteSize() for part in parts)
        structure += sum(struct.ByteSize() for struct in structs)
    if structure > STRUCTURE:
        raise TooLarge(
            f"The data and metadata of the message have {structure:,} bytes; {STRUCTURE:,} are allowed. What is larger"
            " goes as raw bytes, with its media type."
        )


def _divided(request: Message) -> Iterator[tuple[Sequence[Part], int, Sequence[Struct]]]:
    """What a request consists of: parts, how many artifacts, and structures beside these."""
    match request:
        case AskRequest():
            yield request.question.context, 0, (request.question.answer_schema,)
        case AppendRequest() | UpdateRequest() | FinishRequest():
            said = request.finished if isinstance(request, FinishRequest) else request
            yield said.parts, len(said.artifacts), (said.metadata,) if isinstance(said, Finished) else ()
            for artifact in said.artifacts[:PARTS]:
                yield artifact.parts, 0, ()
        case _:
            return
