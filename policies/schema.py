"""The schema: `schema.cedarschema`, with the argument records of registered skills put into it.

The engine checks each request against the whole type of its context, so a decision slows down with every record in
it: 80 µs with one, 220 µs with a hundred, 21 ms with 10,000 (and 1.9 s to parse). A skill's record is all that a call
of it can contain, so decisions get a schema with that record alone; and only records that a policy file mentions by
name can matter to validation.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import orjson

from policies.arguments import CEDAR_TYPES, record_name, visible
from policies.cedar import CedarError, Schema, read_schema
from registry.model import Param, Skill

_TEXT = (Path(__file__).parent / "schema.cedarschema").read_text(encoding="utf-8")
_ARGS = "type Args = {};"

ATTRIBUTES = frozenset(re.findall(r"(\w+)\??:", re.sub(r"//.*", "", _TEXT)))
"""The names of all attributes that anything has, arguments of skills aside."""

Records = tuple[tuple[str, tuple[Param, ...]], ...]
"""Names of skills in `context.args`, each with what policies may read of it; sorted, so that equal ones compare so."""


@cache
def plain_schema() -> Schema:
    """The schema without any arguments: enough for all that does not read them."""
    return read_schema(_TEXT)


@lru_cache(maxsize=256)
def schema_with(records: Records) -> Schema:
    """The schema with these argument records.

    Raises:
        CedarError: a record is not one.
    """
    lines = ",\n".join(f"  {_quoted(name)}?: {{ {', '.join(map(_attribute, params))} }}" for name, params in records)
    return read_schema(_TEXT.replace(_ARGS, f"type Args = {{\n{lines}\n}};"))


def record_of(skill: Skill) -> Records:
    """The argument record of one skill; none if it shows policies nothing."""
    params = visible(skill)
    return ((record_name(skill.id), params),) if params else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentions:
    """What policy texts can mean by `context.args.NAME`: the records of registered skills, the names of skills that
    show policies nothing, and names that several skills share. Only names that occur in the texts, so this stays small
    and is equal as long as nothing changed that matters to the policies."""

    records: Records = ()
    silent: frozenset[str] = frozenset()
    shared: tuple[tuple[str, tuple[str, ...]], ...] = ()


def mentions(skills: Iterable[Skill], texts: Iterable[str]) -> Mentions:
    """Find the skills whose names in `context.args` occur in policy texts."""
    words = frozenset(word for text in texts for word in re.findall(r"\w+", text))
    found: dict[str, list[Skill]] = defaultdict(list)
    for skill in skills:
        if (name := record_name(skill.id)) in words:
            found[name].append(skill)
    return Mentions(
        records=tuple(sorted(record for namesakes in found.values() for record in record_of(namesakes[0]))),
        silent=frozenset(name for name, namesakes in found.items() if not visible(namesakes[0])),
        shared=tuple(
            (name, tuple(skill.id for skill in found[name])) for name in sorted(found) if len(found[name]) > 1
        ),
    )


def _attribute(param: Param) -> str:
    if param.type not in CEDAR_TYPES:
        raise CedarError(f"{param.name} has no Cedar type ({param.type!r})")
    optional = "?" if param.default is None else ""
    return f"{_quoted(param.name)}{optional}: {param.type}"


def _quoted(name: str) -> str:
    """A name as a Cedar string, so that words of the language (`in`, `like`) are names too."""
    return orjson.dumps(name).decode()
