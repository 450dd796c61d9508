"""The `assistant`: a LangGraph agent that looks candidates up, through the gateway, for whoever talks to it.

    interchange agents serve examples/hiring/assistant.py:graph --agent assistant --domain hiring …

It is an ordinary graph: a model that thinks, and tools that act. The tools are skills of the gateway, those that the
person who asks may use; the assistant has no rights of its own.
"""

# LangGraph's own types are not complete:
# pyright: reportUnknownMemberType=false

import importlib.util
import os
import sys

from interchange_client.langgraph_skills import skills
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import SystemMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from scripted_model import ScriptedChatModel, recruiting

SKILLS = ("candidates.search", "candidates.get")
PROMPT = SystemMessage(
    "You help recruiters to find candidates. Look people up with your tools and name those you found, in one line each."
    " Invent nobody. If a tool refuses, say plainly what you could not do and why; if you have none, say that whoever"
    " asks may not search candidates."
)
PROVIDERS = {
    "OPENAI_API_KEY": ("langchain_openai", "openai:gpt-5-mini"),
    "ANTHROPIC_API_KEY": ("langchain_anthropic", "anthropic:claude-haiku-4-5"),
}


def remark(sentence: str) -> None:
    """Say something to whoever started this; the demo shows it."""
    print(f"assistant: {sentence}", file=sys.stderr)


def chat_model() -> BaseChatModel:
    """The model of a provider whose key is in the environment; otherwise one that follows a script."""
    for key, (package, model) in PROVIDERS.items():
        if not os.environ.get(key):
            continue
        if importlib.util.find_spec(package) and importlib.util.find_spec("langchain"):
            from langchain.chat_models import init_chat_model  # pyright: ignore  # noqa: PLC0415 - only with a key

            chosen = os.environ.get("ASSISTANT_MODEL", model)
            remark(f"{chosen} answers.")
            return init_chat_model(chosen)  # pyright: ignore
        needed = f"pip install langchain {package.replace('_', '-')}"
        remark(f"{key} is set, but a model needs `{needed}`. A script answers.")
    if not any(map(os.environ.get, PROVIDERS)):
        remark("a script answers, for want of a provider's key.")
    return ScriptedChatModel(script=recruiting)


MODEL = chat_model()


async def think(state: MessagesState) -> MessagesState:
    """Have the model say what comes next: words for the person, or calls of tools."""
    tools = await skills(*SKILLS)
    model = MODEL.bind_tools(tools) if tools else MODEL
    return {"messages": [await model.ainvoke([PROMPT, *state["messages"]])]}


async def act(state: MessagesState) -> MessagesState:
    """Call the tools that the model asked for. What they refuse, the model reads."""
    return await ToolNode(await skills(*SKILLS)).ainvoke(state)


builder = StateGraph(MessagesState)
builder.add_node("think", think)
builder.add_node("tools", act)
builder.add_edge(START, "think")
builder.add_conditional_edges("think", tools_condition)
builder.add_edge("tools", "think")
graph = builder.compile(name="assistant")
