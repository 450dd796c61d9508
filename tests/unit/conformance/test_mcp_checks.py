"""Each check of MCP holds on the model server, and breaks when the model breaks its requirement."""

import asyncio

import httpx
import pytest

from conformance.mcp.checks import PAPER
from conformance.runner import Finding, examine
from conformance.subject import Told, ToolCall
from conformance.verdict import Broke, Held, NotOffered, Unexamined
from conformance.wire import Wires
from tests.support.model_mcp import TOKEN, URL, ModelMcp

ONLY_ON_A_SOCKET = "mcp.headers.name-case"  # in process, names of headers come in small letters only


async def examined(
    model: ModelMcp, *, only: str = "", token: str | None = TOKEN, told: Told | None = None
) -> dict[str, Finding]:
    wires = Wires(token=token, seconds=5, transport=httpx.ASGITransport(app=model))
    ids = {only} if only else set[str]()
    findings = examine(PAPER, told or Told(url=URL), wires=wires, seconds=5, only=ids)
    return {one.requirement.id: one async for one in findings}


async def test_the_model_holds_everything() -> None:
    findings = await examined(ModelMcp())
    assert [name for name, one in findings.items() if not isinstance(one.outcome, Held)] == []


@pytest.mark.parametrize("broken", [name for name in PAPER.checks if name != ONLY_ON_A_SOCKET])
async def test_each_requirement_can_be_broken(broken: str) -> None:
    finding = (await examined(ModelMcp(breaks=broken), only=broken))[broken]
    assert isinstance(finding.outcome, Broke)
    assert finding.exchanges


async def test_a_server_that_knows_only_small_letters_in_names_is_found_out() -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shouted = b"MCP-METHOD" in await reader.readuntil(b"\r\n\r\n")
        body = b'{"jsonrpc": "2.0", "id": "examiner-1", "result": {"tools": []}}'
        head = b"HTTP/1.1 400 Bad Request" if shouted else b"HTTP/1.1 200 OK"
        kind = b"Content-Type: application/json\r\nConnection: close"
        writer.write(head + b"\r\n" + kind + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        told = Told(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp")
        wires = Wires(token=None, seconds=5)
        only = {ONLY_ON_A_SOCKET}
        (finding,) = [one async for one in examine(PAPER, told, wires=wires, seconds=5, only=only)]
    assert isinstance(finding.outcome, Broke)


async def test_without_a_token_only_what_needs_none_is_judged() -> None:
    findings = await examined(ModelMcp(), token=None)
    held = {name for name, one in findings.items() if isinstance(one.outcome, Held)}
    assert held == {
        name
        for name in PAPER.checks
        if name.startswith("mcp.auth.") and name not in {"mcp.auth.altered-token", "mcp.auth.query-token"}
    } | {"mcp.http.origin"}
    assert {name: one.outcome for name, one in findings.items() if not isinstance(one.outcome, Held | NotOffered)} == {}


async def test_a_token_that_is_refused_leaves_requirements_unexamined() -> None:
    findings = await examined(ModelMcp(), token="expired")
    assert isinstance(findings["mcp.tools.list"].outcome, Unexamined)


async def test_an_open_server_is_not_asked_for_a_challenge() -> None:
    findings = await examined(ModelMcp(guarded=False), token=None)
    assert {name for name, one in findings.items() if not isinstance(one.outcome, Held)} == {
        name for name in PAPER.checks if name.startswith("mcp.auth.")
    }
    assert {name: one.outcome for name, one in findings.items() if not isinstance(one.outcome, Held | NotOffered)} == {}


async def test_the_endpoint_is_found_from_the_base_of_a_server() -> None:
    findings = await examined(ModelMcp(), told=Told(url="http://model.test"), only="mcp.discover.answers")
    assert isinstance(findings["mcp.discover.answers"].outcome, Held)


async def test_where_nobody_speaks_mcp_nothing_is_held_and_nothing_broken() -> None:
    findings = await examined(ModelMcp(), told=Told(url="http://model.test/other"))
    assert {name: one.outcome for name, one in findings.items() if not isinstance(one.outcome, NotOffered)} == {}


async def test_no_tool_is_called_but_a_read_only_one() -> None:
    called: list[bytes] = []

    class Watched(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.headers.get("mcp-method") == "tools/call":
                called.append(request.content)
            return await super().handle_async_request(request)

    wires = Wires(token=TOKEN, seconds=5, transport=Watched(app=ModelMcp()))
    assert [one async for one in examine(PAPER, Told(url=URL), wires=wires, seconds=5)]
    assert called
    assert not [body for body in called if b'"say"' not in body and b"no_such_tool" not in body]


async def test_a_tool_that_was_named_is_called_with_its_arguments() -> None:
    told = Told(url=URL, tool=ToolCall(name="say", arguments={"text": "named"}))
    finding = (await examined(ModelMcp(), told=told, only="mcp.call.structured"))["mcp.call.structured"]
    assert isinstance(finding.outcome, Held)
    assert b'"named"' in finding.exchanges[-1].sent


async def test_the_token_goes_nowhere_but_to_the_server_that_was_named() -> None:
    authorised: set[str] = set()

    def answer(request: httpx.Request) -> httpx.Response:
        if "authorization" in request.headers:
            authorised.add(request.url.host)
        if request.url.path.startswith("/.well-known/"):
            elsewhere = {"mcp": "http://elsewhere.test/mcp", "resource": "http://elsewhere.test/mcp"}
            return httpx.Response(200, json=elsewhere | {"authorization_servers": ["http://elsewhere.test"]})
        pointer = 'Bearer resource_metadata="http://elsewhere.test/.well-known/oauth-protected-resource"'
        return httpx.Response(401, headers={"www-authenticate": pointer})

    wires = Wires(token=TOKEN, seconds=5, transport=httpx.MockTransport(answer))
    assert [one async for one in examine(PAPER, Told(url="http://model.test"), wires=wires, seconds=5)]
    assert authorised == {"model.test"}
