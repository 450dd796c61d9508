"""Checks of `tools/call`: what a result is, what an error is, and which of the two a mistake gets."""

import json
from itertools import pairwise
from typing import Any, cast

from conformance.jsonrpc import (
    INVALID_PARAMS,
    Json,
    describe,
    judge_error,
    read_answer,
    read_json_list,
    read_json_object,
    read_json_objects,
    result_of,
)
from conformance.mcp.arguments import wrong_arguments
from conformance.mcp.samples import NO_SUCH_TOOL, call_of
from conformance.mcp.speech import regular
from conformance.mcp.survey import McpSubject, all_tools
from conformance.schemas import misfit
from conformance.verdict import Broke, CannotExamine, Held, Inapplicable, NotOffered, Verdict
from conformance.wire import Exchange

PROGRESS = "notifications/progress"
_TOKEN = "examiner-p"  # noqa: S105
_BLOCKS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "image": ("data", "mimeType"),
    "audio": ("data", "mimeType"),
    "resource_link": ("uri", "name"),
    "resource": (),
}


async def answers(subject: McpSubject) -> Verdict:
    exchange = await subject.ask(call_of(subject))
    if isinstance(read_json_object(read_answer(exchange).result).get("content"), list):
        return Held()
    return Broke(expected="a result with content, a list", found=describe(exchange))


async def content_is_known(subject: McpSubject) -> Verdict:
    for block in read_json_list(result_of(await subject.ask(call_of(subject))).get("content")):
        if mistake := _mistake_in_block(block):
            return Broke(expected="blocks of content as MCP defines them", found=mistake)
    return Held()


def _mistake_in_block(block: Any) -> str | None:
    if not isinstance(block, dict) or cast("Json", block).get("type") not in _BLOCKS:
        return f"{block!r}"[:300]
    known = cast("Json", block)
    missing = [key for key in _BLOCKS[known["type"]] if not isinstance(known.get(key), str)]
    return f"a block of type {known['type']} without {', '.join(missing)}" if missing else None


async def structured_content_fits(subject: McpSubject) -> Verdict:
    schema = (await _tool(subject)).get("outputSchema")
    if schema is None:
        return NotOffered(f"The tool {subject.safe_call.name} has no output schema: name one that has by --tool.")
    result = await _success(subject)
    if "structuredContent" not in result:
        return Broke(expected="structuredContent, since the tool has an output schema", found="none")
    try:
        wrong = misfit(result["structuredContent"], schema)
    except ValueError as error:
        raise CannotExamine(f"The output schema cannot be used: {error}") from None
    return Held() if wrong is None else Broke(expected="structuredContent that fits the output schema", found=wrong)


async def structured_content_is_text_too(subject: McpSubject) -> Verdict:
    result = await _success(subject)
    if "structuredContent" not in result:
        return NotOffered("The result has no structuredContent.")
    if not isinstance(result.get("content"), list):
        raise CannotExamine("The result has no content.")
    texts = _texts(result)
    if any(_same_json(text, result["structuredContent"]) for text in texts):
        return Held()
    return Broke(expected="a block of text with the same JSON", found=f"{len(texts)} blocks, none of which is it")


def _texts(result: Json) -> list[str]:
    """The texts among a result's content."""
    texts = [block.get("text") for block in read_json_objects(result.get("content"))]
    return [text for text in texts if isinstance(text, str)]


def _same_json(text: str, value: Any) -> bool:
    try:
        return json.loads(text) == value
    except ValueError:
        return False


async def refuses_unknown_tool(subject: McpSubject) -> Verdict:
    subject.must_declare("tools")
    return judge_error(await subject.ask(regular("tools/call", name=NO_SUCH_TOOL, arguments={})), code=INVALID_PARAMS)


async def refuses_malformed_call(subject: McpSubject) -> Verdict:
    ask = regular("tools/call", name=subject.safe_call.name, arguments=["not", "an", "object"])
    return judge_error(await subject.ask(ask), code=INVALID_PARAMS)


async def validates_arguments(subject: McpSubject) -> Verdict:
    exchange = await _wrong_call(subject)
    answer = read_answer(exchange)
    if answer.error is not None or read_json_object(answer.result).get("isError") is True:
        return Held()
    return Broke(expected="an error, or a result with isError", found=describe(exchange))


async def invalid_arguments_are_a_result(subject: McpSubject) -> Verdict:
    exchange = await _wrong_call(subject)
    answer = read_answer(exchange)
    if answer.error is None and read_json_object(answer.result).get("isError") is not True:
        raise CannotExamine("Arguments that the schema refuses are not refused.")
    if answer.result is not None:
        return Held()
    return Broke(expected="a result with isError: true", found=describe(exchange))


async def errors_are_in_words(subject: McpSubject) -> Verdict:
    result = read_json_object(read_answer(await _wrong_call(subject)).result)
    if result.get("isError") is not True:
        return NotOffered("Invalid arguments are not answered by a result with isError.")
    if any(text.strip() for text in _texts(result)):
        return Held()
    return Broke(expected="a block of text that says what is wrong", found=f"content {result.get('content')!r}"[:300])


async def progress_is_of_this_call(subject: McpSubject) -> Verdict:
    for params in await _progress(subject):
        if params.get("progressToken") != _TOKEN:
            return Broke(expected=f"progressToken {_TOKEN!r}", found=f"{params.get('progressToken')!r}")
    return Held()


async def progress_rises(subject: McpSubject) -> Verdict:
    steps = [params.get("progress") for params in await _progress(subject)]
    if all(isinstance(step, int | float) for step in steps):
        numbers = cast("list[float]", steps)
        if all(before < after for before, after in pairwise(numbers)):
            return Held()
    return Broke(expected="numbers that rise", found=f"{steps}")


async def no_progress_unasked(subject: McpSubject) -> Verdict:
    exchange = await subject.ask(call_of(subject))
    unasked = _notified(exchange)
    return Broke(expected="no progress, since no token was sent", found=f"{unasked[0]!r}") if unasked else Held()


async def _progress(subject: McpSubject) -> list[Json]:
    found = _notified(await subject.ask(call_of(subject).with_meta(progressToken=_TOKEN)))
    if not found:
        raise Inapplicable(f"The tool {subject.safe_call.name} reports no progress: name one that does by --tool.")
    return found


def _notified(exchange: Exchange) -> list[Json]:
    """The parameters of progress notifications in an answer."""
    return [
        read_json_object(message.get("params"))
        for message in map(read_json_object, read_answer(exchange).others)
        if message.get("method") == PROGRESS
    ]


async def _tool(subject: McpSubject) -> Json:
    """The tool that may be called, as it is listed."""
    name = subject.safe_call.name
    tool = next((tool for tool in await all_tools(subject) if tool.get("name") == name), None)
    if tool is None:
        raise Inapplicable(f"The tool {name} is not listed.")
    return tool


async def _success(subject: McpSubject) -> Json:
    """The result of the call that may be made, where it succeeds."""
    result = result_of(await subject.ask(call_of(subject)))
    if result.get("isError") is True or result.get("resultType", "complete") != "complete":
        raise Inapplicable(
            f"The call of {subject.safe_call.name} with {json.dumps(dict(subject.safe_call.arguments))} does not"
            " succeed: name a call that does by --tool and --arguments."
        )
    return result


async def _wrong_call(subject: McpSubject) -> Exchange:
    """A call whose arguments the tool's own schema refuses."""
    wrong = wrong_arguments((await _tool(subject)).get("inputSchema"))
    if wrong is None:
        raise Inapplicable(f"The schema of {subject.safe_call.name} refuses no arguments: name another by --tool.")
    return await subject.ask(call_of(subject, wrong))
