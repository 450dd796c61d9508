"""`interchange call SKILL --json ARGS`: one tools/call over MCP, for trying things from a shell.

It speaks the wire of revision 2026-07-28 itself: one POST and one answer, JSON or a short event stream.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx

from gateway.cli.commands import Commands
from gateway.cli.login import persona_token, stored_token
from gateway.state import read_whereabouts
from registry.model import BadRequest, InterchangeError, Refused, Unauthenticated

VERSION = "2026-07-28"


def add_commands(commands: Commands) -> None:
    parser = commands.add_parser("call", help="call a skill through a gateway")
    parser.add_argument("skill", help="its id (candidates.search) or tool name (candidates_search)")
    parser.add_argument("--json", default="{}", metavar="ARGS", help="the arguments, a JSON object; - reads them")
    parser.add_argument("--url", help="the gateway's MCP URL (default: the running one of the state folder)")
    parser.add_argument("--state", type=Path, default=Path("state/demo"), help="the state folder (state/demo)")
    parser.add_argument("--as", dest="persona", help="as a demo persona")
    parser.add_argument("--token", help="as whoever this token stands for")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the result and return 0, or 1 where the tool says it failed."""
    where = read_whereabouts(options.state)
    url = options.url or (where.mcp_url if where else None)
    if url is None:
        raise BadRequest("Which gateway? Name its MCP URL with --url, or its state folder with --state.")
    result = _call(url, _token(options, url), options.skill, _arguments(options.json))
    if "structuredContent" in result:
        print(json.dumps(result["structuredContent"], indent=2, ensure_ascii=False))
    else:
        for block in result.get("content", []):
            print(block.get("text") or json.dumps(block))
    return 1 if result.get("isError") else 0


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise BadRequest(f"--json is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise BadRequest('--json takes an object, for example \'{"query": "rust"}\'')
    return cast("dict[str, Any]", arguments)


def _token(options: argparse.Namespace, url: str) -> str:
    if options.token:
        return options.token
    if options.persona:
        return persona_token(options.persona, state=options.state, url=url.removesuffix("/mcp"))
    token = stored_token(url)
    if token is None:
        raise Unauthenticated("Log in first (interchange login), or say who you are with --as PERSONA or --token.")
    return token


def _call(url: str, token: str, skill: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """One request and its result.

    Raises:
        InterchangeError: the gateway cannot be reached, or answers with an error of the protocol.
    """
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "interchange", "version": "cli"},
        "progressToken": 1,
    }
    params = {"name": skill, "arguments": arguments, "_meta": meta}
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": skill,
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    try:
        with httpx.stream("POST", url, json=request, headers=headers, timeout=330) as response:
            return _answer(response)
    except httpx.TransportError as error:
        raise Refused(f"No gateway answers at {url} ({error}). Is it running?") from None


def _answer(response: httpx.Response) -> dict[str, Any]:
    for message in _messages(response):
        if message.get("method") == "notifications/progress":
            print(message["params"].get("message", ""), file=sys.stderr)
        elif "error" in message:
            error = message["error"]
            raise InterchangeError(error if isinstance(error, str) else error.get("message", "an error without words"))
        elif "result" in message:
            return message["result"]
    raise Refused(f"The gateway's answer (HTTP {response.status_code}) is not MCP. Is the URL right?")


def _messages(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON-RPC messages of an answer, whether it came whole or as events."""
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        response.read()
        try:
            yield response.json()
        except ValueError:
            return
        return
    for line in response.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line[5:])
