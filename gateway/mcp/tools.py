"""Skills as MCP tools: the wire form of one, and the pages of a list.

A page begins after a skill, not at a number, so it stays right while skills come and go; order is that of skill ids.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from registry.catalog import SkillEntry
from registry.model import BadRequest, SkillId


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


class ToolShelf:
    """The wire forms already made, by pin: a tool is written once for each revision."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], dict[str, Any]] = {}

    def tool(self, entry: SkillEntry) -> dict[str, Any]:
        key = (entry.skill.id, entry.pin)
        if key not in self._made:
            self._made[key] = write_tool(entry)
        return self._made[key]

    def keep_only(self, skills: Mapping[SkillId, SkillEntry]) -> None:
        """Forget the forms of revisions that are no longer live."""
        live = {(entry.skill.id, entry.pin) for entry in skills.values()}
        self._made = {key: tool for key, tool in self._made.items() if key in live}


def write_cursor(after: SkillId) -> str:
    """An opaque cursor for the page that follows a skill."""
    return base64.urlsafe_b64encode(after.encode()).decode()


def read_cursor(cursor: str) -> str:
    """The skill after which a page begins; empty for the first.

    Raises:
        BadRequest: not a cursor of ours.
    """
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise BadRequest("Invalid cursor: ask for the list from its beginning.") from None
