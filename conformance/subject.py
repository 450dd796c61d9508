"""The subject of an examination: the server, and what the examiner was told of it.

Each protocol adds what it found out for itself (`conformance.mcp.survey.McpSubject`, …); a check is an async function
of such a subject. `Paper` puts a protocol's checks together: its exam paper.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from conformance.verdict import Verdict
from conformance.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that may be called, and with which arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the person who asked for the examination said.

    `agents` are addresses of agents or of their cards; `message` is a text, or `data` JSON, that may be sent to them.
    """

    url: str
    tool: ToolCall | None = None
    agents: tuple[str, ...] = ()
    message: str | None = None
    data: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A server under examination. `wire` is a fresh one for each check, so that its exchanges are that check's."""

    told: Told
    wire: Wire


S = TypeVar("S", bound=Subject)
Check: TypeAlias = Callable[[S], Awaitable[Verdict]]
Survey: TypeAlias = Callable[[Told, Wire], Awaitable[S]]
"""Finds out what a server offers before the checks run. It judges nothing, and a server's mistakes are no errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper(Generic[S]):
    """All that is asked in one protocol: the survey that goes before, and the check of each requirement by its id."""

    protocol: str
    survey: Survey[S]
    checks: Mapping[str, Check[S]]
