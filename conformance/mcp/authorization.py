"""Checks of a server that wants a token: how it says so, where it says whose, and which tokens it takes.

Documents are fetched without the token, wherever the server says they are.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from conformance.jsonrpc import Json, describe, read_answer, read_json_list, read_json_object
from conformance.mcp.speech import Ask, regular
from conformance.mcp.survey import McpSubject
from conformance.verdict import Broke, CannotExamine, Held, Inapplicable, NotOffered, Verdict
from conformance.wire import Exchange

_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_NO_TOKEN = "not.a-token.of-yours"  # noqa: S105
_RESOURCE = "oauth-protected-resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Challenge:
    """What a 401 says about the token it wants."""

    is_bearer: bool
    parameters: Json
    text: str


async def wants_token(subject: McpSubject) -> Verdict:
    exchange = await subject.ask(regular("tools/list"), authorised=False)
    if read_answer(exchange).result is not None:
        return NotOffered("The server answers without a token.")
    return Held() if exchange.status == 401 else Broke(expected="HTTP 401", found=describe(exchange))


async def challenges(subject: McpSubject) -> Verdict:
    challenge = await _challenge(subject)
    if challenge.is_bearer:
        return Held()
    return Broke(expected="WWW-Authenticate: Bearer …", found=challenge.text or "no such header")


async def challenge_is_plain(subject: McpSubject) -> Verdict:
    error = (await _challenge(subject)).parameters.get("error")
    if error is None:
        return Held()
    return Broke(expected="no error, since no token was sent", found=f"error={error!r}")


async def challenge_has_scope(subject: McpSubject) -> Verdict:
    challenge = await _challenge(subject)
    if "scope" in challenge.parameters:
        return Held()
    if not await _scopes(subject):
        return NotOffered("The server's document lists no scopes (scopes_supported).")
    return Broke(expected="scope=… in the challenge", found=challenge.text or "no challenge")


async def metadata_is_found(subject: McpSubject) -> Verdict:
    await _challenge(subject)
    exchange = await _metadata(subject)
    if exchange is not None:
        return Held(exchange.url)
    return Broke(expected="a document where the challenge points, or at a well-known address", found="none")


async def metadata_is_json(subject: McpSubject) -> Verdict:
    exchange = await _found_metadata(subject)
    if exchange.media_type == "application/json":
        return Held()
    return Broke(expected="application/json", found=exchange.media_type or "no content type")


async def metadata_names_servers(subject: McpSubject) -> Verdict:
    servers = read_json_list(read_json_object((await _found_metadata(subject)).json()).get("authorization_servers"))
    if servers and all(isinstance(one, str) and urlsplit(one).netloc for one in servers):
        return Held()
    return Broke(expected="authorization_servers with at least one address", found=f"it is {servers!r}"[:300])


async def metadata_names_resource(subject: McpSubject) -> Verdict:
    resource = read_json_object((await _found_metadata(subject)).json()).get("resource")
    if isinstance(resource, str) and _is_same_or_below(subject.url, resource):
        return Held()
    return Broke(expected=f"{subject.url} or a parent of it", found=f"resource is {resource!r}")


async def asks_for_no_offline_access(subject: McpSubject) -> Verdict:
    named = str((await _challenge(subject)).parameters.get("scope", "")).split()
    if "offline_access" in [*named, *await _scopes(subject)]:
        return Broke(expected="no scope offline_access", found="it is asked for")
    return Held()


async def issuer_describes_itself(subject: McpSubject) -> Verdict:
    servers = read_json_list(read_json_object((await _found_metadata(subject)).json()).get("authorization_servers"))
    if not servers or not isinstance(servers[0], str):
        raise CannotExamine("The document names no authorization server.")
    issuer = servers[0]
    for url in _issuer_documents(issuer):
        exchange = await _fetch(subject, url)
        document = read_json_object(exchange.json() if exchange is not None and exchange.status == 200 else None)
        if document.get("issuer") == issuer:
            return Held(url)
        if document:
            return Broke(expected=f"issuer {issuer!r}", found=f"{url} says {document.get('issuer')!r}")
    return Broke(expected=f"metadata of {issuer} at one of its three well-known addresses", found="none")


async def refuses_what_is_no_token(subject: McpSubject) -> Verdict:
    return _judge_refusal(await _with_bad_token(subject))


async def says_token_is_invalid(subject: McpSubject) -> Verdict:
    exchange = await _with_bad_token(subject)
    if exchange.status != 401:
        raise CannotExamine(f"What is no token is not refused as such, but {describe(exchange)}.")
    error = _read_challenge(exchange).parameters.get("error")
    return Held() if error == "invalid_token" else Broke(expected='error="invalid_token"', found=f"error={error!r}")


async def refuses_altered_token(subject: McpSubject) -> Verdict:
    ask = await _with_good_token(subject)
    return _judge_refusal(await subject.wire.post_with_altered_token(subject.url, ask.body, headers=ask.headers))


async def ignores_token_in_query(subject: McpSubject) -> Verdict:
    ask = await _with_good_token(subject)
    exchange = await subject.wire.post_with_token_in_query(subject.url, ask.body, headers=ask.headers)
    if exchange.status in {400, 401}:
        return Held()
    return Broke(expected="HTTP 401, as without a token", found=describe(exchange))


def _judge_refusal(exchange: Exchange) -> Verdict:
    return Held() if exchange.status == 401 else Broke(expected="HTTP 401", found=describe(exchange))


async def _with_bad_token(subject: McpSubject) -> Exchange:
    ask = _guarded(subject).with_headers(authorization=f"Bearer {_NO_TOKEN}")
    return await subject.ask(ask, authorised=False)


async def _with_good_token(subject: McpSubject) -> Ask:
    ask = _guarded(subject)
    if not subject.wire.has_token:
        raise Inapplicable("No token was given to try this with: give one by --token.")
    await subject.ask(ask)
    return ask


def _guarded(subject: McpSubject) -> Ask:
    """A request that is refused without a token, or `Inapplicable`."""
    if subject.url and not subject.guarded:
        raise Inapplicable("The server does not answer 401 without a token.")
    return regular("tools/list")


async def _challenge(subject: McpSubject) -> _Challenge:
    return _read_challenge(await subject.ask(_guarded(subject), authorised=False))


def _read_challenge(exchange: Exchange) -> _Challenge:
    text = exchange.header("www-authenticate")
    found = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text)}
    return _Challenge(is_bearer=text.lower().startswith("bearer"), parameters=found, text=text)


async def _found_metadata(subject: McpSubject) -> Exchange:
    exchange = await _metadata(subject)
    if exchange is None:
        raise CannotExamine("There is no protected resource metadata to look into.")
    return exchange


async def _metadata(subject: McpSubject) -> Exchange | None:
    """The RFC 9728 document, found as a client finds it: by the challenge, else at the well-known addresses."""
    pointed = (await _challenge(subject)).parameters.get("resource_metadata")
    parts = urlsplit(subject.url)
    known = [_well_known(subject.url, _RESOURCE), urlunsplit((*parts[:2], f"/.well-known/{_RESOURCE}", "", ""))]
    for url in [pointed] if isinstance(pointed, str) and pointed else known:
        exchange = await _fetch(subject, url)
        if exchange is not None and exchange.status == 200 and isinstance(exchange.json(), dict):
            return exchange
    return None


async def _scopes(subject: McpSubject) -> list[Any]:
    exchange = await _metadata(subject)
    return read_json_list(read_json_object(exchange.json() if exchange else None).get("scopes_supported"))


async def _fetch(subject: McpSubject, url: str) -> Exchange | None:
    try:
        return await subject.wire.get(url, headers={"accept": "application/json"}, authorised=False)
    except (httpx.RequestError, httpx.InvalidURL):
        return None


def _issuer_documents(issuer: str) -> list[str]:
    """Where an authorization server's metadata may be, in the order in which clients look."""
    documents = [_well_known(issuer, name) for name in ("oauth-authorization-server", "openid-configuration")]
    return list(dict.fromkeys([*documents, f"{issuer.rstrip('/')}/.well-known/openid-configuration"]))


def _well_known(url: str, name: str) -> str:
    """The well-known address of a URL: the name goes between host and path (RFC 8414 §3.1, RFC 9728 §3.1)."""
    parts = urlsplit(url)
    return urlunsplit((*parts[:2], f"/.well-known/{name}{parts.path.rstrip('/')}", "", ""))


def _is_same_or_below(url: str, parent: str) -> bool:
    asked, named = urlsplit(url), urlsplit(parent)
    if (asked.scheme, asked.netloc.lower()) != (named.scheme.lower(), named.netloc.lower()):
        return False
    path = named.path.rstrip("/")
    return asked.path.rstrip("/") == path or asked.path.startswith(path + "/")
