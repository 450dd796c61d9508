"""Checks of `subscriptions/listen`: the one stream that stays open."""

import asyncio
from dataclasses import dataclass
from typing import cast

from conformance.jsonrpc import Json, read_json_object
from conformance.mcp.speech import SUBSCRIPTION_ID, regular
from conformance.mcp.survey import McpSubject
from conformance.verdict import Broke, CannotExamine, Held, Inapplicable, Verdict

FIRST_EVENT_SECONDS = 10.0
_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """How a stream began. `first` is None where nothing came in time."""

    status: int
    media_type: str
    unbuffered: bool
    first: Json | None
    id: str | int | None


async def acknowledges_first(subject: McpSubject) -> Verdict:
    opening = await _open(subject)
    if opening.media_type != "text/event-stream":
        return Broke(
            expected="a stream of events", found=f"HTTP {opening.status} with {opening.media_type or 'no type'}"
        )
    if (opening.first or {}).get("method") == _ACKNOWLEDGED:
        return Held()
    return Broke(expected=_ACKNOWLEDGED, found=f"{opening.first!r}"[:300] if opening.first else "nothing in time")


async def names_the_subscription(subject: McpSubject) -> Verdict:
    opening = await _open(subject)
    meta = read_json_object(_acknowledgement(opening).get("_meta"))
    if meta.get(SUBSCRIPTION_ID) == opening.id:
        return Held()
    return Broke(expected=f"{SUBSCRIPTION_ID}: {opening.id!r} in _meta", found=f"{meta.get(SUBSCRIPTION_ID)!r}")


async def grants_only_what_was_asked(subject: McpSubject) -> Verdict:
    granted = read_json_object(_acknowledgement(await _open(subject)).get("notifications"))
    unasked = sorted(name for name, value in granted.items() if value and name != "toolsListChanged")
    return Broke(expected="toolsListChanged at most", found=f"also {', '.join(unasked)}") if unasked else Held()


async def is_not_buffered(subject: McpSubject) -> Verdict:
    opening = await _open(subject)
    if opening.media_type != "text/event-stream":
        raise CannotExamine("subscriptions/listen is not answered by a stream.")
    return Held() if opening.unbuffered else Broke(expected="the header X-Accel-Buffering: no", found="none")


def _acknowledgement(opening: _Opening) -> Json:
    if (opening.first or {}).get("method") != _ACKNOWLEDGED:
        raise CannotExamine("The stream does not begin with an acknowledgement.")
    return read_json_object(cast("Json", opening.first).get("params"))


async def _open(subject: McpSubject) -> _Opening:
    """Subscribe to changes of the list of tools, and look at the beginning of the stream."""
    if read_json_object(subject.capabilities.get("tools")).get("listChanged") is not True:
        raise Inapplicable("The server does not say that it announces changes of its tools (tools.listChanged).")
    ask = regular("subscriptions/listen", notifications={"toolsListChanged": True})
    async with subject.wire.open("POST", subject.url, headers=ask.headers, body=ask.body) as stream:
        first: Json | None = None
        if stream.media_type == "text/event-stream":
            try:
                async with asyncio.timeout(FIRST_EVENT_SECONDS):
                    first = read_json_object(await anext(stream.events(), None))
            except TimeoutError:
                first = None
        return _Opening(
            status=stream.status,
            media_type=stream.media_type,
            unbuffered=dict(stream.came_headers).get("x-accel-buffering", "").lower() == "no",
            first=first,
            id=ask.id,
        )
