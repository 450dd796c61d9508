"""An agent on a real gRPC server: who may call, what is streamed, and what becomes of a call that is given up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
import respx
from google.protobuf.timestamp_pb2 import Timestamp
from interchange.v1 import agent_pb2
from interchange_client.agent import AgentFailure, ConversingAgent, InternalTokens, SkillAnswer, TurnInHand, part
from interchange_client.traces import trace_headers

from policies.identity.internal import InternalIssuer
from policies.identity.keys import generate_signing_key
from registry.model import Chain, Principal, PrincipalKind
from tests.integration.client.conftest import Caller, Serve, ended
from tests.support.client_turns import ASSISTANT, PERSON, QuietGateway, turn_of

GATEWAY = "https://gateway.example.com"
AUDIENCE = "grpc://greeter"

Said = AsyncIterator[str | agent_pb2.TurnEvent]


async def echo(turn: TurnInHand) -> Said:
    yield "You said "
    yield turn.text


class Waiting:
    """An agent that says one word and then waits to be let go; counts what becomes of its turns."""

    def __init__(self) -> None:
        self.begun = asyncio.Queue[int]()
        self.cancelled = asyncio.Queue[int]()
        self.go = asyncio.Event()

    async def answer(self, turn: TurnInHand) -> Said:
        try:
            yield "Wait"
            self.begun.put_nowait(turn.turn.attempt)
            await self.go.wait()
            yield "ed"
        except asyncio.CancelledError:
            self.cancelled.put_nowait(turn.turn.attempt)
            raise


async def test_what_an_agent_says_is_streamed_and_said_whole(answering: Serve) -> None:
    caller: Caller = await answering(echo)

    answer = await caller.converse(turn_of("hello"))

    assert answer.code is grpc.StatusCode.OK
    assert answer.kinds == ["delta", "delta", "done"]
    assert answer.events[-1].done.parts == [part("You said hello")]


async def test_skills_are_called_for_the_turn(answering: Serve) -> None:
    gateway = QuietGateway(SkillAnswer(structured={"total": 3}))

    async def answer(turn: TurnInHand) -> Said:
        found = await turn.gateway.call("candidates.search", {"query": turn.text})
        yield f"I found {found.structured['total']} people."

    caller: Caller = await answering(answer, gateway=gateway)

    (whole,) = (await caller.converse(turn_of("rust"))).events[-1].done.parts

    assert whole.text == "I found 3 people."
    assert gateway.asked == [("call", "candidates.search", {"query": "rust"}, "token-of-the-turn")]


async def test_the_rpcs_deadline_is_the_turns_and_else_the_turn_says_it(answering: Serve) -> None:
    async def answer(turn: TurnInHand) -> Said:
        yield f"{turn.remaining():.0f}"

    caller: Caller = await answering(answer)
    past = Timestamp(seconds=1)

    by_rpc = await caller.converse(turn_of("x", deadline=past), timeout=500)
    by_turn = await caller.converse(turn_of("x", deadline=past))
    by_nobody = await caller.converse(turn_of("x"))

    seconds = [float(each.events[-1].done.parts[0].text) for each in (by_rpc, by_turn, by_nobody)]
    assert 400 < seconds[0] < 510, "another machine's clock does not count"
    assert seconds[1] == 0
    assert 200 < seconds[2] <= 300, "five minutes, where nobody says"


async def test_failures_are_the_end_of_a_turn_and_not_of_the_rpc(answering: Serve) -> None:
    async def answer(turn: TurnInHand) -> Said:
        if turn.text == "on purpose":
            raise AgentFailure("Not today.", code="closed")
        yield "I "
        raise RuntimeError("secret")

    caller: Caller = await answering(answer)

    told, untold = await caller.converse(turn_of("on purpose")), await caller.converse(turn_of("x", delivery_id="2"))

    assert told.code is untold.code is grpc.StatusCode.OK
    assert (told.events[-1].failed.code, told.events[-1].failed.text) == ("closed", "Not today.")
    assert untold.kinds == ["delta", "failed"]
    assert "secret" not in str(untold.events)


async def test_giving_up_a_call_ends_the_agents_code(answering: Serve) -> None:
    agent = Waiting()
    caller: Caller = await answering(agent.answer)

    call = caller.stream(turn_of("x"))
    assert await agent.begun.get() == 1
    call.cancel()

    assert await agent.cancelled.get() == 1


async def test_one_attempt_is_answered_once_at_a_time(answering: Serve) -> None:
    agent = Waiting()
    caller: Caller = await answering(agent.answer)

    first = caller.stream(turn_of("x"))
    await agent.begun.get()
    again = await caller.converse(turn_of("x"))
    agent.go.set()

    assert (again.code, again.events) == (grpc.StatusCode.ALREADY_EXISTS, [])
    assert (await ended(first)).kinds == ["delta", "delta", "done"]
    assert (await caller.converse(turn_of("x"))).code is grpc.StatusCode.OK, "afterwards it may come again"


async def test_a_later_attempt_ends_the_earlier_one(answering: Serve) -> None:
    agent = Waiting()
    caller: Caller = await answering(agent.answer)

    first = caller.stream(turn_of("x"))
    await agent.begun.get()
    second = caller.stream(turn_of("x", attempt=2))
    assert await agent.cancelled.get() == 1
    assert await agent.begun.get() == 2
    late = await caller.converse(turn_of("x"))
    agent.go.set()

    assert (await ended(first)).code is grpc.StatusCode.ABORTED
    assert late.code is grpc.StatusCode.ALREADY_EXISTS, "an attempt that is over does not come back"
    assert (await ended(second)).kinds == ["delta", "delta", "done"]


async def test_turns_of_different_deliveries_run_beside_each_other(answering: Serve) -> None:
    agent = Waiting()
    caller: Caller = await answering(agent.answer)

    calls = [caller.stream(turn_of("x", turn_id=name, delivery_id=name)) for name in ("t-1", "t-2", "t-3")]
    for _ in calls:
        await agent.begun.get()
    agent.go.set()

    assert [(await ended(call)).code for call in calls] == [grpc.StatusCode.OK] * 3


@pytest.mark.parametrize("answer", ["coroutine", "generator"])
def test_a_function_that_is_no_agent_is_refused_before_it_is_served(answer: str) -> None:
    async def coroutine(turn: TurnInHand) -> str:
        return turn.text

    def generator(turn: TurnInHand) -> Iterator[str]:
        yield turn.text

    wrong: Any = {"coroutine": coroutine, "generator": generator}[answer]
    with pytest.raises(TypeError, match="async generator"):
        ConversingAgent(wrong, gateway=QuietGateway(), tokens=None)


class Door:
    """A gateway's keys on the network, and tokens that it would send."""

    def __init__(self) -> None:
        self.key = generate_signing_key()
        self.issuer = InternalIssuer(issuer=GATEWAY, key=self.key)

    async def bearer(self, *names: str, audience: str = AUDIENCE, key: Any = None) -> tuple[str, str]:
        issuer = self.issuer if key is None else InternalIssuer(issuer=GATEWAY, key=key)
        links = tuple(_principal(name) for name in names)
        return ("authorization", f"Bearer {await issuer.token_for(Chain(links), audience)}")


def _principal(name: str) -> Principal:
    kind = PrincipalKind.AGENT if name == "assistant" else PrincipalKind.PERSON
    return Principal(kind=kind, issuer="https://login.example.com", subject=name, name=name)


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    with respx.mock(assert_all_called=False) as net:
        net.get(f"{GATEWAY}/.well-known/jwks.json").respond(json=door.issuer.jwks())
        yield door


async def test_a_turn_with_the_gateways_token_is_answered(answering: Serve, door: Door) -> None:
    caller: Caller = await answering(echo, tokens=InternalTokens(GATEWAY, AUDIENCE))

    alone = await caller.converse(turn_of("x"), await door.bearer("alice"))
    through = await caller.converse(turn_of("x", chain=[PERSON, ASSISTANT]), await door.bearer("alice", "assistant"))

    assert alone.code is through.code is grpc.StatusCode.OK


async def test_nothing_runs_without_a_good_token_for_this_chain(answering: Serve, door: Door) -> None:
    ran: list[str] = []

    async def answer(turn: TurnInHand) -> Said:
        ran.append(turn.text)
        yield "x"

    caller: Caller = await answering(answer, tokens=InternalTokens(GATEWAY, AUDIENCE))
    good = await door.bearer("alice")
    agents_name = agent_pb2.Principal(kind="AGENT", name="alice")
    attempts: list[tuple[agent_pb2.Turn, list[tuple[str, str]]]] = [
        (turn_of("no token"), []),
        (turn_of("other scheme"), [("authorization", f"Basic {good[1].partition(' ')[2]}")]),
        (turn_of("two tokens"), [good, good]),
        (turn_of("another audience"), [await door.bearer("alice", audience="grpc://another")]),
        (turn_of("a stranger's key"), [await door.bearer("alice", key=generate_signing_key())]),
        (turn_of("a longer chain", chain=[PERSON, ASSISTANT]), [good]),
        (turn_of("a shorter chain"), [await door.bearer("alice", "assistant")]),
        (turn_of("another person", chain=[ASSISTANT]), [good]),
        (turn_of("another kind", chain=[agents_name]), [good]),
        (turn_of("no kind", chain=[agent_pb2.Principal(name="alice")]), [good]),
    ]
    for turn, metadata in attempts:
        refused = await caller.converse(turn, *metadata)
        assert refused.code is grpc.StatusCode.UNAUTHENTICATED, turn.input[0].parts[0].text
        assert refused.details == "The internal token is invalid or has expired."

    nobody = await caller.converse(turn_of("x", chain=[]), good)
    assert nobody.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ran == []


async def test_while_the_gateways_keys_cannot_be_had_a_turn_may_come_again(answering: Serve) -> None:
    door = Door()
    caller: Caller = await answering(echo, tokens=InternalTokens(GATEWAY, AUDIENCE))
    with respx.mock() as net:
        net.get(f"{GATEWAY}/.well-known/jwks.json").respond(503)
        answer = await caller.converse(turn_of("x"), await door.bearer("alice"))
    assert answer.code is grpc.StatusCode.UNAVAILABLE


async def test_a_turn_belongs_to_the_callers_trace(answering: Serve) -> None:
    seen: list[str] = []

    async def answer(_: TurnInHand) -> Said:

        seen.append(trace_headers().get("traceparent", ""))
        yield "x"

    caller: Caller = await answering(answer)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await caller.converse(turn_of("x"), ("traceparent", trace))
    await caller.converse(turn_of("x"))

    assert seen == [trace, ""]
