"""Remarks: what in policies that hold together protects, or allows, nothing.

A policy about a skill that does not exist is no mistake: policies come before skills. But it may be a skill misspelt,
and then it is a hole that nobody sees. So names that nobody and nothing answers to are remarked on, each as
`file:line: sentence`, with the nearest name that there is. The head's place for the resource is held to what is
registered, that for the principal to the directory; a name in a condition may be of either. An agent that the directory
lists is no misspelling anywhere: it may register itself later.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

from policies.cedar import Uid
from policies.identity.directory import OPERATOR, Directory
from policies.project import CATALOG, MESSAGE_LOG, shown
from policies.rules import Rule
from policies.schema import Mentions
from registry.catalog import Catalog

MAX_SUGGESTIONS = 10
"""Names to which the nearest is looked for: with 10,000 skills each takes tens of milliseconds."""

_NONE: frozenset[str] = frozenset()
_Names: TypeAlias = Mapping[str, frozenset[str]]
"""The names that answer, by entity type. Of types that are missing nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Whom the directory knows, by the names that policies use."""

    groups: frozenset[str] = _NONE
    persons: frozenset[str] = _NONE
    services: frozenset[str] = _NONE
    agents: frozenset[str] = _NONE
    domains: frozenset[str] = _NONE


def known_to(directory: Directory) -> Known:
    """Everybody who is listed, and every group and domain that somebody is in."""
    tables = (directory.persons, directory.agents, directory.services)
    listed = [entry for table in tables for entry in table.values()]
    return Known(
        groups=frozenset(directory.nesting).union(*directory.nesting.values(), *(entry.groups for entry in listed)),
        persons=frozenset(directory.persons),
        services=frozenset(directory.services),
        agents=frozenset(directory.agents),
        domains=frozenset(entry.domain for entry in listed if entry.domain),
    )


def remarks(rules: Iterable[Rule], catalog: Catalog, *, registered: Mentions, known: Known | None) -> tuple[str, ...]:
    """What is to be said of these policies. Where nothing is registered yet, nothing is said of what should be; and
    without a directory (or with an empty one) nothing of those who ask."""
    places = _Places(catalog, known if known != Known() else None)
    records = {name for name, _ in registered.records} if catalog.skills else None
    found: list[str] = []
    for rule in rules:
        unknown = [] if records is None else sorted({name for name, _ in rule.reads.fields} - records)
        found += (f"{rule.where}: context.args.{name} is of no registered skill" for name in unknown)
        found += (f"{rule.where}: {sentence}" for sentence in places.unanswered(rule))
    return tuple(dict.fromkeys(found))


class _Places:
    """Where a policy can name somebody or something, and who answers there."""

    def __init__(self, catalog: Catalog, known: Known | None) -> None:
        registered = _registered(catalog)
        asking = _asking(known, registered)
        # Of an agent or a domain in a condition nobody can say that it is not one who asks, but the directory.
        sure = registered if known else {kind: names for kind, names in registered.items() if kind == "Skill"}
        self._resource = _asked(registered, known)
        self._principal = asking
        self._either = {kind: sure.get(kind, _NONE) | asking.get(kind, _NONE) for kind in (*sure, *asking)}
        self._nearest: dict[tuple[Uid, str], str] = {}

    def unanswered(self, rule: Rule) -> Iterator[str]:
        """A sentence for each name in a policy that nobody answers to."""
        if rule.resource.anchor:
            where = _IN_RESOURCES.get(rule.resource.anchor.type, "that is registered")
            yield from self._missing(rule.resource.anchor, self._resource, where)
        if rule.principal.anchor:
            yield from self._missing(rule.principal.anchor, self._principal, "in the directory")
        for uid in sorted(rule.reads.literals):
            yield from self._missing(uid, self._either, _IN_CONDITIONS.get(uid.type, "in the directory"))

    def _missing(self, uid: Uid, names: _Names, where: str) -> Iterator[str]:
        answering = names.get(uid.type)
        if answering is not None and uid.id not in answering:
            nearest = self._suggestion(uid, answering, where)
            yield f"{uid.type}::{shown(uid.id)} names nothing {where}{nearest}"

    def _suggestion(self, uid: Uid, answering: frozenset[str], where: str) -> str:
        asked = (uid, where)
        if asked not in self._nearest and len(self._nearest) < MAX_SUGGESTIONS:
            near = sorted(name for name in answering if abs(len(name) - len(uid.id)) <= 4)
            found = get_close_matches(uid.id, near, n=1, cutoff=0.75)
            self._nearest[asked] = f"; do you mean {uid.type}::{shown(found[0])}?" if found else ""
        return self._nearest.get(asked, "")


_EITHER = "that is registered or in the directory"
_IN_RESOURCES = {"Agent": _EITHER}
_IN_CONDITIONS = {"Skill": "that is registered", "Agent": _EITHER, "Domain": _EITHER}


def _registered(catalog: Catalog) -> _Names:
    """What can be asked for."""
    if not catalog.skills:
        return {}
    skills, agents = [entry.skill for entry in catalog.skills.values()], catalog.agents.values()
    return {
        "Skill": frozenset(catalog.skills),
        "Agent": frozenset(catalog.agents) | {skill.agent for skill in skills},
        "Domain": frozenset({"", *(skill.domain for skill in skills), *(entry.agent.domain for entry in agents)}),
        "Catalog": frozenset({CATALOG.uid.id}),
        "MessageLog": frozenset({MESSAGE_LOG.uid.id}),
    }


def _asked(registered: _Names, known: Known | None) -> _Names:
    """What a resource may be called: what is registered, and agents that the directory lists."""
    if known is None or not registered:
        return registered
    return {**registered, "Agent": registered["Agent"] | known.agents}


def _asking(known: Known | None, registered: _Names) -> _Names:
    """Who can ask: whoever the directory lists, and agents that are registered."""
    if known is None:
        return {}
    people = {"Group": known.groups, "Person": known.persons, "Service": known.services | {OPERATOR}}
    if not registered:
        return people
    return {**people, "Agent": known.agents | registered["Agent"], "Domain": known.domains | {""}}
