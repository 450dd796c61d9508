"""LangGraph: any compiled graph whose state is messages, as an agent.

    graph = builder.compile()
    await serve(answer_with(graph), name="assistant", domain="hiring", …)

What was said goes in as messages, a turn is one run, and the conversation is the thread of a graph that has a
checkpointer. What the models of the outermost graph say streams out as they say it. The answer itself is the last
message of the final state, so words before a call of a tool ("let me look") are heard while it works, and are gone at
the end. A model that is not to be heard carries LangGraph's own tag `nostream`. What a node writes to its stream writer
goes out too: a sentence as a status, a `TurnEvent` as it is.

Nodes reach the gateway by `skills` and `turn_in_hand`. LangSmith traces by its own environment variables alone.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from functools import partial
from typing import Any, Final, cast

from interchange.v1 import agent_pb2 as pb
from langchain_core._api import LangChainBetaWarning
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError
from langgraph.prebuilt import ToolCallTransformer
from langgraph.pregel import Pregel
from langgraph.stream import AsyncGraphRunStream, CustomTransformer, ProtocolEvent

from interchange_client.errors import AgentFailure
from interchange_client.langgraph_loading import UnfitGraph
from interchange_client.langgraph_messages import read_messages, write_parts
from interchange_client.langgraph_skills import IN_HAND, InHand, skills, turn_in_hand
from interchange_client.parts import part
from interchange_client.turns import Answer, TurnInHand, done, status

__all__ = ["Graph", "UnfitGraph", "answer_with", "check_graph", "skills", "turn_in_hand"]

Graph = Pregel[Any, Any, Any, Any]
"""What `StateGraph.compile()`, `create_agent()` and the like return."""

_LATE: Final = 1.0
"""Seconds after its deadline in which a turn ends by itself, unless whoever asked has ended it, as they should."""

_PAUSE: Final = "\n\n"
_STEP: Final = "langgraph_step"
_TASK: Final = "langgraph_checkpoint_ns"

# Version 3 is the protocol of agents' streams, and is what this module was written for; it says so itself.
warnings.filterwarnings("ignore", message="The v3 streaming protocol", category=LangChainBetaWarning)


def answer_with(graph: Graph) -> Answer:
    """Have a compiled graph answer. Its state has `messages`, as in `MessagesState`.

    Raises:
        UnfitGraph: it is not compiled, or its input or output has no list of messages.
    """
    check_graph(graph)
    return partial(_answer, graph)


def check_graph(graph: object) -> None:
    """Say no to what cannot answer, before anybody asks.

    Raises:
        UnfitGraph: as its text says.
    """
    if hasattr(graph, "compile"):
        raise UnfitGraph("The graph is not compiled: give what its compile() returns.")
    if not isinstance(graph, Pregel):
        raise UnfitGraph(f"A compiled LangGraph graph is expected, not {type(graph).__name__}.")
    fitting = cast("Graph", graph)
    for way, schema in (("input", fitting.get_input_jsonschema()), ("output", fitting.get_output_jsonschema())):
        if not _has_messages(schema):
            raise UnfitGraph(
                f"The graph's {way} has no list `messages`: a state such as langgraph.graph.MessagesState is expected."
            )


def _has_messages(schema: Mapping[str, Any]) -> bool:
    described = schema.get("properties", {}).get("messages", {})
    return described.get("type") == "array"


async def _answer(graph: Graph, hand: TurnInHand) -> AsyncIterator[str | pb.TurnEvent]:
    """One run of the graph: what it says on the way, then what it has said."""
    telling = _Telling()
    async with await _started(graph, hand) as run:
        events = aiter(run)
        while (event := await _next(events, hand)) is not None:
            for told in telling.of(event):
                yield told
        yield done(*await _ended(run))


def _started(graph: Graph, hand: TurnInHand) -> Awaitable[AsyncGraphRunStream]:
    agent, remembers = hand.turn.agent, bool(cast("object", graph.checkpointer))  # pyright: ignore[reportUnknownMemberType]
    said = hand.turn.input if remembers else [*hand.turn.history, *hand.turn.input]
    config: RunnableConfig = {
        "configurable": {"thread_id": hand.conversation, IN_HAND: InHand(hand)},
        "metadata": {"agent_name": agent},
    }
    settings: dict[str, Any] = {"durability": "sync"} if remembers else {}  # what was answered is remembered
    return cast("Any", graph).astream_events(
        {"messages": read_messages(said, agent=agent)},
        config,
        version="v3",
        transformers=[ToolCallTransformer, CustomTransformer],
        **settings,
    )


async def _next(events: AsyncIterator[ProtocolEvent], hand: TurnInHand) -> ProtocolEvent | None:
    """The next event of a run; None after the last.

    Raises:
        AgentFailure: there is no time left, or the graph goes in circles.
    """
    limit = asyncio.timeout(hand.remaining() + _LATE)
    try:
        async with limit:
            return await anext(events, None)
    except TimeoutError:
        if not limit.expired():  # a graph has deadlines of its own
            raise
        raise AgentFailure("The agent did not finish in time.", code="deadline_passed", retryable=True) from None
    except GraphRecursionError:
        raise AgentFailure("The agent went in circles and was stopped.", code="no_answer") from None


async def _ended(run: AsyncGraphRunStream) -> list[pb.Part]:
    """The answer, which the final state ends with.

    Raises:
        AgentFailure: it asks something instead, or says nothing.
    """
    if await run.interrupted():
        raise AgentFailure(
            "The agent stopped to ask a question, and questions cannot be passed on yet.", code="unsupported"
        )
    state = await run.output() or {}
    messages = cast("list[BaseMessage]", state.get("messages") or [])
    last = messages[-1] if messages else None
    parts = write_parts(last) if isinstance(last, AIMessage) else []
    if (made := state.get("structured_response")) is not None:  # of agents that were told what to answer with
        parts.append(part(made.model_dump(mode="json") if hasattr(made, "model_dump") else made))
    if not parts:
        raise AgentFailure("The agent came to its end without an answer.", code="no_answer")
    return parts


class _Telling:
    """What of a run's events others are told, in order. One message is heard at a time, the first that began."""

    def __init__(self) -> None:
        self._heard: Mapping[str, Any] = {}
        """What LangGraph says about the message that is being heard."""
        self._has_spoken = False
        self._pause = ""
        self._tools: dict[str, str] = {}

    def of(self, event: ProtocolEvent) -> Iterator[str | pb.TurnEvent]:
        """What one event tells: text of the answer, or an event of the turn."""
        params = event["params"]
        match event["method"]:
            case "messages" if not params["namespace"]:  # deeper ones are the graph's own business
                yield from self._words(*params["data"])
            case "tools":
                yield from self._activity(params["data"])
            case "custom":
                yield from _written(params["data"])
            case _:
                pass

    def _words(self, said: Mapping[str, Any] | BaseMessage, about: Mapping[str, Any]) -> Iterator[str]:
        if isinstance(said, BaseMessage):  # of a model that does not stream, or made by a node
            if isinstance(said, AIMessage) and not isinstance(said, AIMessageChunk) and not self._hears_another(about):
                yield from self._paused(said.text)
                self._pause = _PAUSE
        elif said["event"] == "message-start" and not self._hears_another(about):
            self._heard, self._pause = about, _PAUSE
        elif self._heard.get("run_id") != about.get("run_id"):
            return
        elif said["event"] == "content-block-delta" and said["delta"].get("type") == "text-delta":
            yield from self._paused(said["delta"]["text"])
        elif said["event"] == "message-finish":
            self._heard, self._pause = {}, _PAUSE

    def _hears_another(self, about: Mapping[str, Any]) -> bool:
        """Whether the message that is being heard is of another node that runs at the same time."""
        heard = self._heard
        return heard.get(_STEP) == about.get(_STEP) and heard.get(_TASK) != about.get(_TASK)

    def _paused(self, text: str) -> Iterator[str]:
        """A text, with the pause before it that is due after another message."""
        if text:
            yield (self._pause if self._has_spoken else "") + text
            self._has_spoken, self._pause = True, ""

    def _activity(self, data: Mapping[str, Any]) -> Iterator[pb.TurnEvent]:
        call = str(data["tool_call_id"])
        if data["event"] == "tool-started":
            self._tools[call] = str(data["tool_name"])
            yield status(f"Calls {self._tools[call]}.")
        elif data["event"] == "tool-error":
            yield status(f"{self._tools.get(call, 'A tool')} failed.")


def _written(data: object) -> Iterator[pb.TurnEvent]:
    """What a node wrote to its stream writer, where it is meant for others."""
    if isinstance(data, str):
        yield status(data)
    elif isinstance(data, pb.TurnEvent):
        yield data
