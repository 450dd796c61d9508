"""Skills over MCP 2026-07-28: what one POST says, and what its answer means. Pure; `gateway` sends it.

A request is stateless: version, method and name stand in headers and again in the body, and the client introduces
itself in `_meta` each time. An answer is one JSON, or an event stream whose last event is it.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, cast

from interchange_client.errors import GatewayError
from interchange_client.wire import CODES, Reply, read_json

VERSION: Final = "2026-07-28"
HEADER_MISMATCH: Final = "header_mismatch"
RPC_CODES: Mapping[int, str] = {
    -32700: "bad_request",
    -32600: "bad_request",
    -32601: "unsupported",
    -32602: "bad_request",
    -32020: HEADER_MISMATCH,
    -32022: "unsupported",
}
"""Errors of JSON-RPC and MCP in our own words; any other is `internal`."""

_INVALID_PARAMS: Final = -32602
_UNKNOWN_TOOL: Final = "Unknown tool"
_META: Final = "io.modelcontextprotocol"
_CLIENT: Mapping[str, str] = {"name": "interchange-client", "version": version("interchange-client")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A skill that the gateway offers to this agent, for whom it works at the moment.

    `name` is what MCP clients and models call it, `id` the skill itself (`candidates.search`; empty where the tool is
    an agent that converses). Either may be called.
    """

    name: str
    id: str = ""
    title: str = ""
    description: str = ""
    input_schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_schema: Mapping[str, Any] | None = None
    read_only: bool = False
    destructive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillAnswer:
    """What became of a call.

    `structured` fits the skill's output schema and `text` is what a model should read. With `is_error` the text says
    what is wrong and can be mended, and `code` is the gateway's word for it (`denied`, `unknown`, `invalid_arguments`,
    …), empty where the service itself said no. `content` are MCP's content blocks, for skills that answer with more
    than text.
    """

    text: str = ""
    structured: Any = None
    is_error: bool = False
    code: str = ""
    content: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent: `headers` without the credential, and a body."""

    headers: Mapping[str, str]
    content: bytes


def write_call(skill: str, arguments: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> Post:
    """A tools/call. Arguments that the `schema` says are to stand in headers as well, do (SEP-2243).

    Raises:
        TypeError, ValueError: the arguments are not JSON.
    """
    post = _write("tools/call", {"name": skill, "arguments": dict(arguments)}, name=skill)
    return Post({**post.headers, **_mirrored(schema or {}, arguments)}, post.content)


def write_list(cursor: str = "") -> Post:
    """A tools/list of the page at the cursor."""
    return _write("tools/list", {"cursor": cursor} if cursor else {})


def read_answer(result: Mapping[str, Any]) -> SkillAnswer:
    """The result of a tools/call.

    Raises:
        GatewayError: it is a question to the client (`input_required`), or no result.
    """
    kind = result.get("resultType", "complete")
    if kind != "complete":
        raise GatewayError("The skill asks its caller something first, which an agent cannot be asked.", str(kind))
    blocks = tuple(_objects(result.get("content", [])))
    meta = cast("Mapping[str, Any]", result.get("_meta") or {})
    return SkillAnswer(
        text="\n".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text"),
        structured=result.get("structuredContent"),
        is_error=result.get("isError") is True,
        code=str(meta.get("interchange/error", "")),
        content=blocks,
    )


def read_call(reply: Reply) -> SkillAnswer:
    """What became of a tools/call. That there is no such skill for this chain is an answer, as any other denial is.

    Raises:
        GatewayError: it carries another error, a question to the client, or nothing of the kind.
    """
    unknown = _unknown(_response(reply))
    if unknown:
        return SkillAnswer(text=unknown, is_error=True, code="unknown")
    return read_answer(read_result(reply))


def read_skills(result: Mapping[str, Any]) -> tuple[Sequence[Skill], str]:
    """A page of a tools/list, and the cursor of the next; empty after the last."""
    return [_read_skill(tool) for tool in _objects(result.get("tools", []))], str(result.get("nextCursor") or "")


def read_result(reply: Reply) -> Mapping[str, Any]:
    """The result that an answer carries.

    Raises:
        GatewayError: it carries an error, or nothing of the kind.
    """
    response = _response(reply)
    result = response.get("result")
    if isinstance(result, dict):
        return cast("Mapping[str, Any]", result)
    raise read_error(response, reply)


def read_error(response: Mapping[str, Any], reply: Reply) -> GatewayError:
    """The error that an answer is, in the gateway's own words where it has some."""
    error = response.get("error")
    if isinstance(error, dict):
        said = cast("Mapping[str, Any]", error)
        number = said.get("code")
        known = RPC_CODES.get(number) if isinstance(number, int) else None  # REST has HTTP's number here
        return GatewayError(str(said.get("message", "")), known or CODES.get(reply.status, "internal"))
    message = response.get("error_description") or f"{reply.url} answered {reply.status} without a result."
    return GatewayError(str(message), CODES.get(reply.status, "garbled"))


def _unknown(response: Mapping[str, Any]) -> str:
    """The gateway's sentence where it offers no such skill to this chain (MCP 2026-07-28, "Tools"); else nothing."""
    error: object = response.get("error")
    if not isinstance(error, dict):
        return ""
    said = cast("Mapping[str, object]", error)
    message = str(said.get("message", ""))
    return message if said.get("code") == _INVALID_PARAMS and message.startswith(_UNKNOWN_TOOL) else ""


def wants_headers(schema: Mapping[str, Any]) -> bool:
    """Whether a schema has arguments that are to stand in headers as well."""
    return any(True for _ in _headers(schema))


def header_value(value: str) -> str:
    """A text as a header may carry it: as it is, or in base64 where that could be lost (SEP-2243)."""
    if value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def _write(method: str, params: Mapping[str, Any], *, name: str = "") -> Post:
    meta: Mapping[str, Any] = {
        f"{_META}/protocolVersion": VERSION,
        f"{_META}/clientCapabilities": {},
        f"{_META}/clientInfo": _CLIENT,
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": method,
        **({"mcp-name": header_value(name)} if name else {}),
    }
    return Post(headers, json.dumps(body, allow_nan=False, ensure_ascii=False).encode())


def _mirrored(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> Mapping[str, str]:
    """The headers that repeat arguments."""
    wanted = {name: header for name, header in _headers(schema) if arguments.get(name) is not None}
    return {f"mcp-param-{header}": header_value(_scalar(arguments[name])) for name, header in wanted.items()}


def _headers(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(argument, header) of each argument that is repeated in one."""
    properties: object = schema.get("properties")
    for name, described in cast("Mapping[str, object]", properties).items() if isinstance(properties, dict) else ():
        header = cast("Mapping[str, object]", described).get("x-mcp-header") if isinstance(described, dict) else None
        if isinstance(header, str) and header:
            yield name, header


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _response(reply: Reply) -> Mapping[str, Any]:
    """The JSON-RPC response in an answer, among whatever else a stream brings; an empty object where there is none."""
    if reply.media_type != "text/event-stream":
        return reply.message()
    found = _objects([read_json(event, reply.url) for event in _events(reply.body)])
    nothing: Mapping[str, Any] = {}
    return next((each for each in found if "result" in each or "error" in each), nothing)


def _events(stream: bytes) -> Iterator[bytes]:
    """The data of each event of a stream (WHATWG HTML, section 9.2), empty ones left out."""
    lines = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for block in lines.split(b"\n\n"):
        fields = [line.partition(b":") for line in block.split(b"\n")]
        data = b"\n".join(value.removeprefix(b" ") for name, _, value in fields if name == b"data")
        if data:
            yield data


def _read_skill(tool: Mapping[str, Any]) -> Skill:
    meta = cast("Mapping[str, Any]", tool.get("_meta") or {})
    hints = cast("Mapping[str, Any]", tool.get("annotations") or {})
    output = tool.get("outputSchema")
    return Skill(
        name=str(tool.get("name", "")),
        id=str(meta.get("interchange/skill", "")),
        title=str(tool.get("title", "")),
        description=str(tool.get("description", "")),
        input_schema=cast("Mapping[str, Any]", tool.get("inputSchema") or {}),
        output_schema=cast("Mapping[str, Any]", output) if isinstance(output, dict) else None,
        read_only=hints.get("readOnlyHint") is True,
        destructive=hints.get("destructiveHint", True) is True,
    )


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    for each in cast("list[object]", value) if isinstance(value, list) else []:
        if isinstance(each, dict):
            yield cast("Mapping[str, Any]", each)
