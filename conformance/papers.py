"""The papers there are, by protocol. The order is that of a report."""

from collections.abc import Mapping
from typing import Any

from conformance.a2a.checks import PAPER as A2A
from conformance.mcp.checks import PAPER as MCP
from conformance.subject import Paper

PAPERS: Mapping[str, Paper[Any]] = {paper.protocol: paper for paper in (MCP, A2A)}
