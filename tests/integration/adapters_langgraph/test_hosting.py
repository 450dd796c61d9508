"""Graphs hosted in the gateway's process: what they answer, what they reach, and whom they can harm."""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.base import OpenTurn
from adapters.langgraph import host as hosts
from adapters.langgraph.host import GraphHost, House, hosting
from registry.catalog import Catalog
from registry.model import (
    Action,
    BadRequest,
    Call,
    DeadlinePassed,
    Delta,
    Denied,
    FarSideError,
    FarSideFault,
    JsonObject,
    Overloaded,
    Part,
    Principal,
    PrincipalKind,
    Progress,
    Result,
    Target,
    TargetKind,
    Unknown,
    nowhere,
)
from tests.support.policies import catalog, skill
from tests.support.turns import ADA, PLANNER, Listener, open_turn, texts, turn

KNOWN = catalog([skill("candidates.search"), skill("candidates.get"), skill("outreach.send")])
DESK = Principal(kind=PrincipalKind.AGENT, issuer="https://gateway", subject="desk", name="desk")


class Corridor:
    """Remembers the calls that came through it, and answers them alike; listed is what may be seen."""

    def __init__(self, answer: Result | Exception | None = None, *, listed: tuple[str, ...] = ()) -> None:
        self.calls: list[Call] = []
        self._answer = answer or Result(text="found Ada", structured={"total": 1})
        self._listed = listed

    async def deliver(self, call: Call) -> Result:
        self.calls.append(call)
        if call.action is Action.LIST:
            return Result(structured=self._page(call.content))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def _page(self, content: JsonObject) -> JsonObject:
        names = [name for name in self._listed if name > str(content["after"])]
        return {"names": names[:1], "more": len(names) > 1}


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a graph's module, a node `work` in it, and says where it is."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    count = iter(range(100))

    def write(body: str) -> str:
        path = tmp_path / f"{tmp_path.name}_{next(count)}.py".replace("-", "_")
        path.write_text(_HEAD + body + _TAIL)
        return f"{path}:graph"

    return write


_HEAD = """
import asyncio, threading
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from interchange_client.errors import GatewayError
from interchange_client.langgraph_skills import skills, turn_in_hand

began, release, ended = threading.Event(), threading.Event(), threading.Event()

def say(text):
    return {"messages": [AIMessage(text)]}

"""
_TAIL = """
builder = StateGraph(MessagesState)
builder.add_node("work", work)
builder.add_edge(START, "work")
graph = builder.compile()
"""


@asynccontextmanager
async def hosted(
    reference: str, corridor: Corridor | None = None, *, known: Catalog = KNOWN, in_hand: int = 64
) -> AsyncGenerator[GraphHost]:
    house = House(deliver=(corridor or Corridor()).deliver, catalog=lambda: known, principal=lambda _: DESK)
    async with hosting({"desk": reference}, house, in_hand=in_hand) as host:
        yield host


def asks(*parts: Part, seconds: float = 60.0) -> OpenTurn:
    return open_turn(None, turn(*parts), timeout=60.0, seconds=seconds)


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 20)


def module_of(reference: str) -> Any:
    return sys.modules[Path(reference.rpartition(":")[0]).stem]


async def test_a_graph_answers_like_any_agent(graph: Callable[[str], str]) -> None:
    reference = graph("""
async def work(state):
    from langgraph.config import get_stream_writer
    get_stream_writer()("Thinks.")
    return say("You said " + state["messages"][-1].text + " and you are " + turn_in_hand().person.name)
""")
    listener = Listener()
    async with hosted(reference) as host:
        asked = asks(Part(text="hello"))
        result = await host.converse(asked, listener)
    assert result.parts == texts("You said hello and you are ada")
    assert (result.turn, result.conversation) == (asked.turn.id, asked.turn.conversation)
    assert listener.heard == [
        Progress(progress=1, text="Thinks."),
        Delta(part=Part(text="You said hello and you are ada")),
    ]


async def test_its_calls_pass_the_corridor_as_the_agent_for_whoever_asks(graph: Callable[[str], str]) -> None:
    corridor = Corridor(listed=("candidates.get", "candidates.search"))
    reference = graph("""
async def work(state):
    tools = await skills()
    found = await tools[1].ainvoke({"query": "rust"})
    return say(", ".join(tool.name for tool in tools) + ": " + found)
""")
    async with hosted(reference, corridor) as host:
        result = await host.converse(asks(), nowhere)
    assert result.parts == texts("candidates_get, candidates_search: found Ada")
    call = corridor.calls[-1]
    assert (call.action, call.target.name, call.content) == (Action.INVOKE, "candidates_search", {"query": "rust"})
    assert call.chain.links == (ADA, PLANNER, DESK)
    assert (call.door, call.scopes, call.groups_before) == ("process", frozenset(), (frozenset(), frozenset()))
    assert 0 < call.deadline.remaining() <= 60


async def test_what_policy_says_to_a_call_is_for_the_graph_to_read(graph: Callable[[str], str]) -> None:
    reference = graph("""
async def work(state):
    answer = await turn_in_hand().gateway.call("candidates.search", {})
    return say(answer.code + ": " + answer.text)
""")
    async with hosted(reference, Corridor(Denied("Policy does not allow this."))) as host:
        assert (await host.converse(asks(), nowhere)).parts == texts("denied: Policy does not allow this.")


async def test_what_there_is_not_for_whoever_asks_is_for_the_graph_to_read_too(graph: Callable[[str], str]) -> None:
    reference = graph("""
async def work(state):
    burned = await turn_in_hand().gateway.call("candidates.burn", {})
    asked = await turn_in_hand().gateway.ask("nobody", "hello")
    return say(f"{burned.is_error} {burned.code}: {burned.text} {asked.is_error} {asked.state} {asked.code}")
""")
    async with hosted(reference, Corridor(Unknown("There is none."))) as host:
        expected = texts("True unknown: There is none. True rejected unknown")
        assert (await host.converse(asks(), nowhere)).parts == expected


async def test_where_the_gateway_fails_there_is_no_answer(graph: Callable[[str], str]) -> None:
    reference = graph("""
async def work(state):
    try:
        await turn_in_hand().gateway.call("candidates.search", {})
    except GatewayError as error:
        return say(error.code)
""")
    async with hosted(reference, Corridor(BadRequest("That is none."))) as host:
        assert (await host.converse(asks(), nowhere)).parts == texts("bad_request")


async def test_a_graph_takes_part_in_its_conversation_but_for_following(graph: Callable[[str], str]) -> None:
    corridor = Corridor(Result(structured={"message": {"id": "said", "seq": 7}}))
    reference = graph("""
async def work(state):
    turn = turn_in_hand()
    said = await turn.say("one", id="1")
    await turn.update(said, "two")
    try:
        async for _ in turn.follow():
            pass
    except GatewayError as error:
        return say(f"{said.seq} {error.code}")
""")
    asked = asks()
    async with hosted(reference, corridor) as host:
        assert (await host.converse(asked, nowhere)).parts == texts("7 unsupported")
    first, second = corridor.calls
    assert (first.action, first.target, first.door) == (
        Action.TAKE_PART,
        Target(TargetKind.CONVERSATION, asked.turn.id),
        "conversations",
    )
    assert first.content == {
        "operation": "Say",
        "turn": asked.turn.id,
        "attempt": 1,
        "id": "1",
        "parts": [{"text": "one"}],
    }
    assert (second.content["operation"], second.content["seq"], second.turn) == ("Update", "7", asked.turn.id)


async def test_what_its_conversation_refuses_is_an_error(graph: Callable[[str], str]) -> None:
    reference = graph("""
async def work(state):
    try:
        await turn_in_hand().say("one")
    except GatewayError as error:
        return say(f"{error.code}: {error.message}")
""")
    async with hosted(reference, Corridor(Denied("Policy does not allow this."))) as host:
        assert (await host.converse(asks(), nowhere)).parts == texts("denied: Policy does not allow this.")


async def test_a_graph_asks_other_agents(graph: Callable[[str], str]) -> None:
    corridor = Corridor(Result(parts=texts("Tomorrow.")))
    reference = graph("""
async def work(state):
    return say((await turn_in_hand().gateway.ask("planner", "When?")).text)
""")
    async with hosted(reference, corridor) as host:
        assert (await host.converse(asks(), nowhere)).parts == texts("Tomorrow.")
    assert (corridor.calls[0].action, corridor.calls[0].parts) == (Action.MESSAGE, texts("When?"))


async def test_a_turn_that_is_over_reaches_nothing_any_more(graph: Callable[[str], str]) -> None:
    corridor = Corridor()
    reference = graph("""
async def afterwards(hand):
    try:
        await hand.gateway.call("candidates.search", {})
    except GatewayError as error:
        return error.code

hands = []
def work(state):
    hands.append(turn_in_hand())
    return say("Done.")
""")
    async with hosted(reference, corridor) as host:
        await host.converse(asks(), nowhere)
        module = module_of(reference)
        assert await module.afterwards(module.hands[0]) == "unauthenticated"
    assert corridor.calls == []


async def test_an_error_says_nothing_of_itself(graph: Callable[[str], str]) -> None:
    async with hosted(graph("def work(state): raise ValueError('password=hunter2')")) as host:
        with pytest.raises(FarSideError, match=r"desk gave up \(internal\): The agent failed\.") as failed:
            await host.converse(asks(), nowhere)
    assert failed.value.fault is FarSideFault.REJECTED


async def test_a_graph_that_never_ends_ends_at_the_deadline(graph: Callable[[str], str]) -> None:
    reference = graph("""
async def work(state):
    try:
        await asyncio.Event().wait()
    finally:
        ended.set()
""")
    async with hosted(reference) as host:
        with pytest.raises(DeadlinePassed, match="desk did not answer in time"):
            await host.converse(asks(seconds=1), nowhere)
        await until(module_of(reference).ended)


async def test_a_turn_whose_time_has_passed_is_not_begun(graph: Callable[[str], str]) -> None:
    reference = graph("def work(state): began.set()")
    async with hosted(reference) as host:
        with pytest.raises(DeadlinePassed):
            await host.converse(asks(seconds=-1), nowhere)
    assert not module_of(reference).began.is_set()


async def test_cancelling_a_turn_cancels_its_graph(graph: Callable[[str], str]) -> None:
    reference = graph("""
async def work(state):
    began.set()
    try:
        await asyncio.Event().wait()
    finally:
        ended.set()
""")
    async with hosted(reference) as host:
        turn_in_hand = asyncio.ensure_future(host.converse(asks(), nowhere))
        await until(module_of(reference).began)
        turn_in_hand.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn_in_hand
        await until(module_of(reference).ended)


async def test_a_call_in_hand_ends_with_its_turn_even_if_the_graph_does_not(graph: Callable[[str], str]) -> None:
    ended = asyncio.Event()

    class Slow(Corridor):
        async def deliver(self, call: Call) -> Result:
            module_of(reference).began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return Result()

    reference = graph("""
async def work(state):
    calling = asyncio.ensure_future(turn_in_hand().gateway.call("candidates.search", {}))
    await asyncio.to_thread(began.wait)
    release.wait()
    await calling
""")
    async with hosted(reference, Slow()) as host, asyncio.timeout(20):
        try:
            turn_in_hand = asyncio.ensure_future(host.converse(asks(), nowhere))
            await until(module_of(reference).began)
            turn_in_hand.cancel()
            await ended.wait()
        finally:
            module_of(reference).release.set()


async def test_a_listener_that_fails_ends_the_turn(graph: Callable[[str], str]) -> None:
    async def emit(_: object) -> None:
        raise ConnectionResetError

    async with hosted(graph("def work(state): return say('hello')")) as host:
        with pytest.raises(ConnectionResetError):
            await host.converse(asks(), emit)


BLOCKING = """
async def work(state):
    if state["messages"][-1].text == "block":
        began.set()
        release.wait()  # in the event loop: what no async code should ever do
    return say("here")
"""


async def test_a_graph_that_blocks_its_loop_blocks_neither_the_gateway_nor_later_turns(
    graph: Callable[[str], str],
) -> None:
    reference = graph(BLOCKING)
    async with hosted(reference) as host:
        module = module_of(reference)
        try:
            blocked = asyncio.ensure_future(host.converse(asks(Part(text="block"), seconds=3), nowhere))
            await until(module.began)
            assert (await host.converse(asks(Part(text="and you?")), nowhere)).parts == texts("here")
            with pytest.raises(DeadlinePassed):
                await blocked
        finally:
            module.release.set()


async def test_a_graph_that_is_stuck_too_often_takes_no_more_turns(
    graph: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "STUCK", 1)
    reference = graph(BLOCKING)
    async with hosted(reference) as host:
        module = module_of(reference)
        try:
            blocked = asyncio.ensure_future(host.converse(asks(Part(text="block")), nowhere))
            await until(module.began)
            blocked.cancel()
            with pytest.raises(Overloaded, match="desk is stuck in 1 turns"):
                await host.converse(asks(Part(text="and you?")), nowhere)
        finally:
            module.release.set()


async def test_nodes_that_block_threads_do_not_use_them_up(graph: Callable[[str], str]) -> None:
    reference = graph("""
def work(state):
    if state["messages"][-1].text == "block":
        release.wait()
    return say("here")
""")
    async with hosted(reference) as host:
        try:
            many = [host.converse(asks(Part(text="block"), seconds=1), nowhere) for _ in range(40)]
            ended = await asyncio.gather(*many, return_exceptions=True)
            assert {type(each) for each in ended} == {DeadlinePassed}
            assert (await host.converse(asks(Part(text="and you?")), nowhere)).parts == texts("here")
        finally:
            module_of(reference).release.set()


async def test_only_so_many_turns_are_in_hand(graph: Callable[[str], str]) -> None:
    reference = graph("""
async def work(state):
    began.set()
    await asyncio.Event().wait()
""")
    async with hosted(reference, in_hand=1) as host:
        first = asyncio.ensure_future(host.converse(asks(), nowhere))
        await until(module_of(reference).began)
        with pytest.raises(Overloaded, match="desk has 1 turns in hand"):
            await host.converse(asks(), nowhere)
        first.cancel()


async def test_what_a_graph_opens_is_closed_with_the_gateway(graph: Callable[[str], str]) -> None:
    reference = graph("""
from contextlib import asynccontextmanager

def work(state): return say("here")
""").replace(":graph", ":opened")
    path = Path(reference.rpartition(":")[0])
    path.write_text(
        path.read_text()
        + """
@asynccontextmanager
async def opened():
    began.set()
    try:
        yield graph
    finally:
        ended.set()
"""
    )
    async with hosted(reference) as host:
        assert (await host.converse(asks(), nowhere)).parts == texts("here")
        assert not module_of(reference).ended.is_set()
    assert module_of(reference).ended.is_set()


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("no_such_module_here:graph", "[graphs.desk] There is no module 'no_such_module_here'"),
        ("json:loads", "[graphs.desk] loads is a function that needs arguments"),
    ],
)
async def test_a_graph_that_cannot_be_opened_stops_the_start(reference: str, sentence: str) -> None:
    with pytest.raises(BadRequest) as refused:
        async with hosted(reference):
            pass
    assert refused.value.message.startswith(sentence)


async def test_an_agent_that_no_graph_is_named_for_is_said_to_be_missing() -> None:
    house = House(deliver=Corridor().deliver, catalog=lambda: KNOWN, principal=lambda _: DESK)
    async with hosting({}, house) as host:
        with pytest.raises(FarSideError, match=r"^desk is not available\.$") as missing:
            await host.converse(asks(), nowhere)
    assert missing.value.fault is FarSideFault.UNAVAILABLE
