"""Checks of resources and prompts, where a server has them."""

from conformance.jsonrpc import INVALID_PARAMS, judge_error, judge_result, read_answer, read_json_list, read_json_object
from conformance.mcp.speech import regular
from conformance.mcp.survey import McpSubject
from conformance.verdict import Broke, Held, Verdict


async def resources_are_listed(subject: McpSubject) -> Verdict:
    subject.must_declare("resources")
    return await _lists(subject, "resources/list", "resources", ("uri", "name"))


async def prompts_are_listed(subject: McpSubject) -> Verdict:
    subject.must_declare("prompts")
    return await _lists(subject, "prompts/list", "prompts", ("name",))


async def refuses_unknown_resource(subject: McpSubject) -> Verdict:
    subject.must_declare("resources")
    ask = regular("resources/read", uri="examiner://no/such/resource")
    return judge_error(await subject.ask(ask), code=INVALID_PARAMS)


async def refuses_unknown_prompt(subject: McpSubject) -> Verdict:
    subject.must_declare("prompts")
    return judge_error(await subject.ask(regular("prompts/get", name="no_such_prompt")), code=INVALID_PARAMS)


async def _lists(subject: McpSubject, method: str, key: str, wanted: tuple[str, ...]) -> Verdict:
    exchange = await subject.ask(regular(method))
    verdict = judge_result(exchange)
    if isinstance(verdict, Broke):
        return verdict
    items = read_json_object(read_answer(exchange).result).get(key)
    if not isinstance(items, list):
        return Broke(expected=f"a result with {key}, a list", found=f"{key} is {items!r}"[:300])
    for item in read_json_list(items):
        if not all(isinstance(read_json_object(item).get(name), str) for name in wanted):
            return Broke(expected=f"objects with {' and '.join(wanted)}", found=f"{item!r}"[:300])
    return Held(f"{len(read_json_list(items))} of them")
