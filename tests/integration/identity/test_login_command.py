"""`interchange login` and `interchange token` against a real server."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli import login
from gateway.cli.credentials import credentials_path
from gateway.cli.login import persona_token, stored_token
from registry.model import BadRequest, InterchangeError, Refused, Unauthenticated
from tests.support.identity import FakeClock, read_claims
from tests.support.issuer import Installation, install
from tests.support.oauth_login import log_in
from tests.support.web import bound, serving


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with bound() as (door, url):
        installation = install(tmp_path, public_url=url, clock=FakeClock(time.time()))
        with serving(installation.app, door):
            yield installation


class Options:
    """What the command line was read as."""

    def __init__(self, **given: object) -> None:
        self.url: str | None = None
        self.state = Path("nowhere")
        self.persona: str | None = None
        self.client_id = "interchange"
        self.scope = ""
        self.no_browser = False
        self.__dict__.update(given)


def run(command: Any, **given: object) -> int:
    return command(Options(**given))


def test_a_token_is_printed_for_a_persona(listening: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    url = listening.issuer.public_url

    assert run(login.run_token, persona="intern", state=listening.state, url=f"{url}/mcp") == 0

    token = capsys.readouterr().out.strip()
    assert read_claims(token)["sub"] == "intern"
    answer = httpx.get(f"{url}/mcp", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["who"] == "person:intern"


def test_the_gateway_of_a_state_folder_is_found(listening: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    where = {"public_url": listening.issuer.public_url, "mcp_url": "", "grpc_address": "", "issuer": "", "config": ""}
    (listening.state / "gateway.json").write_text(json.dumps({**where, "pid": 1}))

    assert run(login.run_token, persona="intern", state=listening.state) == 0
    assert capsys.readouterr().out


def test_a_login_by_browser_is_kept_for_other_commands(
    listening: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = listening.issuer.public_url
    monkeypatch.setattr(login.webbrowser, "open", person_picks("recruiter"))

    assert run(login.run_login, url=url, scope="mcp:tools") == 0

    token = stored_token(f"{url}/mcp")
    assert token is not None
    assert (read_claims(token)["sub"], read_claims(token)["scope"]) == ("recruiter", "mcp:tools")
    assert credentials_path().stat().st_mode & 0o777 == 0o600
    assert token not in capsys.readouterr().out


def test_an_expired_token_is_renewed_or_forgotten(listening: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    url = listening.issuer.public_url
    monkeypatch.setattr(login.webbrowser, "open", person_picks("recruiter"))
    run(login.run_login, url=url)
    first = stored_token(url)
    expire()

    second = stored_token(url)
    assert second not in {None, first}
    assert stored_token(url) == second

    expire(refresh_token="unknown")
    assert stored_token(url) is None


def test_a_refusal_at_the_consent_page_is_said(listening: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login.webbrowser, "open", person_picks(""))

    with pytest.raises(Unauthenticated, match="did not let you in"):
        run(login.run_login, url=listening.issuer.public_url)


def test_a_login_as_a_persona_needs_no_browser(listening: Installation) -> None:
    assert run(login.run_login, url=listening.issuer.public_url, persona="intern", state=listening.state) == 0

    token = stored_token(listening.issuer.public_url)
    assert token is not None
    assert read_claims(token)["sub"] == "intern"
    expire()
    assert stored_token(listening.issuer.public_url) is None


def test_nothing_is_kept_for_a_gateway_one_never_logged_in_to(listening: Installation) -> None:
    assert stored_token("https://other.example") is None


def test_mistakes_are_said_with_their_fix(listening: Installation, tmp_path: Path) -> None:
    url = listening.issuer.public_url
    cases: list[tuple[dict[str, object], type[InterchangeError], str]] = [
        ({"persona": "nobody", "state": listening.state, "url": url}, Unauthenticated, "no such person"),
        ({"persona": "intern", "state": tmp_path / "empty", "url": url}, BadRequest, "--state"),
        ({"persona": "intern", "state": tmp_path / "empty"}, BadRequest, "--url"),
        ({"persona": "intern", "url": "http://gw.example.com"}, BadRequest, "in the clear"),
        ({"persona": "intern", "url": "https://gw.example.com"}, BadRequest, "interchange login"),
        ({"persona": "intern", "state": listening.state, "url": "http://127.0.0.1:9"}, Refused, "running"),
    ]
    for given, kind, words in cases:
        with pytest.raises(kind, match=words):
            run(login.run_token, **given)


def test_the_secret_is_sent_to_this_machine_only(listening: Installation) -> None:
    with pytest.raises(BadRequest):
        persona_token("intern", state=listening.state, url="https://evil.example")


def person_picks(persona: str) -> Any:
    """Stands in for `webbrowser.open`: a person at a browser, in a thread, whose redirect reaches the command."""

    async def browse(url: str) -> None:
        back = await log_in(url, persona)
        async with httpx.AsyncClient() as browser:
            await browser.get(back.url)

    def open_page(url: str) -> bool:
        import asyncio  # noqa: PLC0415 - only this stand-in has a loop

        threading.Thread(target=lambda: asyncio.run(browse(url)), daemon=True).start()
        return True

    return open_page


def expire(**changes: object) -> None:
    """Let the kept token be over."""
    rows = json.loads(credentials_path().read_text())
    changed = {url: {**row, "expires_at": 0, **changes} for url, row in rows.items()}
    credentials_path().write_text(json.dumps(changed))
