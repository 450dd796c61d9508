"""Do these arguments fit this skill? Every wrong field is named by a JSON pointer and a sentence a model can act on.

Schemas are compiled once per pin. Nothing that arrives can hold or crash the process: schemas were walked before
(`registry.bounds`), patterns run on an engine without backtracking and within a budget, data is measured before it is
checked, and where much is wrong only the first fault is looked for. What a caller sent is never repeated in a sentence.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import jsonschema_rs
from jsonschema_rs import RegexOptions, ValidationError

from registry.bounds import unbounded
from registry.catalog import SkillEntry
from registry.faults import faults_of
from registry.model import Fault, JsonObject, JsonValue, Pin, Skill
from registry.patterns import SIZES, Pattern, PatternError, renew_budget

if TYPE_CHECKING:
    from jsonschema_rs import KeywordValidator  # exists in the stubs only

Validator: TypeAlias = jsonschema_rs.Draft202012Validator

COMPILED = 2_048
"""Schemas kept compiled; one takes about 20 kB."""

DEPTH = 100
"""How deep arguments may nest; protobuf's parsers stop at 100 as well."""

WEIGHT = 5_000
"""Values and 64-character pieces of text up to which all faults are listed; each fault costs a copy of its context."""

FAULTS = 20
KEYWORDS: "dict[str, type[KeywordValidator]]" = {"pattern": Pattern}


class SchemaError(ValueError):
    """A schema that nothing can be checked against; the message says why."""


class InputChecks:
    """Checks arguments against input schemas. May be used from several threads."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[Pin, Validator | None] = OrderedDict()
        self._lock = threading.Lock()

    def faults(self, entry: SkillEntry, arguments: JsonObject) -> tuple[Fault, ...]:
        """Everything that is wrong with the arguments, at most 20 faults; empty if they fit."""
        validator = self._validator(entry)
        if validator is None:
            return (Fault("", "the schema of this skill cannot be checked; its owner must publish it again"),)
        given = arguments if isinstance(arguments, dict) else dict(arguments)
        found = faults_in(given, validator, entry.skill.input_schema)
        return (*found, *_excluded(entry.skill, given))[:FAULTS]

    def _validator(self, entry: SkillEntry) -> Validator | None:
        with self._lock:
            if entry.pin in self._compiled:
                self._compiled.move_to_end(entry.pin)
                return self._compiled[entry.pin]
        try:
            compiled = compile_schema(entry.skill.input_schema)
        except SchemaError:
            compiled = None  # fail closed: nothing fits
        with self._lock:
            self._compiled[entry.pin] = compiled
            while len(self._compiled) > COMPILED:
                self._compiled.popitem(last=False)
        return compiled


def compile_schema(schema: JsonObject) -> Validator:
    """Make a schema ready to check with.

    Raises:
        SchemaError: it is not a schema, or not one that is safe to check against.
    """
    reason = unbounded(schema)
    if reason is not None:
        raise SchemaError(reason)
    try:
        return Validator(
            cast("dict[str, Any]", schema),
            keywords=KEYWORDS,
            pattern_options=RegexOptions(size_limit=SIZES[0]),  # of keys; texts have a budget
            validate_formats=False,  # the codec knows what protobuf makes of a format
            offline=True,
            mask="it",
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        _, ours, sentence = str(error).splitlines()[0].rpartition(f"{PatternError.__name__}: ")
        raise SchemaError(sentence if ours else f"it is not a JSON Schema: {sentence[:200]}") from None


def faults_in(given: JsonObject, validator: Validator, schema: JsonObject) -> tuple[Fault, ...]:
    """Everything that is wrong with an object by a schema and its validator, at most 20 faults; empty if it fits."""
    weight = weigh(given)
    if weight is None:
        return (Fault("", f"nests deeper than {DEPTH} levels"),)
    try:
        wrong = _wrong(validator, given, weight)
    except UnicodeEncodeError:
        return (Fault("", "contains text that is not Unicode"),)
    return tuple(islice((fault for error in wrong for fault in faults_of(error, schema)), FAULTS))


def weigh(value: JsonValue, *, levels: int = DEPTH) -> int | None:
    """About how much there is to check; None where it nests too deep. Level by level, so that no depth harms us."""
    weight, level = 0, [cast("object", value)]
    for _ in range(levels + 1):
        following: list[object] = []
        for each in level:
            if isinstance(each, str):
                weight += len(each) >> 6
            elif isinstance(each, dict):
                following += cast("dict[str, object]", each).values()
            elif isinstance(each, list):
                following += cast("list[object]", each)
        weight += len(level)
        if not following:
            return weight
        level = following
    return None


def _wrong(validator: Validator, arguments: JsonObject, weight: int) -> Sequence[ValidationError]:
    """The validator's errors: all of them where the arguments are small, else the first."""
    renew_budget()
    if validator.is_valid(arguments):
        return ()
    renew_budget()
    if weight <= WEIGHT:
        return tuple(validator.iter_errors(arguments))
    try:
        validator.validate(arguments)
    except ValidationError as first:
        return (first,)
    return ()


def _excluded(skill: Skill, arguments: JsonObject) -> Iterator[Fault]:
    """Fields of one root oneof of which more than one is given."""
    for group in skill.exclusive:
        given = [name for name in group if arguments.get(name) is not None]
        if len(given) > 1:
            for name in given:
                yield Fault(f"/{name}", f"at most one of {', '.join(group)} may be given")
