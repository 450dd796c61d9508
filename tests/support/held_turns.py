"""Turns that an agent holds, on a real log: opened, handed out, put off; and what the agent's calls look like."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.messaging.bodies import read_body, write_body
from adapters.messaging.fabric import Fabric, InProcessFabric
from adapters.messaging.log import WhichTurns
from adapters.messaging.messages import Message, New, Opening, To, TurnRef
from adapters.messaging.opening import OpenLog, open_log
from adapters.messaging.outcomes import Deferred, Delivery, Lease
from adapters.messaging.turns import Turn
from gateway.conversation_desk import ConversationDesk
from gateway.conversation_saying import finish_id, said_id
from gateway.elsewhere import ElsewhereInTheLog
from gateway.platform.server import serve_platform
from gateway.turns import TurnsInHand
from policies.facts import Facts, OpenedConversation
from policies.identity.keys import generate_signing_key
from policies.identity.tokens import Verified
from policies.identity.turn_tokens import TurnClaims, TurnTokens
from registry.catalog import Catalog
from registry.model import (
    Action,
    AgentName,
    Call,
    Chain,
    ConversationId,
    Deadline,
    Domain,
    Emission,
    Item,
    Part,
    Principal,
    PrincipalKind,
    Result,
    Target,
    TargetKind,
    TurnId,
    Unknown,
    new_call_id,
    new_turn_id,
)
from tests.support.until import PATIENCE

ISSUER = "https://issuer.test"
ALICE = Principal(kind=PrincipalKind.PERSON, issuer=ISSUER, subject="alice", name="alice")
SCRIBE, CLERK = AgentName("scribe"), AgentName("clerk")

__all__ = ["ALICE", "CLERK", "SCRIBE", "Room", "agent", "finish_id", "opened_door", "opened_room", "said_id"]


def agent(name: AgentName) -> Principal:
    return Principal(kind=PrincipalKind.AGENT, issuer=ISSUER, subject=name, name=name)


@dataclass(slots=True)
class Heard:
    """What an operation emitted."""

    items: list[Any] = field(default_factory=list[Any])

    async def __call__(self, emission: Emission) -> None:
        assert isinstance(emission, Item)
        self.items.append(emission.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A log, the desk on top of it, and the tokens of turns."""

    opened: OpenLog
    desk: ConversationDesk
    tokens: TurnTokens
    bearer_seconds: float = 900.0

    async def ask(
        self, text: str, *, of: AgentName = SCRIBE, conversation: str = "", seconds: float = 30.0
    ) -> Delivery:
        """Alice says something to an agent, whose attempt begins: its delivery."""
        new = New(
            id=str(new_turn_id()),
            sender="person:alice",
            issuer=ISSUER,
            body=write_body([Part(text=text)]),
            text=text,
            to=(To(agent=of, turn=new_turn_id(), authority=b"sealed"),),
        )
        where = ConversationId(conversation or new_turn_id())
        opening = Opening(domain="hiring", started_by="person:alice")
        lease = Lease(owner="here", seconds=seconds)
        delivery = (await self.opened.log.append(where, [new], opening=opening, claim=lease)).delivery
        assert delivery is not None
        return delivery

    async def again(self, of: AgentName = SCRIBE) -> Delivery:
        """The attempt after the one whose lease has ended."""
        async with asyncio.timeout(PATIENCE):
            while not (found := await self.opened.log.claim([of], limit=1, lease=Lease(owner="there", seconds=30))):
                await asyncio.sleep(0.01)
        return found[0]

    async def put_off(self, delivery: Delivery) -> Delivery:
        await self.opened.log.settle(delivery, Deferred(within=3600))
        return delivery

    def token(self, delivery: Delivery) -> str:
        return self.tokens.issue(
            TurnClaims(
                chain=Chain((ALICE,)),
                groups=(frozenset(),),
                turn=delivery.turn,
                agent=delivery.agent,
                attempt=delivery.attempt,
                fence=delivery.fence,
                expires_at=time.time() + 600,
            )
        )

    async def do(self, delivery: Delivery, operation: str, *, by: AgentName | None = None, **content: Any) -> Any:
        """One operation of the agent that has this delivery; what it answers."""
        return (await self.handle(self.call(delivery, operation, by=by, **content), Heard())).structured

    def call(
        self,
        delivery: Delivery,
        operation: str,
        *,
        by: AgentName | None = None,
        deadline: float = 30.0,
        **content: Any,
    ) -> Call:
        reading = operation in {"Read", "FollowMessages"}
        return Call(
            id=new_call_id(),
            chain=Chain((ALICE, agent(by or delivery.agent))),
            action=Action.READ_CONVERSATION if reading else Action.TAKE_PART,
            target=Target(TargetKind.CONVERSATION, delivery.turn),
            content={"operation": operation, "turn": delivery.turn, "attempt": delivery.attempt, **content},
            deadline=Deadline.after(deadline),
            turn=delivery.turn,
            fence=delivery.fence,
        )

    async def handle(self, call: Call, emit: Any) -> Result:
        """The corridor, as far as it matters here: the turn is found, and is its agent's."""
        rows = await self.opened.history.turns(WhichTurns(turns=(TurnId(call.target.name),)))
        if not rows:
            raise Unknown(f"There is no conversation named {call.target.name!r}.")
        found = OpenedConversation(id=rows[0].conversation, domain=Domain("hiring"), participates=True)
        facts = Facts(catalog=Catalog(version=1), standings=(), arguments={}, conversation=found)
        return await self.desk.answer(call, facts, emit)

    async def verify(self, token: str) -> Verified:
        """Bearer tokens here are agents' names."""
        return Verified(
            principal=agent(AgentName(token)),
            scopes=frozenset(),
            groups=frozenset(),
            client_id=token,
            expires_at=time.time() + self.bearer_seconds,
        )

    async def turn(self, of: TurnRef) -> Turn:
        (row,) = await self.opened.history.turns(WhichTurns(turns=(of.turn,)))
        return row

    async def messages(self, conversation: ConversationId) -> list[Message]:
        return list(await self.opened.history.page(conversation, limit=1_000))

    async def texts(self, conversation: ConversationId) -> list[str]:
        """All that was said in words."""
        return [
            "|".join(part.text or "" for part in read_body(message.body).parts)
            for message in await self.messages(conversation)
        ]


@asynccontextmanager
async def opened_room(log: Path | str, *, fabric: Fabric | None = None) -> AsyncGenerator[Room]:
    """The log in this file, or at this URL; several may have it open."""
    url = log if isinstance(log, str) else f"sqlite:///{log}"
    async with open_log(url, fabric=fabric or InProcessFabric(), poll=0.1) as opened:
        tokens = TurnTokens(issuer="http://127.0.0.1:8420", key=_KEY)
        yield Room(opened=opened, desk=ConversationDesk(opened), tokens=tokens)


_KEY = generate_signing_key()


@asynccontextmanager
async def opened_door(room: Room, *, port: int = 0) -> AsyncGenerator[int]:
    """A gateway's gRPC door, as far as it is about conversations, and its port. It ends as if it crashed."""
    acting = TurnsInHand(room.tokens, elsewhere=ElsewhereInTheLog(room.opened)).acting
    server, port = await serve_platform(f"127.0.0.1:{port}", handle=room.handle, verify=room.verify, acting=acting)
    try:
        yield port
    finally:
        await server.stop(None)
