"""Turns for tests that need one, and events that an agent may answer with."""

from dataclasses import replace

from google.protobuf.struct_pb2 import Struct
from interchange.v1 import agent_pb2 as wire

from adapters.base import OpenTurn
from registry.catalog import AgentEntry
from registry.model import (
    Action,
    Agent,
    AgentName,
    Binding,
    Call,
    Chain,
    ConversationId,
    Deadline,
    Domain,
    Emission,
    Part,
    Pin,
    Principal,
    PrincipalKind,
    Target,
    TargetKind,
    Turn,
    TurnRules,
    new_call_id,
    new_turn_id,
)

ADA = Principal(
    kind=PrincipalKind.PERSON, issuer="https://issuer.example", subject="u-1", name="ada", domain=Domain("office")
)
PLANNER = Principal(kind=PrincipalKind.AGENT, issuer="https://issuer.example", subject="c-2", name="planner")
CONVERSE = "/interchange.v1.ConversingAgent/Converse"


def turn(*parts: Part, extensions: tuple[str, ...] = (), token: str = "turn-token") -> Turn:
    """A turn of the desk; "hello" if nothing else is said."""
    return Turn(
        id=new_turn_id(),
        conversation=ConversationId("c-1"),
        agent=AgentName("desk"),
        input=parts or (Part(text="hello"),),
        token=token,
        extensions=extensions,
    )


def open_turn(
    where: Binding | None,
    of: Turn | None = None,
    *,
    converse: str = CONVERSE,
    timeout: float = 10.0,
    seconds: float = 10.0,
    chain: Chain | None = None,
) -> OpenTurn:
    """That turn, open, with the desk bound there."""
    of = of or turn()
    agent = Agent(
        name=of.agent,
        title="Desk",
        description="Answers.",
        domain=Domain("office"),
        version="1.0.0",
        service="interchange.v1.ConversingAgent",
        skills=(),
        turns=TurnRules(timeout=timeout),
        converse=converse,
    )
    call = Call(
        id=new_call_id(),
        chain=chain or Chain((ADA, PLANNER)),
        action=Action.MESSAGE,
        target=Target(TargetKind.AGENT, agent.name),
        content={},
        deadline=Deadline.after(seconds),
    )
    return OpenTurn(call=call, entry=AgentEntry(agent=agent, revision=1, pin=Pin("pin"), binding=where), turn=of)


def again(of: Turn, attempt: int, fence: int) -> Turn:
    """A later attempt at a turn."""
    return replace(of, attempt=attempt, fence=fence)


def delta(text: str, artifact: str = "") -> wire.TurnEvent:
    return wire.TurnEvent(delta=wire.Delta(part=wire.Part(text=text), artifact_id=artifact))


def message(*texts: str) -> wire.TurnEvent:
    return wire.TurnEvent(message=wire.Message(kind=wire.Message.SAID, parts=_parts(texts)))


def artifact(
    name: str, *texts: str, append: bool = False, last: bool = False, title: str = "", description: str = ""
) -> wire.TurnEvent:
    made = wire.Artifact(id=name, parts=_parts(texts), append=append, last=last, name=title, description=description)
    return wire.TurnEvent(artifact=made)


def status(text: str = "", progress: float = 0, total: float = 0) -> wire.TurnEvent:
    return wire.TurnEvent(status=wire.Status(text=text, progress=progress, total=total))


def done(*texts: str, **metadata: str | float) -> wire.TurnEvent:
    struct = Struct()
    struct.update(metadata)
    return wire.TurnEvent(done=wire.Done(parts=_parts(texts), metadata=struct if metadata else None))


def failed(text: str = "", code: str = "", *, retryable: bool = False) -> wire.TurnEvent:
    return wire.TurnEvent(failed=wire.Failed(code=code, text=text, retryable=retryable))


def texts(*words: str) -> tuple[Part, ...]:
    """Parts as ours."""
    return tuple(Part(text=word) for word in words)


def _parts(words: tuple[str, ...]) -> list[wire.Part]:
    return [wire.Part(text=word) for word in words]


class Listener:
    """Hears what is emitted; may be asked what it heard."""

    def __init__(self) -> None:
        self.heard: list[Emission] = []

    async def __call__(self, emission: Emission) -> None:
        self.heard.append(emission)
