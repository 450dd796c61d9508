"""`interchange login` and `interchange token`: get a token and keep it, or print one.

`login` is an ordinary OAuth client: it asks the gateway who its issuer is, opens the browser there, and takes the code
on a loopback port. `--as PERSONA` needs the development secret of the state folder instead, and no browser.
"""

import argparse
import base64
import hashlib
import os
import re
import secrets
import time
import webbrowser
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx

from gateway.cli.commands import Commands
from gateway.cli.credentials import Credential, credentials_path, gateway_of, keep_credential, read_credential
from gateway.cli.places import add_place, folder_of, gateway_url
from policies.identity.dev_issuer.names import CLI_CLIENT, LOGIN_CLIENT, PERSONA_GRANT
from policies.identity.private import read_private
from policies.identity.urls import is_loopback, well_known
from registry.model import BadRequest, JsonObject, Refused, Unauthenticated

PATIENCE = 300.0
"""Seconds that a person has to log in."""
LEEWAY = 30.0
_TOKEN = re.compile(r"[\x21-\x7e]+")


def add_commands(commands: Commands) -> None:
    login = commands.add_parser(
        "login",
        help="log in to a gateway and keep the token",
        description="Log in to a gateway with the browser, and keep the token for the other commands.",
    )
    add_place(login)
    login.add_argument("--as", dest="persona", metavar="PERSONA", help="as a demo persona, without a browser")
    login.add_argument("--client-id", default=LOGIN_CLIENT, help="our client id at the issuer (interchange)")
    login.add_argument("--scope", default="", help="scopes to ask for")
    login.add_argument("--no-browser", action="store_true", help="only print the URL to open")
    login.set_defaults(run=run_login)
    token = commands.add_parser(
        "token",
        help="print a token of a demo persona",
        description="Print a token of a demo persona and nothing else, for use in another program.",
    )
    add_place(token)
    token.add_argument("--as", dest="persona", metavar="PERSONA", required=True, help="the persona")
    token.set_defaults(run=run_token)


def run_token(options: argparse.Namespace) -> int:
    """Print a token and nothing else."""
    url = gateway_url(url=options.url, state=options.state)
    print(persona_token(options.persona, state=options.state, url=url))
    return 0


def run_login(options: argparse.Namespace) -> int:
    """Log in and keep what came of it."""
    url = gateway_url(url=options.url, state=options.state)
    if options.persona is not None:
        credential = _persona_credential(options.persona, state=options.state, url=url)
    else:
        credential = _log_in(url, client_id=options.client_id, scope=options.scope, browse=not options.no_browser)
    keep_credential(url, credential)
    print(f"Logged in to {url}; the token is in {credentials_path()}.")
    return 0


def find_token(options: argparse.Namespace, *, url: str, state: Path | None) -> str:
    """The token that a command line means: of `--token` or `--as`, else of the environment, else of a login.

    Raises:
        InterchangeError: there is none, or what the options name is not one.
    """
    if options.token is not None and options.persona is not None:
        raise BadRequest("--as and --token both say who you are: give one of them.")
    if options.persona is not None:
        if not url:
            raise BadRequest(
                "--as asks the gateway's development issuer: name the gateway by --state or --url as well."
            )
        return persona_token(options.persona, state=state, url=url)
    if options.token is not None:
        return _readable(options.token, "--token")
    if from_environment := os.environ.get("INTERCHANGE_TOKEN", ""):
        return _readable(from_environment, "INTERCHANGE_TOKEN")
    kept = stored_token(url) if url else None
    if kept is None:
        login = f"interchange login --url {url}" if url else "interchange login, then name the same --url here"
        raise Unauthenticated(f"Who are you? Log in ({login}), or give --as PERSONA, --token or INTERCHANGE_TOKEN.")
    return kept


def _readable(token: str, source: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise BadRequest(f"{source} holds no token: it is {'empty' if not token else 'not one word of ASCII'}.")
    return token


def stored_token(url: str) -> str | None:
    """The token kept for a gateway, renewed where it has expired and can be; None: log in first."""
    credential = read_credential(url)
    if credential is None or credential.expires_at - LEEWAY > time.time():
        return credential.access_token if credential else None
    if not credential.refresh_token:
        return None
    try:
        renewed = _renewed(credential)
    except Unauthenticated:
        return None
    keep_credential(url, renewed)
    return renewed.access_token


def persona_token(persona: str, *, state: Path | None, url: str) -> str:
    """A token for a persona, proved by the development secret of the state folder (None: found by the URL).

    Raises:
        InterchangeError: no secret there, no gateway there, or no such persona.
    """
    return _persona_credential(persona, state=state, url=url).access_token


def _persona_credential(persona: str, *, state: Path | None, url: str) -> Credential:
    if not is_loopback(url):
        raise BadRequest(f"--as is for a development gateway on this machine, not {url}: use `interchange login`.")
    secret = _secret(folder_of(url, state=state) / "dev-secret")
    form = {"grant_type": PERSONA_GRANT, "persona": persona}
    return _fetch_token(f"{gateway_of(url)}/issuer/token", form, authorization=(CLI_CLIENT, secret))


def _secret(path: Path) -> str:
    try:
        secret = read_private(path).decode("ascii").strip()
    except BadRequest as error:
        raise BadRequest(f"{error.message}; name the state folder of the gateway with --state") from None
    except UnicodeDecodeError:
        secret = ""
    if not secret:
        raise BadRequest(
            f"{path} holds no secret: stop the gateway, remove that file and start again; a new one is made."
        )
    return secret


def _log_in(url: str, *, client_id: str, scope: str, browse: bool) -> Credential:
    """The authorization code grant with PKCE, by the person's browser and a loopback redirect (RFC 8252)."""
    issuer = _discover(url)
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with _Callback() as callback:
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": callback.url,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "resource": issuer.resource,
            **({"scope": scope} if scope else {}),
        }
        page = f"{issuer.authorization_endpoint}?{urlencode(query)}"
        print(f"Open this page to log in:\n\n  {page}\n", flush=True)
        if browse:
            webbrowser.open(page)
        code = _read_callback(callback.wait(PATIENCE), state=state, issuer=issuer.issuer)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback.url,
        "client_id": client_id,
        "code_verifier": verifier,
        "resource": issuer.resource,
    }
    return _fetch_token(issuer.token_endpoint, form)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Issuer:
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    resource: str


def _discover(url: str) -> _Issuer:
    """The issuer that the gateway names (RFC 9728), and where its endpoints are (RFC 8414)."""
    resource = _get(well_known(f"{url}/mcp", "oauth-protected-resource"))
    servers = resource.get("authorization_servers")
    issuer = str(servers[0]) if isinstance(servers, list) and servers else ""
    places = (
        well_known(issuer, "oauth-authorization-server"),
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
    )
    metadata = next((found for place in places if (found := _get(place)).get("issuer") == issuer), None)
    if not issuer or metadata is None:
        raise Refused(f"The gateway at {url} names no issuer whose metadata can be read.")
    return _Issuer(
        issuer=issuer,
        authorization_endpoint=str(metadata.get("authorization_endpoint", "")),
        token_endpoint=str(metadata.get("token_endpoint", "")),
        resource=str(resource.get("resource", url)),
    )


def _get(url: str) -> JsonObject:
    """The JSON object at a URL; empty where there is none."""
    try:
        answer = httpx.get(url, timeout=10)
        document = cast("object", answer.json() if answer.status_code == 200 else None)
    except httpx.HTTPError as error:
        raise Refused(f"Nothing answers at {url} ({type(error).__name__}). Is the gateway running?") from None
    except ValueError:
        return {}
    return cast("JsonObject", document) if isinstance(document, dict) else {}


def _renewed(credential: Credential) -> Credential:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": credential.refresh_token,
        "client_id": credential.client_id,
        "resource": credential.resource,
    }
    return _fetch_token(credential.token_endpoint, form)


def _fetch_token(endpoint: str, form: dict[str, str], *, authorization: tuple[str, str] | None = None) -> Credential:
    """Ask a token endpoint.

    Raises:
        Refused: nobody answers there.
        Unauthenticated: it refuses; the message is the issuer's own.
    """
    auth = httpx.BasicAuth(*(quote(part, safe="") for part in authorization)) if authorization else None
    try:
        answer = httpx.post(endpoint, data=form, auth=auth, timeout=30)
    except httpx.HTTPError as error:
        raise Refused(f"Nothing answers at {endpoint} ({type(error).__name__}). Is the gateway running?") from None
    try:
        body = cast("dict[str, str]", answer.json())
    except ValueError:
        raise Refused(f"{endpoint} did not answer as an OAuth issuer does (HTTP {answer.status_code}).") from None
    if answer.status_code != 200 or "access_token" not in body:
        raise Unauthenticated(f"The issuer refused: {body.get('error_description') or body.get('error', 'no reason')}")
    return Credential(
        access_token=body["access_token"],
        expires_at=time.time() + float(body.get("expires_in", "300")),
        token_endpoint=endpoint,
        client_id=form.get("client_id", ""),
        refresh_token=body.get("refresh_token", form.get("refresh_token", "")),
        resource=form.get("resource", ""),
    )


def _read_callback(answer: dict[str, str], *, state: str, issuer: str) -> str:
    """The code, once it is certain that the answer is to our question and from the issuer we asked (RFC 9207)."""
    if not secrets.compare_digest(answer.get("state", "").encode(), state.encode()):
        raise Unauthenticated("The browser came back with an answer to another question. Log in again.")
    if answer.get("iss", issuer) != issuer:
        raise Unauthenticated("The answer came from another issuer than the one that was asked. Log in again.")
    if "code" not in answer:
        why = answer.get("error_description") or answer.get("error", "no reason given")
        raise Unauthenticated(f"The issuer did not let you in: {why}")
    return answer["code"]


class _Callback:
    """A web server on a loopback port, for the one redirect that ends a login."""

    def __init__(self) -> None:
        self._server = HTTPServer(("127.0.0.1", 0), _CallbackPage)
        self._server.timeout = 1.0
        self._answers: list[dict[str, str]] = []
        self._server.__dict__["answers"] = self._answers
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback"

    def __enter__(self) -> "_Callback":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self, seconds: float) -> dict[str, str]:
        """The parameters of the redirect.

        Raises:
            Refused: nobody came in time.
        """
        until = time.monotonic() + seconds
        while not self._answers:
            if time.monotonic() > until:
                raise Refused("Nobody logged in within five minutes. Run the command again when ready.")
            self._server.handle_request()
        return self._answers[0]


class _CallbackPage(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        known = parts.path == "/callback"
        text = b"You may close this window and go back to the terminal.\n" if known else b"Nothing is here.\n"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        if known:
            cast("list[dict[str, str]]", self.server.__dict__["answers"]).append(dict(parse_qsl(parts.query)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's signature
        """Say nothing: a request line holds the code."""
