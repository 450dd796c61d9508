"""Checks of the headers that mirror a request's body: they must be there, and must say what the body says."""

from conformance.jsonrpc import describe, judge_error, judge_result, read_answer
from conformance.mcp.mirrored import mirror_headers
from conformance.mcp.samples import NO_SUCH_TOOL, call_of
from conformance.mcp.speech import HEADER_MISMATCH, PROTOCOL_VERSION, Ask, in_base64, regular
from conformance.mcp.survey import OLDEST_WITH_HEADER, McpSubject
from conformance.verdict import Broke, CannotExamine, Held, Inapplicable, NotOffered, Verdict

OTHER_NAME = "another_tool_of_the_examiner"


async def wants_version(subject: McpSubject) -> Verdict:
    if subject.legacy is not None and subject.legacy < OLDEST_WITH_HEADER:
        return NotOffered(
            f"The server also speaks {subject.legacy}, which had no such header, and may take it for that."
        )
    return await _refused(subject, regular("tools/list").without_header("mcp-protocol-version"))


async def wants_same_version(subject: McpSubject) -> Verdict:
    return await _refused(subject, regular("tools/list").with_meta(**{PROTOCOL_VERSION: "2025-11-25"}))


async def wants_method(subject: McpSubject) -> Verdict:
    return await _refused(subject, regular("tools/list").without_header("mcp-method"))


async def wants_same_method(subject: McpSubject) -> Verdict:
    return await _refused(subject, regular("tools/list").with_headers(mcp_method="server/discover"))


async def minds_case_of_values(subject: McpSubject) -> Verdict:
    return await _refused(subject, regular("tools/list").with_headers(mcp_method="Tools/List"))


async def minds_no_case_of_names(subject: McpSubject) -> Verdict:
    ask = regular("tools/list")
    shouted = {name.upper(): value for name, value in ask.headers.items()}
    exchange = await subject.wire.post(subject.url, ask.body, headers=shouted)
    subject.refuse_unauthorised(exchange.status)
    return judge_result(exchange)


async def wants_name(subject: McpSubject) -> Verdict:
    return await _refused(subject, _call(subject).without_header("mcp-name"))


async def wants_same_name(subject: McpSubject) -> Verdict:
    return await _refused(subject, _call(subject).with_headers(mcp_name=OTHER_NAME))


async def wants_same_name_in_base64(subject: McpSubject) -> Verdict:
    return await _refused(subject, _call(subject).with_headers(mcp_name=in_base64(OTHER_NAME)))


async def reads_name_in_base64(subject: McpSubject) -> Verdict:
    ask = _call(subject)
    plain = await subject.ask(ask)
    if read_answer(plain).code == HEADER_MISMATCH:
        raise CannotExamine(f"The same name in plain text is refused: {describe(plain)}.")
    encoded = await subject.ask(ask.with_headers(mcp_name=in_base64(ask.params["name"])))
    if (read_answer(encoded).result is None) == (read_answer(plain).result is None) and (
        read_answer(encoded).code == read_answer(plain).code
    ):
        return Held()
    return Broke(expected=f"the answer that the plain name has, {describe(plain)}", found=describe(encoded))


async def wants_mirrored_argument(subject: McpSubject) -> Verdict:
    return await _refused(subject, _mirrored(subject, value=None))


async def wants_same_mirrored_argument(subject: McpSubject) -> Verdict:
    return await _refused(subject, _mirrored(subject, value="something else of the examiner"))


def _mirrored(subject: McpSubject, *, value: str | None) -> Ask:
    """The call that may be made, with the header of a mirrored argument wrong, or without it (None)."""
    ask = call_of(subject)
    mirrored = next(iter(mirror_headers(subject.call_schema, subject.safe_call.arguments)), None)
    if mirrored is None:
        why = "mirrors no argument of the call (x-mcp-header): name one that does by --tool and --arguments"
        raise Inapplicable(f"The tool {subject.safe_call.name} {why}.")
    return ask.without_header(mirrored) if value is None else ask.with_headers(**{mirrored: value})


def _call(subject: McpSubject) -> Ask:
    """The call that may be made; without one, a call of a tool that is certainly not there."""
    return regular("tools/call", name=NO_SUCH_TOOL, arguments={}) if subject.call is None else call_of(subject)


async def _refused(subject: McpSubject, ask: Ask) -> Verdict:
    return judge_error(await subject.ask(ask), code=HEADER_MISMATCH, status=400)
