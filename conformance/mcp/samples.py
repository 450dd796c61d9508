"""Answers of several kinds at once, for requirements that hold for every answer."""

from conformance.jsonrpc import Json, read_answer
from conformance.mcp.mirrored import mirror_headers
from conformance.mcp.speech import Ask, regular
from conformance.mcp.survey import McpSubject
from conformance.verdict import CannotExamine
from conformance.wire import Exchange

NO_SUCH_TOOL = "no_such_tool_of_the_examiner"
NO_SUCH_METHOD = "examiner/no_such_method"


async def results(subject: McpSubject) -> list[Exchange]:
    """Answers that are results: of the discovery, of the list of tools, and of a call where one may be made.

    Raises:
        CannotExamine: not one of them is a result.
    """
    exchanges = [await subject.ask(ask) for ask in (regular("server/discover"), regular("tools/list"))]
    if subject.call is not None:
        exchanges.append(await subject.ask(call_of(subject)))
    found = [exchange for exchange in exchanges if read_answer(exchange).result is not None]
    if not found:
        raise CannotExamine("Neither server/discover nor tools/list is answered by a result.")
    return found


async def errors(subject: McpSubject) -> list[Exchange]:
    """Answers that are errors: to an unknown method, an unknown tool, and an unknown revision.

    Raises:
        CannotExamine: not one of them is an error.
    """
    asks = (
        regular(NO_SUCH_METHOD),
        regular("tools/call", name=NO_SUCH_TOOL, arguments={}),
        of_version(regular("server/discover"), "1900-01-01"),
    )
    exchanges = [await subject.ask(ask) for ask in asks]
    found = [exchange for exchange in exchanges if read_answer(exchange).error is not None]
    if not found:
        raise CannotExamine("Neither an unknown method, tool nor revision is answered by an error.")
    return found


def call_of(subject: McpSubject, arguments: Json | None = None) -> Ask:
    """The call that may be made, or one of the same tool with other arguments."""
    call = subject.safe_call
    given = dict(call.arguments if arguments is None else arguments)
    ask = regular("tools/call", name=call.name, arguments=given)
    return ask.with_headers(**mirror_headers(subject.call_schema, given))


def of_version(ask: Ask, version: str) -> Ask:
    """The same request as one of another revision, in header and envelope alike."""
    return ask.with_meta(**{"io.modelcontextprotocol/protocolVersion": version}).with_headers(
        mcp_protocol_version=version
    )
