"""Checks of what every message must be: JSON-RPC 2.0 with MCP's own rules, and the envelope of a request."""

from collections.abc import Callable
from dataclasses import replace

from conformance.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Json,
    describe,
    judge_error,
    judge_result,
    read_answer,
    read_json_object,
)
from conformance.mcp.discovery import judge_server_info
from conformance.mcp.samples import NO_SUCH_METHOD, call_of, errors, results
from conformance.mcp.speech import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    HEADER_MISMATCH,
    MISSING_CAPABILITY,
    PROTOCOL_VERSION,
    UNSUPPORTED_VERSION,
    Ask,
    regular,
)
from conformance.mcp.survey import McpSubject
from conformance.verdict import Broke, Held, Verdict
from conformance.wire import Exchange

_DEFINED = {HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION}
_RETIRED = {-32002, -32042}


async def is_jsonrpc(subject: McpSubject) -> Verdict:
    return _first_broken(
        [*await results(subject), *await errors(subject)],
        '"jsonrpc": "2.0"',
        lambda response: response.get("jsonrpc") == "2.0",
    )


async def is_result_or_error(subject: McpSubject) -> Verdict:
    return _first_broken(
        [*await results(subject), *await errors(subject)],
        "either result or error",
        lambda response: ("result" in response) != ("error" in response),
    )


async def result_has_type(subject: McpSubject) -> Verdict:
    return _first_broken(
        await results(subject),
        "a resultType that is a text",
        lambda response: isinstance(response["result"].get("resultType"), str),
    )


async def result_has_id(subject: McpSubject) -> Verdict:
    verdict = await _same_id(subject, regular("server/discover"))
    if isinstance(verdict, Broke) or subject.call is None:
        return verdict
    return await _same_id(subject, call_of(subject))


async def error_has_id(subject: McpSubject) -> Verdict:
    return await _same_id(subject, regular(NO_SUCH_METHOD))


async def _same_id(subject: McpSubject, ask: Ask) -> Verdict:
    """Ids as texts and as numbers come back as what they are."""
    for number in ("examiner-é-1", 0, 4_294_967_297):
        exchange = await subject.ask(replace(ask, id=number))
        given = read_json_object(read_answer(exchange).response).get("id")
        if given != number or type(given) is not type(number):
            return Broke(expected=f"an answer with id {number!r}", found=f"id {given!r}: {describe(exchange)}")
    return Held()


async def error_is_whole(subject: McpSubject) -> Verdict:
    return _first_broken(
        await errors(subject),
        "an error with an integer code and a message",
        lambda response: (
            type(response["error"].get("code")) is int and isinstance(response["error"].get("message"), str)
        ),
    )


async def result_names_server(subject: McpSubject) -> Verdict:
    for exchange in (await results(subject))[1:]:
        verdict = judge_server_info(read_json_object(read_answer(exchange).result))
        if isinstance(verdict, Broke):
            return verdict
    return Held()


async def refuses_what_is_no_json(subject: McpSubject) -> Verdict:
    exchange = await subject.send(b'{"jsonrpc": "2.0", "id": 1, "method": ', regular("tools/list"))
    return judge_error(exchange, code=PARSE_ERROR)


async def refuses_what_is_no_request(subject: McpSubject) -> Verdict:
    return judge_error(await subject.send(b'{"jsonrpc": "2.0", "id": 1}', regular("tools/list")), code=INVALID_REQUEST)


async def refuses_other_jsonrpc(subject: McpSubject) -> Verdict:
    ask = replace(regular("tools/list"), more={"jsonrpc": "1.0"})
    return judge_error(await subject.ask(ask), code=INVALID_REQUEST)


async def refuses_null_id(subject: McpSubject) -> Verdict:
    exchange = await subject.ask(replace(regular("tools/list"), id=None))
    if read_answer(exchange).result is None:
        return Held()
    return Broke(expected="no result", found=describe(exchange))


async def refuses_batch(subject: McpSubject) -> Verdict:
    ask = regular("tools/list")
    exchange = await subject.wire.post(subject.url, [ask.body, replace(ask, id="2").body], headers=ask.headers)
    subject.refuse_unauthorised(exchange.status)
    if exchange.status >= 400 or read_answer(exchange).error is not None:
        return Held()
    return Broke(expected="an error", found=describe(exchange))


async def refuses_unknown_method(subject: McpSubject) -> Verdict:
    return judge_error(await subject.ask(regular(NO_SUCH_METHOD)), code=METHOD_NOT_FOUND, status=404)


async def keeps_to_defined_codes(subject: McpSubject) -> Verdict:
    for exchange in await errors(subject):
        code = read_answer(exchange).code
        undefined = isinstance(code, int) and -32099 <= code <= -32020 and code not in _DEFINED
        if undefined or code in _RETIRED:
            return Broke(expected="no code that MCP reserves and does not define, nor a retired one", found=f"{code}")
    return Held()


async def wants_protocol_version(subject: McpSubject) -> Verdict:
    return await _refuses_envelope(subject, regular("tools/list").without_meta(PROTOCOL_VERSION))


async def wants_client_capabilities(subject: McpSubject) -> Verdict:
    return await _refuses_envelope(subject, regular("tools/list").without_meta(CLIENT_CAPABILITIES))


async def wants_envelope(subject: McpSubject) -> Verdict:
    return await _refuses_envelope(subject, replace(regular("tools/list"), params={}))


async def _refuses_envelope(subject: McpSubject, ask: Ask) -> Verdict:
    return judge_error(await subject.ask(ask), code=INVALID_PARAMS, status=400)


async def does_without_client_info(subject: McpSubject) -> Verdict:
    return judge_result(await subject.ask(regular("tools/list").without_meta(CLIENT_INFO)))


def _first_broken(exchanges: list[Exchange], expected: str, holds: Callable[[Json], object]) -> Verdict:
    """Held if each response is as expected; the first that is not is shown."""
    for exchange in exchanges:
        response = read_json_object(read_answer(exchange).response)
        if not holds(response):
            return Broke(expected=expected, found=f"{sorted(response)}: {describe(exchange)}")
    return Held(f"{len(exchanges)} answers")
