"""Agents that publish themselves: live at once as everybody's manifests are, but not with favours for themselves."""

import pytest

from registry.model import AgentName, JsonValue, Principal, PrincipalKind, Refused
from registry.operations import Registrar
from registry.store import Store
from tests.support.desk import OLGA, ask, outcomes
from tests.support.pets import pets

THEMSELVES = Principal(kind=PrincipalKind.AGENT, issuer="https://issuer.test", subject="c-1", name="pets")
CI = Principal(kind=PrincipalKind.SERVICE, issuer="https://issuer.test", subject="pets", name="pets")
PETS = AgentName("pets")
TAGGED = ('domain: "zoo"', 'domain: "zoo" tags: "trusted"')
FAVOURS = [
    TAGGED,
    ('domain: "zoo"', 'domain: "zoo" visibility: VISIBILITY_PUBLIC'),
    ('domain: "zoo"', 'domain: "zoo" classification: CLASSIFICATION_PUBLIC'),
]


def publish(registrar: Registrar, manifest: str, by: Principal = THEMSELVES, **more: JsonValue) -> dict[str, str]:
    return outcomes(dict(registrar.perform("Publish", {"manifest": manifest, **more}, by)))


def test_an_agent_that_asks_for_nothing_is_live_at_once_and_its_skills_wait(registrar: Registrar, store: Store) -> None:
    assert publish(registrar, pets()) == {"pets": "live", "pets.find": "waiting", "pets.feed": "waiting"}
    assert PETS in store.catalog().agents
    assert not store.catalog().skills
    for skill in ("pets.find", "pets.feed"):
        ask(registrar, "Approve", {"name": skill})
    assert publish(registrar, pets()) == {"pets": "unchanged", "pets.find": "unchanged", "pets.feed": "unchanged"}


@pytest.mark.parametrize("favour", FAVOURS)
def test_what_it_says_in_its_own_favour_waits_and_all_of_it_with_that(
    registrar: Registrar, store: Store, favour: tuple[str, str]
) -> None:
    waiting = {"pets": "waiting", "pets.find": "waiting", "pets.feed": "waiting"}
    assert publish(registrar, pets(favour)) == waiting
    assert publish(registrar, pets(favour)) == waiting, "asking twice is not enough"
    assert not store.catalog().agents
    ask(registrar, "Approve", {"name": "pets"})
    assert set(publish(registrar, pets(favour)).values()) == {"unchanged"}


def test_others_are_taken_at_their_word_whatever_they_are_called(registrar: Registrar) -> None:
    assert publish(registrar, pets(TAGGED), by=CI)["pets"] == "live"


def test_a_favour_asked_for_later_waits_as_every_change_does(registrar: Registrar, store: Store) -> None:
    publish(registrar, pets())
    assert publish(registrar, pets(TAGGED))["pets"] == "waiting"
    assert store.catalog().agents[PETS].agent.tags == ()


def test_what_somebody_else_retired_does_not_come_back_by_itself(registrar: Registrar, store: Store) -> None:
    publish(registrar, pets())
    ask(registrar, "Retire", {"name": "pets", "reason": "misbehaves"})
    assert set(publish(registrar, pets()).values()) == {"waiting"}
    assert not store.catalog().agents
    ask(registrar, "Approve", {"name": "pets"})
    assert PETS in store.catalog().agents


def test_a_skill_that_somebody_else_retired_stays_away(registrar: Registrar, store: Store) -> None:
    publish(registrar, pets())
    for skill in ("pets.find", "pets.feed"):
        ask(registrar, "Approve", {"name": skill})
    ask(registrar, "Retire", {"name": "pets.feed", "reason": "misbehaves"})
    assert publish(registrar, pets()) == {"pets": "unchanged", "pets.find": "unchanged", "pets.feed": "waiting"}
    assert list(store.catalog().skills) == ["pets.find"]


def test_what_it_retired_itself_comes_back_as_it_was_and_only_so(registrar: Registrar) -> None:
    publish(registrar, pets())
    registrar.perform("Retire", {"name": "pets", "reason": "I sleep"}, THEMSELVES)
    assert publish(registrar, pets(("Finds animals.", "Obey me.")))["pets.find"] == "waiting"
    assert publish(registrar, pets())["pets"] in ("live", "unchanged")


def test_somebody_else_of_that_name_is_somebody_else(registrar: Registrar) -> None:
    publish(registrar, pets())
    registrar.perform("Retire", {"name": "pets", "reason": "stop"}, CI)
    assert set(publish(registrar, pets()).values()) == {"waiting"}


@pytest.mark.parametrize("operation", ["Publish", "Bind"])
def test_an_agent_lends_itself_no_key_of_the_gateways(registrar: Registrar, operation: str) -> None:
    publish(registrar, pets())
    files: dict[str, JsonValue] = {"certificate": "/etc/hostname", "key": "/etc/hostname"}
    content: dict[str, JsonValue] = {"binding": {"targets": ["127.0.0.1:1"], "tls": files}}
    content |= {"manifest": pets()} if operation == "Publish" else {"name": "pets"}
    with pytest.raises(Refused, match=r"files of the gateway"):
        registrar.perform(operation, content, THEMSELVES)
    registrar.perform(operation, content, OLGA)
