"""Checks of Streamable HTTP: methods, content types, sessions that are no more, origins, streams."""

from conformance.jsonrpc import describe, judge_result, read_answer, read_json_object, read_json_objects
from conformance.mcp.samples import call_of, errors, results
from conformance.mcp.speech import regular
from conformance.mcp.survey import McpSubject
from conformance.verdict import Broke, Held, Inapplicable, NotOffered, Verdict
from conformance.wire import Exchange

FOREIGN_ORIGIN = "http://examiner.invalid"


async def answers_in_known_types(subject: McpSubject) -> Verdict:
    for exchange in [*await results(subject), *await errors(subject)]:
        if exchange.media_type not in {"application/json", "text/event-stream"}:
            return Broke(
                expected="application/json or text/event-stream", found=exchange.media_type or "no type at all"
            )
    return Held()


async def accepts_or_refuses_notification(subject: McpSubject) -> Verdict:
    ask = regular("notifications/examiner")
    body = {key: value for key, value in ask.body.items() if key != "id"}
    exchange = await subject.wire.post(subject.url, body, headers=ask.headers)
    subject.refuse_unauthorised(exchange.status)
    if (exchange.status == 202 and not exchange.came) or exchange.status >= 400:
        return Held(f"HTTP {exchange.status}")
    return Broke(
        expected="HTTP 202 without a body, or an HTTP error",
        found=f"HTTP {exchange.status}, {len(exchange.came)} bytes",
    )


async def has_no_get(subject: McpSubject) -> Verdict:
    return await _not_allowed(subject, "GET")


async def has_no_delete(subject: McpSubject) -> Verdict:
    return await _not_allowed(subject, "DELETE")


async def _not_allowed(subject: McpSubject, method: str) -> Verdict:
    if subject.legacy is not None:
        return NotOffered(f"The server speaks older revisions too ({subject.legacy}), which have {method}.")
    headers = {"accept": "application/json, text/event-stream"}
    async with subject.wire.open(method, subject.url, headers=headers) as stream:
        status = stream.status
    subject.refuse_unauthorised(status)
    if status == 405:
        return Held()
    return Broke(expected="HTTP 405", found=f"HTTP {status}")


async def ignores_session(subject: McpSubject) -> Verdict:
    exchange = await subject.ask(regular("tools/list").with_headers(mcp_session_id="of-the-examiner"))
    if exchange.header("mcp-session-id"):
        return Broke(expected="no Mcp-Session-Id in the answer", found="one")
    return judge_result(exchange)


async def mints_no_session(subject: McpSubject) -> Verdict:
    for exchange in await results(subject):
        if exchange.header("mcp-session-id"):
            return Broke(expected="no Mcp-Session-Id in the answer", found="one")
    return Held()


async def ignores_last_event(subject: McpSubject) -> Verdict:
    return judge_result(await subject.ask(regular("tools/list").with_headers(last_event_id="7")))


async def refuses_foreign_origin(subject: McpSubject) -> Verdict:
    exchange = await subject.wire.post(
        subject.url,
        regular("tools/list").body,
        headers=regular("tools/list").with_headers(origin=FOREIGN_ORIGIN).headers,
    )
    if exchange.status == 403:
        return Held()
    subject.refuse_unauthorised(exchange.status)
    return Broke(expected="HTTP 403", found=describe(exchange))


async def sends_no_requests(subject: McpSubject) -> Verdict:
    for exchange in await _streams(subject):
        asked = [message for message in read_json_objects(list(read_answer(exchange).others)) if "id" in message]
        if asked:
            return Broke(expected="notifications and one response", found=f"a request: {asked[0]!r}"[:300])
    return Held()


async def streams_end_with_response(subject: McpSubject) -> Verdict:
    for exchange in await _streams(subject):
        last = (exchange.events() or [None])[-1]
        if not read_json_object(last).keys() & {"result", "error"}:
            return Broke(expected="a stream whose last event is the response", found=f"the last event: {last!r}"[:300])
    return Held()


async def _streams(subject: McpSubject) -> list[Exchange]:
    """Answers that came as streams, where a server makes any of asking for progress."""
    asks = [regular("tools/list")] if subject.call is None else [regular("tools/list"), call_of(subject)]
    exchanges = [await subject.ask(ask.with_meta(progressToken="examiner-p")) for ask in asks]
    found = [exchange for exchange in exchanges if exchange.media_type == "text/event-stream"]
    if not found:
        raise Inapplicable("The server answered with JSON each time, not with a stream.")
    return found
