"""`interchange call NAME --json ARGS`: one tools/call of a skill or an agent over MCP, for trying things from a shell.

It speaks the wire of revision 2026-07-28 itself: one POST and one answer, JSON or a short event stream.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx

from gateway.cli.commands import Commands
from gateway.cli.login import find_token
from gateway.cli.places import add_place, gateway_url
from gateway.strict_json import Mistake, StrictJsonError, read_strict
from registry.model import BadRequest, InterchangeError, JsonObject, Refused, Unauthenticated

VERSION = "2026-07-28"


def add_commands(commands: Commands) -> None:
    parser = commands.add_parser(
        "call",
        help="call a skill or an agent through a gateway",
        description="Call a skill, or talk to an agent, through a gateway over MCP, and print the result. An agent"
        """ takes {"message": "…"}, and {"conversation": "…"} with it to go on with one.""",
    )
    parser.add_argument("skill", help="its id (candidates.search) or tool name (candidates_search); or an agent's name")
    parser.add_argument(
        "--json",
        default="{}",
        metavar="ARGS",
        help="the arguments, a JSON object; @FILE reads them from a file, - from standard input",
    )
    add_place(parser)
    parser.add_argument("--as", dest="persona", metavar="PERSONA", help="as a demo persona")
    parser.add_argument("--token", help="as whoever this token stands for (or INTERCHANGE_TOKEN)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the result and return 0, or 1 where the tool says it failed."""
    arguments = _arguments(options.json)
    if not (options.skill.isascii() and options.skill.isprintable()):
        raise BadRequest(f"{options.skill!r} is no skill's name: `interchange registry list` shows those there are.")
    url = gateway_url(url=options.url, state=options.state)
    token = find_token(options, url=url, state=options.state)
    result = _call(f"{url}/mcp", token, options.skill, arguments)
    if "structuredContent" in result:
        print(json.dumps(result["structuredContent"], indent=2, ensure_ascii=False))
    else:
        for block in result.get("content", []):
            print(block.get("text") or json.dumps(block))
    return 1 if result.get("isError") else 0


def _arguments(text: str) -> JsonObject:
    try:
        return read_strict(_bytes(text)).content
    except StrictJsonError as error:
        if error.mistake is Mistake.SHAPE:
            raise BadRequest('--json takes an object, for example \'{"query": "rust"}\'') from None
        raise BadRequest(f"--json is not a JSON object: {error.message.replace('The body is', 'it is')}") from None


def _bytes(text: str) -> bytes:
    """What `--json` stands for: the text itself, or what is in a file or on standard input."""
    if text == "-":
        return sys.stdin.buffer.read()
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_bytes()
        except OSError as error:
            raise BadRequest(f"--json: {text[1:]} cannot be read: {error.strerror}.") from None
    return os.fsencode(text)


def _call(url: str, token: str, skill: str, arguments: JsonObject) -> dict[str, Any]:
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
    except httpx.RequestError as error:
        raise Refused(f"No gateway answers at {url} ({error}). Is it running?") from None


def _answer(response: httpx.Response) -> dict[str, Any]:
    for message in _messages(response):
        if message.get("method") == "notifications/progress":
            print(message["params"].get("message", ""), file=sys.stderr)
        elif "error" in message:
            raise _refusal(message)
        elif "result" in message:
            return message["result"]
    raise Refused(f"The gateway's answer (HTTP {response.status_code}) is not MCP. Is the URL right?")


def _refusal(message: dict[str, Any]) -> InterchangeError:
    """An error in the protocol's words, or in those of the door in front of it (RFC 6750)."""
    error = message["error"]
    if not isinstance(error, str):
        return InterchangeError(error.get("message", "an error without words"))
    said = message.get("error_description") or error
    if error == "invalid_token":
        return Unauthenticated(f"{said} Log in again (interchange login), or give another --token or --as PERSONA.")
    return Refused(f"The gateway refused: {said}")


def _messages(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON-RPC messages of an answer, whether it came whole or as events."""
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        response.read()
        yield from _parsed(response.text)
        return
    for line in response.iter_lines():
        if line.startswith("data:"):
            yield from _parsed(line[5:])


def _parsed(text: str) -> Iterator[dict[str, Any]]:
    """A message; none where the text is not one."""
    try:
        message = json.loads(text)
    except ValueError:
        return
    if isinstance(message, dict):
        yield cast("dict[str, Any]", message)
