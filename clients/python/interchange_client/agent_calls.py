"""Other agents over A2A 1.0, by JSON-RPC: what one SendMessage says, and what its answer means. Pure."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from interchange.v1 import agent_pb2

from interchange_client.errors import GatewayError
from interchange_client.parts import Content, read_parts, text_of, write_parts
from interchange_client.skill_calls import Post, read_error
from interchange_client.wire import Reply

VERSION: Final = "1.0"
_STATE: Final = "TASK_STATE_"
_ANSWER: Final = "answer"
"""The artifact that is what the agent said."""
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAnswer:
    """What another agent answered.

    `parts` is what it said and `artifacts` what it made; `text` is what was said in words, else what was made in words.
    `state` is `completed`, or how else the work ended (`failed`, `rejected`, …); `code` is then the gateway's word for
    why. `conversation` is passed to the next `ask` that belongs to this one.
    """

    text: str
    parts: tuple[agent_pb2.Part, ...] = ()
    artifacts: tuple[agent_pb2.Artifact, ...] = ()
    conversation: str = ""
    state: str = "completed"
    code: str = ""

    @property
    def is_error(self) -> bool:
        """Whether the work did not come to its end."""
        return self.state != "completed"


def write_message(content: Content | Sequence[agent_pb2.Part], *, conversation: str = "") -> Post:
    """A SendMessage that waits for the end.

    Raises:
        TypeError, ValueError: the content is nothing that a part can hold.
    """
    message: dict[str, Any] = {
        "messageId": str(uuid.uuid4()),
        "role": "ROLE_USER",
        "parts": write_parts(content),
        **({"contextId": conversation} if conversation else {}),
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
    headers = {"content-type": "application/json", "accept": "application/json", "a2a-version": VERSION}
    return Post(headers, json.dumps(body, allow_nan=False, ensure_ascii=False).encode())


def read_answer(reply: Reply) -> AgentAnswer:
    """The answer that a reply carries. That there is no such agent for this chain is one, as any other refusal is.

    Raises:
        GatewayError: it carries another error, or nothing of the kind.
    """
    response = reply.message()
    if unknown := _unknown(response):
        return AgentAnswer(text=unknown, state="rejected", code="unknown")
    result: object = response.get("result")
    if not isinstance(result, dict):
        raise _refusal(response, reply)
    answer = cast("Mapping[str, Any]", result)
    try:
        return _from_message(answer["message"]) if "message" in answer else _from_task(answer["task"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise GatewayError(f"{reply.url} answered with neither a message nor a task.", "garbled") from None


def _from_message(message: Mapping[str, Any]) -> AgentAnswer:
    parts = read_parts(message["parts"])
    return AgentAnswer(text=text_of(parts), parts=parts, conversation=str(message.get("contextId", "")))


def _from_task(task: Mapping[str, Any]) -> AgentAnswer:
    status = cast("Mapping[str, Any]", task["status"])
    said = cast("Mapping[str, Any]", status.get("message") or {})
    made = tuple(map(_read_artifact, cast("Iterable[Mapping[str, Any]]", task.get("artifacts", []))))
    parts = next((tuple(each.parts) for each in made if each.id == _ANSWER), read_parts(said.get("parts", [])))
    artifacts = tuple(each for each in made if each.id != _ANSWER)
    return AgentAnswer(
        text=text_of(parts) or text_of(part for artifact in artifacts for part in artifact.parts),
        parts=parts,
        artifacts=artifacts,
        conversation=str(task.get("contextId", "")),
        state=str(status["state"]).removeprefix(_STATE).lower(),
        code=str(cast("Mapping[str, Any]", said.get("metadata") or {}).get("interchange/error", "")),
    )


def _read_artifact(written: Mapping[str, Any]) -> agent_pb2.Artifact:
    return agent_pb2.Artifact(
        id=str(written["artifactId"]),
        name=str(written.get("name", "")),
        description=str(written.get("description", "")),
        parts=read_parts(written["parts"]),
        last=True,
    )


def _unknown(response: Mapping[str, Any]) -> str:
    """The gateway's sentence where it has no such agent for this chain; a page of somebody else's says nothing."""
    error: object = response.get("error")
    said = cast("Mapping[str, object]", error) if isinstance(error, dict) else None
    return str(said.get("message", "")) if said and said.get("code") == _NOT_FOUND else ""


def _refusal(response: Mapping[str, Any], reply: Reply) -> GatewayError:
    """The error, by A2A's own name for it where it has one (`task_not_found`)."""
    plain = read_error(response, reply)
    said = cast("Mapping[str, Any]", response.get("error") or {})
    details: object = said.get("data") if isinstance(response.get("error"), dict) else None
    for detail in cast("list[object]", details) if isinstance(details, list) else []:
        reason = cast("dict[str, object]", detail).get("reason") if isinstance(detail, dict) else None
        if isinstance(reason, str) and reason:
            return GatewayError(plain.message, reason.lower())
    return plain
