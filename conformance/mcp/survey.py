"""The survey: where a server's MCP endpoint is, what it says of itself, and which tool may be called.

Only a tool that says it is read-only, or the one the user named, is ever called; its arguments are the user's, or
the least that its schema asks for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from conformance.jsonrpc import Json, read_answer, read_json_object, read_json_objects, result_of
from conformance.mcp.arguments import least_arguments
from conformance.mcp.speech import (
    HEADER_MISMATCH,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
    VERSION,
    Ask,
    handshake,
    regular,
)
from conformance.subject import Subject, Told, ToolCall
from conformance.verdict import CannotExamine, Inapplicable
from conformance.wire import Exchange, Wire

MOST_PAGES = 100
OLDEST_WITH_HEADER = "2025-06-18"
_OURS = {HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION}


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSubject(Subject):
    """A server as an MCP client sees it. `absent` says why there is no endpoint, `no_call` why no tool to call.

    `call_schema` is the input schema of the tool to call, as it is listed; `legacy` is the older revision that the
    server speaks as well, if any; `guarded` says that it answers 401 without a token.
    """

    endpoint: str = ""
    absent: str = ""
    discovered: Json | None = None
    legacy: str | None = None
    guarded: bool = False
    call: ToolCall | None = None
    call_schema: Json = field(default_factory=dict[str, Any])
    no_call: str = ""

    @property
    def capabilities(self) -> Json:
        """What the server declared."""
        return read_json_object(read_json_object(self.discovered).get("capabilities"))

    async def ask(self, ask: Ask, *, authorised: bool = True) -> Exchange:
        """Send one request.

        Raises:
            Inapplicable: there is no endpoint, or it wants a token and none was given.
            CannotExamine: it refuses the token that was given.
        """
        exchange = await self.wire.post(self.url, ask.body, headers=ask.headers, authorised=authorised)
        if authorised:
            self.refuse_unauthorised(exchange.status)
        return exchange

    async def send(self, body: bytes, ask: Ask) -> Exchange:
        """Send a body as it is, with the headers of a request; raises as `ask` does."""
        exchange = await self.wire.post(self.url, body, headers=ask.headers)
        self.refuse_unauthorised(exchange.status)
        return exchange

    @property
    def url(self) -> str:
        """The endpoint's address, or `Inapplicable`."""
        if not self.endpoint:
            raise Inapplicable(self.absent)
        return self.endpoint

    @property
    def safe_call(self) -> ToolCall:
        """A tool that may be called, or `Inapplicable`."""
        if self.call is None:
            raise Inapplicable(self.no_call or self.absent)
        return self.call

    def refuse_unauthorised(self, status: int) -> None:
        """Raise where the status of an answer is about the token and nothing else."""
        if status == 401 and self.wire.has_token:
            raise CannotExamine("The server refuses the token that was given (HTTP 401).")
        if status == 401:
            raise Inapplicable("The server wants a token: give one by --token, --token-file or INTERCHANGE_TOKEN.")

    def must_declare(self, capability: str) -> None:
        """Raise `Inapplicable` unless the server declares a capability; `CannotExamine` if it declares nothing."""
        if self.url and self.discovered is None:
            self.refuse_unauthorised(401 if self.guarded else 200)
            raise CannotExamine("The server does not answer server/discover with what it can do.")
        if not isinstance(self.capabilities.get(capability), dict):
            raise Inapplicable(f"The server does not declare the capability `{capability}`.")


async def survey(told: Told, wire: Wire) -> McpSubject:
    """Find the endpoint and ask it what it is."""
    endpoint = await _find_endpoint(told, wire)
    if endpoint is None:
        tried = ", ".join(_candidates(told.url, []))
        return McpSubject(told=told, wire=wire, absent=f"No MCP endpoint answers there (tried {tried}).")
    subject = McpSubject(told=told, wire=wire, endpoint=endpoint)
    discovered = await _result(subject, regular("server/discover"))
    legacy = await _legacy(subject)
    if legacy and not await _is_modern(subject):
        why = f"The server speaks only older revisions of MCP ({legacy}), not {VERSION}."
        return McpSubject(told=told, wire=wire, absent=why, legacy=legacy)
    bare = await wire.post(
        endpoint, regular("tools/list").body, headers=regular("tools/list").headers, authorised=False
    )
    tools, why = await _tools(subject)
    call = told.tool or next(_callable_tools(tools), None)
    schemas = [tool.get("inputSchema") for tool in tools if call is not None and tool.get("name") == call.name]
    return McpSubject(
        told=told,
        wire=wire,
        endpoint=endpoint,
        discovered=discovered,
        legacy=legacy,
        guarded=bare.status == 401,
        call=call,
        call_schema=read_json_object(next(iter(schemas), None)),
        no_call=why or "No tool says it is read-only and takes arguments that can be guessed: name one by --tool.",
    )


async def all_tools(subject: McpSubject) -> list[Json]:
    """Every tool of the list, page after page; what is no object is left out.

    Raises:
        CannotExamine: the list is not answered, or has no end.
    """
    return [tool for page in await all_pages(subject, "tools/list") for tool in read_json_objects(page.get("tools"))]


async def all_pages(subject: McpSubject, method: str) -> list[Json]:
    """Every page of a list, as results; raises as `all_tools` does."""
    pages: list[Json] = []
    params: dict[str, Any] = {}
    while len(pages) < MOST_PAGES:
        page = result_of(await subject.ask(regular(method, **params)))
        pages.append(page)
        if page.get("nextCursor") is None:
            return pages
        params = {"cursor": page["nextCursor"]}
    raise CannotExamine(f"The list of {method} has no end: {MOST_PAGES} pages were read.")


async def _find_endpoint(told: Told, wire: Wire) -> str | None:
    for url in _candidates(told.url, await _announced(told, wire)):
        if await _is_mcp(url, wire):
            return url
    return None


def _candidates(url: str, announced: list[str]) -> list[str]:
    """The addresses at which an endpoint may be, the likeliest first."""
    if urlsplit(url).path.strip("/"):
        return [url, f"{url.rstrip('/')}/mcp"]
    return list(dict.fromkeys([*announced, urljoin(url, "/mcp"), url]))


async def _announced(told: Told, wire: Wire) -> list[str]:
    """The endpoint that a server names itself, in Interchange's own document or in RFC 9728's of `/mcp`."""
    found: list[str] = []
    for path, key in (
        ("/.well-known/interchange.json", "mcp"),
        ("/.well-known/oauth-protected-resource/mcp", "resource"),
    ):
        exchange = await wire.get(urljoin(told.url, path), headers={"accept": "application/json"}, authorised=False)
        address = read_json_object(exchange.json()).get(key) if exchange.status == 200 else None
        # Only on the host we were sent to: the token must not go where a document points.
        if isinstance(address, str) and urlsplit(address)[:2] == urlsplit(told.url)[:2]:
            found.append(address)
    return found


async def _is_mcp(url: str, wire: Wire) -> bool:
    """Whether something at an address answers as an MCP server would, of whichever revision."""
    for ask in (regular("server/discover"), regular("tools/list"), handshake("2025-11-25")):
        exchange = await wire.post(url, ask.body, headers=ask.headers)
        answer = read_answer(exchange)
        if exchange.status == 401 or answer.code in _OURS:
            return True
        if answer.result is not None and answer.result.keys() & {"supportedVersions", "tools", "protocolVersion"}:
            return True
    return False


async def _is_modern(subject: McpSubject) -> bool:
    """Whether the revision is spoken at all, however badly."""
    for ask in (regular("server/discover"), regular("tools/list")):
        answer = read_answer(await subject.wire.post(subject.url, ask.body, headers=ask.headers))
        if answer.result is not None or answer.code in _OURS:
            return True
    return False


async def _legacy(subject: McpSubject) -> str | None:
    """The revision that the server agrees to when asked for an old one by a handshake. Its session is ended."""
    exchange = await subject.wire.post(subject.url, handshake("2025-03-26").body, headers=handshake("").headers)
    version = (read_answer(exchange).result or {}).get("protocolVersion")
    if session := exchange.header("mcp-session-id"):
        headers = {"mcp-session-id": session, "mcp-protocol-version": str(version)}
        await subject.wire.send("DELETE", subject.url, headers=headers)
    return version if isinstance(version, str) else None


async def _result(subject: McpSubject, ask: Ask) -> Json | None:
    return read_answer(await subject.wire.post(subject.url, ask.body, headers=ask.headers)).result


async def _tools(subject: McpSubject) -> tuple[list[Json], str]:
    """The tools that are listed, or why there are none to choose from."""
    try:
        return await all_tools(subject), ""
    except Inapplicable as error:
        return [], str(error)
    except (CannotExamine, httpx.HTTPError) as error:
        return [], f"No list of tools to choose one from ({error}): name one by --tool."


def _callable_tools(tools: list[Json]) -> Iterator[ToolCall]:
    for tool in sorted(tools, key=lambda tool: "outputSchema" not in tool):
        if read_json_object(tool.get("annotations")).get("readOnlyHint") is not True:
            continue
        arguments = least_arguments(tool.get("inputSchema"))
        if arguments is not None and isinstance(tool.get("name"), str):
            yield ToolCall(name=tool["name"], arguments=arguments)
