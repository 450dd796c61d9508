"""The lifecycle service for tests: on a real log, with agents that are functions where a gateway has a corridor."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from adapters.lifecycle.attempts import Work
from adapters.lifecycle.hands import Reach
from adapters.lifecycle.rules import LifecycleRules
from adapters.lifecycle.service import Lifecycle, Ready
from adapters.lifecycle.views import TurnView
from adapters.messaging.bodies import read_body
from adapters.messaging.fabric import Fabric, InProcessFabric
from adapters.messaging.messages import TurnRef
from adapters.messaging.opening import OpenLog, open_log
from gateway.seal import Seal
from registry.model import (
    NO_TURN,
    Action,
    Agent,
    AgentName,
    Attention,
    Call,
    Chain,
    Deadline,
    Domain,
    Emit,
    Part,
    Result,
    Sending,
    Target,
    TargetKind,
    TurnId,
    TurnRules,
    alone,
    new_call_id,
    new_turn_id,
    nowhere,
)
from tests.support.calls import RECRUITER

ECHO = AgentName("echo")

Answering = Callable[[Call, Emit], Awaitable[Result]]


class NothingBeside:
    """Senders want nothing but their answer."""

    async def admit(self, call: Call) -> Ready:
        async def ready(of: TurnRef, after: int) -> None:
            """Nothing was wanted."""

        return ready


@dataclass(slots=True)
class Office:
    """Some agents, and the service that has them answer. `calls` are the attempts that were made."""

    lifecycle: Lifecycle
    opened: OpenLog
    agents: Mapping[AgentName, Agent]
    calls: list[Call] = field(default_factory=list[Call])

    async def ask(self, text: str, *, emit: Emit = nowhere, **how: object) -> Result:
        """Say something to `echo`; see `message`."""
        call = message(text, **how)  # pyright: ignore[reportArgumentType]
        return await self.lifecycle.take(call, self.agents[AgentName(call.target.name)], emit=emit)

    async def said(self, text: str, **how: object) -> TurnView:
        """The same, for whoever is shown the turn."""
        found = (await self.ask(text, **how)).found  # pyright: ignore[reportArgumentType]
        assert isinstance(found, TurnView)
        return found


def message(
    text: str,
    *,
    id: str = "",  # noqa: A002
    context: str = "",
    follows: TurnId = NO_TURN,
    attention: Attention = Attention.WAITS,
    chain: Chain | None = None,
    seconds: float = 30.0,
    agent: AgentName = ECHO,
    background: bool = False,
    turn: TurnId = NO_TURN,
) -> Call:
    """A message to an agent that policy has permitted."""
    return Call(
        id=new_call_id(),
        chain=chain or alone(RECRUITER),
        action=Action.MESSAGE,
        target=Target(TargetKind.AGENT, agent),
        content={},
        deadline=Deadline.after(seconds),
        parts=(Part(text=text),),
        turn=turn,
        sending=Sending(
            message=id or new_call_id(),
            turn=new_turn_id(),
            follows=follows,
            context=context,
            attention=attention,
            background=background,
        ),
    )


def agent(name: AgentName = ECHO, **rules: object) -> Agent:
    """An agent as the catalog has it."""
    return Agent(
        name=name,
        title=name,
        description="",
        domain=Domain("hiring"),
        version="1",
        service="interchange.v1.ConversingAgent",
        skills=(),
        turns=TurnRules(**rules),  # pyright: ignore[reportArgumentType]
        converse="/interchange.v1.ConversingAgent/Converse",
    )


@asynccontextmanager
async def office(
    url: str,
    answer: Answering,
    *,
    agents: Mapping[AgentName, Agent] | None = None,
    rules: LifecycleRules | None = None,
    fabric: Fabric | None = None,
    key: bytes = bytes(32),
    poll: float = 0.2,
    clock: Callable[[], float] = time.time,
    seats: Mapping[AgentName, int] | None = None,
) -> AsyncGenerator[Office]:
    """An office on the log at `url`, where `answer` is what every attempt comes to. Those with `seats` have come by
    themselves."""
    known = dict(agents or {ECHO: agent()})
    async with open_log(url, fabric=fabric or InProcessFabric(), poll=poll) as opened:
        calls: list[Call] = []

        async def deliver(call: Call, emit: Emit) -> Result:
            calls.append(call)
            result = await answer(call, emit)
            attempt = call.attempt
            return replace(result, turn=attempt.turn) if attempt else result

        def find(target: Target) -> Work | None:
            found = known.get(AgentName(target.name))
            if found is None:
                return None
            return Work(agent=found, timeout=found.turns.timeout, attempts=found.turns.max_attempts, repeatable=True)

        lifecycle = Lifecycle(
            opened,
            deliver=deliver,
            find=find,
            reach=Reach(agents=lambda: known.keys() - (seats or {}).keys(), seats=lambda: seats or {}),
            seal=Seal([key]),
            rules=rules or LifecycleRules(),
            fabric=fabric,
            name="office",
            beside=NothingBeside(),
            clock=clock,
        )
        async with lifecycle.running():
            yield Office(lifecycle=lifecycle, opened=opened, agents=known, calls=calls)


async def echo(call: Call, emit: Emit) -> Result:
    """Answers with what was said."""
    await asyncio.sleep(0)
    return Result(parts=(Part(text=f"You said: {call.parts[0].text}"),))


def answer_of(view: TurnView) -> str:
    """The words that a turn ended with."""
    end = view.end()
    return " ".join(part.text or "" for part in end.parts) if end else ""


def texts(view: TurnView) -> list[str]:
    """What was said in a turn, in order."""
    return [" ".join(part.text or "" for part in read_body(each.body).parts) for each in view.messages]
