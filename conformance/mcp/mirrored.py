"""Arguments that a tool wants mirrored into headers: where its schema says `x-mcp-header`, and whether it may there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from conformance.jsonrpc import Json
from conformance.mcp.speech import header_value

KEYWORD = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PRIMITIVE = {"string", "integer", "boolean"}
_SCHEMAS_BY_NAME = {"$defs", "definitions", "patternProperties", "dependentSchemas"}
_DATA = {"const", "default", "enum", "examples"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """One annotation: the header's name, the path of argument names that leads to it (None: unreachable), the rule."""

    header: Any
    path: tuple[str, ...] | None
    rule: Json


def mirrors(schema: Any, path: tuple[str, ...] | None = ()) -> Iterator[Mirror]:
    """Every annotation in an input schema, in whatever corner."""
    if isinstance(schema, list):
        for item in cast("list[Any]", schema):
            yield from mirrors(item, None)
    if not isinstance(schema, dict):
        return
    rule = cast("Json", schema)
    if KEYWORD in rule:
        yield Mirror(header=rule[KEYWORD], path=path, rule=rule)
    for keyword, value in rule.items():
        if keyword == "properties" and isinstance(value, dict):
            for name, below in cast("Json", value).items():
                yield from mirrors(below, None if path is None else (*path, name))
        elif keyword in _SCHEMAS_BY_NAME and isinstance(value, dict):
            yield from mirrors(list(cast("Json", value).values()), None)
        elif keyword not in _DATA:
            yield from mirrors(value, None)


def mistake_in_mirrors(found: Sequence[Mirror]) -> str | None:
    """What makes the annotations of one tool invalid, or None."""
    for one in found:
        if not isinstance(one.header, str) or not _TOKEN.fullmatch(one.header):
            return f"{KEYWORD} is {one.header!r}, which is no header name"
        if not one.path:
            return f"{KEYWORD} {one.header!r} is not on an argument that properties alone lead to"
        if one.rule.get("type") not in _PRIMITIVE:
            return f"{KEYWORD} {one.header!r} is on an argument of type {one.rule.get('type')!r}"
    names = [one.header.lower() for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"{KEYWORD} {twice[0]!r} is there twice" if twice else None


def mirror_headers(schema: Any, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The headers that a call with these arguments must have; none where the schema's annotations are invalid."""
    found = list(mirrors(schema))
    if mistake_in_mirrors(found):
        return {}
    given = [(one.header, argument_at(one.path, arguments)) for one in found]
    return {f"mcp-param-{header}": header_text(argument) for header, argument in given if argument is not None}


def argument_at(path: tuple[str, ...] | None, arguments: Mapping[str, Any]) -> Any:
    """The argument at a path; None where there is none."""
    value: Any = arguments
    for name in path or ():
        value = cast("Json", value).get(name) if isinstance(value, dict) else None
    return value


def header_text(argument: Any) -> str:
    """An argument as its header has it."""
    if isinstance(argument, bool):
        return "true" if argument else "false"
    return header_value(str(argument))
