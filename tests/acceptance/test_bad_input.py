"""Bad input and bad far sides, one test each, through the real doors of a gateway process."""

import base64
import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from tests.support.odd_service import SECRET, Odd, odd_manifest, odd_service
from tests.support.served import Served, interchange, published, served_gateway, tools_call

INVALID_PARAMS = -32602
PARSE_ERROR = -32700


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Generator[Odd]:
    with odd_service(tmp_path_factory.mktemp("odd")) as service:
        yield service


@pytest.fixture(scope="module")
def gateway(odd: Odd, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    with served_gateway(folder) as served:
        published(served, odd_manifest(folder), odd.target)
        yield served


@pytest.fixture(scope="module")
def token(gateway: Served) -> str:
    return gateway.token("tester")


def text_of(response: httpx.Response) -> str:
    result = response.json()["result"]
    assert result["isError"] is True
    return result["content"][0]["text"]


def test_a_call_that_is_right_is_answered(gateway: Served, token: str) -> None:
    result = gateway.call("odd_echo", {"text": "hi", "times": 2}, token=token).json()["result"]
    assert (result["structuredContent"], result["isError"]) == ({"text": "hihi"}, False)


def test_a_malformed_manifest_is_refused_by_path(gateway: Served, tmp_path: Path) -> None:
    manifest = json.loads(odd_manifest(tmp_path).read_text())
    manifest["skills"][0]["timeout"] = "soon"
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(manifest))
    refused = interchange(gateway, "registry", "publish", str(broken))
    assert refused.returncode == 1
    assert "skills" in refused.stderr
    assert "timeout" in refused.stderr


def test_an_unknown_tool_and_a_hidden_one_look_the_same(gateway: Served, token: str) -> None:
    unknown = gateway.call("odd_nothing", {}, token=token)
    hidden = gateway.call("odd_echo", {}, token=gateway.token("stranger"))
    assert unknown.status_code == hidden.status_code == 400
    assert unknown.json()["error"] == {"code": INVALID_PARAMS, "message": "Unknown tool: odd_nothing"}
    assert hidden.json()["error"] == {"code": INVALID_PARAMS, "message": "Unknown tool: odd_echo"}


def test_wrong_arguments_of_a_hidden_tool_do_not_show_its_schema(gateway: Served) -> None:
    hidden = gateway.call("odd_echo", {"text": 5}, token=gateway.token("stranger"))
    assert hidden.json()["error"]["message"] == "Unknown tool: odd_echo"


def test_every_wrong_type_is_named_by_its_path(gateway: Served, token: str) -> None:
    said = text_of(gateway.call("odd_echo", {"text": 5, "inner": {"words": ["a", 1], "loud": "yes"}}, token=token))
    assert "/text" in said
    assert "/inner/words/1" in said
    assert "/inner/loud" in said


def test_a_field_nobody_declared_is_named(gateway: Served, token: str) -> None:
    assert "/colour" in text_of(gateway.call("odd_echo", {"colour": "red"}, token=token))


def test_arguments_that_are_no_object_are_refused(gateway: Served, token: str) -> None:
    assert gateway.call("odd_echo", [1], token=token).status_code == 400


def test_five_megabytes_are_too_large(gateway: Served, token: str) -> None:
    assert gateway.call("odd_echo", {"text": "x" * 5_000_000}, token=token).status_code == 413


def test_ten_thousand_levels_are_refused(gateway: Served, token: str) -> None:
    deep = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    response = gateway.post(deep, token=token)
    assert (response.status_code, response.json()["error"]["code"]) == (400, PARSE_ERROR)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_number_that_is_none_is_refused(gateway: Served, token: str, number: str) -> None:
    body = json.dumps(tools_call("odd_echo", {"times": 0})).replace('"times": 0', f'"times": {number}').encode()
    response = gateway.post(body, token=token)
    assert (response.status_code, response.json()["error"]["code"]) == (400, PARSE_ERROR)


def test_duplicate_keys_are_refused_wherever_they_are(gateway: Served, token: str) -> None:
    body = json.dumps(tools_call("odd_echo", {"times": 0})).replace('"times": 0', '"times": 0, "times": 1').encode()
    response = gateway.post(body, token=token)
    assert (response.status_code, response.json()["error"]["code"]) == (400, PARSE_ERROR)
    assert "times" in response.json()["error"]["message"]


def claims_of(token: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def signed(gateway: Served, key: str, header: dict[str, str], claims: dict[str, Any]) -> str:
    """A token signed with one of the issuer's own keys, so that nothing but what the test changes is wrong."""
    found = ECKey.import_key((gateway.state / "keys" / key).read_text())
    return jwt.encode({"alg": "ES256", "kid": found.thumbprint(), "typ": "at+jwt"} | header, claims, found)


def issuer_key(gateway: Served) -> str:
    """The name of the development issuer's key file."""
    names = [path.name for path in (gateway.state / "keys").iterdir() if "issuer" in path.name]
    assert len(names) == 1, names
    return names[0]


def test_the_same_signature_over_right_claims_is_accepted(gateway: Served, token: str) -> None:
    remade = signed(gateway, issuer_key(gateway), {}, claims_of(token))
    assert gateway.call("odd_echo", {}, token=remade).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://somebody.else"},
        {"aud": []},
        {"exp": int(time.time()) - 120},
        {"nbf": int(time.time()) + 3600},
        {"iss": "https://somebody.else"},
        {"sub": ""},
        {"sub": "operator@local"},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(gateway: Served, token: str, wrong: dict[str, Any]) -> None:
    forged = signed(gateway, issuer_key(gateway), {}, claims_of(token) | wrong)
    response = gateway.call("odd_echo", {}, token=forged)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert "resource_metadata=" in response.headers["www-authenticate"]


def test_a_token_without_a_signature_is_refused(gateway: Served, token: str) -> None:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    unsigned = f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(claims_of(token))}."
    assert gateway.call("odd_echo", {}, token=unsigned).status_code == 401


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(gateway: Served, token: str) -> None:
    public = httpx.get(f"{gateway.issuer}/jwks").text.encode()
    forged = jwt.encode({"alg": "HS256", "typ": "at+jwt"}, claims_of(token), OctKey.import_key(public))
    assert gateway.call("odd_echo", {}, token=forged).status_code == 401


def test_an_id_token_is_no_access_token(gateway: Served, token: str) -> None:
    forged = signed(gateway, issuer_key(gateway), {"typ": "JWT"}, claims_of(token))
    assert gateway.call("odd_echo", {}, token=forged).status_code == 401


def test_an_internal_token_is_refused_at_the_door(gateway: Served, odd: Odd, token: str) -> None:
    gateway.call("odd_echo", {}, token=token)
    internal = odd.tokens[-1].removeprefix("Bearer ")
    assert internal != token
    assert gateway.call("odd_echo", {}, token=internal).status_code == 401


def test_no_token_is_told_where_to_get_one(gateway: Served) -> None:
    response = gateway.post(tools_call("odd_echo", {}), token=None)
    assert response.status_code == 401
    address = response.headers["www-authenticate"].partition('resource_metadata="')[2].partition('"')[0]
    assert httpx.get(address).json()["resource"] == gateway.mcp_url


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
def test_a_foreign_origin_is_refused(gateway: Served, token: str, origin: str) -> None:
    assert gateway.call("odd_echo", {}, token=token, origin=origin).status_code == 403


def test_a_missing_scope_is_a_challenge_that_names_all_of_them(gateway: Served, token: str) -> None:
    response = gateway.call("odd_scoped", {}, token=token)
    assert response.status_code == 403
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="odd.deep odd.read"' in challenge or 'scope="odd.read odd.deep"' in challenge


def test_a_hundred_megabytes_from_the_far_side_are_cut_off(gateway: Served, token: str) -> None:
    assert "over the limit" in text_of(gateway.call("odd_huge", {}, token=token))
    assert gateway.call("odd_echo", {"text": "alive"}, token=token).status_code == 200


def test_a_far_side_that_hangs_is_given_up_at_the_skills_timeout(gateway: Served, odd: Odd, token: str) -> None:
    said = text_of(gateway.call("odd_late", {}, token=token))
    assert "1 s" in said or "in time" in said or "deadline" in said.lower()
    assert odd.cancelled.acquire(timeout=10)


def test_a_far_sides_secrets_stay_there(gateway: Served, token: str) -> None:
    response = gateway.call("odd_fail", {}, token=token)
    assert SECRET not in response.text
    assert response.json()["error"]["code"] == -32603


def test_a_client_that_goes_away_ends_the_call_on_the_far_side(gateway: Served, odd: Odd, token: str) -> None:
    while odd.cancelled.acquire(blocking=False):
        pass
    while odd.hanging.acquire(blocking=False):
        pass
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "odd_hang",
    }
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(gateway.mcp_url, json=tools_call("odd_hang", {}), headers=headers, timeout=1.0)
    assert odd.hanging.acquire(timeout=5)
    assert odd.cancelled.acquire(timeout=5), "the gRPC call went on without anybody waiting for it"


def test_a_target_that_is_down_is_a_clear_and_retryable_error(tmp_path: Path) -> None:
    with served_gateway(tmp_path) as served:
        with odd_service(tmp_path) as service:
            target = service.target
            published(served, odd_manifest(tmp_path), target)
            token = served.token("tester")
            assert served.call("odd_echo", {"text": "up"}, token=token).json()["result"]["isError"] is False
        result = served.call("odd_echo", {"text": "down"}, token=token).json()["result"]
        assert result["isError"] is True
        assert result["_meta"]["interchange/retryable"] is True
        with odd_service(tmp_path, port=int(target.rpartition(":")[2])):
            deadline = time.monotonic() + 15
            while served.call("odd_echo", {"text": "up"}, token=token).json()["result"]["isError"]:
                assert time.monotonic() < deadline, "the service is back and the gateway does not reach it"
