"""What names may look like, and how one follows from another."""

import re

AGENT_NAME = re.compile(r"[a-z0-9_]{1,40}")
SKILL_NAME = re.compile(r"[a-z0-9_]{1,60}")
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,200}")
VERSION = re.compile(
    r"(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})(?:-[0-9A-Za-z.-]{1,60})?(?:\+[0-9A-Za-z.-]{1,60})?",
    re.ASCII,
)
SHOWN_URLS = ("https://", "http://", "data:image/")
"""How a URL begins that people's programs may open or show."""

RESERVED_TOOLS = frozenset({"interchange_result"})
"""Tools of the gateway itself."""


def snake_case(name: str) -> str:
    """`GetHTTPStatus` → `get_http_status`."""
    split = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", split).lower()


def words(name: str) -> str:
    """`search_candidates` → `Search candidates`."""
    text = " ".join(name.replace("_", " ").split())
    return text[:1].upper() + text[1:]


def tool_name(agent: str, skill: str) -> str:
    """How MCP clients see a skill that has no name of its own there."""
    return f"{agent}_{skill}"
