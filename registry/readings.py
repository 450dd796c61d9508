"""Reading the book: lists, search, whole revisions, and what would change. Nobody is told of a name they may not list.

What a caller may not know of looks exactly like what does not exist.
"""

from collections.abc import Callable
from typing import TypeAlias

from registry.book import book_of, book_of_manifest, newest, no_such, waiting_under
from registry.ledger import Ledger
from registry.listings import agent_rows, other_rows, skill_rows, without_defaults, write_revision
from registry.model import JsonObject, Unknown
from registry.publish import Outcome, Step, differences_between, offered_by, plan
from registry.received import read_corrected
from registry.requests import read_flag, read_name, read_number, read_text
from registry.revisions import Kind, Name
from registry.store import Store

HISTORY = 100
"""Revisions shown of one name."""

Visible: TypeAlias = Callable[[str], bool]


class Readings:
    """Answers what the operations that change nothing ask."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, content: JsonObject, visible: Visible) -> JsonObject:
        """Everything live; with `all`, what waits and what was retired too."""
        catalog = self._store.catalog()
        rows = [*agent_rows(catalog), *skill_rows(catalog.skills.values())]
        if read_flag(content, "all"):
            with self._store.reading() as ledger:
                rows += other_rows(ledger.unsettled(), ledger.bindings())
        items = sorted((row for row in rows if visible(str(row["name"]))), key=lambda row: str(row["name"]))
        return without_defaults({"items": items, "catalogVersion": str(catalog.version)})

    def search(self, content: JsonObject, visible: Visible) -> JsonObject:
        """Live skills in which every word occurs, best matches first."""
        catalog = self._store.catalog()
        found = skill_rows(catalog.search(read_text(content, "text")))
        items = [row for row in found if visible(str(row["name"]))]
        return without_defaults({"items": items, "catalogVersion": str(catalog.version)})

    def show(self, content: JsonObject, visible: Visible) -> JsonObject:
        """One revision with its binding and history; without a number the live one."""
        name, number = read_name(content), read_number(content, "revision")
        with self._store.reading() as ledger:
            known = self._known(ledger, name, visible)
            history = ledger.history(known, limit=HISTORY)
            found = ledger.revision(known, number) if number else newest(history)
            if found is None:
                raise Unknown(f"{name} has no revision {number}.")
            binding = ledger.bindings().get(found.agent)
            return {"document": write_revision(found, binding, history)}

    def diff(self, content: JsonObject, visible: Visible) -> JsonObject:
        """What publishing a manifest would change, or what waits under a name."""
        with self._store.reading() as ledger:
            steps = (
                _would_be(ledger, content, visible)
                if content.get("manifest")
                else self._pending(ledger, content, visible)
            )
            return without_defaults({"changes": [without_defaults(step.written()) for step in steps]})

    def _pending(self, ledger: Ledger, content: JsonObject, visible: Visible) -> tuple[Step, ...]:
        """What waits under a name, compared with what is live."""
        name = self._known(ledger, read_name(content), visible)
        agent, book = book_of(ledger, name.text)
        return tuple(
            Step(
                name=found.name,
                number=found.number,
                outcome=Outcome.WAITING,
                pin=found.pin,
                differences=differences_between(live, found.content()) if (live := book[found.name].live) else (),
            )
            for found in waiting_under(book, name.text, agent)
            if visible(found.name.text)
        )

    def _known(self, ledger: Ledger, name: str, visible: Visible) -> Name:
        """What a name names: an agent, a skill, or a skill by its tool name.

        Raises:
            Unknown: nothing, or nothing that the caller may know of.
        """
        entry = self._store.catalog().skill(name)
        text = entry.skill.id if entry is not None else name
        if ledger.agent_of(text) is None or not visible(text):
            raise no_such(name)
        return Name(Kind.SKILL if "." in text else Kind.AGENT, text)


def _would_be(ledger: Ledger, content: JsonObject, visible: Visible) -> tuple[Step, ...]:
    """What publishing would do, as far as the caller may know what there is."""
    manifest = read_corrected(content)
    book = {name: present for name, present in book_of_manifest(ledger, manifest).items() if visible(name.text)}
    return plan(offered_by(manifest, manifest.digest), book)
