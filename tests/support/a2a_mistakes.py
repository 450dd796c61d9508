"""Ways to be wrong in A2A, as changes to what a server hears or answers on the wire.

Each makes one mistake over both bindings, or over the one that it is about.
"""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.small_agent import (
    EXTENSION,
    URL,
    Heard,
    Json,
    Mutation,
    Reply,
    encoded,
    is_json,
    signed,
    signing_key,
    small_card,
)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A mistake, and what the server that makes it declares."""

    mutation: Mutation
    declared: Mapping[str, Any] = field(default_factory=dict[str, Any])


def card(**members: Any) -> Wrong:
    """A card with other members, signed as it is."""
    changed = {**small_card(), **members}
    return Wrong(Mutation(card=lambda _: signed({name: one for name, one in changed.items() if one is not None})))


def interface(number: int = 0, **members: Any) -> Wrong:
    interfaces = copy.deepcopy(small_card()["supportedInterfaces"])
    interfaces[number] |= members
    return card(supportedInterfaces=interfaces)


def signature(change: Callable[[Json], Json]) -> Wrong:
    return Wrong(Mutation(card=lambda card: {**card, "signatures": [change(card["signatures"][0])]}))


def header(**members: Any) -> Wrong:
    return Wrong(Mutation(card=lambda _: signed(small_card(), **members)))


def served(change: Callable[[Heard, Reply], Reply], *, at: str = "/.well-known/agent-card.json") -> Wrong:
    """The card, or the keys, served otherwise."""
    return Wrong(Mutation(reply=lambda heard, reply: change(heard, reply) if heard.path == at else reply))


def asked(change: Callable[[Heard], Heard], **declared: Any) -> Wrong:
    """A server that does not hear something of a request."""
    return Wrong(Mutation(heard=change), declared)


def without_header(name: str, value: str | None = None) -> Callable[[Heard], Heard]:
    """Requests without a header, or with another value of it."""

    def change(heard: Heard) -> Heard:
        headers = {known: said for known, said in heard.headers.items() if known != name}
        return replace(heard, headers=headers if value is None else {**headers, name: value})

    return change


def version(change: Callable[[str, str], str]) -> Wrong:
    """A server that takes the version in the header and the one in the URL for another."""

    def changed(heard: Heard) -> Heard:
        said = change(heard.headers.get("a2a-version", ""), heard.query.get("A2A-Version", ""))
        return replace(heard, headers={**heard.headers, "a2a-version": said})

    return asked(changed)


def answered(operation: str, change: Callable[[Any], Any], **declared: Any) -> Wrong:
    """Another result of an operation, over both bindings."""

    def changed(heard: Heard, reply: Reply) -> Reply:
        if operation_of(heard) != operation or reply.streams or not is_json(reply.content):
            return reply
        if "result" in reply.content:
            return replace(reply, content={**reply.content, "result": change(copy.deepcopy(reply.content["result"]))})
        if "error" in reply.content or reply.status != 200:
            return reply
        return replace(reply, content=change(copy.deepcopy(reply.content)))

    return Wrong(Mutation(reply=changed), declared)


def anything(_: Heard) -> bool:
    return True


def made_up(heard: Heard) -> bool:
    """Whether a request is for a task that only the examiner could have named."""
    return "examiner-" in heard.path or str(params_of(heard).get("id")).startswith("examiner-")


def not_made_up(heard: Heard) -> bool:
    return not made_up(heard)


def served_instead(operation: str, when: Callable[[Heard], bool] = anything, **declared: Any) -> Wrong:
    """An operation that is answered with an empty result where it should be refused."""

    def changed(heard: Heard, reply: Reply) -> Reply:
        if operation_of(heard) != operation or not when(heard) or reply.status == 401:
            return reply
        if heard.path == "/rpc":
            return Reply(content={"jsonrpc": "2.0", "id": json.loads(heard.body).get("id"), "result": {}})
        return Reply(content_type="application/a2a+json", content={})

    return Wrong(Mutation(reply=changed), declared)


def said(change: Callable[[str, Json], Json]) -> Wrong:
    """Another object of a name (task, message, statusUpdate, artifactUpdate) in answers to messages and in streams."""

    def in_payload(payload: Json) -> Json:
        return {name: change(name, value) if is_json(value) else value for name, value in payload.items()}

    def in_event(event: Json) -> Json:
        return {**event, "result": in_payload(event["result"])} if "result" in event else in_payload(event)

    def changed(heard: Heard, reply: Reply) -> Reply:
        if reply.streams:
            return replace(reply, content=[in_event(copy.deepcopy(event)) for event in reply.content])
        if operation_of(heard) != "SendMessage" or not is_json(reply.content) or reply.status != 200:
            return reply
        return replace(reply, content=in_event(copy.deepcopy(reply.content)))

    return Wrong(Mutation(reply=changed))


def streamed(change: Callable[[list[Json]], list[Any]]) -> Wrong:
    """Other events, those over JSON-RPC in the envelopes of the first."""

    def changed(heard: Heard, reply: Reply) -> Reply:
        if not reply.streams:
            return reply
        if heard.path != "/rpc":
            return replace(reply, content=change(copy.deepcopy(reply.content)))
        payloads = change([copy.deepcopy(event["result"]) for event in reply.content])
        return replace(reply, content=[{**reply.content[0], "result": payload} for payload in payloads])

    return Wrong(Mutation(reply=changed))


def refused(change: Callable[[Json], Json], *, over: str) -> Wrong:
    """Another error, over one of the bindings."""

    def changed(heard: Heard, reply: Reply) -> Reply:
        if not heard.path.startswith(over) or not is_json(reply.content) or "error" not in reply.content:
            return reply
        return replace(reply, content={**reply.content, "error": change(copy.deepcopy(reply.content["error"]))})

    return Wrong(Mutation(reply=changed))


def replied(change: Callable[[Heard, Reply], Reply], *, over: str = "/") -> Wrong:
    """Other answers at an address."""
    return Wrong(Mutation(reply=lambda heard, reply: change(heard, reply) if heard.path.startswith(over) else reply))


def operation_of(heard: Heard) -> str:
    if heard.path == "/rpc":
        try:
            body = json.loads(heard.body)
        except ValueError:
            return ""
        return body.get("method", "") if is_json(body) else ""
    if not heard.path.startswith("/rest/"):
        return ""
    endings = {"/message:send": "SendMessage", "/message:stream": "SendStreamingMessage", "/tasks": "ListTasks"}
    if "/pushNotificationConfigs" in heard.path:
        verb = {"POST": "Create", "DELETE": "Delete"}.get(heard.method, "Get")
        return f"{verb}TaskPushNotificationConfig"
    endings |= {":cancel": "CancelTask", ":subscribe": "SubscribeToTask", "/extendedAgentCard": "GetExtendedAgentCard"}
    return next((name for ending, name in endings.items() if heard.path.endswith(ending)), "GetTask")


def params_of(heard: Heard) -> Json:
    body = json.loads(heard.body or b"{}")
    return body.get("params", {}) if heard.path == "/rpc" else body


def with_params(heard: Heard, params: Json) -> Heard:
    body = json.loads(heard.body or b"{}")
    return replace(heard, body=json.dumps({**body, "params": params} if heard.path == "/rpc" else params).encode())


def in_message(change: Callable[[Json], Json]) -> Wrong:
    """A server that hears another message than was sent."""

    def changed(heard: Heard) -> Heard:
        if operation_of(heard) not in ("SendMessage", "SendStreamingMessage"):
            return heard
        try:
            params = params_of(heard)
        except ValueError:
            return heard
        message = params.get("message")
        return with_params(heard, {**params, "message": change(message)}) if is_json(message) else heard

    return asked(changed)


def without(value: Json, *names: str) -> Json:
    return {name: member for name, member in value.items() if name not in names}


def of_messages(change: Callable[[Json], Json]) -> Wrong:
    return said(lambda name, value: change(value) if name == "message" else _in_status(value, change))


def _in_status(value: Json, change: Callable[[Json], Json]) -> Json:
    status = value.get("status", {})
    return {**value, "status": {**status, "message": change(status["message"])}} if "message" in status else value


def of_tasks(change: Callable[[Json], Json]) -> Wrong:
    return said(lambda name, value: change(value) if name == "task" else value)


def of_updates(change: Callable[[Json], Json]) -> Wrong:
    return said(lambda name, value: change(value) if name.endswith("Update") else value)


def in_status(change: Callable[[Json], Json]) -> Wrong:
    return said(lambda _, value: {**value, "status": change(value["status"])} if "status" in value else value)


def opened(credential: str, operation: str = "") -> Wrong:
    """A server that lets people in with such a credential, to everything or to one operation."""
    let_in = without_header("authorization", "Bearer let-me-in")

    def is_let_in(heard: Heard) -> bool:
        return heard.headers.get("authorization", "") == credential and operation in ("", operation_of(heard))

    return asked(lambda heard: let_in(heard) if is_let_in(heard) else heard)


def no_data(heard: Heard, reply: Reply) -> Reply:
    content = reply.content
    if is_json(content) and content.get("error", {}).get("code") == -32602:
        return replace(reply, content={**content, "error": {**content["error"], "data": {"parse": "error"}}})
    return reply


def with_artifacts(page: Json) -> Json:
    return {**page, "tasks": [{**task, "artifacts": [{"artifactId": "a"}]} for task in page["tasks"]]}


def coded(wanted: int, other: int, operation: str = "") -> Wrong:
    """Another code for an error, of all operations or of one."""

    def changed(heard: Heard, reply: Reply) -> Reply:
        error = reply.content.get("error") if is_json(reply.content) else None
        if heard.path != "/rpc" or not is_json(error) or operation not in ("", operation_of(heard)):
            return reply
        code = other if error["code"] == wanted else error["code"]
        return replace(reply, content={**reply.content, "error": {**error, "code": code}})

    return Wrong(Mutation(reply=changed))


def another(wanted: int, other: int) -> Wrong:
    return refused(lambda error: {"code": other, "message": "No."} if error["code"] == wanted else error, over="/rpc")


def not_found_as_500(heard: Heard, reply: Reply) -> Reply:
    if reply.status != 404:
        return reply
    error = {**reply.content["error"], "code": 500, "status": "INTERNAL"}
    return replace(reply, status=500, content={"error": error})


REQUIRED = [{"uri": EXTENSION, "required": True}]
MISTAKES: Mapping[str, Wrong] = {
    "a2a.card.served": served(lambda _, reply: replace(reply, content_type="text/html")),
    "a2a.card.required-members": card(version=None),
    "a2a.card.media-types": card(defaultInputModes=["text"]),
    "a2a.card.interfaces": interface(url="/rpc"),
    "a2a.card.interfaces-answer": interface(1, url=f"{URL}/jwks.json?"),
    "a2a.card.interfaces-encrypted": interface(1, url="http://agents.test/rest"),
    "a2a.card.version-without-patch": interface(protocolVersion="1.0.1"),
    "a2a.card.skills": card(skills=[{**small_card()["skills"][0], "tags": []}]),
    "a2a.card.skill-ids": card(skills=[small_card()["skills"][0], small_card()["skills"][0]]),
    "a2a.card.security-schemes": card(securitySchemes={"bearer_token": {"type": "http", "scheme": "bearer"}}),
    "a2a.card.security-requirements": card(securityRequirements=[{"schemes": {"unheard_of": {"list": []}}}]),
    "a2a.card.camel-case": card(icon_url="https://examples.test/icon.png"),
    "a2a.card.cache-control": served(
        lambda _, reply: replace(reply, headers=without(dict(reply.headers), "cache-control"))
    ),
    "a2a.card.etag": served(lambda _, reply: replace(reply, headers={**reply.headers, "etag": "one"})),
    "a2a.card.conditional": served(
        lambda _, reply: replace(reply, status=200, content=reply.content or {"name": "Small"})
    ),
    "a2a.signature.format": signature(lambda one: {**one, "signature": f"{one['signature']}=="}),
    "a2a.signature.header": signature(lambda one: {**one, "protected": encoded({"alg": "ES256", "typ": "JOSE"})}),
    "a2a.signature.typ": header(typ="JWT"),
    "a2a.signature.key-published": header(kid="another"),
    "a2a.signature.key-public": served(
        lambda _, reply: replace(reply, content={"keys": [signing_key().as_dict(private=True)]}), at="/jwks.json"
    ),
    "a2a.signature.verifies": Wrong(Mutation(card=lambda card: {**card, "description": "Another."})),
    "a2a.version.absent": version(lambda header, query: header or query or "1.0"),
    "a2a.version.unsupported": version(lambda header, query: "1.0" if header.startswith("99") else header or query),
    "a2a.version.minor": version(lambda header, query: "1.0" if header.startswith("1.") else header or query),
    "a2a.version.patch": version(lambda header, query: "0.3" if header.count(".") > 1 else header or query),
    "a2a.version.query": version(lambda header, query: header or "0.3"),
    "a2a.version.query-unsupported": version(lambda header, query: header or ("1.0" if query else "0.3")),
    "a2a.message.one-of": answered("SendMessage", lambda result: {"kind": "task", **result["task"]}),
    "a2a.message.members": of_messages(lambda message: without(message, "messageId")),
    "a2a.message.role": of_messages(lambda message: {**message, "role": "agent"}),
    "a2a.message.context": of_messages(lambda message: without(message, "contextId")),
    "a2a.message.parts": of_messages(lambda message: {**message, "parts": [{"text": "a", "data": {}}]}),
    "a2a.message.context-kept": in_message(lambda message: without(message, "contextId")),
    "a2a.message.no-kind": of_tasks(lambda task: {**task, "kind": "task"}),
    "a2a.message.unknown-members": in_message(
        lambda message: {**message, "parts": []} if "examinerMember" in message else message
    ),
    "a2a.message.without-parts": in_message(lambda message: {**message, "parts": message["parts"] or [{"text": "a"}]}),
    "a2a.message.without-id": in_message(lambda message: {"messageId": "made-up", **message}),
    "a2a.message.wrong-type": in_message(
        lambda message: {**message, "parts": [{"text": "a"}]} if isinstance(message["parts"], str) else message
    ),
    "a2a.message.unknown-task": in_message(
        lambda message: without(message, "taskId") if "examiner-" in message.get("taskId", "") else message
    ),
    "a2a.message.media-type": in_message(
        lambda message: {**message, "parts": [{"text": "a"}]} if "raw" in str(message["parts"]) else message
    ),
    "a2a.task.members": in_status(
        lambda status: {**status, "state": status["state"].replace("TASK_STATE_WORKING", "working")}
    ),
    "a2a.task.artifacts": of_tasks(lambda task: {**task, "artifacts": [{"parts": [{"text": "a"}]}]}),
    "a2a.task.settled": of_tasks(lambda task: {**task, "status": {**task["status"], "state": "TASK_STATE_WORKING"}}),
    "a2a.task.new-id": said(lambda name, value: {**value, "id" if name == "task" else "taskId": "the-one"}),
    "a2a.task.timestamps": in_status(lambda status: {**status, "timestamp": "2026-11-22T10:00:00+00:00"}),
    "a2a.task.history-length": asked(
        lambda heard: (
            with_params(heard, without(params_of(heard), "configuration"))
            if operation_of(heard) == "SendMessage"
            else heard
        )
    ),
    "a2a.task.kept": answered("GetTask", lambda task: {**task, "status": {"state": "TASK_STATE_WORKING"}}),
    "a2a.task.ended-takes-no-message": in_message(
        lambda message: (
            message
            if "contextId" in message or "examiner-" in message.get("taskId", "")
            else without(message, "taskId")
        )
    ),
    "a2a.task.ended-not-cancelable": served_instead("CancelTask", not_made_up),
    "a2a.task.ended-not-subscribable": served_instead("SubscribeToTask", not_made_up),
    "a2a.task.context-mismatch": in_message(
        lambda message: without(message, "taskId") if "contextId" in message else message
    ),
    "a2a.task.get-unknown": served_instead("GetTask", made_up),
    "a2a.task.cancel-unknown": served_instead("CancelTask", made_up),
    "a2a.task.subscribe-unknown": served_instead("SubscribeToTask", made_up),
    "a2a.list.members": answered("ListTasks", lambda page: without(page, "totalSize")),
    "a2a.list.page-size": asked(
        lambda heard: (
            replace(
                with_params(heard, without(params_of(heard), "pageSize")), query=without(dict(heard.query), "pageSize")
            )
            if operation_of(heard) == "ListTasks"
            else heard
        )
    ),
    "a2a.list.last-page": answered("ListTasks", lambda page: {**page, "nextPageToken": ""}),
    "a2a.list.order": answered("ListTasks", lambda page: {**page, "tasks": page["tasks"][::-1]}),
    "a2a.list.no-artifacts": answered("ListTasks", with_artifacts),
    "a2a.stream.event-stream": replied(
        lambda heard, reply: Reply(content=reply.content[0]) if reply.streams else reply
    ),
    "a2a.stream.events": streamed(lambda events: [*events[:-1], {}, events[-1]]),
    "a2a.stream.order": streamed(lambda events: [*events[1:], events[0]]),
    "a2a.stream.closes": streamed(lambda events: events[:-1]),
    "a2a.stream.same-task": of_updates(lambda update: {**update, "taskId": "another"}),
    "a2a.stream.updates": of_updates(lambda update: without(update, "artifact")),
    "a2a.stream.append": streamed(lambda events: [events[0], *events[3:]]),
    "a2a.stream.not-declared": served_instead("SubscribeToTask", streaming=False),
    "a2a.push.not-declared": served_instead("DeleteTaskPushNotificationConfig"),
    "a2a.extended-card.not-declared": served_instead("GetExtendedAgentCard"),
    "a2a.extended-card.served": answered("GetExtendedAgentCard", lambda _: {}, extendedAgentCard=True),
    "a2a.extended-card.authenticated": replace(
        opened("", "GetExtendedAgentCard"), declared={"extendedAgentCard": True}
    ),
    "a2a.extension.required": asked(without_header("a2a-extensions", EXTENSION), extensions=REQUIRED),
    "a2a.extension.unknown": asked(
        lambda heard: without_header("a2a-version")(heard) if "unheard-of" in str(heard.headers) else heard
    ),
    "a2a.extension.uri": Wrong(Mutation(), {"extensions": [{"description": "It has no name."}]}),
    "a2a.jsonrpc.envelope": replied(
        lambda _, reply: replace(reply, content={**reply.content, "id": 1}) if is_json(reply.content) else reply,
        over="/rpc",
    ),
    "a2a.jsonrpc.content-type": replied(
        lambda _, reply: reply if reply.streams else replace(reply, content_type="text/plain"), over="/rpc"
    ),
    "a2a.jsonrpc.stream-envelope": replied(
        lambda _, reply: (
            replace(reply, content=[without(event, "id") for event in reply.content]) if reply.streams else reply
        ),
        over="/rpc",
    ),
    "a2a.jsonrpc.parse-error": coded(-32700, -32600),
    "a2a.jsonrpc.invalid-request": coded(-32600, -32700),
    "a2a.jsonrpc.method-not-found": coded(-32601, -32600),
    "a2a.jsonrpc.invalid-params": coded(-32602, -32600, "GetTask"),
    "a2a.jsonrpc.error-code": coded(-32001, -32603),
    "a2a.jsonrpc.error-members": refused(lambda error: {**error, "message": ""}, over="/rpc"),
    "a2a.jsonrpc.error-data": replied(no_data, over="/rpc"),
    "a2a.jsonrpc.error-info": refused(lambda error: without(error, "data"), over="/rpc"),
    "a2a.rest.content-type": replied(
        lambda _, reply: reply if reply.streams else replace(reply, content_type="application/json"), over="/rest"
    ),
    "a2a.rest.bad-json": replied(
        lambda heard, reply: replace(reply, status=422) if heard.body == b'{"message": ' else reply, over="/rest"
    ),
    "a2a.rest.error-status": replied(not_found_as_500, over="/rest"),
    "a2a.rest.error-body": refused(lambda error: {**error, "status": "WRONG"}, over="/rest"),
    "a2a.rest.error-details": refused(
        lambda error: {**error, "details": [*error["details"], {"reason": "a"}]}, over="/rest"
    ),
    "a2a.rest.error-info": refused(
        lambda error: {**error, "details": [{**error["details"][0], "domain": "examples.test"}]}, over="/rest"
    ),
    "a2a.bindings.same-result": replied(
        lambda heard, reply: (
            replace(reply, content={"task": {**reply.content["task"], "artifacts": []}})
            if heard.path.endswith(":send") and "task" in reply.content
            else reply
        ),
        over="/rest",
    ),
    "a2a.bindings.same-errors": another(-32003, -32004),
    "a2a.auth.required": opened(""),
    "a2a.auth.invalid": opened("Bearer this-is-no-token"),
    "a2a.auth.status": replied(lambda _, reply: replace(reply, status=403) if reply.status == 401 else reply),
    "a2a.auth.challenge": replied(lambda _, reply: replace(reply, headers={}) if reply.status == 401 else reply),
}
"""For each requirement a server that breaks it."""
