"""Graphs for tests, played by the demo's scripted model; and a gateway that offers skills."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interchange_client.errors import GatewayError
from interchange_client.gateway import Skill, SkillAnswer
from interchange_client.langgraph import Graph
from interchange_client.langgraph_loading import load_graph
from interchange_client.langgraph_skills import skills
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from tests.support.client_turns import QuietGateway

HIRING = Path(__file__).parents[2] / "examples" / "hiring"
ScriptedChatModel: Any = load_graph(f"{HIRING / 'scripted_model.py'}:ScriptedChatModel")
SEARCH = Skill(
    name="candidates_search",
    id="candidates.search",
    description="Search candidates.",
    input_schema={"type": "object", "properties": {"query": {"type": "string"}, "config": {"type": "string"}}},
)

Node = Callable[[Any], Any]


@dataclass
class Shelf(QuietGateway):
    """Offers skills, and may refuse to answer calls."""

    offered: tuple[Skill, ...] = (SEARCH,)
    failure: GatewayError | None = None

    async def skills(self, *, turn_token: str = "", seconds: float = 60.0) -> tuple[Skill, ...]:
        await super().skills(turn_token=turn_token, seconds=seconds)
        return self.offered

    async def call(
        self, skill: str, arguments: Mapping[str, Any], *, turn_token: str = "", seconds: float = 60.0
    ) -> SkillAnswer:
        if self.failure is not None:
            raise self.failure
        return await super().call(skill, arguments, turn_token=turn_token, seconds=seconds)

    @property
    def operations(self) -> list[str]:
        """What was asked of it, in order."""
        return [operation for operation, *_ in self.asked]


def model_that_says(*said: str | AIMessage) -> Any:
    """A model that says these one after the other."""
    return recorded(*said)[0]


def recorded(*said: str | AIMessage) -> tuple[Any, list[Sequence[BaseMessage]]]:
    """A model that says these, and the conversations that it was given each time."""
    turns: Iterator[str | AIMessage] = iter(said)
    heard: list[Sequence[BaseMessage]] = []

    def script(messages: Sequence[BaseMessage], _: Sequence[str]) -> AIMessage:
        heard.append(messages)
        now = next(turns)
        return now if isinstance(now, AIMessage) else AIMessage(now)

    return ScriptedChatModel(script=script), heard


def calls_search(text: str = "", **arguments: str) -> AIMessage:
    """A message that calls candidates_search."""
    return AIMessage(
        text,
        tool_calls=[
            {"name": "candidates_search", "args": arguments or {"query": "rust"}, "id": "1", "type": "tool_call"}
        ],
    )


def graph_of(model: Any, **compiling: Any) -> Graph:
    """A model and its tools: those of the turn in hand."""

    async def think(state: MessagesState) -> dict[str, Any]:
        tools = await skills("candidates.search")
        return {"messages": [await (model.bind_tools(tools) if tools else model).ainvoke(state["messages"])]}

    async def act(state: MessagesState) -> Any:
        return await ToolNode(await skills("candidates.search")).ainvoke(state)

    builder: Any = StateGraph(MessagesState)
    builder.add_node("think", think)
    builder.add_node("tools", act)
    builder.add_edge(START, "think")
    builder.add_conditional_edges("think", tools_condition)
    builder.add_edge("tools", "think")
    return builder.compile(**compiling)


def says(text: str) -> Node:
    """A node that adds a message."""
    return lambda _: {"messages": [AIMessage(text)]}


def graph_with(*nodes: Node, state: Any = MessagesState, **compiling: Any) -> Graph:
    """Nodes one after the other."""
    builder: Any = StateGraph(state)
    before = START
    for index, node in enumerate(nodes):
        builder.add_node(f"n{index}", node)
        builder.add_edge(before, f"n{index}")
        before = f"n{index}"
    return builder.compile(**compiling)
