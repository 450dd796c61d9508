"""A model of an MCP server of revision 2026-07-28: small, right in everything the examiner looks at, and able to be
wrong in exactly one thing.

Each rule asks `self._keeps("mcp.…")` before it does right, so `ModelMcp(breaks=id)` is the model with that one rule
broken. It shares no code with the examiner or with the gateway.
"""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from starlette.types import Receive, Scope, Send

URL = "http://model.test/mcp"
TOKEN = "good.token.of-the-model"
VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"
SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "examples": ["héllo"], "x-mcp-header": "Text"},
        "times": {"type": "integer"},
    },
    "required": ["text"],
    "additionalProperties": False,
}
OUTPUT = {"type": "object", "properties": {"said": {"type": "string"}}, "required": ["said"]}


class Refusal(Exception):
    """An error of JSON-RPC with an HTTP status."""

    def __init__(self, status: int, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": message} | ({"data": data} if data is not None else {})


class ModelMcp:
    """An ASGI application. `guarded` wants the token; `breaks` is the one requirement that it does not hold."""

    def __init__(self, *, breaks: str = "", guarded: bool = True) -> None:
        self._breaks = breaks
        self._guarded = guarded
        self._listings = 0
        self._moved = False

    def _keeps(self, rule: str) -> bool:
        return self._breaks != f"mcp.{rule}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, headers, answer = self._answer(scope, body)
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": answer})

    # The doors

    def _answer(self, scope: Scope, body: bytes) -> tuple[int, dict[str, str], bytes]:
        path, method = scope["path"], scope["method"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if path.startswith("/.well-known/"):
            return self._document(path)
        if path != "/mcp":
            return 404, {}, b""
        if headers.get("origin") and self._keeps("http.origin"):
            return 403, {}, b""
        if self._guarded and not self._lets_in(scope, headers):
            return self._challenge(headers)
        if method != "POST":
            kept = self._keeps(f"http.{method.lower()}")
            return 405 if kept else 200, {}, b""
        return self._rpc(headers, body)

    def _lets_in(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if not self._keeps("auth.query-token") and b"access_token=" in scope["query_string"]:
            return True
        if not self._keeps("auth.invalid-token") and token.startswith("not.a"):
            return True
        if not self._keeps("auth.altered-token") and token.startswith("good.token."):
            return True
        return token == TOKEN

    def _challenge(self, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        has_token = "authorization" in headers
        if not has_token and not self._keeps("auth.refuses"):
            return 403, {}, b""
        parts = ['resource_metadata="http://model.test/.well-known/oauth-protected-resource/mcp"']
        if has_token and self._keeps("auth.invalid-token-error"):
            parts.append('error="invalid_token"')
        if not has_token and not self._keeps("auth.challenge-plain"):
            parts.append('error="invalid_request"')
        if self._keeps("auth.challenge-scope"):
            scope = "tools" if self._keeps("auth.offline-access") else "tools offline_access"
            parts.append(f'scope="{scope}"')
        scheme = "Bearer" if self._keeps("auth.challenge") else "Digest"
        return 401, {"www-authenticate": f"{scheme} {', '.join(parts)}"}, b""

    def _document(self, path: str) -> tuple[int, dict[str, str], bytes]:
        kind = {"content-type": "application/json"}
        if path == "/.well-known/oauth-protected-resource/mcp" and self._guarded and self._keeps("auth.metadata"):
            resource = URL if self._keeps("auth.metadata-resource") else "http://model.test/elsewhere"
            servers = ["http://model.test/issuer"] if self._keeps("auth.metadata-servers") else ["nowhere"]
            document = {"resource": resource, "authorization_servers": servers, "scopes_supported": ["tools"]}
            if not self._keeps("auth.metadata-json"):
                kind = {"content-type": "text/html"}
            return 200, kind, json.dumps(document).encode()
        if path == "/.well-known/oauth-authorization-server/issuer":
            issuer = "http://model.test/issuer" if self._keeps("auth.issuer") else "http://model.test/other"
            return 200, kind, json.dumps({"issuer": issuer}).encode()
        return 404, {}, b""

    # JSON-RPC

    def _rpc(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        request: dict[str, Any] = {}
        try:
            request = self._read(body)
            if "id" not in request:
                return self._notified()
            self._check_headers(request, headers)
            self._check_envelope(request)
            self._check_headers_of_call(request, headers)
            result = self._result(request, headers)
        except Refusal as refusal:
            return self._write(request, {"error": self._error(refusal)}, refusal.status, headers)
        return self._write(request, {"result": result}, 200, headers)

    def _read(self, body: bytes) -> dict[str, Any]:
        try:
            request: Any = json.loads(body)
        except ValueError:
            raise Refusal(400, -32700 if self._keeps("error.parse") else -32603, "no JSON") from None
        if isinstance(request, list):
            if self._keeps("error.batch"):
                raise Refusal(400, -32600, "a batch")
            request = cast("list[Any]", request)[0]
        if "method" not in request:
            raise Refusal(400, -32600 if self._keeps("error.invalid-request") else -32602, "no request")
        if request.get("jsonrpc") != "2.0" and self._keeps("error.jsonrpc-version"):
            raise Refusal(400, -32600, "another JSON-RPC")
        if request.get("id", 0) is None and self._keeps("error.null-id"):
            raise Refusal(400, -32600, "no id")
        return cast("dict[str, Any]", request)

    def _notified(self) -> tuple[int, dict[str, str], bytes]:
        return (202, {}, b"") if self._keeps("http.notification") else (200, {}, b"{}")

    def _check_headers(self, request: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        if request["method"] == "initialize":
            known = VERSION if self._keeps("version.initialize") else "something else"
            raise Refusal(400, -32601, f"This server speaks {known}", {"supported": known})
        version = headers.get("mcp-protocol-version")
        meta = request.get("params", {}).get("_meta", {})
        if version is None and self._keeps("headers.version-missing"):
            raise Refusal(400, -32020, "MCP-Protocol-Version is missing")
        if version not in {None, VERSION}:
            data = {"supported": [VERSION], "requested": version if self._keeps("version.supported-list") else None}
            raise Refusal(400 if self._keeps("version.unsupported") else 200, -32022, "unknown revision", data)
        said = meta.get(META + "protocolVersion", VERSION)
        if said != VERSION and self._keeps("headers.version-mismatch"):
            raise Refusal(400, -32020, "another version in the body")
        method = headers.get("mcp-method")
        if method is None and (self._keeps("headers.method-missing")):
            raise Refusal(400, -32020, "Mcp-Method is missing")
        if method is not None and method != request["method"]:
            shouted = method.lower() == request["method"].lower()
            if self._keeps("headers.value-case") if shouted else self._keeps("headers.method-mismatch"):
                raise Refusal(400, -32020, "another method in the body")

    def _check_envelope(self, request: Mapping[str, Any]) -> None:
        meta = request.get("params", {}).get("_meta")
        if meta is None:
            if self._keeps("envelope.missing"):
                raise Refusal(400, -32602, "no _meta")
            return
        for key, rule in (("protocolVersion", "envelope.version"), ("clientCapabilities", "envelope.capabilities")):
            if META + key not in meta and self._keeps(rule):
                raise Refusal(400, -32602, f"no {key}")
        if META + "clientInfo" not in meta and not self._keeps("envelope.client-info"):
            raise Refusal(400, -32602, "no clientInfo")

    def _check_headers_of_call(self, request: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        if request["method"] != "tools/call":
            return
        name = headers.get("mcp-name")
        if name is None:
            if self._keeps("headers.name-missing"):
                raise Refusal(400, -32020, "Mcp-Name is missing")
            return
        if name.startswith("=?base64?"):
            if not self._keeps("headers.name-base64"):
                raise Refusal(400, -32020, "odd name")
            name = decoded(name)
            rule = "headers.name-base64-mismatch"
        else:
            rule = "headers.name-mismatch"
        if name != request["params"]["name"] and self._keeps(rule):
            raise Refusal(400, -32020, "another name in the body")
        arguments: Any = request["params"].get("arguments")
        spoken = cast("dict[str, Any]", arguments).get("text") if isinstance(arguments, dict) else None
        if name != "say" or spoken is None:
            return
        mirrored = headers.get("mcp-param-text")
        rule = "headers.param-missing" if mirrored is None else "headers.param-mismatch"
        if (mirrored is None or decoded(mirrored) != str(spoken)) and self._keeps(rule):
            raise Refusal(400, -32020, "the mirrored argument is another one")

    def _error(self, refusal: Refusal) -> dict[str, Any]:
        kept = self._keeps("message.error-shape")
        return {key: value for key, value in refusal.error.items() if kept or key != "message"}

    def _write(
        self, request: Mapping[str, Any], outcome: dict[str, Any], status: int, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        kept = self._keeps("message.result-id" if "result" in outcome else "message.error-id")
        given = request.get("id")
        answer: dict[str, Any] = {"id": given if kept else str(given), **outcome}
        if self._keeps("message.jsonrpc"):
            answer["jsonrpc"] = "2.0"
        if not self._keeps("message.one-outcome") and "result" in outcome:
            answer["error"] = None
        out = {"content-type": "application/json"}
        if not self._keeps("http.session-minted") and request.get("method") == "server/discover":
            out["mcp-session-id"] = "minted"
        if not self._keeps("http.session-ignored") and "mcp-session-id" in headers:
            return 404, out, b""
        if not self._keeps("http.last-event-id") and "last-event-id" in headers:
            return 400, out, b""
        if not self._keeps("http.content-type") and request.get("method") == "server/discover":
            out["content-type"] = "text/plain"
        if "result" in outcome and request.get("method") in {"tools/call", "subscriptions/listen"}:
            return self._stream(request, answer, out)
        return status, out, json.dumps(answer).encode()

    def _stream(
        self, request: Mapping[str, Any], answer: dict[str, Any], out: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        token = request["params"].get("_meta", {}).get("progressToken")
        messages: list[dict[str, Any]] = []
        if request["method"] == "subscriptions/listen":
            messages.append(self._acknowledgement(request))
        elif token is None and not self._keeps("progress.unasked"):
            messages.append(progress("unasked", 1))
        elif token is not None:
            token = token if self._keeps("progress.token") else "another"
            messages += [progress(token, 1), progress(token, 2 if self._keeps("progress.rises") else 1)]
            if not self._keeps("http.stream-requests"):
                messages.append({"jsonrpc": "2.0", "id": 1, "method": "roots/list"})
        if not messages:
            return 200, out, json.dumps(answer).encode()
        messages.append(answer)
        if not self._keeps("http.stream-end") and token is not None:
            messages.append({"jsonrpc": "2.0", "method": "notifications/message"})
        out["content-type"] = "text/event-stream"
        if self._keeps("listen.unbuffered"):
            out["x-accel-buffering"] = "no"
        return 200, out, b"".join(b"data: " + json.dumps(message).encode() + b"\n\n" for message in messages)

    def _acknowledgement(self, request: Mapping[str, Any]) -> dict[str, Any]:
        granted = {"toolsListChanged": True}
        if not self._keeps("listen.only-asked"):
            granted["promptsListChanged"] = True
        named = {META + "subscriptionId": request["id"]} if self._keeps("listen.subscription-id") else {}
        what = "acknowledged" if self._keeps("listen.acknowledged") else "opened"
        params = {"_meta": named, "notifications": granted}
        return {"jsonrpc": "2.0", "method": f"notifications/subscriptions/{what}", "params": params}

    # What it offers

    def _result(self, request: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        params, method = request.get("params", {}), request["method"]
        self._moved ^= "connection" in headers
        offered: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "server/discover": self._discover,
            "tools/list": self._tools_list,
            "tools/call": self._call,
            "resources/list": self._resources,
            "resources/templates/list": self._templates,
            "resources/read": self._read_resource,
            "prompts/list": self._prompts,
            "prompts/get": self._prompt,
            "subscriptions/listen": lambda _: {},
        }
        if method not in offered:
            raise self._unknown_method()
        result = offered[method](params)
        if self._keeps("message.result-type"):
            result["resultType"] = "complete"
        rule = "discover.server-info" if method == "server/discover" else "message.server-info"
        if self._keeps(rule):
            result["_meta"] = {META + "serverInfo": {"name": "model", "version": "1"}}
        return result

    def _unknown_method(self) -> Refusal:
        if not self._keeps("error.codes"):
            return Refusal(404, -32002, "no such method")
        return Refusal(404 if self._keeps("error.unknown-method") else 200, -32601, "no such method")

    def _discover(self, _: Any) -> dict[str, Any]:
        if not self._keeps("discover.answers"):
            raise Refusal(404, -32601, "no such method")
        listing: dict[str, Any] = {"listChanged": True}
        capabilities: dict[str, Any] = {"resources": {}, "prompts": {}, "tools": listing}
        if not self._keeps("tools.capability"):
            del capabilities["tools"]
        if not self._keeps("discover.capabilities"):
            capabilities["experimental"] = True
        versions = [VERSION] if self._keeps("discover.versions") else ["2025-11-25"]
        return {"supportedVersions": versions, "capabilities": capabilities} | self._hints("discover")

    def _hints(self, what: str) -> dict[str, Any]:
        """Both rules for what has two, one for the rest."""
        two = what in {"discover", "tools"}
        keeps_ttl = self._keeps(f"cache.{what}-ttl") if two else self._keeps(f"cache.{what}")
        keeps_scope = self._keeps(f"cache.{what}-scope") if two else True
        return ({"ttlMs": 1000} if keeps_ttl else {"ttlMs": -1}) | ({"cacheScope": "private"} if keeps_scope else {})

    def _tools(self) -> list[dict[str, Any]]:
        self._listings += 1
        schema = SCHEMA if self._keeps("tools.input-schema") else {**SCHEMA, "minProperties": "one"}
        say: dict[str, Any] = {"name": "say", "inputSchema": schema, "annotations": {"readOnlyHint": True}}
        say["outputSchema"] = OUTPUT
        plain: dict[str, Any] = {"name": "write", "inputSchema": {"type": "object"}}
        if not self._keeps("tools.output-schema"):
            plain["outputSchema"] = {"type": "objekt"}
        if not self._keeps("tools.header-annotations"):
            plain["inputSchema"] = {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}
        names = {
            "tools.name-length": "w" * 129,
            "tools.name-characters": "write this",
            "tools.name": None,
            "tools.name-unique": "write",
        }
        odd = next((name for rule, name in names.items() if not self._keeps(rule)), "wipe")
        tools = [
            say,
            plain,
            {"name": odd, "inputSchema": {"type": "object"}, "title": "odd"},
            {**plain, "name": "last"},
        ]
        if not self._keeps("stateless.connection") and self._moved:
            tools.append({"name": "new", "inputSchema": {"type": "object"}})
        if not self._keeps("tools.order") and self._moved:
            tools.reverse()
        return tools

    def _tools_list(self, params: Mapping[str, Any]) -> dict[str, Any]:
        tools, cursor = self._tools(), params.get("cursor")
        if cursor is None:
            page = tools[:3] if self._keeps("tools.list") else None
            return {"tools": page, "nextCursor": "3"} | self._hints("tools")
        if cursor != "3":
            if self._keeps("pages.invalid-cursor"):
                raise Refusal(400, -32602, "no such cursor")
            return {"tools": list[Any]()} | self._hints("tools")
        rest = tools[3:] if self._keeps("pages.complete") else tools[2:]
        if not self._keeps("pages.stable"):
            rest = [{**tool, "description": str(self._listings)} for tool in rest]
        return (
            {"tools": rest}
            | self._hints("tools")
            | ({} if self._keeps("cache.pages-scope") else {"cacheScope": "public"})
        )

    def _call(self, params: Mapping[str, Any]) -> dict[str, Any]:
        name, arguments = params["name"], params.get("arguments", {})
        if name != "say":
            if self._keeps("call.unknown-tool"):
                raise Refusal(400, -32602, f"Unknown tool: {name}")
            return {"content": [], "isError": True}
        if not isinstance(arguments, dict):
            if self._keeps("call.malformed"):
                raise Refusal(400, -32602, "arguments are no object")
            return {"content": [], "isError": True}
        if not isinstance(cast("dict[str, Any]", arguments).get("text"), str) and self._keeps("call.validates"):
            if not self._keeps("call.invalid-arguments"):
                raise Refusal(400, -32602, "text is no text")
            content = [text("text is no text")] if self._keeps("call.error-text") else list[Any]()
            return {"content": content, "isError": True}
        return self._said(cast("dict[str, Any]", arguments))

    def _said(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        said = {"said": arguments.get("text")} if self._keeps("call.structured") else {"sung": True}
        content = [text(json.dumps(said) if self._keeps("call.structured-text") else "done")]
        if not self._keeps("call.content"):
            content.append({"type": "image"})
        if not self._keeps("call.result"):
            return {"toolResult": said, "structuredContent": said}
        return {"content": content, "structuredContent": said}

    def _resources(self, _: Any) -> dict[str, Any]:
        listed = {"uri": "model://one", "name": "one"} if self._keeps("resources.list") else {"uri": "model://one"}
        return {"resources": [listed]} | self._hints("resources")

    def _templates(self, _: Any) -> dict[str, Any]:
        return {"resourceTemplates": list[Any]()} | self._hints("templates")

    def _read_resource(self, params: Mapping[str, Any]) -> dict[str, Any]:
        if params["uri"] != "model://one" and self._keeps("resources.unknown"):
            raise Refusal(400, -32602, "no such resource")
        return {"contents": [{"uri": params["uri"], "text": "one"}]} | self._hints("read")

    def _prompts(self, _: Any) -> dict[str, Any]:
        return {"prompts": [{"name": "one"} if self._keeps("prompts.list") else {}]} | self._hints("prompts")

    def _prompt(self, params: Mapping[str, Any]) -> dict[str, Any]:
        if params["name"] != "one" and self._keeps("prompts.unknown"):
            raise Refusal(400, -32602, "no such prompt")
        return {"messages": list[Any]()}


def text(words: str) -> dict[str, Any]:
    """A block of content."""
    return {"type": "text", "text": words}


def progress(token: Any, step: int) -> dict[str, Any]:
    """A report of progress."""
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": step}}


def decoded(value: str) -> str:
    """A header's value, which may be in the Base64 form."""
    if value.startswith("=?base64?") and value.endswith("?="):
        return base64.b64decode(value[9:-2]).decode()
    return value
