"""Two JSON Schemas of one input or one output, compared keyword by keyword.

An input may only become wider: whoever sent what was right must still be right. An output may only become narrower, or
gain properties: whoever read what was there must still find it. Each way is a table from keyword to rule; what no rule
knows counts as breaking when it changes. A path reads `input.filters[].name`; `{}` stands for any key of a map.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias, cast

from registry.model import JsonObject, JsonValue

COMPARISONS = 20_000
"""Pairs of places looked at before two schemas are called too different; a message of 100 fields has about 100."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One sentence, and whether it would break somebody."""

    sentence: str
    breaking: bool


TOO_DIFFERENT = Difference("the schemas are too different to compare in full", True)


@dataclass(frozen=True, slots=True)
class Place:
    """The same place in both schemas, with references already followed."""

    path: str
    old: JsonObject
    new: JsonObject

    def finds(self, sentence: str, *, breaking: bool) -> Difference:
        """A difference here."""
        return Difference(f"{self.path}: {sentence}", breaking)


@dataclass(slots=True)
class Walk:
    """One comparison under way: the roots that references are resolved in, the table of rules, what was seen."""

    old_root: JsonObject
    new_root: JsonObject
    rules: Mapping[str, "Rule"]
    left: int = COMPARISONS
    seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


Rule: TypeAlias = Callable[[Walk, Place, str], Iterator[Difference]]
ANYTHING: JsonObject = MappingProxyType({})
NOTHING: JsonObject = MappingProxyType({"not": MappingProxyType({})})


def compare_inputs(old: JsonObject, new: JsonObject) -> tuple[Difference, ...]:
    """How what a skill accepts has changed."""
    return _compared(Walk(old, new, INPUT), "input")


def compare_outputs(old: JsonObject, new: JsonObject) -> tuple[Difference, ...]:
    """How what a skill answers has changed."""
    return _compared(Walk(old, new, OUTPUT), "output")


def _compared(walk: Walk, path: str) -> tuple[Difference, ...]:
    if walk.old_root == walk.new_root:
        return ()
    return tuple(dict.fromkeys(_differences(walk, path, walk.old_root, walk.new_root)))


def _differences(walk: Walk, path: str, old: JsonValue, new: JsonValue) -> Iterator[Difference]:
    """Everything that changed from one subschema to the other."""
    walk.left -= 1
    if walk.left <= 0:
        yield TOO_DIFFERENT
        return
    pair = (_reference(old), _reference(new))
    if all(pair):
        if pair in walk.seen:
            return
        walk.seen.add(pair)
    place = Place(path, _followed(walk.old_root, old), _followed(walk.new_root, new))
    for keyword in sorted({*place.old, *place.new}, key=_order):
        found = tuple(_rule(walk, keyword)(walk, place, keyword))
        yield from found
        if keyword == "type" and any(difference.breaking for difference in found):
            return  # what else changed with the type would only be noise


def _rule(walk: Walk, keyword: str) -> Rule:
    """What to make of a keyword; one that begins with x- is a note to somebody and demands nothing."""
    return walk.rules.get(keyword, _told if keyword.startswith("x-") else _unknown)


def _order(keyword: str) -> tuple[bool, str]:
    return keyword != "type", keyword


def _reference(schema: JsonValue) -> str:
    found = schema.get("$ref") if isinstance(schema, Mapping) else None
    return found if isinstance(found, str) else ""


def _followed(root: JsonObject, schema: JsonValue) -> JsonObject:
    """A subschema with its reference, if it is one, replaced by what it refers to."""
    followed = _object(schema)
    for _ in range(32):
        name = _reference(followed).rpartition("/")[2]
        if not name:
            break
        rest = {keyword: value for keyword, value in followed.items() if keyword != "$ref"}
        followed = {**_object(_object(root.get("$defs")).get(name)), **rest}
    return followed


def _object(schema: JsonValue) -> JsonObject:
    """A subschema as an object, where it is written as true, false or not at all."""
    if isinstance(schema, Mapping):
        return schema
    return NOTHING if schema is False else ANYTHING


# ---- rules that both ways share


def _silent(_: Walk, __: Place, ___: str) -> Iterator[Difference]:
    return iter(())


def _unknown(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    if place.old.get(keyword) != place.new.get(keyword):
        yield place.finds(f"{keyword} changed", breaking=True)


def _told(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    """A text for readers."""
    if place.old.get(keyword) != place.new.get(keyword):
        yield place.finds(f"{keyword} changed", breaking=False)


def _properties(walk: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = _object(place.old.get(keyword)), _object(place.new.get(keyword))
    for name in old:
        path = f"{place.path}.{name}"
        if name in new:
            yield from _differences(walk, path, old[name], new[name])
        else:
            yield Difference(f"{path}: removed", True)
    for name in new:
        if name not in old:
            yield Difference(f"{place.path}.{name}: new", False)


def _parts(walk: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    """Subschemas in a row that all must hold."""
    old, new = _row(place.old.get(keyword)), _row(place.new.get(keyword))
    if len(old) != len(new):
        yield place.finds(f"{keyword} changed", breaking=True)
        return
    for one, other in zip(old, new, strict=True):
        yield from _differences(walk, place.path, one, other)


# ---- the input's rules: nothing may become narrower


def _accepts_types(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    lost = _types(place.old) - _types(place.new)
    if lost:
        yield place.finds(f"type was {_said(place.old, keyword)}, is {_said(place.new, keyword)}", breaking=True)
    elif place.old.get(keyword) != place.new.get(keyword):
        yield place.finds(f"type widened to {_said(place.new, keyword)}", breaking=False)


def _accepts_values(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = _values(place.old.get(keyword)), _values(place.new.get(keyword))
    if new is None:
        yield place.finds("any value is accepted now", breaking=False)
    elif old is None:
        yield place.finds("only certain values are accepted now", breaking=True)
    elif lost := [value for value in old if value not in new]:
        yield place.finds(f"no longer accepts {_listed(lost)}", breaking=True)
    elif added := [value for value in new if value not in old]:
        yield place.finds(f"accepts {_listed(added)} too", breaking=False)


def _lower_limit(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = _number(place.old.get(keyword)), _number(place.new.get(keyword))
    if old != new:
        yield place.finds(_limit(keyword, old, new), breaking=new is not None and (old is None or new > old))


def _upper_limit(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = _number(place.old.get(keyword)), _number(place.new.get(keyword))
    if old != new:
        yield place.finds(_limit(keyword, old, new), breaking=new is not None and (old is None or new < old))


def _demand(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    """Something a value must be beyond its type: a pattern, a format, unique items."""
    old, new = place.old.get(keyword), place.new.get(keyword)
    if old != new:
        now = "lifted" if not new else f"was {old or 'nothing'}, is {new}"
        yield place.finds(f"{keyword} {now}", breaking=bool(new))


def _needs(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = _row(place.old.get(keyword)), _row(place.new.get(keyword))
    for name in new:
        if name not in old:
            yield Difference(f"{place.path}.{name}: required now", True)
    for name in old:
        if name not in new:
            yield Difference(f"{place.path}.{name}: no longer required", False)


def _default(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    if keyword not in place.old:
        yield place.finds(f"has a default now, {place.new[keyword]}", breaking=False)
    elif keyword not in place.new:
        yield place.finds(f"no longer has the default {place.old[keyword]}", breaking=True)
    elif place.old[keyword] != place.new[keyword]:
        yield place.finds(f"default was {place.old[keyword]}, is {place.new[keyword]}", breaking=True)


def _accepts_below(walk: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    """A subschema for whatever else there is: items, values of a map, names."""
    old, new = place.old.get(keyword, True), place.new.get(keyword, True)
    if old == new and (isinstance(new, bool) or _whole(new)):
        return
    if old is False or _whole(new):
        yield place.finds(f"{keyword} opened", breaking=False)
    elif new is False or _whole(old):
        yield place.finds(f"{keyword} closed", breaking=True)
    else:
        yield from _differences(walk, place.path + BELOW[keyword], old, new)


def _accepts_forms(walk: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = _row(place.old.get(keyword)), _row(place.new.get(keyword))
    if not new:
        return  # then the other keywords say what is accepted now
    gone = [form for form in old if not any(_harmless(walk, form, other) for other in new)]
    yield from _forms_changed(place, gone=bool(gone) or not old, same=list(old) == list(new))


# ---- the output's rules: what was promised must still be there


def _answers_types(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    if place.old.get(keyword) != place.new.get(keyword):
        breaking = bool(_types(place.new) - _types(place.old))
        yield place.finds(f"type was {_said(place.old, keyword)}, is {_said(place.new, keyword)}", breaking=breaking)


def _keeps(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = place.old.get(keyword), place.new.get(keyword)
    if old != new:
        yield place.finds(f"{keyword} was {old or 'nothing'}, is {new or 'nothing'}", breaking=old is not None)


def _promises(_: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = _row(place.old.get(keyword)), _row(place.new.get(keyword))
    for name in old:
        if name not in new:
            yield Difference(f"{place.path}.{name}: may be absent now", True)
    for name in new:
        if name not in old:
            yield Difference(f"{place.path}.{name}: always present now", False)


def _answers_below(walk: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = place.old.get(keyword, True), place.new.get(keyword, True)
    if old == new and (isinstance(new, bool) or _whole(new)):
        return
    if old is False or _whole(old):
        yield place.finds(f"{keyword} changed", breaking=False)
    elif new is False or _whole(new):
        yield place.finds(f"{keyword} no longer says what to expect", breaking=True)
    else:
        yield from _differences(walk, place.path + BELOW[keyword], old, new)


def _answers_forms(walk: Walk, place: Place, keyword: str) -> Iterator[Difference]:
    old, new = _row(place.old.get(keyword)), _row(place.new.get(keyword))
    if not old:
        return
    foreign = [form for form in new if not any(_harmless(walk, other, form) for other in old)]
    yield from _forms_changed(place, gone=bool(foreign) or not new, same=list(old) == list(new))


# ---- small readers


def _forms_changed(place: Place, *, gone: bool, same: bool) -> Iterator[Difference]:
    if gone:
        yield place.finds("the forms it may have changed", breaking=True)
    elif not same:
        yield place.finds("the forms it may have changed, compatibly", breaking=False)


def _harmless(walk: Walk, old: JsonValue, new: JsonValue) -> bool:
    """Whether nothing breaks between two alternatives; looked at aside, without remembering what was seen."""
    aside = Walk(walk.old_root, walk.new_root, walk.rules, left=walk.left, seen=set(walk.seen))
    found = any(difference.breaking for difference in _differences(aside, "", old, new))
    walk.left = aside.left
    return not found


def _whole(schema: JsonValue) -> bool:
    return schema is True or schema == {}


def _row(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _values(value: JsonValue) -> Sequence[JsonValue] | None:
    return None if value is None else _row(value)


def _number(value: JsonValue) -> float | None:
    return value if isinstance(value, int | float) else None


EVERY_TYPE = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})


def _types(schema: JsonObject) -> frozenset[str]:
    """The types a schema lets through; a number may be an integer."""
    said = schema.get("type")
    if said is None:
        return EVERY_TYPE
    names = frozenset(cast("Sequence[str]", [said] if isinstance(said, str) else _row(said)))
    return names | {"integer"} if "number" in names else names


def _said(schema: JsonObject, keyword: str) -> str:
    said = schema.get(keyword)
    return "anything" if said is None else said if isinstance(said, str) else " or ".join(map(str, _row(said)))


def _limit(keyword: str, old: float | None, new: float | None) -> str:
    return f"{keyword} was {'nothing' if old is None else old}, is {'nothing' if new is None else new}"


def _listed(values: Sequence[JsonValue]) -> str:
    shown = ", ".join(str(value) for value in values[:10])
    return shown if len(values) <= 10 else f"{shown} and {len(values) - 10} more"


BELOW = {"items": "[]", "additionalProperties": "{}", "propertyNames": " (names)", "contains": "[]"}

SHARED: Mapping[str, Rule] = {
    "$defs": _silent,  # compared where they are referred to
    "$schema": _silent,
    "title": _told,
    "description": _told,
    "examples": _told,
    "deprecated": _told,
    "readOnly": _told,
    "writeOnly": _told,
    "$comment": _told,
    "properties": _properties,
    "allOf": _parts,
    "prefixItems": _parts,
}

INPUT: Mapping[str, Rule] = {
    **SHARED,
    "type": _accepts_types,
    "enum": _accepts_values,
    "minimum": _lower_limit,
    "exclusiveMinimum": _lower_limit,
    "minLength": _lower_limit,
    "minItems": _lower_limit,
    "minProperties": _lower_limit,
    "maximum": _upper_limit,
    "exclusiveMaximum": _upper_limit,
    "maxLength": _upper_limit,
    "maxItems": _upper_limit,
    "maxProperties": _upper_limit,
    "pattern": _demand,
    "format": _demand,
    "multipleOf": _demand,
    "uniqueItems": _demand,
    "contentEncoding": _demand,
    "const": _demand,
    "required": _needs,
    "default": _default,
    "items": _accepts_below,
    "additionalProperties": _accepts_below,
    "propertyNames": _accepts_below,
    "anyOf": _accepts_forms,
    "oneOf": _accepts_forms,
}

OUTPUT: Mapping[str, Rule] = {
    **SHARED,
    **dict.fromkeys(
        (
            "enum", "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "maximum",
            "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "pattern", "multipleOf", "uniqueItems",
            "default",
        ),
        _told,
    ),
    "type": _answers_types,
    "format": _keeps,
    "contentEncoding": _keeps,
    "const": _keeps,
    "required": _promises,
    "items": _answers_below,
    "additionalProperties": _answers_below,
    "propertyNames": _answers_below,
    "anyOf": _answers_forms,
    "oneOf": _answers_forms,
}  # fmt: skip
