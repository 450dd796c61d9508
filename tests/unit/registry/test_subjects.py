"""Whom a request to the registry is about: one agent where all of it is, and nobody wherever that is in doubt."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from registry.catalog import Catalog
from registry.manifest import read_manifest
from registry.model import JsonObject
from registry.subjects import MANIFEST, About, about_of
from tests.support.pets import pets
from tests.support.policies import agent, catalog, skill

TEXT = pets()
PETS = ("pets", "zoo")
EMPTY = catalog()
Change = Callable[[dict[str, Any]], object]


def about(operation: str, content: JsonObject, known: Catalog = EMPTY) -> About | None:
    return about_of(operation, content, known)


def changed(change: Change) -> str:
    document = json.loads(TEXT)
    change(document)
    return json.dumps(document)


def test_who_attaches_does_so_as_the_agent_that_is_named() -> None:
    known = catalog(agents=[agent("pets", domain="zoo")])
    assert about("Attach", {"name": "pets"}, known) == PETS
    assert about("Attach", {"name": "dogs"}, known) is None
    assert about("Attach", {}, known) is None


def test_a_manifest_of_one_agent_and_its_own_skills_is_about_that_agent() -> None:
    assert about("Publish", {"manifest": TEXT}) == PETS
    assert about("Publish", {"manifest": TEXT, "overlay": ""}) == PETS
    assert about("Publish", {"manifest": changed(lambda d: d.update(skills=[]))}) == PETS


OTHERS: list[Change] = [
    lambda d: d["agents"].append({**d["agents"][0], "name": "dogs"}),
    lambda d: d["agents"].append(d["agents"][0]),
    lambda d: d["agents"].clear(),
    lambda d: d["skills"][0].update(agent="dogs"),
    lambda d: d["skills"][0].update(domain="farm"),
    lambda d: d["skills"][0].pop("agent"),
    lambda d: d["skills"].append("dogs.find"),
    lambda d: d.update(skills={"pets.find": {}}),
    lambda d: d.update(agents={"pets": {}}),
    lambda d: d.pop("skills"),
    lambda d: d["agents"][0].update(name="Pets"),
    lambda d: d["agents"][0].update(name=["pets"]),
    lambda d: d["agents"][0].update(name="pets\n"),
    lambda d: d["agents"][0].pop("domain"),
]


@pytest.mark.parametrize("change", OTHERS)
def test_any_other_manifest_is_about_nobody(change: Change) -> None:
    assert about("Publish", {"manifest": changed(change)}) is None


@pytest.mark.parametrize(
    "manifest",
    ["", "null", "[]", "7", '"pets"', TEXT[:-3], "[" * 100_000, "{" * 100_000, "\ud800", None, 7, [TEXT], {"a": TEXT}],
)
def test_what_is_no_manifest_is_about_nobody(manifest: Any) -> None:
    assert about("Publish", {"manifest": manifest}) is None
    assert about("Publish", {}) is None


def test_a_manifest_that_is_too_long_to_look_into_is_about_nobody() -> None:
    assert about("Publish", {"manifest": TEXT + " " * (MANIFEST - len(TEXT))}) == PETS
    assert about("Publish", {"manifest": TEXT + " " * (MANIFEST - len(TEXT) + 1)}) is None


def test_an_overlay_could_move_the_agent_elsewhere_so_it_is_about_nobody() -> None:
    overlay = "agents: {pets.v1.Pets: {domain: farm}}"
    assert about("Publish", {"manifest": TEXT, "overlay": overlay}) is None
    assert about("Publish", {"manifest": TEXT, "overlay": 1}) is None


def test_who_would_move_to_another_domain_is_nobody() -> None:
    assert about("Publish", {"manifest": TEXT}, catalog(agents=[agent("pets", domain="zoo")])) == PETS
    assert about("Publish", {"manifest": TEXT}, catalog(agents=[agent("pets", domain="farm")])) is None


@pytest.mark.parametrize("operation", ["Bind", "Retire"])
def test_a_registered_name_is_about_its_agent_as_the_registry_has_it(operation: str) -> None:
    known = catalog([skill("pets.find", domain="zoo")])
    assert about(operation, {"name": "pets"}, known) == PETS
    assert about(operation, {"name": "pets.find"}, known) == PETS
    for name in ("dogs", "pets.fly", "pets_find", "", "pets\n", 7, None, ["pets"]):
        assert about(operation, {"name": name}, known) is None
    assert about(operation, {}, known) is None


@pytest.mark.parametrize(
    "operation", ["Import", "Discover", "Diff", "Approve", "List", "Show", "Search", "", "publish"]
)
def test_other_operations_are_about_nobody(operation: str) -> None:
    known = catalog([skill("pets.find", domain="zoo")])
    assert about(operation, {"name": "pets", "manifest": TEXT}, known) is None


def test_whoever_is_named_is_all_that_the_registry_then_reads() -> None:
    found = about("Publish", {"manifest": TEXT})
    manifest = read_manifest(TEXT)
    assert found is not None
    assert {(one.name, one.domain) for one in manifest.agents} == {found}
    assert {(one.agent, one.domain) for one in manifest.skills} == {found}


def test_a_key_that_is_written_twice_names_nobody_whom_the_registry_would_take() -> None:
    """Readers differ in which of two they take: the registry takes neither."""
    twice = TEXT.replace('"name": "pets",', '"name": "dogs", "name": "pets",', 1)
    assert about("Publish", {"manifest": twice}) == PETS
    with pytest.raises(Exception, match="occurs twice"):
        read_manifest(twice)
