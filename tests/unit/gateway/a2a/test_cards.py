"""What stands on a card, and that it comes out of the SDK's types as it went in."""

import json
import logging
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from gateway.a2a.cards import Offer, without_empty, write_card
from registry.catalog import SkillEntry
from registry.model import AgentName, Extension, JsonObject
from tests.support.cards import OAUTH, OFFER, OPENID, PUBLIC_URL, agent, read_card, signer, skill, verify

CONVERSE = "/test.candidates/Converse"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LISTS = st.lists(TEXTS, max_size=3).map(tuple)
SCOPES = st.lists(st.from_regex(r"\A[\x21\x23-\x5B\x5D-\x7E]{1,8}\Z"), max_size=2).map(tuple)
ARGUMENTS = st.dictionaries(TEXTS, TEXTS | st.integers() | st.booleans() | st.lists(TEXTS, max_size=2), max_size=2)

AGENTS = st.builds(
    agent,
    title=TEXTS,
    description=TEXTS,
    provider=TEXTS,
    icon_url=TEXTS,
    documentation_url=TEXTS,
    tags=LISTS,
    examples=LISTS,
    converse=st.sampled_from(["", CONVERSE]),
    extensions=st.lists(
        st.builds(Extension, uri=st.just("https://test/extension"), description=TEXTS, required=st.booleans()),
        max_size=2,
    ).map(tuple),
)
SKILLS = st.builds(
    skill,
    title=TEXTS,
    description=TEXTS,
    tags=LISTS,
    examples=st.lists(ARGUMENTS, max_size=2).map(tuple),
    scopes=SCOPES,
    output_schema=st.sampled_from([None, {"type": "object"}]),
)


def card(*skills: SkillEntry, offer: Offer = OFFER, **changes: Any) -> dict[str, Any]:
    return dict(write_card(agent(**changes), skills, offer))


URL = f"{PUBLIC_URL}/agents/candidates"
HTTP = [
    {"url": URL, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
    {"url": URL, "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0"},
    {"url": URL, "protocolBinding": "JSONRPC", "protocolVersion": "0.3"},
    {"url": URL, "protocolBinding": "HTTP+JSON", "protocolVersion": "0.3"},
]
DOOR = Offer(public_url=PUBLIC_URL, issuer=OAUTH, grpc="gateway.test:8421")


def test_both_bindings_in_both_revisions_are_at_the_agent_s_one_url() -> None:
    assert card(skill())["supportedInterfaces"] == HTTP
    assert card(skill(), offer=DOOR)["supportedInterfaces"] == HTTP


def test_among_all_interfaces_is_grpc_with_the_agent_as_tenant() -> None:
    written = write_card(agent(), [skill()], DOOR, all_interfaces=True)

    assert written["supportedInterfaces"] == [
        *HTTP,
        {"url": "gateway.test:8421", "protocolBinding": "GRPC", "protocolVersion": "1.0", "tenant": "candidates"},
    ]


def test_where_no_client_reaches_the_grpc_door_no_card_names_it() -> None:
    assert write_card(agent(), [skill()], OFFER, all_interfaces=True)["supportedInterfaces"] == HTTP


def test_a_card_says_who_the_agent_is() -> None:
    written = card(
        skill(),
        title="Candidates",
        description="Knows who applied.",
        version="1.2.0",
        provider="Hiring",
        documentation_url="https://docs.test/candidates",
        icon_url="https://docs.test/candidates.png",
    )

    assert written["name"] == "Candidates"
    assert written["description"] == "Knows who applied."
    assert written["version"] == "1.2.0"
    assert written["provider"] == {"organization": "Hiring", "url": "https://docs.test/candidates"}
    assert written["documentationUrl"] == "https://docs.test/candidates"
    assert written["iconUrl"] == "https://docs.test/candidates.png"


def test_what_the_protocol_requires_is_there_though_the_agent_says_little(caplog: pytest.LogCaptureFixture) -> None:
    written = card(skill(title="", domain=""), title="", converse=CONVERSE)
    logging.getLogger("a2a").setLevel(logging.WARNING)

    with caplog.at_level(logging.WARNING, logger="a2a"):
        verify(read_card(signer().signed(written)))  # the SDK warns of each required member that is missing

    assert caplog.records == []
    assert written["name"] == "candidates"
    assert written["description"] == "candidates"
    assert "provider" not in written
    assert "iconUrl" not in written


def test_capabilities_are_said_and_extensions_named() -> None:
    extensions = (Extension(uri="urn:a", description="A."), Extension(uri="urn:b", required=True))

    assert card(extensions=extensions)["capabilities"] == {
        "streaming": True,
        "pushNotifications": True,
        "extendedAgentCard": True,
        "extensions": [{"uri": "urn:a", "description": "A."}, {"uri": "urn:b", "required": True}],
    }


def test_a_skill_s_examples_are_the_data_parts_that_call_it() -> None:
    (written,) = card(skill(title="Search", description="Finds.", tags=("people",), examples=({"text": "zoë"},)))[
        "skills"
    ]

    assert written == {
        "id": "candidates.search",
        "name": "Search",
        "description": "Finds.",
        "tags": ["people"],
        "examples": ['{"skill": "candidates.search", "arguments": {"text": "zoë"}}'],
        "inputModes": ["application/json"],
        "outputModes": ["application/json"],
    }


def test_a_skill_without_tags_has_its_domain_for_one() -> None:
    assert card(skill())["skills"][0]["tags"] == ["hiring"]


def test_a_skill_that_speaks_for_itself_may_answer_in_text() -> None:
    assert card(skill(output_schema=None))["skills"][0]["outputModes"] == ["application/json", "text/plain"]


def test_an_agent_that_converses_has_a_skill_for_that_which_comes_first() -> None:
    first, second = card(skill(), converse=CONVERSE, examples=("Who knows Rust?",), description="Knows.")["skills"]

    assert first == {
        "id": "converse",
        "name": "Converse",
        "description": "Answers messages, in text or data. Knows.",
        "tags": ["converse"],
        "examples": ["Who knows Rust?"],
        "inputModes": ["text/plain", "application/json"],
        "outputModes": ["text/plain", "application/json"],
    }
    assert second["id"] == "candidates.search"


def test_text_is_among_the_default_modes_only_of_an_agent_that_converses() -> None:
    assert card(skill())["defaultInputModes"] == ["application/json"]
    assert card(skill(), converse=CONVERSE)["defaultInputModes"] == ["text/plain", "application/json"]


def test_the_development_issuer_is_two_flows_and_bearer() -> None:
    written = card(skill())
    schemes = written["securitySchemes"]

    for_persons = schemes["oauth2"]["oauth2SecurityScheme"]["flows"]
    for_programs = schemes["oauth2ClientCredentials"]["oauth2SecurityScheme"]["flows"]
    assert for_persons["authorizationCode"]["authorizationUrl"] == OAUTH.authorization_url
    assert for_persons["authorizationCode"]["pkceRequired"] is True
    assert for_programs["clientCredentials"]["tokenUrl"] == OAUTH.token_url
    assert schemes["bearer"] == {"httpAuthSecurityScheme": {"scheme": "Bearer", "bearerFormat": "JWT"}}
    assert [list(one["schemes"]) for one in written["securityRequirements"]] == [
        ["oauth2"],
        ["oauth2ClientCredentials"],
        ["bearer"],
    ]


def test_a_provider_is_named_by_its_discovery_document() -> None:
    written = card(skill(), offer=Offer(public_url=PUBLIC_URL, issuer=OPENID))

    assert set(written["securitySchemes"]) == {"openIdConnect", "bearer"}
    assert written["securitySchemes"]["openIdConnect"]["openIdConnectSecurityScheme"] == {
        "openIdConnectUrl": "https://idp.test/.well-known/openid-configuration"
    }
    assert written["securityRequirements"][0] == {"schemes": {"openIdConnect": {"list": ["openid"]}}}


def test_scopes_are_named_by_the_skills_that_need_them_and_hidden_with_them() -> None:
    needs = skill("candidates.delete", scopes=("candidates:delete",))

    shown, hidden = card(skill(), needs), card(skill())

    lists = [one["schemes"] for one in shown["skills"][1]["securityRequirements"]]
    assert lists[0] == {"oauth2": {"list": ["interchange", "candidates:delete"]}}
    assert "securityRequirements" not in shown["skills"][0]
    assert "candidates:delete" in json.dumps(shown["securitySchemes"])
    assert "candidates:delete" not in json.dumps(hidden)


def test_a_trailing_slash_of_the_public_url_is_not_doubled() -> None:
    offer = Offer(public_url=f"{PUBLIC_URL}/", issuer=OAUTH)

    assert card(skill(), offer=offer)["supportedInterfaces"] == card(skill())["supportedInterfaces"]


def test_nothing_empty_is_left_however_deep() -> None:
    deep: JsonObject = {"a": "", "b": [], "c": {"d": {"e": [{}, ""]}}, "f": False, "g": 0, "h": None, "i": ["", "x"]}

    assert without_empty(deep) == {"f": False, "g": 0, "i": ["x"]}


@given(AGENTS, st.lists(SKILLS, max_size=3), st.sampled_from([OAUTH, OPENID]))
def test_any_card_leaves_the_sdk_s_types_as_it_entered_and_its_signature_holds(
    entry: Any, skills: Any, issuer: Any
) -> None:
    written = write_card(entry, skills, Offer(public_url=PUBLIC_URL, issuer=issuer))

    read = read_card(signer().signed(written))

    verify(read)
    read.ClearField("signatures")
    assert MessageToDict(read) == json.loads(json.dumps(written))


def test_every_agent_has_a_url_of_its_own() -> None:
    first, second = (write_card(agent(name), (), OFFER) for name in ("first", "second"))

    assert first["supportedInterfaces"] != second["supportedInterfaces"]
    assert AgentName("first") in json.dumps(first)
