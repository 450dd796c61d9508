"""Well-known documents: in every place where a client looks, exact, and readable for scripts in browsers."""

import pytest

from gateway.metadata import resource_metadata_url
from policies.identity.keysets import read_key_set
from policies.identity.urls import is_under, origin, well_known
from tests.support.identity import GATEWAY
from tests.support.issuer import Installation


async def test_the_resource_document_names_exactly_the_url_that_clients_use(here: Installation) -> None:
    of_face = (await here.http.get("/.well-known/oauth-protected-resource/mcp")).json()
    of_gateway = (await here.http.get("/.well-known/oauth-protected-resource")).json()

    assert of_face["resource"] == f"{GATEWAY}/mcp"
    assert of_gateway["resource"] == GATEWAY
    assert of_face["authorization_servers"] == [f"{GATEWAY}/issuer"]
    assert of_face["bearer_methods_supported"] == ["header"]


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server/issuer",
        "/.well-known/openid-configuration/issuer",
        "/issuer/.well-known/oauth-authorization-server",
        "/issuer/.well-known/openid-configuration",
    ],
)
async def test_the_issuer_s_metadata_is_wherever_it_is_looked_for(here: Installation, path: str) -> None:
    document = (await here.http.get(path)).json()

    assert document["issuer"] == f"{GATEWAY}/issuer"
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["client_id_metadata_document_supported"] is True
    for endpoint in ("authorization_endpoint", "token_endpoint", "registration_endpoint", "jwks_uri"):
        assert document[endpoint].startswith(f"{GATEWAY}/issuer/")


async def test_both_key_sets_have_public_keys_only_and_are_different(here: Installation) -> None:
    internal = (await here.http.get("/.well-known/jwks.json")).json()
    issuer = (await here.http.get("/issuer/jwks")).json()

    assert all("d" not in key for document in (internal, issuer) for key in document["keys"])
    kids = [read_key_set(document)[0].kid for document in (internal, issuer)]
    assert kids[0] != kids[1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/.well-known/oauth-protected-resource/mcp"),
        ("GET", "/.well-known/oauth-authorization-server/issuer"),
        ("GET", "/issuer/jwks"),
        ("POST", "/issuer/token"),
        ("POST", "/issuer/register"),
    ],
)
async def test_a_script_in_a_browser_may_ask(here: Installation, method: str, path: str) -> None:
    origin_of_page = {"Origin": "https://inspector.example"}
    asked = {**origin_of_page, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "x-mcp"}

    before = await here.http.options(path, headers=asked)
    answer = await here.http.request(method, path, headers=origin_of_page)

    assert before.status_code == 200
    assert before.headers["access-control-allow-headers"] == "x-mcp"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_script_of_another_site_may_not_read_the_consent_page(here: Installation) -> None:
    url = here.authorize_url(await here.registered())

    answer = await here.http.get(url, headers={"Origin": "https://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


def test_well_known_names_stand_between_host_and_path() -> None:
    assert well_known("https://a.example", "x") == "https://a.example/.well-known/x"
    assert well_known("https://a.example/b/c/", "x") == "https://a.example/.well-known/x/b/c"
    assert resource_metadata_url("https://a.example/", "/mcp") == (
        "https://a.example/.well-known/oauth-protected-resource/mcp"
    )


@pytest.mark.parametrize(
    ("url", "under"),
    [
        ("https://a.example", True),
        ("https://a.example/", True),
        ("https://A.EXAMPLE:443/mcp", True),
        ("https://a.example/mcp/x", True),
        ("http://a.example/mcp", False),
        ("https://a.example:444/mcp", False),
        ("https://a.example.evil.example", False),
        ("https://evil@a.example/mcp", False),
        ("https://a.example/mcp#x", False),
        ("https://a.example/../mcp", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_what_is_under_a_url(url: str, under: bool) -> None:
    assert is_under(url, "https://a.example") is under


def test_a_path_is_under_whole_segments_only() -> None:
    assert is_under("https://a.example/base/mcp", "https://a.example/base/")
    assert not is_under("https://a.example/basement", "https://a.example/base")
    assert origin("https://[::1]:8443/x") == "https://[::1]:8443"
