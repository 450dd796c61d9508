"""Reading the book: lists, search, whole revisions, and what would change. Nobody is told of a name they may not list.

What a caller may not know of looks exactly like what does not exist. Policy speaks of what is live: so what waits, what
was before, where agents are bound and who published them are told to those only who keep the catalog.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from registry.book import book_of, book_of_manifest, newest, no_such, waiting_under
from registry.catalog import Catalog
from registry.ledger import Ledger
from registry.listings import (
    agent_rows,
    other_rows,
    skill_rows,
    without_defaults,
    without_targets,
    write_live,
    write_revision,
)
from registry.model import Denied, JsonObject, SkillId, Unknown
from registry.publish import Outcome, Step, differences_between, offered_by, plan
from registry.received import read_corrected
from registry.requests import read_flag, read_name, read_number, read_text
from registry.revisions import Kind, Name, Revision
from registry.store import Store

HISTORY = 100
"""Revisions shown of one name."""

Visible: TypeAlias = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads. `visible` says of the names in `catalog` whether they may list them, and of others whether they may
    know of them; `keeps` whether they keep the catalog: may publish in it or pin. Without a `catalog` it is the one
    in the store."""

    visible: Visible
    keeps: bool
    catalog: Catalog | None = None


class Readings:
    """Answers what the operations that change nothing ask."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, content: JsonObject, reader: Reader) -> JsonObject:
        """Everything live; with `all`, what waits and what was retired too, to a keeper."""
        catalog = self._catalog(reader)
        rows = [*agent_rows(catalog), *skill_rows(catalog.skills.values())]
        if read_flag(content, "all") and reader.keeps:
            with self._store.reading() as ledger:
                rows += other_rows(ledger.unsettled(), ledger.bindings())
        items = sorted(_told(rows, reader), key=lambda row: str(row["name"]))
        return without_defaults({"items": items, "catalogVersion": str(catalog.version)})

    def search(self, content: JsonObject, reader: Reader) -> JsonObject:
        """Live skills in which every word occurs, best matches first."""
        catalog = self._catalog(reader)
        items = _told(skill_rows(catalog.search(read_text(content, "text"))), reader)
        return without_defaults({"items": items, "catalogVersion": str(catalog.version)})

    def show(self, content: JsonObject, reader: Reader) -> JsonObject:
        """One revision, without a number the live one; to a keeper any, with its binding and history."""
        name, number = read_name(content), read_number(content, "revision")
        with self._store.reading() as ledger:
            known = self._known(ledger, name, reader)
            if not reader.keeps:
                return {"document": write_live(self._live(ledger, known, number, reader))}
            history = ledger.history(known, limit=HISTORY)
            found = ledger.revision(known, number) if number else newest(history)
            if found is None:
                raise _no_revision(name, number)
            binding = ledger.bindings().get(found.agent)
            return {"document": write_revision(found, binding, history)}

    def diff(self, content: JsonObject, reader: Reader) -> JsonObject:
        """What publishing a manifest would change, or what waits under a name.

        Raises:
            Denied: the reader does not keep the catalog. Names are not looked at, so this says nothing of them.
        """
        if not reader.keeps:
            raise Denied("What waits and what would change is shown to those who may publish in the catalog or pin.")
        with self._store.reading() as ledger:
            steps = (
                _would_be(ledger, content, reader.visible)
                if content.get("manifest")
                else self._pending(ledger, content, reader)
            )
            return without_defaults({"changes": [without_defaults(step.written()) for step in steps]})

    def _catalog(self, reader: Reader) -> Catalog:
        """What is live as far as the reader was judged by it; the store may have newer revisions already."""
        return self._store.catalog() if reader.catalog is None else reader.catalog

    def _pending(self, ledger: Ledger, content: JsonObject, reader: Reader) -> tuple[Step, ...]:
        """What waits under a name, compared with what is live."""
        name = self._known(ledger, read_name(content), reader)
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
            if reader.visible(found.name.text)
        )

    def _live(self, ledger: Ledger, name: Name, number: int, reader: Reader) -> Revision:
        """The live revision of a name. Any other number is one that is not there, whether it was ever given or not."""
        live = _live_number(self._catalog(reader), name)
        found = ledger.revision(name, live) if number in (0, live) else None
        if found is None:
            raise _no_revision(name.text, number)
        return found

    def _known(self, ledger: Ledger, name: str, reader: Reader) -> Name:
        """What a name names: an agent, a skill, or a skill by its tool name.

        Raises:
            Unknown: nothing, or nothing that the caller may know of.
        """
        entry = self._catalog(reader).skill(name)
        text = entry.skill.id if entry is not None else name
        if ledger.agent_of(text) is None or not reader.visible(text):
            raise no_such(name)
        return Name(Kind.SKILL if "." in text else Kind.AGENT, text)


def _told(rows: Iterable[JsonObject], reader: Reader) -> list[JsonObject]:
    """The rows that a reader may know of, with as much in them as they may know."""
    seen = [row for row in rows if reader.visible(str(row["name"]))]
    return seen if reader.keeps else [without_targets(row) for row in seen]


def _live_number(catalog: Catalog, name: Name) -> int:
    entry = catalog.agent(name.text) if name.kind is Kind.AGENT else catalog.skills.get(SkillId(name.text))
    return 0 if entry is None else entry.revision


def _no_revision(name: str, number: int) -> Unknown:
    return Unknown(f"{name} has no revision {number}.")


def _would_be(ledger: Ledger, content: JsonObject, visible: Visible) -> tuple[Step, ...]:
    """What publishing would do, as far as the caller may know what there is."""
    manifest = read_corrected(content)
    book = {name: present for name, present in book_of_manifest(ledger, manifest).items() if visible(name.text)}
    return plan(offered_by(manifest, manifest.digest), book)
