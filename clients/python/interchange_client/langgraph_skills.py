"""Skills as LangGraph tools: what a node can do through the gateway, for whoever the turn in hand is about.

Which skills there are depends on who asks, so tools are made anew in each turn, inside a node:

    async def think(state):
        tools = await skills("candidates.search")
        return {"messages": [await model.bind_tools(tools).ainvoke(state["messages"])]}

    async def act(state):
        return await ToolNode(await skills("candidates.search")).ainvoke(state)

Calling one calls the gateway, as this agent, for that chain. What the gateway or the service has against a call becomes
a tool message that the model reads; a gateway that cannot be reached ends the turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from langchain_core.tools import BaseTool, ToolException
from langgraph.config import get_config

from interchange_client.errors import GatewayError
from interchange_client.gateway import BoundGateway
from interchange_client.skill_calls import Skill
from interchange_client.turns import TurnInHand

IN_HAND: Final = "__interchange_turn"
"""Where a run's configuration keeps the turn; with this prefix, LangChain keeps it out of traces and checkpoints."""
_ENDS_THE_TURN: Final = frozenset({"unauthenticated", "unavailable"})
"""Codes of errors that no model can do anything about."""


@dataclass(slots=True)
class InHand:
    """The turn that a run of a graph answers, and what the gateway offers in it, asked for once."""

    turn: TurnInHand
    offered: tuple[Skill, ...] | None = field(default=None)


async def skills(*names: str) -> list[BaseTool]:
    """The skills of these ids or names, or all there are, as tools for the turn in hand.

    Only what everybody in the turn's chain may see is offered; whatever else was named is left out.

    Raises:
        RuntimeError: no turn is in hand: this is not called from a node of a graph that answers one.
        GatewayError: the gateway does not answer.
    """
    held = _held()
    if held.offered is None:
        held.offered = tuple(await held.turn.gateway.skills())
    wanted = [each for each in held.offered if not names or each.id in names or each.name in names]
    return [_tool(skill, held.turn.gateway) for skill in wanted]


def turn_in_hand() -> TurnInHand:
    """The turn that the running graph answers.

    Raises:
        RuntimeError: no turn is in hand.
    """
    return _held().turn


def _held() -> InHand:
    held = get_config().get("configurable", {}).get(IN_HAND)
    if not isinstance(held, InHand):
        raise RuntimeError(  # noqa: TRY004 - a fault of where this is called, not of a type
            "No turn is in hand: call this in a node of a graph that interchange_client serves."
        )
    return held


class SkillTool(BaseTool):
    """One skill, bound to one turn."""

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True  # what is wrong with a call is for the model to read
    gateway: Any  # a BoundGateway; pydantic would copy one it knew

    async def _arun(self, /, **arguments: Any) -> tuple[str, Any]:
        try:
            answer = await self.gateway.call(self.name, arguments)
        except GatewayError as error:
            if error.code in _ENDS_THE_TURN:
                raise
            raise ToolException(error.message) from error
        if answer.is_error:
            raise ToolException(answer.text or "The skill failed and did not say why.")
        return answer.text, answer.structured

    def _run(self, /, **arguments: Any) -> tuple[str, Any]:
        raise NotImplementedError(f"{self.name} is called over the network: use ainvoke, or an async node.")


def _tool(skill: Skill, gateway: BoundGateway) -> SkillTool:
    schema: Mapping[str, Any] = skill.input_schema or {"type": "object", "properties": {}}
    return SkillTool(
        name=skill.name,
        description=skill.description or skill.title or skill.name,
        args_schema=dict(schema),
        gateway=gateway,
    )
