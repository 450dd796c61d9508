"""What readers are told of the book: keepers of the catalog nearly all of it, everybody else what is live."""

import json
from typing import Any, cast

import pytest

from registry.model import Action, Denied, JsonObject, Unknown
from registry.operations import Registrar, action_of
from registry.readings import Reader
from registry.store import Store
from tests.support.desk import OLGA, ask, publish
from tests.support.pets import pets

REWORDED = ("Finds animals.", "Finds the missing crown.")
BOUND = {"kind": "grpc", "targets": ["127.0.0.1:5001"]}
LIVE = frozenset({"pets", "pets.find"})


def reader(store: Store, *names: str) -> Reader:
    """Somebody who keeps nothing, judged by the catalog of now."""
    return Reader(visible=lambda name: name in (names or LIVE), keeps=False, catalog=store.catalog())


def read(registrar: Registrar, operation: str, content: JsonObject, who: Reader) -> dict[str, Any]:
    return dict(cast("dict[str, Any]", registrar.perform(operation, content, OLGA, reader=who)))


def refusal(registrar: Registrar, operation: str, content: JsonObject, who: Reader) -> str:
    """Why something is not shown, without what was asked for."""
    with pytest.raises((Unknown, Denied)) as caught:
        read(registrar, operation, content, who)
    asked = str(content.get("name") or "nothing")
    return f"{caught.value.code}: {caught.value.message.replace(asked, '…')}"


def test_show_gives_everybody_the_live_revision_and_keepers_the_whole_story(registrar: Registrar, store: Store) -> None:
    publish(registrar, pets(), binding=BOUND, reason="the first of all")

    for_all = json.loads(read(registrar, "Show", {"name": "pets_find"}, reader(store))["document"])
    assert set(for_all) == {"name", "kind", "revision", "state", "pin", "document"}
    assert (for_all["name"], for_all["revision"], for_all["state"]) == ("pets.find", 1, "live")
    assert for_all["document"]["description"] == "Finds animals."
    assert "text" in for_all["document"]["input_schema"]["properties"]
    whole = json.loads(ask(registrar, "Show", {"name": "pets_find"})["document"])
    assert for_all.items() <= whole.items()
    assert set(whole) - set(for_all) == {"descriptors", "binding", "history"}


@pytest.mark.parametrize("name", ["pets.find", "pets_find"])
def test_revisions_that_are_not_live_are_like_revisions_that_never_were(
    registrar: Registrar, store: Store, name: str
) -> None:
    publish(registrar, pets(REWORDED))
    publish(registrar, pets())
    ask(registrar, "Approve", {"name": "pets"})
    publish(registrar, pets(REWORDED))
    who = reader(store)

    assert '"revision": 2' in read(registrar, "Show", {"name": name, "revision": 2}, who)["document"]
    for number in (1, 3, 4):  # replaced, waiting, never there
        said = refusal(registrar, "Show", {"name": name, "revision": number}, who)
        assert said == f"unknown: {'…' if name == 'pets.find' else 'pets.find'} has no revision {number}."


def test_a_name_that_is_no_longer_live_is_like_one_that_never_was(registrar: Registrar, store: Store) -> None:
    publish(registrar, pets())
    ask(registrar, "Retire", {"name": "pets.find", "reason": "a fault"})
    said = {
        refusal(registrar, "Show", {"name": name, "revision": number}, reader(store, "pets"))
        for name in ("pets.find", "pets.fly")
        for number in (0, 1)
    }
    assert said == {"unknown: There is no agent or skill …."}
    assert "retired" in ask(registrar, "Show", {"name": "pets.find"})["document"]


def test_a_list_of_all_is_for_keepers(registrar: Registrar, store: Store) -> None:
    publish(registrar, pets(), binding=BOUND)
    publish(registrar, pets(REWORDED))
    ask(registrar, "Retire", {"name": "pets.feed", "reason": "a fault"})
    who = reader(store, "pets", "pets.find", "pets.feed")

    listed = read(registrar, "List", {}, who)
    assert [(row["name"], row["revision"]) for row in listed["items"]] == [("pets", 1), ("pets.find", 1)]
    assert read(registrar, "List", {"all": True}, who) == listed
    assert len(ask(registrar, "List", {"all": True})["items"]) == 4


@pytest.mark.parametrize(("operation", "content"), [("List", {"all": True}), ("Search", {"text": "finds"})])
def test_where_agents_are_bound_is_for_keepers(
    registrar: Registrar, store: Store, operation: str, content: JsonObject
) -> None:
    publish(registrar, pets(), binding=BOUND)

    [row] = [row for row in read(registrar, operation, content, reader(store))["items"] if row["kind"] == "skill"]
    assert set(row) == {"name", "kind", "title", "revision", "state", "toolName", "domain", "hints"}
    assert all(row["targets"] == ["127.0.0.1:5001"] for row in ask(registrar, operation, content)["items"])


def test_differences_are_for_keepers_whatever_the_name(registrar: Registrar, store: Store) -> None:
    publish(registrar, pets())
    publish(registrar, pets(REWORDED))
    asked: list[JsonObject] = [{"name": name} for name in ("pets", "pets.find", "pets.feed", "pets.fly", "")]
    said = {refusal(registrar, "Diff", content, reader(store)) for content in [*asked, {"manifest": pets(REWORDED)}]}
    assert said == {"denied: What waits and what would change is shown to those who may publish in the catalog or pin."}


def test_a_keeper_sees_nothing_of_a_live_name_that_is_hidden(registrar: Registrar, store: Store) -> None:
    publish(registrar, pets())
    publish(registrar, pets(REWORDED))
    who = Reader(visible=lambda name: name != "pets.find", keeps=True, catalog=store.catalog())

    said = {
        refusal(registrar, operation, {"name": name, "revision": number}, who)
        for operation in ("Show", "Diff")
        for name in ("pets.find", "pets_find")
        for number in (0, 1, 2, 9)
    }
    assert said == {"unknown: There is no agent or skill …."}
    assert "pets.find" not in str(read(registrar, "List", {"all": True}, who))
    assert "pets.find" not in str(read(registrar, "Diff", {"name": "pets"}, who))


def test_a_reader_is_told_of_the_catalog_they_were_judged_by(registrar: Registrar, store: Store) -> None:
    """What came into the store since may be above their clearance."""
    publish(registrar, pets())
    who = reader(store)
    publish(registrar, pets(REWORDED))
    ask(registrar, "Approve", {"name": "pets"})

    told = [
        read(registrar, operation, content, who)
        for operation, content in (
            ("Show", {"name": "pets.find"}),
            ("List", {}),
            ("Search", {"text": "animals"}),
        )
    ]
    assert "Finds animals." in told[0]["document"]
    assert [[row["revision"] for row in answer["items"]] for answer in told[1:]] == [[1, 1], [1]]
    assert "items" not in read(registrar, "Search", {"text": "crown"}, who)


def test_trying_a_manifest_is_to_publish_and_reading_what_waits_is_not() -> None:
    assert action_of("Diff", {"manifest": "{}"}) is Action.PUBLISH
    assert action_of("Diff", {"name": "pets", "manifest": "{}"}) is Action.PUBLISH
    assert action_of("Diff", {"name": "pets"}) is Action.LIST
