"""Pages of tasks: what ListTasks is asked, and the token by which a list goes on. Pure.

A token names the place behind the last task of a page, so that a list neither skips nor repeats what does not change
meanwhile; and it is good for the question that it came with, and for no other.
"""

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from a2a.types import a2a_pb2 as wire

from adapters.lifecycle.service import TurnPage
from adapters.messaging.log import TurnMark
from gateway.a2a.asked import Asked
from gateway.a2a.asking import invalid, read_history_length
from gateway.a2a.tasks import states_of, write_task
from registry.model import JsonObject, JsonValue

PAGE: Final = 50
LARGEST_PAGE: Final = 100
"""Tasks of one answer of ListTasks, and at most (A2A 1.0, section 3.1.4)."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,512}")
_TURN: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


def read_page(params: wire.ListTasksRequest, asked: Asked) -> JsonObject | None:
    """Which turns are asked for, in our words; None where there can be none.

    Raises:
        A2AError: a parameter is none.
    """
    size, after = page_size(params), _changed_after(params)
    _check_status(asked.params)
    read_history_length(params)
    content: dict[str, JsonValue] = {"limit": size, "context": params.context_id, "changed_after": after}
    if params.status != wire.TASK_STATE_UNSPECIFIED:
        content["states"] = [state.value for state in states_of(params.status)]
        if not content["states"]:
            return None
    if params.page_token:
        content["mark"] = _read_token(params.page_token, _question(params, asked))
    return content


def page_size(params: wire.ListTasksRequest) -> int:
    """How many tasks a page has, at most.

    Raises:
        A2AError: less than one.
    """
    size = params.page_size if params.HasField("page_size") else PAGE
    if size < 1:
        raise invalid({"pageSize": "must be at least 1"})
    return min(size, LARGEST_PAGE)


def write_page(page: TurnPage, params: wire.ListTasksRequest, asked: Asked) -> wire.ListTasksResponse:
    """One page of tasks."""
    history = read_history_length(params)
    return wire.ListTasksResponse(
        tasks=[write_task(view, history=history, artifacts=params.include_artifacts) for view in page.views],
        next_page_token=_write_token(page.mark, _question(params, asked)) if page.mark is not None else "",
        page_size=page_size(params),
        total_size=page.total,
    )


def _check_status(params: object) -> None:
    """Refuse a state that there is not: the parser takes it for none, which would list everything."""
    status = cast("Mapping[str, Any]", params).get("status") if isinstance(params, Mapping) else None
    if isinstance(status, str) and status not in dict(wire.TaskState.items()):
        raise invalid({"status": "is no state of a task"})


def _changed_after(params: wire.ListTasksRequest) -> float | None:
    if not params.HasField("status_timestamp_after"):
        return None
    after = params.status_timestamp_after
    return after.seconds + after.nanos / 1e9


def _question(params: wire.ListTasksRequest, asked: Asked) -> str:
    """What identifies a list: whose tasks, of which agent, and which of them."""
    chain = [f"{link.kind}:{link.issuer}:{link.subject}" for link in asked.verified.chain]
    said = [asked.entry.agent.name, params.context_id, params.status, _changed_after(params), *chain]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _write_token(mark: TurnMark, question: str) -> str:
    written = json.dumps([mark.changed_at, mark.turn, question], separators=(",", ":"))
    return base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")


def _read_token(token: str, question: str) -> list[JsonValue]:
    try:
        padded = token + "=" * (-len(token) % 4) if _TOKEN.fullmatch(token) else ""
        changed_at, turn, asked = json.loads(base64.urlsafe_b64decode(padded))
        if asked == question and math.isfinite(float(changed_at)) and _TURN.fullmatch(turn):
            return [float(changed_at), str(turn)]
    except (ValueError, TypeError, OverflowError, binascii.Error):
        pass
    raise invalid({"pageToken": "is not one that this list gave"})
