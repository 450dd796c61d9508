"""Checks of `tools/list`: that it is there, the same for all connections, and that every tool in it is well made."""

import re
from collections.abc import Callable
from itertools import combinations

from conformance.jsonrpc import (
    INVALID_PARAMS,
    Json,
    judge_error,
    judge_result,
    read_json_list,
    read_json_object,
    read_json_objects,
    result_of,
)
from conformance.mcp.mirrored import mirrors, mistake_in_mirrors
from conformance.mcp.speech import regular
from conformance.mcp.survey import McpSubject, all_pages, all_tools
from conformance.schemas import mistake_in_schema
from conformance.verdict import Broke, CannotExamine, Held, NotOffered, Verdict

_NAME_CHARACTERS = re.compile(r"[A-Za-z0-9_.-]*")


async def lists(subject: McpSubject) -> Verdict:
    subject.must_declare("tools")
    exchange = await subject.ask(regular("tools/list"))
    verdict = judge_result(exchange)
    if isinstance(verdict, Broke) or isinstance(result_of(exchange).get("tools"), list):
        return verdict
    return Broke(expected="a result with tools, a list", found=f"tools is {result_of(exchange).get('tools')!r}")


async def declares(subject: McpSubject) -> Verdict:
    if not await all_tools(subject):
        return NotOffered("The server lists no tools.")
    if subject.discovered is None:
        raise CannotExamine("The server does not answer server/discover with what it can do.")
    if isinstance(subject.capabilities.get("tools"), dict):
        return Held()
    return Broke(expected="the capability `tools`", found=f"capabilities {sorted(subject.capabilities)}")


async def tools_have_names(subject: McpSubject) -> Verdict:
    for page in await all_pages(subject, "tools/list"):
        for tool in read_json_list(page.get("tools")):
            if not isinstance(read_json_object(tool).get("name"), str) or not tool["name"]:
                return Broke(expected="an object with a name", found=f"{tool!r}"[:300])
    return Held()


async def input_schemas_are_valid(subject: McpSubject) -> Verdict:
    def mistake(tool: Json) -> str | None:
        schema = tool.get("inputSchema")
        wrong = mistake_in_schema(schema) if isinstance(schema, dict) else "it is no JSON object"
        kind = read_json_object(schema).get("type")
        return wrong or (None if kind == "object" else f"its type is {kind!r}, not object")

    return await _each_tool(subject, "an input schema that is valid and of type object", mistake)


async def output_schemas_are_valid(subject: McpSubject) -> Verdict:
    tools = [tool for tool in await all_tools(subject) if "outputSchema" in tool]
    if not tools:
        return NotOffered("No tool has an output schema.")
    return _judge_each(tools, "an output schema that is valid", lambda tool: mistake_in_schema(tool["outputSchema"]))


async def mirrors_are_valid(subject: McpSubject) -> Verdict:
    found = {str(tool.get("name")): list(mirrors(tool.get("inputSchema"))) for tool in await all_tools(subject)}
    if not any(found.values()):
        return NotOffered("No tool mirrors an argument into a header (x-mcp-header).")
    for name, annotated in found.items():
        if mistake := mistake_in_mirrors(annotated):
            return Broke(expected="an annotation as the transport's rules have it", found=f"{name}: {mistake}")
    return Held()


async def names_are_short(subject: McpSubject) -> Verdict:
    def mistake(tool: Json) -> str | None:
        return None if 1 <= len(str(tool.get("name", ""))) <= 128 else f"{len(str(tool.get('name', '')))} characters"

    return await _each_tool(subject, "a name of 1 to 128 characters", mistake)


async def names_are_plain(subject: McpSubject) -> Verdict:
    def mistake(tool: Json) -> str | None:
        return None if _NAME_CHARACTERS.fullmatch(str(tool.get("name", ""))) else "other characters"

    return await _each_tool(subject, "a name of letters, digits, _, - and . only", mistake)


async def names_are_unique(subject: McpSubject) -> Verdict:
    """A tool that comes again on a later page is the pages' mistake, not that of its name."""
    made: dict[str, Json] = {}
    for page in await all_pages(subject, "tools/list"):
        tools = read_json_objects(page.get("tools"))
        names = [str(tool.get("name")) for tool in tools]
        clash = {str(tool.get("name")) for tool in tools if made.get(str(tool.get("name")), tool) != tool}
        if twice := sorted({name for name in names if names.count(name) > 1} | clash):
            return Broke(expected="each name once", found=f"more than once: {', '.join(twice)}")
        made |= dict(zip(names, tools, strict=True))
    return Held()


async def list_is_of_no_connection(subject: McpSubject) -> Verdict:
    first, second = await _two_lists(subject)
    if sorted(first) == sorted(second):
        return Held()
    differing = sorted(set(first) ^ set(second))
    return Broke(expected="the same tools on another connection", found=f"they differ in {', '.join(differing[:20])}")


async def list_has_an_order(subject: McpSubject) -> Verdict:
    first, second = await _two_lists(subject)
    if sorted(first) != sorted(second):
        return NotOffered("The tools themselves changed between two requests.")
    return Held() if first == second else Broke(expected=f"the order {first[:10]}", found=f"{second[:10]}")


async def _two_lists(subject: McpSubject) -> tuple[list[str], list[str]]:
    """The names listed at first, and on another connection after requests of other kinds."""
    first = [str(tool.get("name")) for tool in await all_tools(subject)]
    await subject.ask(regular("server/discover").with_headers(connection="close"))
    return first, [str(tool.get("name")) for tool in await all_tools(subject)]


async def cursors_lead_on(subject: McpSubject) -> Verdict:
    pages = await all_pages(subject, "tools/list")
    if len(pages) == 1:
        return NotOffered("The list of tools has one page.")
    names = [{str(tool.get("name")) for tool in read_json_objects(page.get("tools"))} for page in pages]
    twice = sorted({name for one, other in combinations(names, 2) for name in one & other})
    return Broke(expected="each tool on one page", found=f"on several: {', '.join(twice[:20])}") if twice else Held()


async def cursors_stay_good(subject: McpSubject) -> Verdict:
    cursor = (await all_pages(subject, "tools/list"))[0].get("nextCursor")
    if cursor is None:
        return NotOffered("The list of tools has one page.")
    once, again = [result_of(await subject.ask(regular("tools/list", cursor=cursor))).get("tools") for _ in range(2)]
    return Held() if once == again else Broke(expected="the same page again", found="another one")


async def refuses_bad_cursor(subject: McpSubject) -> Verdict:
    subject.must_declare("tools")
    return judge_error(await subject.ask(regular("tools/list", cursor="no cursor of yours ✗")), code=INVALID_PARAMS)


async def _each_tool(subject: McpSubject, expected: str, mistake: Callable[[Json], str | None]) -> Verdict:
    tools = await all_tools(subject)
    return _judge_each(tools, expected, mistake) if tools else NotOffered("The server lists no tools.")


def _judge_each(tools: list[Json], expected: str, mistake: Callable[[Json], str | None]) -> Verdict:
    for tool in tools:
        if wrong := mistake(tool):
            return Broke(expected=expected, found=f"{tool.get('name')!r}: {wrong}")
    return Held(f"{len(tools)} tools")
