"""A LangGraph graph as an agent: what it is given, what of it is heard, and how its turn ends."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import pytest
from interchange.v1 import agent_pb2
from interchange_client import langgraph as runner
from interchange_client.agent import artifact, done, speak, text_of
from interchange_client.errors import GatewayError
from interchange_client.gateway import SkillAnswer
from interchange_client.langgraph import Graph, UnfitGraph, answer_with
from interchange_client.langgraph_skills import skills, turn_in_hand
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph, add_messages
from langgraph.types import interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from tests.support.client_turns import ASSISTANT, PERSON, in_hand, turn_of
from tests.support.graphs import (
    ScriptedChatModel,
    Shelf,
    calls_search,
    graph_of,
    graph_with,
    model_that_says,
    recorded,
    says,
)

Event = agent_pb2.TurnEvent
State = dict[str, Any]


async def events_of(graph: Graph, turn: agent_pb2.Turn | None = None, gateway: Shelf | None = None) -> list[Event]:
    hand = in_hand(turn or turn_of("who knows rust?"), gateway=gateway or Shelf())
    return [event async for event in speak(answer_with(graph), hand)]


def heard(events: list[Event]) -> str:
    return "".join(event.delta.part.text for event in events if event.WhichOneof("event") == "delta")


def answer(events: list[Event]) -> str:
    assert events[-1].WhichOneof("event") == "done", events[-1]
    return text_of(events[-1].done.parts)


def statuses(events: list[Event]) -> list[str]:
    return [event.status.text for event in events if event.WhichOneof("event") == "status"]


def silent(_: object) -> State:
    return {}


async def test_an_answer_streams_word_by_word_and_the_end_says_it_whole() -> None:
    events = await events_of(graph_of(model_that_says("Ada knows it well.")))
    assert [event.delta.part.text for event in events[:-1]] == ["Ada ", "knows ", "it ", "well."]
    assert answer(events) == "Ada knows it well."


async def test_what_was_said_comes_as_messages_of_whoever_said_it() -> None:
    model, given = recorded("Yes.")
    history = [
        agent_pb2.Message(id="m-1", sender=PERSON, parts=[agent_pb2.Part(text="Hello.")]),
        agent_pb2.Message(id="m-2", sender=ASSISTANT, parts=[agent_pb2.Part(text="Good day.")]),
    ]
    await events_of(graph_of(model), turn_of("Do you know rust?", agent="assistant", history=history))
    assert [(type(message), message.text) for message in given[0]] == [
        (HumanMessage, "Hello."),
        (AIMessage, "Good day."),
        (HumanMessage, "Do you know rust?"),
    ]


async def test_words_before_a_tool_call_are_heard_and_are_not_the_answer() -> None:
    gateway = Shelf(answer=SkillAnswer(text="Ada"))
    events = await events_of(graph_of(model_that_says(calls_search("Let me look."), "It is Ada.")), gateway=gateway)
    assert heard(events) == "Let me look.\n\nIt is Ada."
    assert answer(events) == "It is Ada."


async def test_a_skill_is_called_through_the_gateway_for_the_turn() -> None:
    model, given = recorded(calls_search(query="rust", config="x"), "It is Ada.")
    gateway = Shelf(answer=SkillAnswer(text="found Ada", structured={"total": 1}))
    events = await events_of(graph_of(model), gateway=gateway)
    arguments = {"query": "rust", "config": "x"}
    assert gateway.asked[1:] == [("call", "candidates_search", arguments, "token-of-the-turn")]
    answered = given[1][-1]
    assert isinstance(answered, ToolMessage)
    assert (answered.text, answered.artifact, answered.status) == ("found Ada", {"total": 1}, "success")
    assert statuses(events) == ["Calls candidates_search."]


async def test_what_is_wrong_with_a_call_is_for_the_model_to_read() -> None:
    model, given = recorded(calls_search(), "I may not.")
    gateway = Shelf(answer=SkillAnswer(text="Policy does not allow this.", is_error=True, code="denied"))
    assert answer(await events_of(graph_of(model), gateway=gateway)) == "I may not."
    answered = given[1][-1]
    assert isinstance(answered, ToolMessage)
    assert (answered.text, answered.status) == ("Policy does not allow this.", "error")


async def test_a_skill_that_is_gone_is_for_the_model_to_read() -> None:
    model, given = recorded(calls_search(), "It is gone.")
    gateway = Shelf(failure=GatewayError("There is no such tool.", "bad_request"))
    assert answer(await events_of(graph_of(model), gateway=gateway)) == "It is gone."
    assert given[1][-1].text == "There is no such tool."


async def test_a_gateway_out_of_reach_ends_the_turn() -> None:
    gateway = Shelf(failure=GatewayError("The gateway cannot be reached.", "unavailable"))
    events = await events_of(graph_of(model_that_says(calls_search(), "Never mind.")), gateway=gateway)
    assert events[-1].WhichOneof("event") == "failed"


async def test_skills_are_asked_for_once_a_turn() -> None:
    gateway = Shelf()
    await events_of(graph_of(model_that_says(calls_search(), calls_search(), "Done.")), gateway=gateway)
    assert gateway.operations == ["skills", "call", "call"]


async def test_only_what_is_offered_becomes_a_tool() -> None:
    names: list[list[str]] = []

    async def look(_: MessagesState) -> State:
        wishes = (("candidates.search",), ("candidates_search", "outreach.send"), ("outreach.send",), ())
        names.extend([[tool.name for tool in await skills(*wanted)] for wanted in wishes])
        return {"messages": [AIMessage("Seen.")]}

    await events_of(graph_with(look))
    assert names == [["candidates_search"], ["candidates_search"], [], ["candidates_search"]]


async def test_there_are_no_skills_where_no_turn_is_in_hand() -> None:
    async def look(_: MessagesState) -> State:
        await skills()
        return {}

    graph: Any = graph_with(look)
    with pytest.raises(RuntimeError, match="No turn is in hand"):
        await graph.ainvoke({"messages": []})


async def test_nodes_know_the_turn_in_hand() -> None:
    def greet(_: MessagesState) -> State:
        person = turn_in_hand().person
        return {"messages": [AIMessage(f"Hello {person.name if person else 'nobody'}.")]}

    assert answer(await events_of(graph_with(greet))) == "Hello alice."


async def test_a_graph_that_remembers_keeps_a_thread_for_each_conversation() -> None:
    model, given = recorded("One.", "Two.", "Three.")
    graph = graph_of(model, checkpointer=InMemorySaver())
    history = [agent_pb2.Message(id="old", sender=PERSON, parts=[agent_pb2.Part(text="Long ago.")])]
    await events_of(graph, turn_of("first", conversation_id="c-1"))
    await events_of(graph, turn_of("other", conversation_id="c-2"))
    await events_of(graph, turn_of("second", conversation_id="c-1", history=history))
    assert [[message.text for message in messages] for messages in given] == [
        ["first"],
        ["other"],
        ["first", "One.", "second"],
    ]


async def test_a_second_attempt_does_not_say_the_same_twice() -> None:
    model, given = recorded("One.", "Two.")
    graph = graph_of(model, checkpointer=InMemorySaver())
    said = [agent_pb2.Message(id="m-1", sender=PERSON, parts=[agent_pb2.Part(text="hello")])]
    for attempt in (1, 2):
        await events_of(graph, turn_of(input=said, attempt=attempt))
    assert [str(message.text) for message in given[1]].count("hello") == 1


async def test_a_graph_that_asks_a_person_fails_the_turn_with_a_reason() -> None:
    def ask(_: MessagesState) -> State:
        return {"messages": [AIMessage(interrupt("May I?"))]}

    events = await events_of(graph_with(ask, checkpointer=InMemorySaver()))
    assert events[-1].failed.text == "The agent stopped to ask a question, and questions cannot be passed on yet."


async def test_an_error_in_a_node_fails_the_turn_and_says_nothing_of_itself() -> None:
    def trip(_: MessagesState) -> State:
        raise ValueError("password=hunter2")

    events = await events_of(graph_with(trip))
    assert (events[-1].failed.code, events[-1].failed.text) == ("internal", "The agent failed.")


async def test_a_graph_that_goes_in_circles_is_stopped() -> None:
    graph: Any = graph_of(model_that_says(*[calls_search()] * 9)).with_config(recursion_limit=6)
    events = await events_of(graph, gateway=Shelf(answer=SkillAnswer(text="nobody")))
    assert events[-1].failed.text == "The agent went in circles and was stopped."


async def test_a_graph_that_says_nothing_fails_the_turn() -> None:
    events = await events_of(graph_with(silent))
    assert events[-1].failed.text == "The agent came to its end without an answer."


async def test_what_a_node_says_without_a_model_is_heard_too() -> None:
    events = await events_of(graph_with(says("Plainly.")))
    assert (heard(events), answer(events)) == ("Plainly.", "Plainly.")


async def test_what_a_node_writes_goes_out_as_a_status_or_as_it_is() -> None:
    def write(_: MessagesState) -> State:
        writer = get_stream_writer()
        writer("Reads 20 profiles.")
        writer(artifact("a;b", id="table"))
        writer({"private": "not for others"})
        return {"messages": [AIMessage("Done.")]}

    events = await events_of(graph_with(write))
    assert statuses(events) == ["Reads 20 profiles."]
    assert [event.artifact.id for event in events if event.WhichOneof("event") == "artifact"] == ["table"]


async def test_a_model_with_the_tag_nostream_is_not_heard() -> None:
    thinker = model_that_says("the user is confused").with_config(tags=["nostream"])

    async def think(state: MessagesState) -> State:
        await thinker.ainvoke(state["messages"])
        return {}

    events = await events_of(graph_with(think, says("Hello.")))
    assert heard(events) == "Hello."


async def test_what_is_said_within_a_graph_of_a_graph_is_its_own_business() -> None:
    inner: Any = graph_of(model_that_says("draft"))

    async def delegate(state: MessagesState) -> State:
        drafted = await inner.ainvoke({"messages": state["messages"]})
        return {"messages": [AIMessage(drafted["messages"][-1].text.upper())]}

    events = await events_of(graph_with(delegate))
    assert (heard(events), answer(events)) == ("DRAFT", "DRAFT")


async def test_of_two_models_that_speak_at_once_one_is_heard() -> None:
    in_turns = asyncio.Barrier(2)

    class Alternating(ScriptedChatModel):
        async def _astream(self, *given: Any, **settings: Any) -> AsyncIterator[Any]:
            words: Any = super()
            async for chunk in words._astream(*given, **settings):
                await in_turns.wait()
                yield chunk

    def speaker(words: str) -> Callable[[MessagesState], Awaitable[State]]:
        def script(*_: object) -> AIMessage:
            return AIMessage(words)

        model: Any = Alternating(script=script)

        async def node(state: MessagesState) -> State:
            return {"messages": [await model.ainvoke(state["messages"])]}

        return node

    builder: Any = StateGraph(MessagesState)
    for name, words in (("a", "one one one"), ("b", "two two two")):
        builder.add_node(name, speaker(words))
        builder.add_edge(START, name)
    assert heard(await events_of(builder.compile())) in {"one one one", "two two two"}


async def test_a_node_may_end_the_turn_and_is_cancelled_then() -> None:
    cancelled = asyncio.Event()

    async def end_it(_: MessagesState) -> State:
        get_stream_writer()(done("That is all."))
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return {}

    assert answer(await events_of(graph_with(end_it))) == "That is all."
    await asyncio.wait_for(cancelled.wait(), 10)


async def test_what_an_agent_was_told_to_answer_with_is_data() -> None:
    class Found(BaseModel):
        total: int

    class Answering(TypedDict):
        messages: Annotated[list[AnyMessage], add_messages]
        structured_response: Found

    def count(_: Answering) -> State:
        return {"structured_response": Found(total=3), "messages": [AIMessage("Three.")]}

    said, made = (await events_of(graph_with(count, state=Answering)))[-1].done.parts
    assert (said.text, made.data.struct_value["total"]) == ("Three.", 3)


async def test_a_turn_that_is_cancelled_cancels_its_nodes() -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def linger(_: MessagesState) -> State:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return {}

    turn = asyncio.create_task(events_of(graph_with(linger)))
    await began.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await asyncio.wait_for(cancelled.wait(), 10)


async def test_a_turn_whose_time_is_up_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def linger(_: MessagesState) -> State:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(runner, "_LATE", 0.0)
    hand = in_hand(turn_of("hello"), ends_at=0.0)
    (event,) = [event async for event in speak(answer_with(graph_with(linger)), hand)]
    assert (event.failed.code, event.failed.retryable) == ("deadline_passed", True)


async def test_a_node_that_blocks_a_thread_does_not_keep_a_cancelled_turn() -> None:
    began, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def block(_: MessagesState) -> State:
        loop.call_soon_threadsafe(began.set)
        release.wait()
        return {}

    turn = asyncio.create_task(events_of(graph_with(block)))
    await began.wait()
    turn.cancel()
    try:
        with pytest.raises(asyncio.CancelledError):
            await turn
    finally:
        release.set()


class Numbers(TypedDict):
    number: int


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (StateGraph(MessagesState), "The graph is not compiled: give what its compile() returns."),
        ("graph", "A compiled LangGraph graph is expected, not str."),
        (graph_with(silent, state=Numbers), "The graph's input has no list `messages`: a state such as"),
    ],
)
def test_a_graph_that_cannot_answer_messages_is_refused(graph: Any, reason: str) -> None:
    with pytest.raises(UnfitGraph) as refused:
        answer_with(graph)
    assert str(refused.value).startswith(reason)
