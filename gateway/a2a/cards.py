"""The card of an agent: what a client reads before it writes to one (A2A 1.0, section 4.4).

Pure: an agent, those of its skills that the reader may list, and what is offered here, in; the card as JSON out. It
neither decides what a reader may see nor signs. INVARIANT: no member of a card is empty or has the value that its type
in the protocol has anyway, save what is `optional` there. So it comes out of an SDK's types as it went in, and its
signature holds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.a2a.asked import OLDEST, VERSION
from gateway.a2a.card_security import TokenIssuer, security_requirements, security_schemes
from registry.catalog import AgentEntry, SkillEntry
from registry.model import Agent, Extension, JsonObject, JsonValue, Skill

CONVERSE: Final = "converse"
"""The card skill of an agent that answers messages; no skill has this id, since theirs have a dot."""
JSON: Final = "application/json"
TEXT: Final = "text/plain"

_BINDINGS: Final = ("JSONRPC", "HTTP+JSON")  # the first is preferred
_REVISIONS: Final = (VERSION, OLDEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Where the agents are, and whose tokens open them. `grpc` is the address of the gRPC door; empty: on no card."""

    public_url: str
    issuer: TokenIssuer
    grpc: str = ""


def agent_url(public_url: str, name: str) -> str:
    """The one URL of an agent, for both bindings of HTTP."""
    return f"{public_url.rstrip('/')}/agents/{name}"


def write_card(
    entry: AgentEntry, skills: Sequence[SkillEntry], offer: Offer, *, all_interfaces: bool = False
) -> JsonObject:
    """The card of an agent, without signatures; of its skills, it has these and in this order.

    There are clients that refuse a card if any of its interfaces is not HTTP: gRPC is only among `all_interfaces`.
    """
    agent, shown = entry.agent, [found.skill for found in skills]
    modes = [TEXT, JSON] if agent.converses else [JSON]
    taken = [*modes, *agent.input_modes] if agent.converses else modes
    return without_empty(
        {
            "name": agent.title or agent.name,
            "description": agent.description or agent.title or agent.name,
            "version": agent.version,
            "provider": _provider(agent, offer),
            "iconUrl": agent.icon_url,
            "documentationUrl": agent.documentation_url,
            "supportedInterfaces": [
                *_over_http(agent_url(offer.public_url, agent.name)),
                *([_over_grpc(agent, offer)] if all_interfaces and offer.grpc else []),
            ],
            "capabilities": {
                "streaming": True,
                "pushNotifications": True,
                "extendedAgentCard": True,
                "extensions": [_extension(one) for one in agent.extensions],
            },
            "securitySchemes": security_schemes(offer.issuer, {scope for skill in shown for scope in skill.scopes}),
            "securityRequirements": security_requirements(offer.issuer),
            "defaultInputModes": taken,
            "defaultOutputModes": modes,
            "skills": [*([_converse(agent)] if agent.converses else []), *(_skill(one, offer) for one in shown)],
        }
    )


def _over_http(url: str) -> Sequence[JsonObject]:
    """Every binding in every revision, the newest first: all at one URL."""
    return [
        {"url": url, "protocolBinding": binding, "protocolVersion": revision}
        for revision in _REVISIONS
        for binding in _BINDINGS
    ]


def _over_grpc(agent: Agent, offer: Offer) -> JsonObject:
    """gRPC has no path: which agent is meant, its client says as tenant."""
    return {"url": offer.grpc, "protocolBinding": "GRPC", "protocolVersion": VERSION, "tenant": agent.name}


def without_empty(members: Mapping[str, JsonValue]) -> JsonObject:
    """A JSON object with nothing empty left in it, however deep: no text, list or object without content."""
    kept = {name: _filled(value) for name, value in members.items()}
    return {name: value for name, value in kept.items() if _says_something(value)}


def _filled(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return without_empty(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [filled for filled in map(_filled, value) if _says_something(filled)]
    return value


def _says_something(value: JsonValue) -> bool:
    """Numbers and booleans always do."""
    return bool(value) or isinstance(value, bool | int | float)


def _provider(agent: Agent, offer: Offer) -> JsonObject:
    """Who stands behind the agent; the protocol demands a URL with it."""
    if not agent.provider:
        return {}
    return {"organization": agent.provider, "url": agent.documentation_url or offer.public_url}


def _extension(extension: Extension) -> JsonObject:
    required: JsonObject = {"required": True} if extension.required else {}
    return {"uri": extension.uri, "description": extension.description, **required}


def _converse(agent: Agent) -> JsonObject:
    return {
        "id": CONVERSE,
        "name": "Converse",
        "description": f"Answers messages, in text or data. {agent.description}".strip(),
        "tags": agent.tags or (CONVERSE,),
        "examples": agent.examples,
        "inputModes": [TEXT, JSON, *agent.input_modes],
        "outputModes": [TEXT, JSON],
    }


def _skill(skill: Skill, offer: Offer) -> JsonObject:
    """One skill. Its examples are the data parts that call it."""
    return {
        "id": skill.id,
        "name": skill.title or skill.id,
        "description": skill.description or skill.title or skill.id,
        "tags": skill.tags or (skill.domain or skill.agent,),
        "examples": [_data_part(skill, arguments) for arguments in skill.examples],
        "inputModes": [JSON],
        "outputModes": [JSON, TEXT] if skill.speaks_for_itself else [JSON],
        "securityRequirements": security_requirements(offer.issuer, skill.scopes) if skill.scopes else (),
    }


def _data_part(skill: Skill, arguments: JsonObject) -> str:
    return json.dumps({"skill": skill.id, "arguments": arguments}, ensure_ascii=False)
