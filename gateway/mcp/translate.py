"""Between MCP's words and ours: requests in, results and errors out. The one place that knows revisions of MCP.

Inside there is one shape of call and result; what an older revision cannot express is said in text.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import mcp.types as t
import orjson
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from gateway.principal import VERIFIED
from policies.identity.tokens import Verified
from registry.model import (
    NOTHING_OFFERED,
    Action,
    Artifact,
    BadRequest,
    Call,
    CallId,
    ClientOffer,
    Deadline,
    Delta,
    Emission,
    FarSideError,
    FarSideFault,
    Found,
    InputRequest,
    InterchangeError,
    Item,
    JsonObject,
    Part,
    Progress,
    Result,
    Said,
    Target,
    Unknown,
    new_call_id,
)

NO_CALL = CallId("")

PROGRESS = 1_000
"""Characters of what is told on the way."""

LINKED = frozenset({"javascript", "data", "file", "vbscript", "blob", "about"})
"""Schemes that a link never has."""
EMBEDDED = frozenset({"javascript", "data", "vbscript", "blob"})
"""Schemes that an embedded resource is never named by; its content comes along, so `file:` reads nothing."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):.")
_MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9.+_-]{0,99}(; ?[a-z]+=[A-Za-z0-9._-]{1,40})*")

Context = ServerRequestContext[Any, Any]

PROTOCOL_ERRORS: Mapping[str, int] = {
    "unknown": t.INVALID_PARAMS,
    "bad_request": t.INVALID_PARAMS,
    "audit_unavailable": t.INTERNAL_ERROR,
    "internal": t.INTERNAL_ERROR,
}
"""Errors that are the protocol's business. All others are tool results that a model can read and act on (SEP-1303)."""


def verified_caller(context: Context) -> Verified:
    """Who sent this request, as the door verified it.

    Raises:
        MCPError: the request did not come through the door; this is a wiring fault and fails closed.
    """
    verified = context.request.scope.get(VERIFIED) if context.request is not None else None
    if not isinstance(verified, Verified):
        raise MCPError(t.INTERNAL_ERROR, "The caller is not verified.")
    return verified


def read_call(
    verified: Verified,
    *,
    action: Action,
    target: Target,
    content: JsonObject,
    seconds: float,
    offer: ClientOffer = NOTHING_OFFERED,
) -> Call:
    """A request as a call of whoever presented the token."""
    return Call(
        id=new_call_id(),
        chain=verified.chain,
        action=action,
        target=target,
        content=content,
        deadline=Deadline.after(seconds),
        scopes=verified.scopes,
        groups=verified.groups,
        groups_before=verified.groups_behind,
        turn=verified.turn,
        fence=verified.fence,
        door="mcp",
        offer=offer,
    )


def read_offer(context: Context, params: t.CallToolRequestParams) -> ClientOffer:
    """What the client says it can do, and its answers to an earlier round.

    Older revisions are offered nothing: their questions would need a request back to the client.
    """
    offered = context.session.client_capabilities
    if offered is None or context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return ClientOffer()
    answers = params.input_responses or {}
    return ClientOffer(
        elicitation=offered.elicitation is not None,
        sampling=offered.sampling is not None,
        roots=offered.roots is not None,
        answers={key: answer.model_dump(by_alias=True, mode="json") for key, answer in answers.items()},
        request_state=_read_state(params.request_state),
    )


def write_result(result: Result, *, offer: ClientOffer, version: str) -> dict[str, Any]:
    """A result as a `CallToolResult`, or as an `InputRequiredResult` where the far side asks the client first.

    Raises:
        MCPError: the far side needs a capability this client does not offer (-32021).
    """
    if result.input_requests:
        return _write_questions(result, offer, version)
    content = [write_part(part) for part in result.parts]
    if not content and result.text:
        content = [{"type": "text", "text": result.text}]
    answer: dict[str, Any] = {"resultType": "complete", "content": content, "isError": result.is_error}
    if isinstance(result.structured, Mapping) or (
        result.structured is not None and version in MODERN_PROTOCOL_VERSIONS
    ):
        answer["structuredContent"] = result.structured
    return answer


def write_answer(result: Result) -> dict[str, Any]:
    """What an agent answered as a `CallToolResult`: its words and its artifacts, and the same as data."""
    parts = [*result.parts, *(part for artifact in result.artifacts for part in artifact.parts), *_unfinished(result)]
    data = [part.data for part in parts if part.data is not None]
    structured = {
        "conversation": result.conversation,
        "turn": result.turn,
        "state": _state(result),
        "text": "".join(part.text for part in parts if part.text is not None),
        "data": data[-1] if data else None,
    }
    content = [write_part(part) for part in parts]
    return {"resultType": "complete", "content": content, "structuredContent": structured, "isError": False}


def _state(result: Result) -> str:
    """How the turn stands, in the words of turns."""
    if result.question is not None:
        return "waiting"
    return "deferred" if result.deferral is not None else "completed"


def _unfinished(result: Result) -> tuple[Part, ...]:
    """What a caller is told of a turn that is not over: what the agent asks, or that it goes on by itself."""
    if result.question is not None:
        asks = f"{result.question.text}\n(The agent asks this. Answer it with another message in this conversation.)"
        return (Part(text=asks), *result.question.context)
    if result.deferral is not None:
        return (Part(text=result.deferral.reason or "The agent goes on by itself, and has not finished yet."),)
    return ()


def write_progress(emission: Emission, steps: Iterator[int]) -> Progress | None:
    """What MCP can tell of something on the way: that it goes on, and in a few words how. Pieces of an answer are told
    at its end: clients show progress as lines, one below the other."""
    match emission:
        case Progress():
            return emission
        case Delta() | Item() | Found():
            return None
        case Said():
            return Progress(progress=next(steps), text=_words(emission.parts))
        case Artifact():
            return Progress(progress=next(steps), text=_plain(emission.name) or "something was made")


def _words(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts if part.text is not None)[:PROGRESS]


def write_part(part: Part) -> dict[str, Any]:
    """A part as a content block: text, image, audio, embedded resource, or resource link.

    A far side's URIs and media types are passed on only where they are some: a client may follow them.
    """
    uri = part.metadata.get("uri")
    if isinstance(uri, str) and part.url is None and is_harmless(uri, EMBEDDED):
        return {"type": "resource", "resource": _write_resource(part, uri)}
    if part.url is not None:
        return _write_link(part, part.url)
    if part.raw is not None:
        return _write_raw(part, part.raw)
    if part.text is not None:
        return {"type": "text", "text": part.text}
    return {"type": "text", "text": orjson.dumps(part.data).decode()}


def is_harmless(uri: str, forbidden: frozenset[str]) -> bool:
    """Whether a URI is one (RFC 3986 §3.1) and of no scheme that would run something or read the client's machine."""
    scheme = _SCHEME.match(uri)
    return scheme is not None and uri.isprintable() and " " not in uri and scheme[1].lower() not in forbidden


def _media_type(part: Part) -> str:
    return part.media_type if _MEDIA_TYPE.fullmatch(part.media_type) else "application/octet-stream"


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _write_link(part: Part, url: str) -> dict[str, Any]:
    if not is_harmless(url, LINKED):
        return {"type": "text", "text": f"{_plain(part.filename or 'link')}: {_plain(url)}"}
    link = {"type": "resource_link", "uri": url, "name": _plain(part.filename) or url}
    return {**link, "mimeType": _media_type(part)} if part.media_type else link


def _write_resource(part: Part, uri: str) -> dict[str, Any]:
    resource: dict[str, Any] = {"uri": uri}
    if part.media_type:
        resource["mimeType"] = _media_type(part)
    if part.raw is not None:
        return {**resource, "blob": base64.b64encode(part.raw).decode()}
    return {**resource, "text": part.text if part.text is not None else orjson.dumps(part.data).decode()}


def _write_raw(part: Part, raw: bytes) -> dict[str, Any]:
    """Bytes as the block their media type has; bytes of any other type become an embedded resource."""
    data, media_type = base64.b64encode(raw).decode(), _media_type(part)
    family = media_type.partition("/")[0]
    if family in {"image", "audio"}:
        return {"type": family, "data": data, "mimeType": media_type}
    uri = f"interchange:part/{quote(part.filename or 'data')}"
    return {"type": "resource", "resource": {"uri": uri, "mimeType": media_type, "blob": data}}


def write_error(error: InterchangeError, *, call: CallId = NO_CALL) -> dict[str, Any]:
    """An error as a tool result that a model can read. What is withheld can be found by operators under `call`.

    Raises:
        MCPError: the error is the protocol's business (an unknown tool), or says nothing a caller may know.
    """
    if isinstance(error, FarSideError) and error.fault is FarSideFault.BROKEN:
        raise MCPError(t.INTERNAL_ERROR, f"{error.message} It is call {call}.", {"interchange/call": call})
    if error.code in PROTOCOL_ERRORS:
        raise MCPError(PROTOCOL_ERRORS[error.code], error.message)
    meta: dict[str, Any] = {"interchange/error": error.code}
    if isinstance(error, FarSideError):
        meta["interchange/retryable"] = error.retryable
        if error.retry_after is not None:
            meta["interchange/retryAfter"] = error.retry_after
    return {**write_failure(error.message), "_meta": meta}


def write_failure(text: str) -> dict[str, Any]:
    """A tool result that says in words why there is none."""
    return {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": True}


def write_unknown_tool(error: Unknown | BadRequest, name: str) -> MCPError:
    """The one answer for a tool that does not exist and for one that this caller may not know of."""
    message = f"Unknown tool: {name}" if isinstance(error, Unknown) else error.message
    return MCPError(t.INVALID_PARAMS, message)


def _write_questions(result: Result, offer: ClientOffer, version: str) -> dict[str, Any]:
    kinds = {request.kind for request in result.input_requests}
    missing: dict[str, dict[str, object]] = {kind: {} for kind in sorted(kinds) if not getattr(offer, kind, False)}
    if version not in MODERN_PROTOCOL_VERSIONS:
        text = "This tool needs to ask the client first, which this revision of MCP cannot do here: use 2026-07-28."
        return write_failure(text)
    if missing:
        raise MCPError(
            t.MISSING_REQUIRED_CLIENT_CAPABILITY,
            f"This tool needs client capabilities that were not declared: {', '.join(missing)}",
            {"requiredCapabilities": missing},
        )
    answer: dict[str, Any] = {
        "resultType": "input_required",
        "inputRequests": {request.key: _write_question(request) for request in result.input_requests},
    }
    if result.request_state:
        answer["requestState"] = base64.b64encode(result.request_state).decode()
    return answer


def _write_question(request: InputRequest) -> dict[str, Any]:
    if request.kind == "roots":
        return {"method": "roots/list", "params": {}}
    if request.kind == "sampling":
        return {"method": "sampling/createMessage", "params": dict(request.body)}
    schema = request.body.get("schema") or {"type": "object", "properties": {}}
    params = {"mode": "form", "message": request.body.get("text", ""), "requestedSchema": schema}
    return {"method": "elicitation/create", "params": params}


def _read_state(state: str | None) -> bytes:
    """What the boundary unsealed: the bytes the far side gave, or none."""
    return base64.b64decode(state) if state else b""
