"""A gateway with a conversation log for tests: who may do what with it, and somebody who writes conversations."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.messaging.bodies import write_body
from adapters.messaging.fabric import InProcessFabric
from adapters.messaging.messages import New, Opening, To
from adapters.messaging.opening import OpenLog, open_log
from adapters.messaging.outcomes import Dead, Done, Lease, Reply
from registry.model import AgentName, ConversationId, Part, TurnId, new_turn_id

PEOPLE = """
[persons.operator]
groups = ["operators"]
domain = "operations"
[persons.manager]
groups = ["managers"]
domain = "hiring"
[persons.clerk]
domain = "hiring"
"""

POLICIES = """
@id("operators.watch")
permit (principal in Group::"operators", action == Action::"read_conversation", resource == MessageLog::"messages");
@id("operators.keep")
permit (principal in Group::"operators", action == Action::"keep_conversation", resource in Domain::"hiring");
@id("managers.read")
permit (principal in Group::"managers", action == Action::"read_conversation", resource in Domain::"hiring");
"""

CLERK = AgentName("clerk")


@asynccontextmanager
async def writing(path: Path) -> AsyncGenerator["Writer"]:
    """Somebody who writes to a log, in a process of his own as far as the log can tell."""
    async with open_log(f"sqlite:///{path}", fabric=InProcessFabric()) as opened:
        yield Writer(opened)


@dataclass(frozen=True, slots=True)
class Writer:
    """Says things in conversations, and answers for the agent `clerk`."""

    opened: OpenLog

    async def say(self, conversation: str, *texts: str, domain: str = "hiring", to: AgentName | None = None) -> int:
        """Append messages of alice; returns the number of the last one."""
        opening = Opening(domain=domain, started_by="person:alice", started_by_issuer="https://issuer.test")
        news = [
            New(
                id=str(new_turn_id()),
                sender="person:alice",
                body=write_body([Part(text=text)]),
                text=text,
                to=(To(agent=to, turn=new_turn_id()),) if to else (),
            )
            for text in texts
        ]
        return (await self.opened.log.append(ConversationId(conversation), news, opening=opening)).tail

    async def ask(self, conversation: str, text: str, *, domain: str = "hiring") -> TurnId:
        """Write to the clerk; returns the turn."""
        turn = new_turn_id()
        new = New(
            id=str(turn),
            sender="person:alice",
            body=write_body([Part(text=text)]),
            text=text,
            to=(To(agent=CLERK, turn=turn),),
        )
        opening = Opening(domain=domain, started_by="person:alice")
        await self.opened.log.append(ConversationId(conversation), [new], opening=opening)
        return turn

    async def give_up(self, error: str = "it never answers") -> None:
        """The clerk's deliveries end as dead letters."""
        for delivery in await self.opened.log.claim([CLERK], limit=100, lease=Lease(owner="test", seconds=30)):
            await self.opened.log.settle(delivery, Dead(error=error))

    async def answer(self, text: str) -> None:
        """The clerk answers whatever it is asked."""
        for delivery in await self.opened.log.claim([CLERK], limit=100, lease=Lease(owner="test", seconds=30)):
            reply = Reply(body=write_body([Part(text=text)]), text=text)
            await self.opened.log.settle(delivery, Done(replies=(reply,)))


def written(path: Path, *conversations: str) -> None:
    """Conversations of one message each, written from outside and at once."""

    async def write() -> None:
        async with writing(path) as writer:
            for conversation in conversations:
                await writer.say(conversation, f"hello {conversation}")

    asyncio.run(write())
