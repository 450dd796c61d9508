"""Requirements as data: one sentence each that a protocol demands, in the files of `conformance/requirements`.

A file belongs to the protocol its name begins with (`mcp.toml`, `a2a.toml`, `a2a_cards.toml`) and is a list of
`[[requirement]]` tables with exactly the six keys below. A mistake in a file is an error that names file and id: a
requirement that is silently left out would be a requirement that everything holds.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

FOLDER = Path(__file__).parent / "requirements"
_KEYS = frozenset({"id", "level", "revision", "source", "section", "sentence"})
_ID = re.compile(r"[a-z0-9]+(?:\.[a-z0-9]+(?:[_-][a-z0-9]+)*){2,}")


class Level(StrEnum):
    """How much a protocol insists (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One sentence that one revision of a protocol demands. `source` is the page, `section` its heading there."""

    id: str
    level: Level
    revision: str
    source: str
    section: str
    sentence: str


class RequirementsError(Exception):
    """A file of requirements is wrong; the message says which, where and how."""


def load_requirements(protocol: str, folder: Path = FOLDER) -> tuple[Requirement, ...]:
    """All requirements of a protocol, in the order in which its files have them.

    Raises:
        RequirementsError: a file is not as the module's story says, or there is none.
    """
    files = sorted(folder.glob(f"{protocol}*.toml"))
    if not files:
        raise RequirementsError(f"{folder} has no requirements of {protocol}.")
    found = [requirement for file in files for requirement in _read_file(file, protocol)]
    _refuse_duplicates(protocol, [requirement.id for requirement in found])
    return tuple(found)


def _read_file(file: Path, protocol: str) -> list[Requirement]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequirementsError(f"{file.name}: {error}") from None
    _refuse_unknown(file.name, content.keys() - {"requirement"})
    tables: object = content.get("requirement")
    if not isinstance(tables, list) or not tables:
        raise RequirementsError(f"{file.name}: has no [[requirement]].")
    return [_read_table(table, file.name, protocol) for table in content["requirement"]]


def _read_table(table: Any, file: str, protocol: str) -> Requirement:
    if not isinstance(table, dict):
        raise RequirementsError(f"{file}: a requirement is no table.")
    return _read_entries(cast("Mapping[str, Any]", table), file, protocol)


def _read_entries(table: Mapping[str, Any], file: str, protocol: str) -> Requirement:
    where = f"{file}: {table.get('id', 'a requirement without id')}"
    _refuse_unknown(where, table.keys() - _KEYS)
    for key in sorted(_KEYS):
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            raise RequirementsError(f"{where}: {key} is missing or not a text.")
    if not _ID.fullmatch(table["id"]) or not table["id"].startswith(f"{protocol}."):
        raise RequirementsError(f"{where}: an id is {protocol}.feature.what, in small letters.")
    if table["level"] not in Level.__members__:
        raise RequirementsError(f"{where}: level is {table['level']!r}, not one of {', '.join(Level)}.")
    if not table["source"].startswith("https://"):
        raise RequirementsError(f"{where}: source is not the https address of a page.")
    if not table["sentence"].endswith("."):
        raise RequirementsError(f"{where}: the sentence does not end with a full stop.")
    return Requirement(**{**table, "level": Level(table["level"])})


def _refuse_unknown(where: str, keys: Iterable[str]) -> None:
    if unknown := sorted(keys):
        raise RequirementsError(f"{where}: nobody knows {', '.join(unknown)}.")


def _refuse_duplicates(protocol: str, ids: list[str]) -> None:
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise RequirementsError(f"The requirements of {protocol} have {', '.join(twice)} more than once.")
