"""An examination: the papers of some protocols put before one server, in order."""

from collections.abc import Callable, Collection, Sequence

from conformance.papers import PAPERS
from conformance.report import Report
from conformance.requirement import Level
from conformance.runner import Finding, examine
from conformance.subject import Told
from conformance.wire import Wires

SECONDS = 30.0
"""How long a check may take; each of its requests has the same bound."""


async def examination(
    told: Told,
    *,
    wires: Wires,
    protocols: Sequence[str] = tuple(PAPERS),
    only: Collection[str] = (),
    fatal: Collection[Level] = (Level.MUST,),
    seconds: float = SECONDS,
    watch: Callable[[Finding], None] = lambda _: None,
) -> Report:
    """Examine a server. `watch` is told each finding as it comes; `only` names requirements, and none means all."""
    findings: list[Finding] = []
    for protocol in protocols:
        async for finding in examine(PAPERS[protocol], told, wires=wires, seconds=seconds, only=only):
            findings.append(finding)
            watch(finding)
    return Report(url=told.url, findings=findings, fatal=fatal)
