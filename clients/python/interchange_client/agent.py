"""Everything that an agent's process needs, in one place.

    async def answer(turn: TurnInHand):
        found = await turn.gateway.call("candidates.search", {"query": turn.text})
        yield f"I found {found.structured['total']} people."

    asyncio.run(serve(answer, name="greeter", domain="hiring", gateway="http://127.0.0.1:8420"))

The agent is a function; `serve` makes it an A2A endpoint and an MCP tool of the gateway, to which it attaches; with
`listen="127.0.0.1:0"` the gateway calls it instead. See README.md beside this package for what it may say, and for what
it is told.
"""

from interchange_client.conversations import Conversation
from interchange_client.conversing import ConversingAgent
from interchange_client.credentials import AgentCredentials
from interchange_client.deferring import DeferredTurn, deferred
from interchange_client.errors import AgentFailure, GatewayError, PublishRefused
from interchange_client.gateway import AgentAnswer, BoundGateway, Gateway, HttpGateway, Skill, SkillAnswer
from interchange_client.parts import Content, data_of, link, part, text_of
from interchange_client.servicing import mailbox_skills
from interchange_client.serving import serve
from interchange_client.speaking import speak
from interchange_client.tokens import InternalTokens
from interchange_client.turns import Answer, TurnInHand, artifact, delta, done, message, question, status

__all__ = [
    "AgentAnswer",
    "AgentCredentials",
    "AgentFailure",
    "Answer",
    "BoundGateway",
    "Content",
    "Conversation",
    "ConversingAgent",
    "DeferredTurn",
    "Gateway",
    "GatewayError",
    "HttpGateway",
    "InternalTokens",
    "PublishRefused",
    "Skill",
    "SkillAnswer",
    "TurnInHand",
    "artifact",
    "data_of",
    "deferred",
    "delta",
    "done",
    "link",
    "mailbox_skills",
    "message",
    "part",
    "question",
    "serve",
    "speak",
    "status",
    "text_of",
]
