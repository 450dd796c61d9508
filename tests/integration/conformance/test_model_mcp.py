"""One mistake of a server breaks one requirement, and no other."""

import httpx
import pytest

from conformance.mcp.checks import PAPER
from conformance.runner import examine
from conformance.subject import Told
from conformance.verdict import Broke
from conformance.wire import Wires
from tests.support.model_mcp import TOKEN, URL, ModelMcp

ONLY_ON_A_SOCKET = "mcp.headers.name-case"
COMPANIONS = {
    # A code that is not MCP's own in place of the right one is also not the right one.
    "mcp.error.codes": {"mcp.error.unknown-method"},
}


@pytest.mark.parametrize("broken", [name for name in PAPER.checks if name != ONLY_ON_A_SOCKET])
async def test_exactly_the_requirement_that_the_model_breaks_is_broken(broken: str) -> None:
    wires = Wires(token=TOKEN, seconds=5, transport=httpx.ASGITransport(app=ModelMcp(breaks=broken)))
    findings = [one async for one in examine(PAPER, Told(url=URL), wires=wires, seconds=5)]
    found = {one.requirement.id for one in findings if isinstance(one.outcome, Broke)}
    assert found == {broken} | COMPANIONS.get(broken, set())
