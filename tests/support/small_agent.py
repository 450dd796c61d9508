"""A small A2A server by hand: it does all that the protocol demands of what it offers, and whatever else a test wants.

Requests and answers are plain JSON: nothing of an SDK and nothing of ours is in it. A `Mutation` changes what was
heard, or what is answered, so that a test can break one thing at a time.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeAlias, TypeGuard, cast
from urllib.parse import parse_qsl, unquote

import httpx
from joserfc import jws
from joserfc.jwk import ECKey
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.a2a.canonical import signed_bytes
from conformance.wire import Wires

Json: TypeAlias = dict[str, Any]
URL = "http://127.0.0.1:1"
TOKEN = "let-me-in"
EXTENSION = "https://examples.test/extensions/colour/v1"
ENDED = {"TASK_STATE_COMPLETED", "TASK_STATE_CANCELED"}
CODES = {
    "TASK_NOT_FOUND": (-32001, 404, "NOT_FOUND"),
    "TASK_NOT_CANCELABLE": (-32002, 400, "FAILED_PRECONDITION"),
    "PUSH_NOTIFICATION_NOT_SUPPORTED": (-32003, 400, "FAILED_PRECONDITION"),
    "UNSUPPORTED_OPERATION": (-32004, 400, "FAILED_PRECONDITION"),
    "CONTENT_TYPE_NOT_SUPPORTED": (-32005, 400, "INVALID_ARGUMENT"),
    "EXTENSION_SUPPORT_REQUIRED": (-32008, 400, "FAILED_PRECONDITION"),
    "VERSION_NOT_SUPPORTED": (-32009, 400, "FAILED_PRECONDITION"),
    "INVALID_PARAMS": (-32602, 400, "INVALID_ARGUMENT"),
}


def is_json(value: object) -> TypeGuard[Json]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def objects(value: object) -> list[Json]:
    """The objects of a list."""
    return [one for one in cast("list[Any]", value) if is_json(one)] if isinstance(value, list) else []


class Refused(Exception):
    """An error of the protocol, by its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: `content` is JSON, or for a stream the JSON of each event; bytes and None go as they are."""

    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: Any = None

    @property
    def streams(self) -> bool:
        return self.content_type == "text/event-stream"


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is different: of the card, of a request before it is looked at, of its answer after that."""

    card: Callable[[Json], Json] = lambda card: card
    heard: Callable[[Heard], Heard] = lambda heard: heard
    reply: Callable[[Heard, Reply], Reply] = lambda _, reply: reply


@cache
def signing_key() -> ECKey:
    """A key for the tests of one run."""
    return ECKey.generate_key("P-256", {"kid": "small", "alg": "ES256", "use": "sig"})


def small_card(**capabilities: Any) -> Json:
    """A card with everything a card can have, as far as it concerns the examiner."""
    return {
        "name": "Small",
        "description": "Answers with what it hears.",
        "version": "1",
        "supportedInterfaces": [
            {"url": f"{URL}/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
            {"url": f"{URL}/rest", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0"},
        ],
        "capabilities": {"streaming": True, "pushNotifications": False, **capabilities},
        "securitySchemes": {
            "bearer_token": {"httpAuthSecurityScheme": {"scheme": "Bearer"}},
            "login": {
                "oauth2SecurityScheme": {
                    "flows": {"clientCredentials": {"tokenUrl": f"{URL}/token", "scopes": {"all_of_it": "All."}}}
                }
            },
        },
        "securityRequirements": [{"schemes": {"bearer_token": {"list": []}}}],
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [{"id": "echo", "name": "Echo", "description": "Says what it hears.", "tags": ["small"]}],
    }


def signed(card: Mapping[str, Any], *, key: ECKey | None = None, **header: Any) -> Json:
    """A card with a signature of its canonical form."""
    protected = {"alg": "ES256", "kid": "small", "typ": "JOSE", "jku": f"{URL}/jwks.json", **header}
    whole = jws.serialize_compact(protected, signed_bytes(card), key or signing_key())
    first, _, last = whole.split(".")
    return {**card, "signatures": [{"protected": first, "signature": last}]}


class SmallAgent:
    """The server: an ASGI application. It makes a task of a message with the word task, and a message of others."""

    def __init__(self, mutation: Mutation = Mutation(), **capabilities: Any) -> None:
        self._mutation = mutation
        self._unsigned = small_card(**capabilities)
        self._card = mutation.card(signed(self._unsigned))
        self._tasks: dict[str, Json] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive()).get("more_body") or message.get("body"):
            body += message["body"]
            if not message.get("more_body"):
                break
        heard = Heard(
            method=scope["method"],
            path=unquote(scope["path"]),
            headers={name.decode(): value.decode() for name, value in scope["headers"]},
            query=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
            body=body,
        )
        reply = self._mutation.reply(heard, self._reply(self._mutation.heard(heard)))
        headers = {"content-type": reply.content_type, **reply.headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items() if value]
        await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
        await send({"type": "http.response.body", "body": _written(reply)})

    # -- the door and the two bindings

    def _reply(self, heard: Heard) -> Reply:
        if heard.path == "/.well-known/agent-card.json":
            return self._serve_card(heard)
        if heard.path == "/jwks.json":
            return Reply(content={"keys": [signing_key().as_dict(private=False)]})
        if heard.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(status=401, headers={"www-authenticate": "Bearer"}, content={})
        return self._over_rpc(heard) if heard.path == "/rpc" else self._over_rest(heard)

    def _serve_card(self, heard: Heard) -> Reply:
        headers = {"etag": '"one"', "cache-control": "public, max-age=60"}
        if heard.headers.get("if-none-match") == '"one"':
            return Reply(status=304, headers=headers, content=b"")
        return Reply(headers=headers, content=self._card)

    def _over_rpc(self, heard: Heard) -> Reply:
        try:
            body = json.loads(heard.body)
        except ValueError:
            return _rpc_error(None, -32700, "That is not JSON.")
        if not is_json(body) or body.get("jsonrpc") != "2.0" or not isinstance(body.get("method"), str):
            return _rpc_error(None, -32600, "That is no request.")
        named, method = body.get("id"), body["method"]
        if method not in self._operations():
            return _rpc_error(named, -32601, "There is no such method.")
        try:
            result = self._operate(method, body.get("params", {}), heard)
        except Refused as error:
            return _rpc_error(named, CODES[str(error)][0], "Not like that.", [_info(str(error))])
        if isinstance(result, list):
            events = [{"jsonrpc": "2.0", "id": named, "result": event} for event in objects(cast("object", result))]
            return Reply(content_type="text/event-stream", content=events)
        return Reply(content={"jsonrpc": "2.0", "id": named, "result": result})

    def _over_rest(self, heard: Heard) -> Reply:
        path = heard.path.removeprefix("/rest")
        try:
            body: Json = json.loads(heard.body) if heard.body else {}
            operation, params = _routed(heard.method, path)
            result = self._operate(operation, {**_typed(heard.query), **body, **params}, heard)
        except ValueError:
            return _rest_error("INVALID_PARAMS")
        except Refused as error:
            return _rest_error(str(error))
        if isinstance(result, list):
            return Reply(content_type="text/event-stream", content=result)
        return Reply(content_type="application/a2a+json", content=result)

    # -- the operations

    def _operate(self, operation: str, params: Any, heard: Heard) -> Any:
        version = heard.headers.get("a2a-version") or heard.query.get("A2A-Version") or "0.3"
        if version.split(".")[:2] != ["1", "0"]:
            raise Refused("VERSION_NOT_SUPPORTED")
        required = [str(one["uri"]) for one in objects(self._declared("extensions")) if one.get("required")]
        if any(uri not in heard.headers.get("a2a-extensions", "") for uri in required):
            raise Refused("EXTENSION_SUPPORT_REQUIRED")
        if not is_json(params):
            raise Refused("INVALID_PARAMS")
        return self._operations()[operation](params)

    def _operations(self) -> Mapping[str, Callable[[Json], Any]]:
        return {
            "SendMessage": self._send,
            "SendStreamingMessage": self._stream,
            "GetTask": lambda params: _recent(self._task(params), params.get("historyLength")),
            "ListTasks": self._list,
            "CancelTask": lambda params: self._on_ended(params, "TASK_NOT_CANCELABLE"),
            "SubscribeToTask": self._subscribe,
            **{
                f"{verb}TaskPushNotificationConfig{plural}": _no_push
                for verb, plural in (("Create", ""), ("Get", ""), ("List", "s"), ("Delete", ""))
            },
            "GetExtendedAgentCard": self._extended_card,
        }

    def _send(self, params: Json) -> Any:
        message = self._checked(params.get("message"))
        context = message.get("contextId") or secrets.token_hex(8)
        if not any("task" in part.get("text", "") for part in message["parts"]):
            return {"message": _said(message["parts"][0].get("text", ""), context)}
        task = self._new_task(message, context)
        return {"task": _recent(task, params.get("configuration", {}).get("historyLength"))}

    def _stream(self, params: Json) -> list[Any]:
        if not self._declared("streaming"):
            raise Refused("UNSUPPORTED_OPERATION")
        answer = self._send(params)
        if "message" in answer:
            return [answer]
        task = answer["task"]
        of = {"taskId": task["id"], "contextId": task["contextId"]}
        chunk = {"artifactId": "answer", "parts": [{"text": "a"}]}
        working = {"state": "TASK_STATE_WORKING", "timestamp": _now()}
        return [
            {"task": {**of, "id": task["id"], "status": working}},
            {"statusUpdate": {**of, "status": {**working, "message": _said("working", task["contextId"])}}},
            {"artifactUpdate": {**of, "artifact": chunk}},
            {"artifactUpdate": {**of, "artifact": chunk, "append": True, "lastChunk": True}},
            {"statusUpdate": {**of, "status": task["status"]}},
        ]

    def _subscribe(self, params: Json) -> Any:
        if not self._declared("streaming"):
            raise Refused("UNSUPPORTED_OPERATION")
        return self._on_ended(params, "UNSUPPORTED_OPERATION")

    def _list(self, params: Json) -> Json:
        size, start = params.get("pageSize", 50), int(params.get("pageToken") or 0)
        if size < 1:
            raise Refused("INVALID_PARAMS")
        newest = list(reversed(self._tasks.values()))
        page = newest[start : start + min(size, 100)]
        token = str(start + len(page)) if start + len(page) < len(newest) else ""
        tasks = [{name: value for name, value in task.items() if name != "artifacts"} for task in page]
        return {"tasks": tasks, "nextPageToken": token, "pageSize": len(page), "totalSize": len(newest)}

    def _extended_card(self, _: Json) -> Any:
        if not self._declared("extendedAgentCard"):
            raise Refused("UNSUPPORTED_OPERATION")
        return self._unsigned

    def _declared(self, capability: str) -> Any:
        return self._unsigned["capabilities"].get(capability)

    def _checked(self, message: Any) -> Json:
        if not is_json(message) or not message.get("messageId") or not objects(message.get("parts")):
            raise Refused("INVALID_PARAMS")
        if any("raw" in part for part in objects(message["parts"])):
            raise Refused("CONTENT_TYPE_NOT_SUPPORTED")
        if message.get("taskId"):
            task = self._task({"id": message["taskId"]})
            raise Refused("UNSUPPORTED_OPERATION" if task["status"]["state"] in ENDED else "INVALID_PARAMS")
        return message

    def _new_task(self, message: Json, context: str) -> Json:
        task: Json = {
            "id": secrets.token_hex(8),
            "contextId": context,
            "status": {
                "state": "TASK_STATE_COMPLETED",
                "timestamp": _now(),
                "message": _said("done", context),
            },
            "artifacts": [{"artifactId": "answer", "parts": [{"text": "a"}, {"data": {"b": 1}}]}],
            "history": [{**message, "contextId": context}, _said("working", context)],
        }
        self._tasks[task["id"]] = task
        return task

    def _task(self, params: Json) -> Json:
        named = params.get("id")
        if not isinstance(named, str) or not named:
            raise Refused("INVALID_PARAMS")
        if named not in self._tasks:
            raise Refused("TASK_NOT_FOUND")
        return self._tasks[named]

    def _on_ended(self, params: Json, reason: str) -> Any:
        self._task(params)
        raise Refused(reason)


def local_wires(app: ASGIApp, *, token: str | None = TOKEN) -> Wires:
    """Wires that lead to an application of this process."""
    return Wires(token=token, seconds=5, transport=httpx.ASGITransport(app=app))


def encoded(header: Any) -> str:
    """JSON as JWS encodes it."""
    return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()


def _no_push(_: Json) -> Any:
    raise Refused("PUSH_NOTIFICATION_NOT_SUPPORTED")


def _said(text: str, context: str) -> Json:
    return {"messageId": secrets.token_hex(8), "role": "ROLE_AGENT", "contextId": context, "parts": [{"text": text}]}


def _recent(task: Json, most: Any) -> Json:
    if most is None:
        return task
    if int(most) == 0:
        return {name: value for name, value in task.items() if name != "history"}
    return {**task, "history": task["history"][-int(most) :]}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _info(reason: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "a2a-protocol.org"}


def _rpc_error(named: Any, code: int, message: str, data: Any = None) -> Reply:
    error = {"code": code, "message": message, **({"data": data} if data else {})}
    return Reply(content={"jsonrpc": "2.0", "id": named, "error": error})


def _rest_error(reason: str) -> Reply:
    _, status, name = CODES[reason]
    error = {"code": status, "status": name, "message": "Not like that.", "details": [_info(reason)]}
    return Reply(status=status, content_type="application/a2a+json", content={"error": error})


def _routed(method: str, path: str) -> tuple[str, Json]:
    """The operation of a path, and the parameters that are in it."""
    named, _, verb = path.removeprefix("/tasks/").partition(":")
    match (method, path):
        case ("POST", "/message:send"):
            return "SendMessage", {}
        case ("POST", "/message:stream"):
            return "SendStreamingMessage", {}
        case ("GET", "/extendedAgentCard"):
            return "GetExtendedAgentCard", {}
        case ("GET", "/tasks"):
            return "ListTasks", {}
        case _ if "pushNotificationConfigs" in path:
            return "GetTaskPushNotificationConfig", {}
        case ("POST", _) if verb == "cancel":
            return "CancelTask", {"id": named}
        case ("POST", _) if verb == "subscribe":
            return "SubscribeToTask", {"id": named}
        case _:
            return "GetTask", {"id": named}


def _typed(query: Mapping[str, str]) -> Json:
    """The parameters of a URL with numbers as numbers."""
    return {
        name: int(value) if value.lstrip("-").isdigit() and name == "pageSize" else value
        for name, value in query.items()
    }


def _written(reply: Reply) -> bytes:
    if isinstance(reply.content, bytes):
        return reply.content
    if reply.streams:
        return b"".join(
            b"data: " + (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n\n" for one in reply.content
        )
    return json.dumps(reply.content).encode()
