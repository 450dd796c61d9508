"""A gateway with one fault: `python -m tests.support.mutant_gateway serve …`.

Which one is read from the file that MUTANT_FILE names, whenever it could show; so one process plays all of them, and an
empty file makes it right again. Each fault replaces one function of ours by one that does a little less.
"""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar, cast

import mcp.types as t
from mcp.shared.exceptions import MCPError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from gateway import guard, metadata, principal
from gateway.cli import main
from gateway.mcp import express, face, tools
from gateway.mcp.translate import write_failure
from registry.model import JsonObject

FAULTS = {
    "the challenge is left out": "mcp.auth.challenge",
    "the challenge blames who sent no token": "mcp.auth.challenge-plain",
    "tokens are taken from the query": "mcp.auth.query-token",
    "the document names no issuer": "mcp.auth.metadata-servers",
    "any origin is let in": "mcp.http.origin",
    "an unknown tool is a result": "mcp.call.unknown-tool",
    "invalid arguments are an error of the protocol": "mcp.call.invalid-arguments",
    "structured content is left out": "mcp.call.structured",
    "structured content is not repeated as text": "mcp.call.structured-text",
    "any Mcp-Name will do": "mcp.headers.name-mismatch",
    "an id comes back as a text": "mcp.message.result-id",
    "results do not say whose they are": "mcp.message.server-info",
    "an input schema is none": "mcp.tools.input-schema",
    "a list does not say for how long it is good": "mcp.cache.tools-ttl",
    "every other list is in reverse": "mcp.tools.order",
    "a bad cursor begins the list": "mcp.pages.invalid-cursor",
}
"""What is wrong, and the requirement that breaks."""

_LISTS = count()
F = TypeVar("F", bound=Callable[..., Any])


def now(fault: str) -> bool:
    """Whether a fault is the present one."""
    assert fault in FAULTS
    return Path(os.environ["MUTANT_FILE"]).read_text() == fault


def instead_of(owner: Any, name: str, change: Callable[[Any], Any]) -> None:
    """Put what `change` makes of a function in its place."""
    setattr(owner, name, change(getattr(owner, name)))


def mutate() -> None:
    """Put every fault in place."""
    instead_of(principal.Challenge, "missing", _odd_challenge)
    instead_of(principal, "read_bearer", _also_from_query)
    instead_of(guard, "check_line", _with_any_query)  # the guard refuses such a query before the door does
    instead_of(metadata, "open_document", _without_issuer)
    instead_of(guard, "check_doors", _without_origin)
    instead_of(face.McpFace, "_serve", _odd_bodies)
    instead_of(face.McpFace, "_outcome", _odd_outcome)
    instead_of(face, "read_express", _without_name)
    instead_of(express.ExpressLane, "answer", _odd_answer)
    instead_of(tools.ToolShelf, "tool", _odd_tool)
    instead_of(face.McpFace, "_list_tools", _odd_list)
    instead_of(face, "read_cursor", _any_cursor)


def _odd_challenge(right: Callable[[Any], Response]) -> Callable[[Any], Response]:
    def missing(self: principal.Challenge) -> Response:
        answer = self.invalid("No token.") if now("the challenge blames who sent no token") else right(self)
        if now("the challenge is left out"):
            del answer.headers["www-authenticate"]
        return answer

    return missing


def _also_from_query(right: Callable[[Any], str]) -> Callable[[Any], str]:
    def read_bearer(scope: Any) -> str:
        query: bytes = scope["query_string"]
        if query.startswith(b"access_token=") and now("tokens are taken from the query"):
            return query.removeprefix(b"access_token=").decode()
        return right(scope)

    return read_bearer


def _with_any_query(right: Callable[..., None]) -> Callable[..., None]:
    def check_line(path: str, raw: bytes, query: bytes, limits: Any) -> None:
        right(path, raw, b"" if now("tokens are taken from the query") else query, limits)

    return check_line


def _without_issuer(right: Callable[[str, JsonObject], Route]) -> Callable[[str, JsonObject], Route]:
    def open_document(url: str, document: JsonObject) -> Route:
        async def endpoint(_: Request) -> Response:
            kept = {key: document[key] for key in document if key != "authorization_servers"}
            return JSONResponse(kept if now("the document names no issuer") else document)

        return Route(right(url, document).path, endpoint)

    return open_document


def _without_origin(right: Callable[..., None]) -> Callable[..., None]:
    def check_doors(once: Any, doors: Any) -> None:
        if now("any origin is let in"):
            once = {key: value for key, value in once.items() if key != b"origin"}
        right(once, doors)

    return check_doors


def _odd_bodies(right: Callable[..., Any]) -> Callable[..., Any]:
    """What the SDK would not let out is taken away behind it."""

    async def serve(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        async def bare(message: Message) -> None:
            if message["type"] == "http.response.body" and now("a list does not say for how long it is good"):
                body: bytes = message.get("body", b"")
                listed = re.sub(rb'"ttlMs":\d+,', _blank, body) if b'"tools":[' in body else body
                message = {**message, "body": listed}
            await send(message)

        await right(self, scope, receive, bare)

    return serve


def _blank(found: re.Match[bytes]) -> bytes:
    return b" " * len(found[0])


def _odd_outcome(right: Callable[..., Any]) -> Callable[..., Any]:
    async def outcome(self: face.McpFace, call: Any, emit: Any, **rest: Any) -> dict[str, Any]:
        try:
            result: dict[str, Any] = await right(self, call, emit, **rest)
        except MCPError as error:
            if now("an unknown tool is a result"):
                return write_failure(error.error.message)
            raise
        if result.get("isError") and now("invalid arguments are an error of the protocol"):
            raise MCPError(t.INVALID_PARAMS, "Invalid arguments.")
        if now("structured content is left out"):
            result.pop("structuredContent", None)
        if not result.get("isError") and now("structured content is not repeated as text"):
            result["content"] = []
        return result

    return outcome


def _without_name(right: Callable[..., Any]) -> Callable[..., Any]:
    def read_express(scope: Any, body: Any) -> Any:
        if body and body.get("method") == "tools/call" and now("any Mcp-Name will do"):
            kept = [pair for pair in scope["headers"] if pair[0] != b"mcp-name" or pair[1].startswith(b"=?")]
            name = cast("str", body["params"]["name"]).encode()
            if len(kept) < len(scope["headers"]):
                scope = {**scope, "headers": [*kept, (b"mcp-name", name)]}
        return right(scope, body)

    return read_express


def _odd_answer(right: Callable[..., Any]) -> Callable[..., Any]:
    async def answer(self: Any, asked: express.Express, *rest: Any) -> None:
        stamp = self._stamp
        if now("results do not say whose they are"):
            self._stamp = {}
        try:
            await right(self, replace(asked, id=str(asked.id)) if now("an id comes back as a text") else asked, *rest)
        finally:
            self._stamp = stamp

    return answer


def _odd_tool(right: Callable[..., Any]) -> Callable[..., Any]:
    def tool(self: Any, *rest: Any) -> Any:
        made = right(self, *rest)
        return {**made, "inputSchema": {"type": "object", "required": 1}} if now("an input schema is none") else made

    return tool


def _odd_list(right: Callable[..., Any]) -> Callable[..., Any]:
    async def list_tools(self: Any, *rest: Any) -> dict[str, Any]:
        answer = await right(self, *rest)
        if now("every other list is in reverse") and next(_LISTS) % 2:
            answer["tools"].reverse()
        return answer

    return list_tools


def _any_cursor(right: Callable[[str], str]) -> Callable[[str], str]:
    def read_cursor(cursor: str) -> str:
        return "" if now("a bad cursor begins the list") else right(cursor)

    return read_cursor


if __name__ == "__main__":
    mutate()
    sys.exit(main())
