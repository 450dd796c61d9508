"""Checks of `server/discover` and of what happens when a client speaks another revision."""

from typing import Any, cast

from conformance.jsonrpc import (
    Json,
    describe,
    judge_error,
    judge_result,
    read_answer,
    read_json_list,
    read_json_object,
    result_of,
)
from conformance.mcp.samples import of_version
from conformance.mcp.speech import SERVER_INFO, UNSUPPORTED_VERSION, VERSION, handshake, regular
from conformance.mcp.survey import McpSubject
from conformance.verdict import Broke, CannotExamine, Held, NotOffered, Verdict

UNKNOWN_VERSION = "1900-01-01"


async def answers(subject: McpSubject) -> Verdict:
    return judge_result(await subject.ask(regular("server/discover")))


async def lists_versions(subject: McpSubject) -> Verdict:
    versions = result_of(await subject.ask(regular("server/discover"))).get("supportedVersions")
    if _are_texts(versions) and VERSION in cast("list[str]", versions):
        return Held()
    return Broke(expected=f"a list of texts with {VERSION} among them", found=f"supportedVersions is {versions!r}")


async def lists_capabilities(subject: McpSubject) -> Verdict:
    capabilities = result_of(await subject.ask(regular("server/discover"))).get("capabilities")
    if not isinstance(capabilities, dict):
        return Broke(expected="an object", found=f"capabilities is {capabilities!r}")
    wrong = [name for name, value in cast("Json", capabilities).items() if not isinstance(value, dict)]
    return Broke(expected="an object for each capability", found=f"{', '.join(wrong)} is none") if wrong else Held()


async def names_itself(subject: McpSubject) -> Verdict:
    return judge_server_info(result_of(await subject.ask(regular("server/discover"))))


def judge_server_info(result: Json) -> Verdict:
    """Whether a result says whose it is."""
    server = read_json_object(read_json_object(result.get("_meta")).get(SERVER_INFO))
    if all(isinstance(server.get(key), str) for key in ("name", "version")):
        return Held()
    return Broke(expected=f"_meta with {SERVER_INFO}: an object with name and version", found=f"{dict(server)!r}")


async def refuses_unknown_version(subject: McpSubject) -> Verdict:
    exchange = await subject.ask(of_version(regular("tools/list"), UNKNOWN_VERSION))
    return judge_error(exchange, code=UNSUPPORTED_VERSION, status=400)


async def refusal_lists_versions(subject: McpSubject) -> Verdict:
    exchange = await subject.ask(of_version(regular("tools/list"), UNKNOWN_VERSION))
    answer = read_answer(exchange)
    if answer.code != UNSUPPORTED_VERSION:
        raise CannotExamine(f"An unknown revision is not refused as such, but {describe(exchange)}.")
    data = read_json_object(read_json_object(answer.error).get("data"))
    if _are_texts(data.get("supported")) and data.get("requested") == UNKNOWN_VERSION:
        return Held()
    return Broke(
        expected=f'data with "supported", a list of revisions, and "requested": "{UNKNOWN_VERSION}"',
        found=f"data is {dict(data)!r}",
    )


async def tells_old_clients(subject: McpSubject) -> Verdict:
    if subject.legacy is not None:
        return NotOffered(f"The server speaks older revisions too ({subject.legacy}), so such a client is served.")
    exchange = await subject.ask(handshake("2025-11-25"))
    error = read_answer(exchange).error
    if error is not None and VERSION in str(error):
        return Held()
    return Broke(expected=f"an error that names {VERSION}", found=describe(exchange))


def _are_texts(value: Any) -> bool:
    return bool(read_json_list(value)) and all(isinstance(item, str) for item in read_json_list(value))
