"""HTTP around the development issuer: Starlette routes in, `policies.identity.dev_issuer` behind.

The consent page is one plain form with a single-use ticket: a script may post it as well as a person, another site may
not, since it can neither read the ticket nor frame the page.
"""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gateway.metadata import OPEN_TO_BROWSERS, open_document
from policies.identity.dev_issuer.issuer import DevIssuer
from policies.identity.dev_issuer.messages import Answer, Consent, Persona
from policies.identity.urls import origin, well_known
from registry.model import BadRequest, InterchangeError, TooLarge

BODY_LIMIT = 64 * 1024
_PAGE = Template((Path(__file__).parent / "pages" / "consent.html").read_text())
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")


def issuer_routes(issuer: DevIssuer) -> list[Route]:
    """All routes of the issuer, its well-known documents in every place where clients look."""
    shell = _Shell(issuer)
    place = urlsplit(issuer.issuer).path
    documents = [
        well_known(issuer.issuer, "oauth-authorization-server"),
        well_known(issuer.issuer, "openid-configuration"),
        f"{issuer.issuer}/.well-known/oauth-authorization-server",
        f"{issuer.issuer}/.well-known/openid-configuration",
    ]
    opened = list(OPEN_TO_BROWSERS)
    return [
        *(open_document(url, issuer.metadata()) for url in documents),
        open_document(f"{issuer.issuer}/jwks", issuer.jwks()),
        Route(f"{place}/token", shell.token, methods=["POST", "OPTIONS"], middleware=opened),
        Route(f"{place}/register", shell.register, methods=["POST", "OPTIONS"], middleware=opened),
        Route(f"{place}/authorize", shell.authorize, methods=["GET"]),
        Route(f"{place}/authorize", shell.decide, methods=["POST"]),
    ]


class _Shell:
    """The endpoints."""

    def __init__(self, issuer: DevIssuer) -> None:
        self._issuer = issuer

    async def token(self, request: Request) -> Response:
        try:
            pairs = await _read_form(request)
        except InterchangeError as error:
            return _refusal("invalid_request", error.message)
        answer = await self._issuer.token(pairs, authorization=request.headers.get("authorization", ""))
        return _write(answer)

    async def register(self, request: Request) -> Response:
        try:
            body = await _read_body(request)
        except InterchangeError as error:
            return _refusal("invalid_client_metadata", error.message)
        return _write(self._issuer.register(body))

    async def authorize(self, request: Request) -> Response:
        outcome = await self._issuer.authorize(request.query_params.multi_items())
        return _write(outcome) if isinstance(outcome, Answer) else _consent_page(outcome)

    async def decide(self, request: Request) -> Response:
        if request.headers.get("origin", "") not in {"", origin(self._issuer.public_url)}:
            return PlainTextResponse("This form was sent by another site.\n", 403)
        try:
            form = dict(await _read_form(request))
        except InterchangeError as error:
            return PlainTextResponse(f"{error.message}\n", 400)
        persona = form.get("persona", "") if form.get("decision") == "allow" else ""
        if form.get("decision") == "allow" and not persona:
            return PlainTextResponse("Nobody was chosen: go back and choose a person.\n", 400)
        return _write(await self._issuer.decide(ticket=form.get("ticket", ""), persona=persona))


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise TooLarge(f"The body is over {BODY_LIMIT} bytes.")
    except ClientDisconnect:
        raise BadRequest("The body did not come to its end.") from None
    return bytes(body)


async def _read_form(request: Request) -> Sequence[tuple[str, str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise BadRequest("The body must be application/x-www-form-urlencoded.")
    body = await _read_body(request)
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise BadRequest("The form is not UTF-8 or has too many fields.") from None


def _refusal(error: str, description: str) -> Response:
    body = {"error": error, "error_description": description}
    return JSONResponse(body, 400, headers={"Cache-Control": "no-store"})


def _write(answer: Answer) -> Response:
    headers = dict(answer.headers)
    if answer.location:
        headers["Cache-Control"] = "no-store"
    if isinstance(answer.body, str):
        return PlainTextResponse(answer.body, answer.status, headers={**headers, "X-Content-Type-Options": "nosniff"})
    headers.pop("Content-Type", None)
    return JSONResponse(answer.body, answer.status, headers=headers)


def _consent_page(consent: Consent) -> Response:
    parts = urlsplit(consent.redirect_uri)
    page = _PAGE.substitute(
        client=escape(consent.client_name),
        client_id=escape(consent.client_id),
        destination=escape(parts.hostname or f"the application that owns {parts.scheme}: links"),
        scopes="".join(f"<li><code>{escape(scope)}</code></li>" for scope in consent.scopes)
        or "<li>no particular scopes: what the person may do</li>",
        personas="".join(map(_choice, consent.personas)) or "<p>The directory lists nobody: see directory.toml.</p>",
        ticket=escape(consent.ticket),
    )
    return HTMLResponse(page, headers=_page_headers(consent.redirect_uri))


def _choice(persona: Persona) -> str:
    about = ", ".join(filter(None, (persona.title, *persona.groups)))
    name = escape(persona.name)
    note = f" <small>{escape(about)}</small>" if about else ""
    return f'<label><input type="radio" name="persona" value="{name}"> {name}{note}</label>'


def _page_headers(redirect_uri: str) -> dict[str, str]:
    """No frames, no scripts, nothing from elsewhere; the form may lead here and on to the client, no further."""
    parts = urlsplit(redirect_uri)
    web = parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.netloc)
    onwards = f"{parts.scheme}://{parts.netloc}" if web else f"{parts.scheme}:"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self' {onwards}"
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
