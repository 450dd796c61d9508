"""The examiner on an MCP server that nobody here wrote, fastmcp. What is not held there was checked by hand."""

from collections.abc import Generator, Mapping
from typing import Any

import fastmcp
import pytest

from conformance.mcp.checks import PAPER
from conformance.runner import Finding, examine
from conformance.subject import Told, ToolCall
from conformance.verdict import Broke, Held, NotOffered
from conformance.wire import Wires
from tests.support.web import bound, serving

BROKEN = {
    "mcp.http.origin": "it looks at no Origin: a page of any site gets HTTP 200 and the list of tools",
    "mcp.call.unknown-tool": "it answers a result with isError («Unknown tool: …»), not error -32602",
    "mcp.pages.invalid-cursor": "without pages, which are off by default, it ignores any cursor",
}
NOT_OFFERED = {
    "mcp.version.initialize": "it answers initialize, so old clients are served",
    "mcp.headers.version-missing": "it also speaks 2025-03-26, which had no such header",
    "mcp.headers.param-missing": "no tool has x-mcp-header",
    "mcp.headers.param-mismatch": "no tool has x-mcp-header",
    "mcp.tools.header-annotations": "no tool has x-mcp-header",
    "mcp.http.get": "GET belongs to the older revisions that it speaks",
    "mcp.http.delete": "DELETE belongs to the older revisions that it speaks",
    "mcp.pages.complete": "there is one page",
    "mcp.pages.stable": "there is one page",
    "mcp.cache.pages-scope": "there is one page",
    "mcp.listen.acknowledged": "tools.listChanged is false",
    "mcp.listen.subscription-id": "tools.listChanged is false",
    "mcp.listen.only-asked": "tools.listChanged is false",
    "mcp.listen.unbuffered": "tools.listChanged is false",
} | {name: "it wants no token" for name in PAPER.checks if name.startswith("mcp.auth.")}
ONLY_IN_A_STREAM = {"mcp.http.stream-requests", "mcp.http.stream-end", "mcp.progress.token", "mcp.progress.rises"}


def weather_server(**settings: Any) -> Any:
    """A server as its users write it."""
    server: Any = fastmcp.FastMCP("weather", version="1.0", **settings)

    def temperature(city: str) -> dict[str, float]:
        return {"celsius": 21.5 + len(city)}

    async def watch(city: str, context: fastmcp.Context) -> str:
        for step in (1, 2, 3):
            await context.report_progress(step, 3, city)
        return city

    def forget(city: str) -> str:
        raise AssertionError(f"the examiner made it forget {city}")

    def cities() -> str:
        return "Dublin"

    def ask(city: str) -> str:
        return f"How warm is it in {city}?"

    server.tool(temperature, annotations={"readOnlyHint": True})
    server.tool(watch)
    server.tool(forget)
    server.resource("weather://cities")(cities)
    server.prompt(ask)
    return server


@pytest.fixture(scope="module")
def weather() -> Generator[str]:
    with bound() as (door, url), serving(weather_server().http_app(path="/mcp"), door, lifespan="on"):
        yield f"{url}/mcp"


async def examined(url: str, tool: ToolCall | None = None) -> Mapping[str, Finding]:
    findings = examine(PAPER, Told(url=url, tool=tool), wires=Wires(token=None, seconds=30), seconds=30)
    return {one.requirement.id: one async for one in findings}


async def test_every_verdict_on_fastmcp_is_the_one_found_by_hand(weather: str) -> None:
    findings = await examined(weather)
    assert {name for name, one in findings.items() if isinstance(one.outcome, Broke)} == set(BROKEN)
    not_offered = {name for name, one in findings.items() if isinstance(one.outcome, NotOffered)}
    assert not_offered == set(NOT_OFFERED) | ONLY_IN_A_STREAM
    assert all(isinstance(one.outcome, Held | Broke | NotOffered) for one in findings.values())


async def test_a_tool_that_reports_progress_shows_what_streams_are_like(weather: str) -> None:
    findings = await examined(weather, ToolCall(name="watch", arguments={"city": "Dublin"}))
    assert all(isinstance(findings[name].outcome, Held) for name in ONLY_IN_A_STREAM)


async def test_pages_are_judged_where_there_are_some() -> None:
    app = weather_server(list_page_size=2).http_app(path="/mcp")
    with bound() as (door, url), serving(app, door, lifespan="on"):
        findings = await examined(f"{url}/mcp")
    paged = ("mcp.pages.complete", "mcp.pages.stable", "mcp.pages.invalid-cursor", "mcp.cache.pages-scope")
    assert all(isinstance(findings[name].outcome, Held) for name in paged)
