"""The directory: which persons, agents and services the company knows, and what they are to policies.

Read from `directory.toml` and immutable; a changed file is a new `Directory`. It says what kind of principal a verified
token stands for, and gives each principal its standing (groups closed over nesting, clearance, whether it is disabled).
Whoever is not listed has no groups and clearance INTERNAL. It verifies nothing; `tokens` does.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import cast

from policies.facts import Standing
from registry.model import BadRequest, Classification, Domain, Principal, PrincipalKind, Unauthenticated

LOCAL_ISSUER = "urn:interchange:local"
"""Of the offline operator; no token can carry it."""
OPERATOR = "operator@local"
"""The principal of commands run on the state folder itself. No token may speak for it."""

NOBODY: frozenset[str] = frozenset()
_NO_DOMAIN = Domain("")
_AGENT_NAME = re.compile(r"[a-z0-9_]{1,40}")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "groups": ("in",),
    "persons": ("groups", "domain", "clearance", "title", "disabled"),
    "agents": ("groups", "domain", "clearance", "title", "disabled", "client_ids"),
    "services": ("groups", "domain", "clearance", "title", "disabled"),
}
_KINDS = {"persons": PrincipalKind.PERSON, "agents": PrincipalKind.AGENT, "services": PrincipalKind.SERVICE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One entry of the directory. `groups` are closed over nesting. Who is `disabled` may do nothing."""

    name: str
    title: str = ""
    groups: frozenset[str] = NOBODY
    domain: Domain = _NO_DOMAIN
    clearance: Classification = Classification.INTERNAL
    client_ids: tuple[str, ...] = ()
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Who is listed. Names of persons and services, and the `client_ids` of agents, are qualified by their issuer's
    alias where several issuers are configured, and so are the groups that tokens claim."""

    persons: Mapping[str, Listed] = field(default_factory=lambda: MappingProxyType({}))
    agents: Mapping[str, Listed] = field(default_factory=lambda: MappingProxyType({}))
    services: Mapping[str, Listed] = field(default_factory=lambda: MappingProxyType({}))
    nesting: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    """Each nested group with all groups that its members are in, itself included."""
    _clients: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        bound = {client: agent.name for agent in self.agents.values() for client in agent.client_ids}
        object.__setattr__(self, "_clients", MappingProxyType(bound))

    def principal(self, *, issuer: str, subject: str, client_id: str, alias: str = "") -> Principal:
        """Who a verified token stands for: the agent its client is bound to, else a service, else a person.

        Raises:
            Unauthenticated: the name is one that no token may speak for.
        """
        agent = self._clients.get(qualified(client_id, alias))
        if agent is not None:
            kind, name, listed = PrincipalKind.AGENT, agent, self.agents[agent]
        else:
            kind = PrincipalKind.SERVICE if subject == client_id else PrincipalKind.PERSON
            name = qualified(subject, alias)
            listed = self._listed(kind).get(name)
        if reason := _unspeakable(subject) or _unspeakable(name):
            raise Unauthenticated("The access token is invalid or has expired.", reason=reason)
        domain = listed.domain if listed is not None else Domain("")
        return Principal(kind=kind, issuer=issuer, subject=subject, name=name, domain=domain)

    def standing(self, principal: Principal, claims_groups: frozenset[str] = NOBODY) -> Standing:
        """What a principal is to policies today; `claims_groups` are those that its token claims, already qualified."""
        if principal.issuer == LOCAL_ISSUER:  # whoever may write the state folder can read all that is in it
            return Standing(principal=principal, clearance=Classification.RESTRICTED)
        listed = self._listed(principal.kind).get(principal.name)
        groups = listed.groups if listed is not None else NOBODY
        if claims_groups:
            groups = groups | self._closed(claims_groups)
        if listed is None:
            return Standing(principal=principal, groups=groups)
        return Standing(principal=principal, groups=groups, clearance=listed.clearance, disabled=listed.disabled)

    def _listed(self, kind: PrincipalKind) -> Mapping[str, Listed]:
        if kind is PrincipalKind.PERSON:
            return self.persons
        return self.agents if kind is PrincipalKind.AGENT else self.services

    def _closed(self, groups: Iterable[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self.nesting.get(group, frozenset((group,))) for group in groups))


def qualified(name: str, alias: str) -> str:
    """A name as the directory and policies write it: with its issuer's alias where several issuers are configured."""
    return f"{alias}/{name}" if alias else name


def _unspeakable(name: str) -> str:
    """Why no token may speak under this name; empty if it may."""
    if name == OPERATOR or name.startswith(("agent:", "service:")):
        return f"the name {name[:64]!r} is reserved"
    if not 0 < len(name) <= 512 or not name.isprintable():
        return "the subject is empty, longer than 512 characters or not printable"
    return ""


def load_directory(path: Path | None) -> Directory:
    """Read `directory.toml`; None is the empty directory.

    Raises:
        BadRequest: no such file, or not readable, not TOML, an unknown table or key, a value of the wrong type, a cycle
            of groups, a client bound twice; the message names the file, the table and the key.
    """
    if path is None:
        return Directory()
    try:
        document = cast("dict[str, object]", tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise BadRequest(f"{path}: there is no such directory file") from None
    except OSError as error:
        raise BadRequest(f"{path}: it cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path}: {error}") from None
    return _Reading(str(path)).directory(document)


class _Reading:
    """One reading of one file, so that every complaint can name it."""

    def __init__(self, file: str) -> None:
        self._file = file

    def directory(self, document: Mapping[str, object]) -> Directory:
        for table in document:
            if table not in _KEYS:
                raise BadRequest(f"{self._file}: unknown table [{table}]; known are {', '.join(_KEYS)}")
        nesting = self._nesting(document)
        listed = {table: self._entries(document, table, nesting) for table in _KINDS}
        self._check_clients(listed["agents"])
        return Directory(
            persons=listed["persons"], agents=listed["agents"], services=listed["services"], nesting=nesting
        )

    def _rows(self, document: Mapping[str, object], table: str) -> dict[str, dict[str, object]]:
        rows = self._table(document.get(table, {}), f"[{table}]")
        return {name: self._row(table, name, row) for name, row in rows.items()}

    def _row(self, table: str, name: str, row: object) -> dict[str, object]:
        values = self._table(row, f"[{table}.{name}]")
        for key in values:
            if key not in _KEYS[table]:
                known = ", ".join(_KEYS[table])
                raise BadRequest(f"{self._file}: [{table}.{name}]: unknown key {key!r}; known are {known}")
        return values

    def _table(self, value: object, where: str) -> dict[str, object]:
        if not isinstance(value, dict):
            raise BadRequest(f"{self._file}: {where}: expected a table, found {value!r}")
        return cast("dict[str, object]", value)

    def _nesting(self, document: Mapping[str, object]) -> Mapping[str, frozenset[str]]:
        above = {
            name: self._strings(row.get("in", []), f"[groups.{name}]: in")
            for name, row in self._rows(document, "groups").items()
        }
        return MappingProxyType({name: frozenset(self._climb(name, above, ())) for name in above})

    def _climb(self, group: str, above: Mapping[str, tuple[str, ...]], path: tuple[str, ...]) -> set[str]:
        if group in path:
            raise BadRequest(f"{self._file}: [groups]: a cycle: {' in '.join((*path, group))}")
        return {group}.union(*(self._climb(parent, above, (*path, group)) for parent in above.get(group, ())))

    def _entries(
        self, document: Mapping[str, object], table: str, nesting: Mapping[str, frozenset[str]]
    ) -> Mapping[str, Listed]:
        rows = self._rows(document, table)
        return MappingProxyType({name: self._listed(table, name, row, nesting) for name, row in rows.items()})

    def _listed(
        self, table: str, name: str, row: Mapping[str, object], nesting: Mapping[str, frozenset[str]]
    ) -> Listed:
        where = f"[{table}.{name}]"
        if table == "agents" and not _AGENT_NAME.fullmatch(name):
            raise BadRequest(f"{self._file}: {where}: an agent's name is 1 to 40 of a-z, 0-9 and _")
        groups = self._strings(row.get("groups", []), f"{where}: groups")
        return Listed(
            name=name,
            title=self._string(row.get("title", ""), f"{where}: title"),
            groups=frozenset[str]().union(*(nesting.get(group, frozenset((group,))) for group in groups)),
            domain=Domain(self._string(row.get("domain", ""), f"{where}: domain")),
            clearance=self._clearance(row.get("clearance", "internal"), f"{where}: clearance"),
            client_ids=self._strings(row.get("client_ids", []), f"{where}: client_ids"),
            disabled=self._yes_or_no(row.get("disabled", False), f"{where}: disabled"),
        )

    def _check_clients(self, agents: Mapping[str, Listed]) -> None:
        bound: dict[str, str] = {}
        for agent in agents.values():
            for client in agent.client_ids:
                if client in bound:
                    where = f"{self._file}: [agents.{agent.name}]: client_ids"
                    raise BadRequest(f"{where}: {client!r} is already bound to {bound[client]!r}")
                bound[client] = agent.name

    def _string(self, value: object, where: str) -> str:
        if not isinstance(value, str):
            raise BadRequest(f"{self._file}: {where}: expected a string, found {value!r}")
        return value

    def _yes_or_no(self, value: object, where: str) -> bool:
        if not isinstance(value, bool):
            raise BadRequest(f"{self._file}: {where}: expected true or false, found {value!r}")
        return value

    def _strings(self, value: object, where: str) -> tuple[str, ...]:
        items = cast("list[object]", value) if isinstance(value, list) else [None]
        if not all(isinstance(item, str) and item for item in items):
            raise BadRequest(f"{self._file}: {where}: expected a list of non-empty strings, found {value!r}")
        return tuple(cast("list[str]", items))

    def _clearance(self, value: object, where: str) -> Classification:
        name = self._string(value, where).upper()
        if name not in Classification.__members__:
            known = ", ".join(member.lower() for member in Classification.__members__)
            raise BadRequest(f"{self._file}: {where}: expected one of {known}, found {value!r}")
        return Classification[name]
