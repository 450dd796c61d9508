"""The development issuer over HTTP: each grant as a client sees it, and each way of misusing one."""

import logging
from pathlib import Path

import httpx
import pytest
import respx

from policies.identity.dev_issuer.issuer import DevIssuer
from policies.identity.directory import Directory
from policies.identity.fetch import Fetcher
from registry.model import BadRequest
from tests.support.identity import GATEWAY, NOW, PUBLIC_ADDRESS, read_claims, read_header
from tests.support.issuer import REDIRECT, VERIFIER, Installation, challenge_for, install
from tests.support.oauth_login import personas_on, read_redirect

NOBODY_LISTED = Directory()

DOCUMENT = "https://editor.example.com/client.json"
DOCUMENT_THERE = f"https://{PUBLIC_ADDRESS}/client.json"


async def test_a_code_with_pkce_becomes_a_token_for_the_gateway_alone(here: Installation) -> None:
    client = await here.registered()
    back = await here.get_code(client)
    answer = await here.redeem(client, back.code)

    assert (back.state, back.iss) == ("s1", f"{GATEWAY}/issuer")
    assert back.url.startswith(REDIRECT + "?")
    body = answer.json()
    assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 900)
    assert answer.headers["cache-control"] == "no-store"
    token = body["access_token"]
    said = read_claims(token)
    assert read_header(token)["typ"] == "at+jwt"
    assert (said["iss"], said["aud"], said["sub"]) == (f"{GATEWAY}/issuer", GATEWAY, "recruiter")
    assert (said["client_id"], said["scope"], said["exp"]) == (client, "mcp:tools", int(NOW) + 900)
    assert await here.who(token) == {"status": 200, "who": "person:recruiter", "scopes": ["mcp:tools"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": "", "code_challenge_method": ""},
        {"code_challenge": ""},
        {"code_challenge_method": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge": "short"},
    ],
)
async def test_without_pkce_there_is_no_code(here: Installation, changes: dict[str, str]) -> None:
    back = read_redirect(await here.http.get(here.authorize_url(await here.registered(), **changes)))

    assert (back.error, back.code, back.iss, back.state) == ("invalid_request", "", f"{GATEWAY}/issuer", "s1")


@pytest.mark.parametrize("verifier", ["w" * 64, "", "short", challenge_for(VERIFIER)])
async def test_a_wrong_verifier_gets_nothing_and_ends_the_code(here: Installation, verifier: str) -> None:
    client = await here.registered()
    back = await here.get_code(client)

    wrong = await here.redeem(client, back.code, code_verifier=verifier)
    right = await here.redeem(client, back.code)

    assert wrong.status_code == right.status_code == 400
    assert "access_token" not in wrong.text + right.text


async def test_a_code_used_twice_takes_back_what_it_gave(here: Installation) -> None:
    client = await here.registered()
    back = await here.get_code(client)
    first = (await here.redeem(client, back.code)).json()
    assert (await here.who(first["access_token"]))["status"] == 200

    again = await here.redeem(client, back.code)
    refreshed = await here.token(
        {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": client}
    )

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert refreshed.json()["error"] == "invalid_grant"
    assert (await here.who(first["access_token"]))["status"] == 401


async def test_a_code_lives_for_a_minute(here: Installation) -> None:
    client = await here.registered()
    back = await here.get_code(client)

    here.clock.advance(61)

    assert (await here.redeem(client, back.code)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("changes", [{"redirect_uri": "http://127.0.0.1:7778/callback"}, {"redirect_uri": ""}])
async def test_a_code_is_bound_to_its_redirect(here: Installation, changes: dict[str, str]) -> None:
    client = await here.registered()
    back = await here.get_code(client)

    assert (await here.redeem(client, back.code, **changes)).json()["error"] == "invalid_grant"


async def test_a_code_is_bound_to_its_client(here: Installation) -> None:
    client, other = await here.registered(), await here.registered()
    back = await here.get_code(client)

    assert (await here.redeem(other, back.code)).json()["error"] == "invalid_grant"
    assert (await here.redeem(client, back.code)).status_code == 200, "another's attempt does not spend it"


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/callback",
        "http://127.0.0.1:7777/other",
        "http://127.0.0.1.evil.example/callback",
        "http://localhost:7777/callback",
        "http://127.0.0.1:7777/callback#x",
        "http://evil@127.0.0.1:7777/callback",
        "javascript:alert(1)",
        'http://127.0.0.1:7777/callback"',
    ],
)
async def test_a_redirect_that_is_not_the_client_s_is_never_followed(here: Installation, redirect_uri: str) -> None:
    answer = await here.http.get(here.authorize_url(await here.registered(), redirect_uri=redirect_uri))

    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/plain")


async def test_on_loopback_the_port_is_free(here: Installation) -> None:
    client = await here.registered()
    elsewhere = "http://127.0.0.1:50123/callback"

    back = await here.get_code(client, redirect_uri=elsewhere)

    assert back.url.startswith(elsewhere)
    assert (await here.redeem(client, back.code, redirect_uri=elsewhere)).status_code == 200


@pytest.mark.parametrize("resource", ["https://other.example/mcp", f"{GATEWAY}.evil.example", f"{GATEWAY}/../x", "mcp"])
async def test_tokens_for_another_resource_are_not_issued(here: Installation, resource: str) -> None:
    client = await here.registered()
    back = read_redirect(await here.http.get(here.authorize_url(client, resource=resource)))
    code = (await here.get_code(client)).code

    assert (back.error, back.code) == ("invalid_target", "")
    assert (await here.redeem(client, code, resource=resource)).json()["error"] == "invalid_target"


async def test_whoever_refuses_sends_the_client_away(here: Installation) -> None:
    back = await here.get_code(await here.registered(), persona="")

    assert (back.error, back.code, back.state, back.iss) == ("access_denied", "", "s1", f"{GATEWAY}/issuer")


async def test_the_consent_page_says_what_matters_and_runs_nothing(here: Installation) -> None:
    client = (await here.register(client_name="<script>alert(1)</script>")).json()["client_id"]

    page = await here.http.get(here.authorize_url(client, scope="mcp:tools mcp:send"))

    assert personas_on(page.text) == ["recruiter", "intern"], "the operator is no persona"
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script" not in page.text
    assert "Recruiter &lt;Dublin&gt;" in page.text
    for shown in ("127.0.0.1", "mcp:tools", "mcp:send", client):
        assert shown in page.text
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:7777" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"


async def test_a_consent_counts_once_and_only_with_its_ticket(here: Installation) -> None:
    url = here.authorize_url(await here.registered())
    page = (await here.http.get(url)).text
    ticket = page.split('name="ticket" value="')[1].split('"')[0]
    form = {"ticket": ticket, "decision": "allow", "persona": "recruiter"}

    foreign = await here.http.post(url, data=form, headers={"Origin": "https://evil.example"})
    null = await here.http.post(url, data=form, headers={"Origin": "null"})
    first = await here.http.post(url, data=form, headers={"Origin": GATEWAY})
    again = await here.http.post(url, data=form)
    guessed = await here.http.post(url, data={**form, "ticket": "guess"})

    assert [answer.status_code for answer in (foreign, null, first, again, guessed)] == [403, 403, 303, 400, 400]


@pytest.mark.parametrize("persona", ["nobody", "operator@local", ""])
async def test_one_becomes_only_a_person_of_the_directory(here: Installation, persona: str) -> None:
    url = here.authorize_url(await here.registered())
    ticket = (await here.http.get(url)).text.split('name="ticket" value="')[1].split('"')[0]

    answer = await here.http.post(url, data={"ticket": ticket, "decision": "allow", "persona": persona})

    assert answer.status_code == 400


async def test_a_ticket_ends_after_ten_minutes(here: Installation) -> None:
    url = here.authorize_url(await here.registered())
    ticket = (await here.http.get(url)).text.split('name="ticket" value="')[1].split('"')[0]

    here.clock.advance(601)

    answer = await here.http.post(url, data={"ticket": ticket, "decision": "allow", "persona": "recruiter"})
    assert answer.status_code == 400


async def test_refresh_tokens_rotate_and_a_stolen_one_ends_all(here: Installation) -> None:
    client = await here.registered()
    first = (await here.redeem(client, (await here.get_code(client)).code)).json()

    async def refresh(token: str, **more: str) -> httpx.Response:
        return await here.token({"grant_type": "refresh_token", "refresh_token": token, "client_id": client, **more})

    second = (await refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await here.who(second["access_token"]))["who"] == "person:recruiter"
    assert (await refresh(second["refresh_token"], client_id=await here.registered())).status_code == 400

    assert (await refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await here.who(second["access_token"]))["status"] == 401


async def test_a_refresh_never_widens_the_scope(here: Installation) -> None:
    client = await here.registered()
    first = (await here.redeem(client, (await here.get_code(client)).code)).json()

    wider = await here.token(
        {
            "grant_type": "refresh_token",
            "refresh_token": first["refresh_token"],
            "client_id": client,
            "scope": "mcp:tools admin",
        }
    )

    assert wider.json()["error"] == "invalid_scope"


async def test_client_credentials_make_an_agent_or_a_service(here: Installation) -> None:
    here.issuer.add_client("assistant-client", "s3cret")
    here.issuer.add_client("nightly", "other")
    form = {"grant_type": "client_credentials", "scope": "mcp:tools"}

    agent = await here.token(form, ("assistant-client", "s3cret"))
    posted = await here.token({**form, "client_id": "nightly", "client_secret": "other"})

    assert (await here.who(agent.json()["access_token"]))["who"] == "agent:assistant"
    assert (await here.who(posted.json()["access_token"]))["who"] == "service:nightly"
    assert "refresh_token" not in agent.json()


async def test_wrong_client_credentials_get_nothing(here: Installation) -> None:
    here.issuer.add_client("nightly", "other")
    form = {"grant_type": "client_credentials"}
    public = await here.registered()

    for answer in (
        await here.token(form, ("nightly", "wrong")),
        await here.token(form, ("nobody", "other")),
        await here.token({**form, "client_id": "nightly"}),
        await here.token({**form, "client_id": public}),
        await here.token({**form, "client_id": "nightly", "client_secret": "ötherß"}),
    ):
        assert answer.status_code in {400, 401}
        assert answer.json()["error"] in {"invalid_client", "unauthorized_client", "invalid_request"}


async def test_the_persona_grant_needs_the_development_secret(here: Installation) -> None:
    secret = (here.state / "dev-secret").read_text()
    form = {"grant_type": "urn:interchange:persona", "persona": "intern"}

    right = await here.token(form, ("interchange-cli", secret))
    unknown = await here.token({**form, "persona": "nobody"}, ("interchange-cli", secret))
    operator = await here.token({**form, "persona": "operator@local"}, ("interchange-cli", secret))
    wrong = await here.token(form, ("interchange-cli", secret + "x"))
    here.issuer.add_client("nightly", "other")
    not_its_grant = await here.token(form, ("nightly", "other"))

    assert (here.state / "dev-secret").stat().st_mode & 0o777 == 0o600
    assert (await here.who(right.json()["access_token"]))["who"] == "person:intern"
    assert right.json()["expires_in"] == 900
    assert unknown.json()["error"] == operator.json()["error"] == "invalid_grant"
    assert wrong.status_code == 401
    assert not_its_grant.json()["error"] == "unauthorized_client"


async def test_demo_tokens_live_for_eight_hours(here: Installation) -> None:
    token = here.issuer.issue_for("recruiter", 8 * 3600.0)

    assert read_claims(token)["exp"] == int(NOW) + 8 * 3600
    assert (await here.who(token))["who"] == "person:recruiter"
    with pytest.raises(BadRequest, match="recruiter, intern"):
        here.issuer.issue_for("nobody")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"grant_type": "password", "username": "a", "password": "b"},
        {"grant_type": "authorization_code"},
        {"grant_type": "authorization_code", "client_id": "unknown", "code": "x"},
        {"grant_type": "refresh_token", "client_id": "unknown", "refresh_token": "x"},
        {"grant_type": 'x"y'},
        {"grant_type": "client_credentials", "scope": "ünïcode"},
        {"grant_type": "x" * 5000},
    ],
)
async def test_errors_of_the_token_endpoint_are_oauth_s(here: Installation, form: dict[str, str]) -> None:
    answer = await here.token(form)

    assert answer.status_code in {400, 401}
    assert answer.json()["error"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"grant_type=a&grant_type=b", {}),
        (b"\xff\xfe=1", {}),
        (b"&".join(b"a%d=1" % n for n in range(100)), {}),
        (b"x" * 70_000, {}),
        (b"{}", {"content-type": "application/json"}),
        (b"grant_type=client_credentials", {"authorization": "Basic /////w=="}),
        (b"grant_type=client_credentials", {"authorization": "Basic é"}),
        (b"grant_type=client_credentials", {"authorization": "Basic !"}),
    ],
)
async def test_a_malformed_token_request_is_a_plain_400_or_401(
    here: Installation, content: bytes, headers: dict[str, str]
) -> None:
    typed = {"content-type": "application/x-www-form-urlencoded", **headers}
    raw = {name: value.encode("latin-1") for name, value in typed.items()}
    answer = await here.http.post(f"{GATEWAY}/issuer/token", content=content, headers=list(raw.items()))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    assert answer.status_code in {400, 401}
    assert answer.json()["error"] in {"invalid_request", "invalid_client"}


async def test_registration_makes_public_clients_that_survive_a_restart(here: Installation, tmp_path: Path) -> None:
    answer = await here.register(
        redirect_uris=["cursor://anysphere.cursor-mcp/oauth/callback", "com.example.app:/done", "https://a.example/cb"],
        token_endpoint_auth_method="client_secret_basic",
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
    )
    body = answer.json()

    assert answer.status_code == 201
    assert "client_secret" not in body
    assert body["token_endpoint_auth_method"] == "none"
    assert body["grant_types"] == ["authorization_code", "refresh_token"]
    restarted = install(tmp_path)
    async with restarted.http:
        back = await restarted.get_code(body["client_id"], redirect_uri="cursor://anysphere.cursor-mcp/oauth/callback")
    assert back.url.startswith("cursor://anysphere.cursor-mcp/oauth/callback?code=")
    assert back.code


@pytest.mark.parametrize(
    "metadata",
    [
        {"redirect_uris": []},
        {"redirect_uris": None},
        {"redirect_uris": "https://a.example/cb"},
        {"redirect_uris": ["http://a.example/cb"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["data:text/html,x"]},
        {"redirect_uris": ["https://a.example/cb#x"]},
        {"redirect_uris": ["https://user:pw@a.example/cb"]},
        {"redirect_uris": ["https://"]},
        {"redirect_uris": ["/callback"]},
        {"redirect_uris": [7]},
        {"redirect_uris": ["https://a.example/cb"] * 11},
        {"grant_types": ["client_credentials"]},
        {"grant_types": "authorization_code"},
    ],
)
async def test_a_registration_that_could_be_misused_is_refused(here: Installation, metadata: dict[str, object]) -> None:
    answer = await here.register(**metadata)

    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_redirect_uri", "invalid_client_metadata"}


async def test_registrations_are_bounded(here: Installation) -> None:
    first = await here.registered()
    others = [await here.registered() for _ in range(200)]

    assert (await here.http.get(here.authorize_url(first))).status_code == 400
    assert (await here.http.get(here.authorize_url(others[-1]))).status_code == 200
    assert (here.state / "issuer-clients.json").stat().st_size < 100_000


async def test_rubbish_is_not_registered(here: Installation) -> None:
    for content in (b"", b"[]", b"nope", b"[" * 60_000, b'{"a":' + b"1" * 70_000 + b"}"):
        answer = await here.http.post(f"{GATEWAY}/issuer/register", content=content)
        assert answer.status_code == 400


@respx.mock
async def test_a_client_may_be_a_document(here: Installation) -> None:
    document = respx.get(DOCUMENT_THERE).respond(
        json={"client_id": DOCUMENT, "client_name": "Editor", "redirect_uris": ["http://127.0.0.1/callback"]}
    )

    back = await here.get_code(DOCUMENT)
    answer = await here.redeem(DOCUMENT, back.code)

    assert read_claims(answer.json()["access_token"])["client_id"] == DOCUMENT
    assert document.call_count == 1
    assert document.calls.last.request.headers["host"] == "editor.example.com"


@respx.mock
@pytest.mark.parametrize(
    "document",
    [
        {"client_id": "https://evil.example/client.json", "redirect_uris": [REDIRECT]},
        {"redirect_uris": [REDIRECT]},
        {"client_id": DOCUMENT},
        {"client_id": DOCUMENT, "redirect_uris": ["http://evil.example/cb"]},
        {"client_id": DOCUMENT, "redirect_uris": ["https://other.example/cb"]},
        {"client_id": DOCUMENT, "redirect_uris": [REDIRECT], "client_secret": "x"},
        {"client_id": DOCUMENT, "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_basic"},
        {"client_id": DOCUMENT, "redirect_uris": [REDIRECT], "padding": "x" * 70_000},
    ],
)
async def test_a_document_that_is_not_acceptable_is_no_client(here: Installation, document: dict[str, object]) -> None:
    respx.get(DOCUMENT_THERE).respond(json=document)

    answer = await here.http.get(here.authorize_url(DOCUMENT))

    assert (answer.status_code, "location" in answer.headers) == (400, False)


@respx.mock
@pytest.mark.parametrize(
    "url",
    [
        "http://editor.example.com/client.json",
        "https://editor.example.com",
        "https://editor.example.com/",
        "https://editor.example.com/a/../client.json",
        "https://user@editor.example.com/client.json",
        "https://editor.example.com/client.json#x",
        "https://127.0.0.1/client.json",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/client.json",
        "https://2130706433/client.json",
    ],
)
async def test_a_client_id_that_leads_somewhere_it_should_not_is_not_fetched(here: Installation, url: str) -> None:
    anything = respx.route().respond(json={"client_id": url, "redirect_uris": [REDIRECT]})

    answer = await here.http.get(here.authorize_url(url))

    assert answer.status_code == 400
    assert not anything.called


@pytest.mark.parametrize(
    "changes",
    [{"response_type": "token"}, {"response_type": ""}, {"client_id": ""}, {"scope": 'a"b'}, {"state": "\n"}],
)
async def test_a_malformed_authorisation_request_ends_in_words_or_an_error(
    here: Installation, changes: dict[str, str]
) -> None:
    client = await here.registered()
    asked = {"client_id": client, **changes}

    answer = await here.http.get(here.authorize_url(**asked))

    assert answer.status_code == 400 or read_redirect(answer).error
    assert "code=" not in answer.headers.get("location", "").replace("error_code=", "")


async def test_repeated_parameters_are_refused(here: Installation) -> None:
    url = here.authorize_url(await here.registered())

    assert (await here.http.get(f"{url}&client_id=other")).status_code == 400
    assert (await here.http.get(f"{url}&resource={GATEWAY}")).status_code == 200


async def test_its_key_survives_a_restart(here: Installation, tmp_path: Path) -> None:
    token = here.issuer.issue_for("recruiter")
    restarted = install(tmp_path)

    async with restarted.http:
        assert (await restarted.who(token))["who"] == "person:recruiter"


@pytest.mark.parametrize(
    "url", ["https://gw.example.com", "http://0.0.0.0:8420", "http://10.0.0.1", "http://localhost.evil.example"]
)
def test_it_serves_loopback_only(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadRequest, match=r"set \[auth\] issuer and audience"):
        DevIssuer.open(public_url=url, directory=lambda: NOBODY_LISTED, state=tmp_path, fetcher=Fetcher())


async def test_no_secret_reaches_a_log(here: Installation, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    here.issuer.add_client("nightly", "canary-secret")
    client = await here.registered()
    back = await here.get_code(client)
    first = (await here.redeem(client, back.code)).json()
    await here.redeem(client, back.code)
    refreshed = await here.token(
        {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": client}
    )
    granted = (await here.token({"grant_type": "client_credentials"}, ("nightly", "canary-secret"))).json()
    await here.token({"grant_type": "client_credentials"}, ("nightly", "canary-wrong"))
    persona = await here.token(
        {"grant_type": "urn:interchange:persona", "persona": "intern"},
        ("interchange-cli", (here.state / "dev-secret").read_text()),
    )
    assert refreshed.status_code == 400
    for token in (first["access_token"], granted["access_token"], persona.json()["access_token"], "canary.bad.token"):
        await here.who(token)

    records = [record for record in caplog.records if "httpx" not in record.name]
    written = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in records)
    assert "authlib" in written, "the log that is known to leak was listened to"
    secrets = (
        back.code, VERIFIER, first["refresh_token"], granted["access_token"],
        first["access_token"], persona.json()["access_token"],
        "canary", (here.state / "dev-secret").read_text(),
    )  # fmt: skip
    assert [secret for secret in secrets if secret in written] == []
