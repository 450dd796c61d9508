"""Skills, and agents that converse, as MCP tools: the wire form of one, and the pages of a list.

A page begins after a name, not at a number, so it stays right while tools come and go; order is that of skill ids and
agents' names.
"""

import base64
import binascii
from typing import Any

from registry.catalog import AgentEntry, Catalog, SkillEntry
from registry.messages import MESSAGE_INPUT, MESSAGE_OUTPUT
from registry.model import BadRequest, Pin, SkillId


def write_tool(entry: SkillEntry) -> dict[str, Any]:
    """A skill as a `Tool` (MCP 2026-07-28, server/tools)."""
    skill, hints = entry.skill, entry.skill.hints
    tool: dict[str, Any] = {
        "name": skill.tool_name,
        "title": skill.title,
        "description": skill.description or skill.title,
        "inputSchema": skill.input_schema,
        "annotations": {
            "title": skill.title,
            "readOnlyHint": hints.read_only,
            "destructiveHint": hints.destructive,
            "idempotentHint": hints.idempotent,
            "openWorldHint": hints.open_world,
        },
        "_meta": {"interchange/skill": skill.id, "interchange/pin": entry.pin},
    }
    if skill.output_schema is not None:
        tool["outputSchema"] = skill.output_schema
    return tool


def write_agent_tool(entry: AgentEntry) -> dict[str, Any]:
    """An agent that converses as a `Tool`. What it may destroy, it destroys by calls of its own, decided one by one."""
    agent = entry.agent
    said = f"{agent.description or agent.title} Say in words what you want; it answers in words."
    examples = f" For example: {'; '.join(agent.examples)}" if agent.examples else ""
    return {
        "name": agent.name,
        "title": agent.title,
        "description": said + examples,
        "inputSchema": MESSAGE_INPUT,
        "outputSchema": MESSAGE_OUTPUT,
        "annotations": {
            "title": agent.title,
            "readOnlyHint": False,
            "destructiveHint": False,
            "idempotentHint": False,
            "openWorldHint": True,
        },
        "_meta": {"interchange/agent": agent.name, "interchange/pin": entry.pin},
    }


class ToolShelf:
    """The wire forms already made, by pin: a tool is written once for each revision."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Pin], dict[str, Any]] = {}

    def tool(self, catalog: Catalog, name: str) -> dict[str, Any] | None:
        """The tool that a skill or an agent is; None where the catalog has neither."""
        entry = catalog.skills.get(SkillId(name)) or catalog.agent(name)
        if entry is None:
            return None
        key = (name, entry.pin)
        if key not in self._made:
            self._made[key] = write_tool(entry) if isinstance(entry, SkillEntry) else write_agent_tool(entry)
        return self._made[key]

    def keep_only(self, catalog: Catalog) -> None:
        """Forget the forms of revisions that are no longer live."""
        named = (*catalog.skills.items(), *catalog.agents.items())
        live: set[tuple[str, Pin]] = {(name, entry.pin) for name, entry in named}
        self._made = {key: tool for key, tool in self._made.items() if key in live}


def write_cursor(after: str) -> str:
    """An opaque cursor for the page that follows a skill or an agent."""
    return base64.urlsafe_b64encode(after.encode()).decode()


def read_cursor(cursor: str) -> str:
    """The name after which a page begins; empty for the first.

    Raises:
        BadRequest: not a cursor of ours.
    """
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise BadRequest("Invalid cursor: ask for the list from its beginning.") from None
