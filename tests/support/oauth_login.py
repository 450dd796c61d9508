"""A browser for logins: opens an authorisation URL, fills the consent form in as a persona, returns what came back."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

import httpx

_TICKET = re.compile(r'name="ticket" value="([^"]+)"')
_PERSONA = re.compile(r'name="persona" value="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected:
    """The redirect that ends a login: where to, and its parameters."""

    url: str
    code: str
    state: str
    iss: str
    error: str


class Browser(Protocol):
    """An httpx client, with or without sockets."""

    async def get(self, url: str) -> httpx.Response: ...
    async def post(self, url: str, *, data: dict[str, str]) -> httpx.Response: ...


async def log_in(url: str, persona: str, *, browser: Browser | None = None) -> Redirected:
    """Follow an authorisation URL as a person would who picks `persona`; an empty one refuses."""
    if browser is None:
        async with httpx.AsyncClient(follow_redirects=False) as opened:
            return await log_in(url, persona, browser=opened)
    page = await browser.get(url)
    if page.status_code == 303:
        return read_redirect(page)
    assert page.status_code == 200, page.text
    ticket = _TICKET.search(page.text)
    assert ticket is not None, "the page has no form"
    decision = {"decision": "allow", "persona": persona} if persona else {"decision": "deny"}
    answer = await browser.post(url, data={"ticket": unescape(ticket[1]), **decision})
    assert answer.status_code == 303, answer.text
    return read_redirect(answer)


def personas_on(page: str) -> list[str]:
    """The people that a consent page offers."""
    return [unescape(name) for name in _PERSONA.findall(page)]


def read_redirect(answer: httpx.Response) -> Redirected:
    location = answer.headers["location"]
    back = dict(parse_qsl(urlsplit(location).query))
    return Redirected(
        url=location,
        code=back.get("code", ""),
        state=back.get("state", ""),
        iss=back.get("iss", ""),
        error=back.get("error", ""),
    )
