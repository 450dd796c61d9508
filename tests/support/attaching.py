"""A gateway's gRPC door where processes of agents attach: real policies, a real corridor, and no far side but those.

`Process` speaks the wire by hand, so that a test can do what the library would not.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, cast

import grpc
import grpc.aio
from interchange.v1 import agent_pb2, work_pb2
from interchange_client.attaching import Stream, Work, attach
from interchange_client.servicing import Skills
from interchange_client.turns import Answer

from adapters.mailbox.attachments import Attachments
from adapters.mailbox.limits import MAILBOX_LIMITS, MailboxLimits
from gateway.corridor import Corridor
from gateway.facts import FactFinder
from gateway.far_sides import CatalogDesk
from gateway.limits import PrincipalLimits
from gateway.live import InForce, Live
from gateway.platform.server import serve_platform
from gateway.platform.work import Workplace
from gateway.turns import TurnsInHand
from policies.audit.lines import LineLog
from policies.identity.directory import Directory
from policies.identity.keys import generate_signing_key
from policies.identity.tokens import Verified
from policies.identity.turn_tokens import TurnTokens
from policies.load import PolicySource, baseline, build_judge
from registry.catalog import AgentEntry
from registry.model import (
    AgentName,
    Binding,
    BindingKind,
    Domain,
    Principal,
    PrincipalKind,
    TargetKind,
    Unauthenticated,
)
from tests.support.client_turns import QuietGateway
from tests.support.policies import ISSUER, agent, catalog

ATTACH = "/interchange.v1.Work/Attach"
MAILBOX = Binding(kind=BindingKind.MAILBOX)
ELSEWHERE = Binding(kind=BindingKind.GRPC, targets=("127.0.0.1:1",))
CAST: Mapping[str, Binding | None] = MappingProxyType({"desk": MAILBOX, "clerk": MAILBOX, "caller": ELSEWHERE})


@dataclass
class Door:
    """What a test drives. A token is `agent:desk`, `person:ada` or anything else, which is refused."""

    attachments: Attachments
    live: Live
    address: str = ""
    token_seconds: float = 900.0
    known: int = 0
    """How often somebody was asked for a token."""
    channels: list[Any] = field(default_factory=list[Any])

    async def verify(self, token: str) -> Verified:
        self.known += 1
        kind, _, name = token.partition(":")
        if not name:
            raise Unauthenticated("This token is invalid or has expired.")
        who = Principal(kind=PrincipalKind(kind), issuer=ISSUER, subject=name, name=name, domain=Domain("office"))
        return Verified(
            principal=who,
            scopes=frozenset(),
            groups=frozenset(),
            client_id=name,
            expires_at=time.time() + self.token_seconds,
        )

    async def in_force(self, *, policies: str = "", bound: Mapping[str, Binding | None] = CAST) -> None:
        """Put other policies in force beside the baseline, and bind agents otherwise."""
        before = self.live.current()
        await self.live.swap(_in_force(policies, bound, version=before.catalog.version + 1))

    def channel(self) -> Any:
        """A connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 32 << 20)]
        self.channels.append(cast("Any", grpc.aio).insecure_channel(self.address, options))
        return self.channels[-1]

    async def attach(self, name: str = "desk", **hello: Any) -> "Process":
        """A process that has attached by hand."""
        process = await Process.calling(self, f"agent:{name}")
        await process.hello(name, **hello)
        welcome = await process.next()
        assert welcome.WhichOneof("response") == "welcome", welcome
        return process

    async def library(
        self, answer: Answer | None, *, name: str = "desk", seats: int = 4, skills: Skills = MappingProxyType({})
    ) -> Stream:
        """A process that attaches as the library does; have it `run`."""
        work = Work(name=name, answer=answer, skills=skills, gateway=QuietGateway(), seats=seats)
        return await attach(self.channel(), work, f"agent:{name}")


@dataclass
class Process:
    """One stream of work, by hand."""

    call: Any
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def calling(cls, door: Door, token: str, *more: tuple[str, str]) -> Self:
        """A stream on which nothing has been said."""
        method = door.channel().stream_stream(
            ATTACH, response_deserializer=cast("Any", work_pb2.AttachResponse).FromString
        )
        return cls(method(metadata=(*((("authorization", f"Bearer {token}"),) if token else ()), *more)))

    async def hello(self, agent_name: str, *, seats: int = 4, converses: bool = True, methods: Any = ()) -> None:
        hello = work_pb2.Hello(agent=agent_name, seats=seats, converses=converses, methods=methods, library="tests")
        await self.say(hello=hello)

    async def say(self, **request: Any) -> None:
        await self.send(work_pb2.AttachRequest(**request).SerializeToString())

    async def send(self, data: bytes) -> None:
        async with self.writing:
            await self.call.write(data)

    async def next(self) -> work_pb2.AttachResponse:
        """What the gateway says next; fails the test if it says nothing more."""
        response = await self.call.read()
        assert isinstance(response, work_pb2.AttachResponse), (await self.call.code(), await self.call.details())
        return response

    async def assignment(self) -> work_pb2.Assignment:
        """The next thing to do."""
        response = await self.next()
        assert response.WhichOneof("response") == "assignment", response
        return response.assignment

    async def answer(self, attempt: work_pb2.Attempt, *events: agent_pb2.TurnEvent, end: int | None = 0) -> None:
        """Say events, and that this was all."""
        for event in events:
            await self.say(piece=work_pb2.Piece(attempt=attempt, event=event))
        if end is not None:
            await self.say(piece=work_pb2.Piece(attempt=attempt, ended=work_pb2.Ended(code=end, message="words")))

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """See the stream to its end."""
        try:
            while isinstance(await self.call.read(), work_pb2.AttachResponse):
                pass
        except grpc.aio.AioRpcError:
            pass
        return await self.call.code(), await self.call.details() or ""


def _in_force(policies: str, bound: Mapping[str, Binding | None], *, version: int) -> InForce:
    known = catalog(agents=[_entry(name, binding) for name, binding in bound.items()], version=version)
    judge = build_judge((*baseline(), PolicySource("tests.cedar", policies)), known)
    return InForce(known, judge, Directory(), edition=version)


def _entry(name: str, binding: Binding | None) -> AgentEntry:
    return replace(agent(name, domain="office"), binding=binding)


@asynccontextmanager
async def attaching_door(
    folder: Path, *, limits: MailboxLimits = MAILBOX_LIMITS, port: int = 0
) -> AsyncGenerator[Door]:
    """The door, open; `desk` and `clerk` may attach there, `caller` is called, and nobody else is registered."""
    live = Live(_in_force("", CAST, version=1))
    attachments, facts = Attachments(limits), FactFinder(environment="test")
    audit = LineLog.open(folder / "audit")
    corridor = Corridor(
        live=live,
        facts=facts,
        audit=audit,
        limits=PrincipalLimits(),
        turns=TurnsInHand(TurnTokens(issuer="http://127.0.0.1:8420", key=generate_signing_key())),
        far_sides={TargetKind.CATALOG: CatalogDesk(live=live, publishing=cast("Any", None)).answer},
    )
    door = Door(attachments, live)
    server, port = await serve_platform(
        f"127.0.0.1:{port}",
        handle=corridor.handle,
        verify=door.verify,
        workplace=Workplace(attachments=attachments, live=live, facts=facts),
    )
    door.address = f"127.0.0.1:{port}"
    try:
        yield door
    finally:
        for channel in door.channels:
            await channel.close()
        await server.stop(0)
        await audit.close()


DESK = AgentName("desk")
