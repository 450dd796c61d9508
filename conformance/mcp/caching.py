"""Checks of caching hints: how long an answer is good for, and for whom."""

from conformance.jsonrpc import Json, read_json_objects, result_of
from conformance.mcp.speech import regular
from conformance.mcp.survey import McpSubject, all_pages
from conformance.verdict import Broke, Held, Inapplicable, NotOffered, Verdict


async def discovery_has_ttl(subject: McpSubject) -> Verdict:
    return _judge_ttl(result_of(await subject.ask(regular("server/discover"))))


async def discovery_has_scope(subject: McpSubject) -> Verdict:
    return _judge_scope(result_of(await subject.ask(regular("server/discover"))))


async def tools_have_ttl(subject: McpSubject) -> Verdict:
    return _judge_ttl(result_of(await subject.ask(regular("tools/list"))))


async def tools_have_scope(subject: McpSubject) -> Verdict:
    return _judge_scope(result_of(await subject.ask(regular("tools/list"))))


async def prompts_have_hints(subject: McpSubject) -> Verdict:
    subject.must_declare("prompts")
    return _judge_both(result_of(await subject.ask(regular("prompts/list"))))


async def resources_have_hints(subject: McpSubject) -> Verdict:
    subject.must_declare("resources")
    return _judge_both(result_of(await subject.ask(regular("resources/list"))))


async def templates_have_hints(subject: McpSubject) -> Verdict:
    subject.must_declare("resources")
    return _judge_both(result_of(await subject.ask(regular("resources/templates/list"))))


async def read_has_hints(subject: McpSubject) -> Verdict:
    return _judge_both(result_of(await subject.ask(regular("resources/read", uri=await _some_uri(subject)))))


async def pages_have_one_scope(subject: McpSubject) -> Verdict:
    pages = await all_pages(subject, "tools/list")
    if len(pages) == 1:
        return NotOffered("The list of tools has one page.")
    scopes = {str(page.get("cacheScope")) for page in pages}
    return (
        Held() if len(scopes) == 1 else Broke(expected="one cacheScope on all pages", found=", ".join(sorted(scopes)))
    )


async def _some_uri(subject: McpSubject) -> str:
    subject.must_declare("resources")
    listed = result_of(await subject.ask(regular("resources/list")))
    for resource in read_json_objects(listed.get("resources")):
        if isinstance(resource.get("uri"), str):
            return resource["uri"]
    raise Inapplicable("The server lists no resource.")


def _judge_both(result: Json) -> Verdict:
    verdict = _judge_ttl(result)
    return verdict if isinstance(verdict, Broke) else _judge_scope(result)


def _judge_ttl(result: Json) -> Verdict:
    ttl = result.get("ttlMs")
    if type(ttl) is int and ttl >= 0:
        return Held()
    return Broke(expected="ttlMs, an integer of 0 or more", found=f"ttlMs is {ttl!r}" if "ttlMs" in result else "none")


def _judge_scope(result: Json) -> Verdict:
    scope = result.get("cacheScope")
    if scope in {"public", "private"}:
        return Held()
    return Broke(
        expected="cacheScope, public or private", found=f"it is {scope!r}" if "cacheScope" in result else "none"
    )
