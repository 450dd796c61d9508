"""Content: the parts that messages, results and artifacts are made of.

The words are those of `interchange.v1.Part`; how a part looks in MCP or A2A is its face's business.
"""

from dataclasses import dataclass, field

from registry.model.json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece of content: exactly one of text, raw bytes, a URL or data is set."""

    text: str | None = None
    raw: bytes | None = None
    url: str | None = None
    data: JsonValue = None
    media_type: str = ""
    filename: str = ""
    metadata: JsonObject = field(default_factory=dict[str, JsonValue])
