"""Seven real MCP clients behind one shape: connect, list, call, and say what came of it.

`CLIENTS` is the whole table. What a client does with an answer is its own; only its words are made alike here, so that
one test can say what all of them must see.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import fastmcp
import httpx2
import mcp
from fastmcp.client.auth import BearerAuth
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.support.node import Ended, run_client, run_inspector

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A tool to call, and with what."""

    tool: str
    arguments: Arguments = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a call: a result, or `refused` with the code and message of a protocol error."""

    is_error: bool = False
    text: str = ""
    structured: Any = None
    refused: str = ""
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one client saw. `negotiated` is empty where the client does not tell."""

    negotiated: str
    tools: frozenset[str]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where a client connects, as whom, and with a folder for its own files."""

    url: str
    token: str
    home: Path


Run = Callable[[Session, tuple[Step, ...]], Awaitable[Report]]


def python_client(mode: Literal["auto", "legacy"]) -> Run:
    async def run(session: Session, steps: tuple[Step, ...]) -> Report:
        http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {session.token}"}, timeout=30)
        async with http, mcp.Client(streamable_http_client(session.url, http_client=http), mode=mode) as client:
            tools = await _pages(client)
            answers = [await _python_answer(client.call_tool(step.tool, dict(step.arguments))) for step in steps]
            return Report(negotiated=client.protocol_version or "", tools=tools, answers=tuple(answers))

    return run


async def _pages(client: mcp.Client) -> frozenset[str]:
    page = await client.list_tools()
    names = [tool.name for tool in page.tools]
    while page.next_cursor:
        page = await client.list_tools(cursor=page.next_cursor)
        names += [tool.name for tool in page.tools]
    return frozenset(names)


async def fastmcp_client(session: Session, steps: tuple[Step, ...]) -> Report:
    async with fastmcp.Client(session.url, auth=BearerAuth(session.token)) as client:
        tools = frozenset(tool.name for tool in await client.list_tools())
        answers = [await _python_answer(client.call_tool_mcp(step.tool, dict(step.arguments))) for step in steps]
        return Report(negotiated="", tools=tools, answers=tuple(answers))


async def _python_answer(calling: Awaitable[Any]) -> Answer:
    try:
        result = await calling
    except MCPError as error:
        return Answer(refused=error.message, code=error.code)
    return _read_result(result.model_dump(by_alias=True, mode="json"))


def node_client(script: str, mode: str = "") -> Run:
    async def run(session: Session, steps: tuple[Step, ...]) -> Report:
        plan = {"mode": mode, "steps": [{"name": step.tool, "arguments": step.arguments} for step in steps]}
        report = await asyncio.to_thread(run_client, script, session.url, session.token, plan)
        answers = tuple(_node_answer(answer) for answer in report["answers"])
        return Report(negotiated=report["negotiated"], tools=frozenset(report["tools"]), answers=answers)

    return run


def _node_answer(answer: Mapping[str, Any]) -> Answer:
    if "refused" in answer:
        return Answer(refused=answer["refused"]["message"], code=answer["refused"]["code"])
    return _read_result(answer["result"])


async def inspector_client(session: Session, steps: tuple[Step, ...]) -> Report:
    listed = await _inspect(session, "--method", "tools/list")
    assert listed.code == 0, listed.errors
    names = frozenset(tool["name"] for tool in json.loads(listed.output)["tools"])
    answers = [_inspector_answer(await _inspect(session, *_inspector_words(step))) for step in steps]
    return Report(negotiated="", tools=names, answers=tuple(answers))


async def _inspect(session: Session, *words: str) -> Ended:
    return await asyncio.to_thread(run_inspector, session.url, session.token, *words, home=session.home)


def _inspector_words(step: Step) -> tuple[str, ...]:
    pairs = tuple(f"{name}={json.dumps(value)}" for name, value in step.arguments.items())
    words = ("--method", "tools/call", "--tool-name", step.tool)
    return (*words, "--tool-arg", *pairs) if pairs else words


def _inspector_answer(ended: Ended) -> Answer:
    """Its refusals are JSON on standard error; it looks a tool up in the list before it calls."""
    if ended.output.strip():
        return _read_result(json.loads(ended.output))
    error = json.loads(ended.errors.strip().splitlines()[-1])["error"]
    return Answer(refused=error["message"])


def _read_result(result: Mapping[str, Any]) -> Answer:
    blocks = cast("list[Mapping[str, Any]]", result["content"])
    text = "\n".join(block["text"] for block in blocks if block["type"] == "text")
    return Answer(is_error=bool(result.get("isError")), text=text, structured=result.get("structuredContent"))


CLIENTS: Mapping[str, Run] = {
    "python auto": python_client("auto"),
    "python legacy": python_client("legacy"),
    "typescript v1": node_client("ts_v1.mjs"),
    "typescript v2 default": node_client("ts_v2.mjs"),
    "typescript v2 auto": node_client("ts_v2.mjs", mode="auto"),
    "inspector": inspector_client,
    "fastmcp": fastmcp_client,
}
NEGOTIATES: Mapping[str, str] = {
    "python auto": "2026-07-28",
    "python legacy": "2025-11-25",
    "typescript v1": "2025-11-25",
    "typescript v2 default": "2025-11-25",
    "typescript v2 auto": "2026-07-28",
}
"""What each client that tells must have agreed on."""
