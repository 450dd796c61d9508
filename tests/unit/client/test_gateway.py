"""What an agent asks of its gateway, as it goes over the wire, and what it makes of every kind of answer."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx
from interchange_client.agent import AgentCredentials, GatewayError, HttpGateway, part

GATEWAY = "http://127.0.0.1:8420"
MCP = f"{GATEWAY}/mcp"
ASSISTANT = f"{GATEWAY}/agents/assistant"
ISSUER = f"{GATEWAY}/issuer"
HEADERS_WANTED = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


class Tokens:
    """Hands out `token-1`, `token-2`, …"""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self._count += 1
        return httpx.Response(200, json={"access_token": f"token-{self._count}", "token_type": "Bearer"})


@pytest.fixture
async def net() -> AsyncIterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        resource = {"resource": GATEWAY, "authorization_servers": [ISSUER]}
        router.get(f"{GATEWAY}/.well-known/oauth-protected-resource").respond(json=resource)
        metadata = {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token"}
        router.get(f"{GATEWAY}/.well-known/oauth-authorization-server/issuer").respond(json=metadata)
        router.post(f"{ISSUER}/token").mock(side_effect=Tokens())
        yield router


@pytest.fixture
async def gateway(net: respx.MockRouter) -> AsyncIterator[HttpGateway]:
    async with HttpGateway(AgentCredentials(GATEWAY, "greeter-client", "secret")) as gateway:
        yield gateway


def result(**content: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete", **content}}


def error(code: int, message: str, data: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message, "data": data}}


FOUND = result(content=[{"type": "text", "text": '{"total":3}'}], structuredContent={"total": 3}, isError=False)


async def test_a_call_is_a_regular_one_of_the_newest_revision(net: respx.MockRouter, gateway: HttpGateway) -> None:
    route = net.post(MCP).respond(json=FOUND)

    found = await gateway.call("candidates.search", {"query": "Rust, Zürich"}, turn_token="turn")

    assert (found.structured, found.text, found.is_error) == ({"total": 3}, '{"total":3}', False)
    request = route.calls.last.request
    sent = {name: request.headers[name] for name in ("mcp-protocol-version", "mcp-method", "mcp-name", "accept")}
    assert sent == {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "candidates.search",
        "accept": "application/json, text/event-stream",
    }
    assert (request.headers["authorization"], request.headers["ix-turn-token"]) == ("Bearer token-1", "turn")
    body = json.loads(request.content)
    assert set(body) == {"jsonrpc", "id", "method", "params"}
    assert body["params"]["arguments"] == {"query": "Rust, Zürich"}
    assert body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] == {}


async def test_outside_a_turn_no_turn_is_named(net: respx.MockRouter, gateway: HttpGateway) -> None:
    route = net.post(MCP).respond(json=FOUND)
    await gateway.call("candidates.search", {})
    assert "ix-turn-token" not in route.calls.last.request.headers
    assert await gateway.headers() == {"authorization": "Bearer token-1"}
    assert await gateway.headers(turn_token="turn") == {"authorization": "Bearer token-1", "ix-turn-token": "turn"}


async def test_what_policy_has_against_a_call_is_an_answer(net: respx.MockRouter, gateway: HttpGateway) -> None:
    denied = {"content": [{"type": "text", "text": "Policy does not allow it."}], "isError": True}
    net.post(MCP).respond(json=result(**denied, _meta={"interchange/error": "denied"}))

    answer = await gateway.call("outreach.send", {})

    assert (answer.is_error, answer.code, answer.text) == (True, "denied", "Policy does not allow it.")


async def test_the_gateways_own_sentence_is_kept(net: respx.MockRouter, gateway: HttpGateway) -> None:
    net.post(MCP).respond(400, json=error(-32602, "params: too deep"))
    with pytest.raises(GatewayError, match="params: too deep") as raised:
        await gateway.call("candidates.search", {})
    assert raised.value.code == "bad_request"


async def test_a_skill_that_is_not_there_for_whoever_asks_is_an_answer(
    net: respx.MockRouter, gateway: HttpGateway
) -> None:
    net.post(MCP).respond(400, json=error(-32602, "Unknown tool: candidates.search"))

    answer = await gateway.call("candidates.search", {})

    assert (answer.is_error, answer.code, answer.text) == (True, "unknown", "Unknown tool: candidates.search")


async def test_an_agent_that_is_not_there_for_whoever_asks_is_an_answer(
    net: respx.MockRouter, gateway: HttpGateway
) -> None:
    refusal = {"code": 404, "status": "NOT_FOUND", "message": "There is no such agent, or it is not for you."}
    net.post(ASSISTANT).respond(404, json={"error": refusal})

    answer = await gateway.ask("assistant", "hello")

    assert (answer.is_error, answer.state, answer.code) == (True, "rejected", "unknown")
    assert answer.text == "There is no such agent, or it is not for you."


async def test_a_page_that_is_not_the_gateways_is_no_answer(net: respx.MockRouter, gateway: HttpGateway) -> None:
    net.post(MCP).respond(404, text="Not Found")
    net.post(ASSISTANT).respond(404, text="Not Found")
    for asked in (gateway.call("candidates.search", {}), gateway.ask("assistant", "hello")):
        with pytest.raises(GatewayError) as raised:
            await asked
        assert raised.value.code == "unknown"


async def test_a_token_that_is_not_taken_is_renewed_once(net: respx.MockRouter, gateway: HttpGateway) -> None:
    refusal = httpx.Response(401, json={"error": "invalid_token", "error_description": "It does not hold."})
    route = net.post(MCP).mock(side_effect=[refusal, httpx.Response(200, json=FOUND), refusal, refusal])

    assert (await gateway.call("candidates.search", {})).structured == {"total": 3}
    assert route.calls.last.request.headers["authorization"] == "Bearer token-2"

    with pytest.raises(GatewayError, match="It does not hold") as raised:
        await gateway.call("candidates.search", {})
    assert raised.value.code == "unauthenticated"
    assert route.call_count == 4


async def test_a_slow_answer_comes_as_a_stream(net: respx.MockRouter, gateway: HttpGateway) -> None:
    progress: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}
    events = (": ping", f"data: {json.dumps(progress)}", ": ping", f"event: message\r\ndata: {json.dumps(FOUND)}")
    stream = "".join(f"{event}\r\n\r\n" for event in events)
    net.post(MCP).respond(content=stream.encode(), headers={"content-type": "text/event-stream; charset=utf-8"})

    assert (await gateway.call("candidates.search", {})).structured == {"total": 3}


async def test_all_pages_of_skills_are_read(net: respx.MockRouter, gateway: HttpGateway) -> None:
    search: dict[str, Any] = {
        "name": "candidates_search",
        "title": "Search",
        "description": "Finds people.",
        "inputSchema": {"type": "object", "properties": {}},
        "annotations": {"readOnlyHint": True, "destructiveHint": False},
        "_meta": {"interchange/skill": "candidates.search"},
    }
    route = net.post(MCP).mock(
        side_effect=[
            httpx.Response(200, json=result(tools=[search], nextCursor="c2")),
            httpx.Response(200, json=result(tools=[{"name": "assistant", "inputSchema": {"type": "object"}}])),
        ]
    )

    first, second = await gateway.skills(turn_token="turn")

    assert (first.name, first.id, first.read_only, first.destructive) == (
        "candidates_search", "candidates.search", True, False,
    )  # fmt: skip
    assert (second.name, second.id, second.destructive) == ("assistant", "", True)
    assert json.loads(route.calls.last.request.content)["params"]["cursor"] == "c2"
    assert "mcp-name" not in route.calls.last.request.headers


async def test_arguments_stand_in_headers_where_the_skill_wants_them_there(
    net: respx.MockRouter, gateway: HttpGateway
) -> None:
    tools = [{"name": "desk_ask", "inputSchema": HEADERS_WANTED, "_meta": {"interchange/skill": "desk.ask"}}]
    mismatch = httpx.Response(400, json=error(-32020, "Header Mcp-Param-Region is missing"))
    good = httpx.Response(200, json=FOUND)
    route = net.post(MCP).mock(side_effect=[mismatch, httpx.Response(200, json=result(tools=tools)), good, good])

    await gateway.call("desk.ask", {"region": "Zürich"})
    assert route.calls.last.request.headers["mcp-param-region"] == "=?base64?WsO8cmljaA==?="

    await gateway.call("desk_ask", {"region": "EU"})
    assert route.calls.last.request.headers["mcp-param-region"] == "EU"
    assert route.call_count == 4, "asked once, then known"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(200, content=b"<html>", headers={"content-type": "text/html"}), "garbled"),
        (httpx.Response(200, content=b"{", headers={"content-type": "application/json"}), "garbled"),
        (httpx.Response(200, json=[]), "garbled"),
        (httpx.Response(200, json={}), "garbled"),
        (httpx.Response(302, headers={"location": "https://elsewhere.example.com"}), "garbled"),
        (httpx.Response(404), "unknown"),
        (httpx.Response(404, json={"error": {"code": 404, "message": "There is no such agent."}}), "unknown"),
        (httpx.Response(413), "too_large"),
        (httpx.Response(429), "overloaded"),
        (httpx.Response(502), "unavailable"),
        (httpx.Response(503, json={"error": "temporarily_unavailable", "error_description": "Soon."}), "unavailable"),
        (httpx.Response(200, json=error(-32603, "The gateway failed.")), "internal"),
        (httpx.Response(200, json=error(-32603, "The gateway failed.") | {"error": "text"}), "garbled"),
        (httpx.Response(200, json=result(resultType="input_required", inputRequests={})), "input_required"),
    ],
)
async def test_every_other_answer_is_an_error_with_a_word_for_it(
    net: respx.MockRouter, gateway: HttpGateway, answer: httpx.Response, code: str
) -> None:
    route = net.post(MCP).mock(return_value=answer)
    with pytest.raises(GatewayError) as raised:
        await gateway.call("candidates.search", {})
    assert raised.value.code == code
    assert raised.value.message
    assert route.call_count == 1


async def test_a_compressed_answer_is_not_unpacked(net: respx.MockRouter, gateway: HttpGateway) -> None:
    packed = gzip.compress(json.dumps(FOUND).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    route = net.post(MCP).mock(return_value=httpx.Response(200, stream=httpx.ByteStream(packed), headers=headers))
    with pytest.raises(GatewayError, match="compressed"):
        await gateway.call("candidates.search", {})
    assert route.calls.last.request.headers["accept-encoding"] == "identity"


async def test_an_answer_without_end_is_not_read_to_its_end(net: respx.MockRouter, gateway: HttpGateway) -> None:
    net.post(MCP).respond(content=b" " * (9 << 20), headers={"content-type": "application/json"})
    with pytest.raises(GatewayError) as raised:
        await gateway.call("candidates.search", {})
    assert raised.value.code == "too_large"


@pytest.mark.parametrize(
    ("failure", "code"), [(httpx.ConnectError("no"), "unavailable"), (httpx.ReadError("no"), "unavailable")]
)
async def test_a_gateway_that_is_away_is_unavailable(
    net: respx.MockRouter, gateway: HttpGateway, failure: Exception, code: str
) -> None:
    net.post(MCP).mock(side_effect=failure)
    with pytest.raises(GatewayError) as raised:
        await gateway.call("candidates.search", {})
    assert (raised.value.code, raised.value.retryable) == (code, True)


async def test_a_call_ends_when_its_time_is_up(net: respx.MockRouter, gateway: HttpGateway) -> None:
    sent: list[httpx.Request] = []

    async def never(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        await asyncio.Event().wait()
        raise AssertionError

    net.post(MCP).mock(side_effect=never)
    for seconds in (0.01, 0.0):
        with pytest.raises(GatewayError) as raised:
            await gateway.call("candidates.search", {}, seconds=seconds)
        assert raised.value.code == "deadline_passed"
    assert len(sent) == 1, "what has no time left is not sent"


async def test_arguments_that_are_not_json_are_the_authors_mistake(gateway: HttpGateway) -> None:
    with pytest.raises(ValueError, match="JSON"):
        await gateway.call("candidates.search", {"limit": float("nan")})
    with pytest.raises(TypeError):
        await gateway.call("candidates.search", {"limit": object()})


async def test_another_agent_is_asked_over_a2a(net: respx.MockRouter, gateway: HttpGateway) -> None:
    said = {"messageId": "m", "role": "ROLE_AGENT", "contextId": "c-7", "parts": [{"text": "Hi"}, {"data": {"n": 1}}]}
    route = net.post(ASSISTANT).respond(json={"jsonrpc": "2.0", "id": 1, "result": {"message": said}})

    answer = await gateway.ask("assistant", "hello", conversation="c-7", turn_token="turn")

    assert (answer.text, answer.conversation, answer.is_error) == ("Hi", "c-7", False)
    assert answer.parts == (part("Hi"), part({"n": 1}))
    request = route.calls.last.request
    assert (request.headers["a2a-version"], request.headers["ix-turn-token"]) == ("1.0", "turn")
    sent = json.loads(request.content)
    assert sent["method"] == "SendMessage"
    message = sent["params"]["message"]
    assert (message["role"], message["parts"], message["contextId"]) == ("ROLE_USER", [{"text": "hello"}], "c-7")


async def test_what_another_agent_made_comes_along(net: respx.MockRouter, gateway: HttpGateway) -> None:
    artifact = {"artifactId": "report", "name": "Report", "parts": [{"text": "Three people."}]}
    task = {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_COMPLETED"}, "artifacts": [artifact]}
    net.post(ASSISTANT).respond(json={"jsonrpc": "2.0", "id": 1, "result": {"task": task}})

    answer = await gateway.ask("assistant", [part("make a report"), part({"about": "rust"})])

    assert (answer.text, answer.state, answer.is_error) == ("Three people.", "completed", False)
    assert (answer.artifacts[0].id, answer.artifacts[0].name) == ("report", "Report")


async def test_what_another_agent_said_is_told_from_what_it_made(net: respx.MockRouter, gateway: HttpGateway) -> None:
    artifacts = [
        {"artifactId": "report", "parts": [{"text": "Three people."}]},
        {"artifactId": "answer", "parts": [{"text": "Here it is."}, {"data": {"n": 3}}]},
    ]
    task = {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_COMPLETED"}, "artifacts": artifacts}
    net.post(ASSISTANT).respond(json={"jsonrpc": "2.0", "id": 1, "result": {"task": task}})

    answer = await gateway.ask("assistant", "make a report")

    assert (answer.text, answer.conversation) == ("Here it is.", "c")
    assert answer.parts == (part("Here it is."), part({"n": 3}))
    assert [each.id for each in answer.artifacts] == ["report"]


async def test_that_another_agent_failed_is_an_answer(net: respx.MockRouter, gateway: HttpGateway) -> None:
    said = {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "Not allowed."}]}
    said |= {"metadata": {"interchange/error": "denied"}}
    task = {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_REJECTED", "message": said}}
    net.post(ASSISTANT).respond(json={"jsonrpc": "2.0", "id": 1, "result": {"task": task}})

    answer = await gateway.ask("assistant", "hello")

    assert (answer.text, answer.state, answer.code, answer.is_error) == ("Not allowed.", "rejected", "denied", True)


async def test_a_refusal_of_a2a_keeps_its_own_name(net: respx.MockRouter, gateway: HttpGateway) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "UNSUPPORTED_OPERATION"}
    net.post(ASSISTANT).respond(json=error(-32004, "It has skills only: search.", [info]))
    with pytest.raises(GatewayError, match="It has skills only: search") as raised:
        await gateway.ask("assistant", "hello")
    assert raised.value.code == "unsupported_operation"


@pytest.mark.parametrize("nothing", [{}, {"task": {}}, {"message": {"parts": "x"}}, {"task": {"status": 7}}])
async def test_an_answer_that_is_neither_message_nor_task_is_garbled(
    net: respx.MockRouter, gateway: HttpGateway, nothing: object
) -> None:
    net.post(ASSISTANT).respond(json={"jsonrpc": "2.0", "id": 1, "result": nothing})
    with pytest.raises(GatewayError) as raised:
        await gateway.ask("assistant", "hello")
    assert raised.value.code == "garbled"


async def test_the_name_of_an_agent_leads_nowhere_else(net: respx.MockRouter, gateway: HttpGateway) -> None:
    route = net.post(url__startswith=f"{GATEWAY}/agents/").respond(404)
    with pytest.raises(GatewayError):
        await gateway.ask("../mcp?x=", "hello")
    assert route.calls.last.request.url.raw_path == b"/agents/..%2Fmcp%3Fx%3D"
