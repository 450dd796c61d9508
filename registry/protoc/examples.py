"""Whether examples are what they claim to be: they must pass the schema, and then the message with all its rules."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import jsonschema_rs
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor

from registry.model import JsonObject, JsonValue
from registry.protoc.annotations import Annotations, Note
from registry.protoc.presence import Presence
from registry.protoc.problems import Problems


def read_json(text: str) -> tuple[JsonValue, str]:
    """The value some JSON stands for, and why it stands for none (empty where it does)."""
    try:
        return cast("JsonValue", json.loads(text, parse_constant=_no_constant)), ""
    except RecursionError:
        return None, "it is nested too deeply"
    except ValueError as error:
        return None, str(error)


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not a JSON number")


def schema_faults(schema: JsonObject, value: JsonValue) -> list[str]:
    """What a schema has against a value, a sentence each."""
    validator = jsonschema_rs.validator_for(cast("dict[str, Any]", schema))
    return [
        f"{'/'.join(['', *map(str, error.instance_path)]) or 'it'}: {error.message}"
        for error in validator.iter_errors(value)
    ]


def _crowded(value: JsonObject, message: Descriptor) -> list[str]:
    """The root oneofs of which an example has more than one member."""
    groups = [[field.json_name for field in oneof.fields] for oneof in message.oneofs]
    crowded = [group for group in groups if sum(name in value for name in group) > 1]
    return [f"at most one of {', '.join(group)} may be given" for group in crowded]


class Examples:
    """Checks the examples of one build."""

    def __init__(self, annotations: Annotations, presence: Presence, problems: Problems) -> None:
        self._annotations = annotations
        self._presence = presence
        self._problems = problems

    def of_skill(
        self, texts: Sequence[str], note: Note[Any], *, schema: JsonObject, message: Descriptor, bound: frozenset[str]
    ) -> tuple[JsonObject, ...]:
        """The examples of a skill as objects; those that do not fit are reported and left out."""
        found: list[JsonObject] = []
        for text in texts:
            value, fault = read_json(text)
            faults = [f"is not JSON: {fault}"] if fault else self._faults(value, schema, message, bound)
            if faults:
                self._problems.add(note.at("examples"), f"the example {text} does not fit: {'; '.join(faults)}.")
            elif isinstance(value, Mapping):
                found.append(value)
        return tuple(found)

    def of_field(self, text: str, note: Note[Any], *, name: str, schema: JsonObject, defs: JsonValue) -> None:
        """Report the example of a field if it is not JSON that fits the field's schema."""
        value, fault = read_json(text)
        if fault:
            hint = f" Text needs quotes: {json.dumps(json.dumps(text))}." if not text.startswith(("{", "[")) else ""
            self._problems.add(note.at("example"), f"{name}: the example {text} is not JSON: {fault}.{hint}")
            return
        plain = {key: each for key, each in schema.items() if key != "examples"}
        if faults := schema_faults({**plain, "$defs": defs or {}}, value):
            self._problems.add(note.at("example"), f"{name}: the example {text} does not fit: {'; '.join(faults)}.")

    def _faults(self, value: JsonValue, schema: JsonObject, message: Descriptor, bound: frozenset[str]) -> list[str]:
        if not isinstance(value, Mapping):
            return ["it must be a JSON object"]
        if faults := [*schema_faults(schema, value), *_crowded(value, message)]:
            return faults
        built = self._annotations.message(message.full_name)()
        try:
            json_format.ParseDict(dict(value), built, descriptor_pool=self._annotations.pool)
        except (json_format.ParseError, TypeError, ValueError, OverflowError, RecursionError) as error:
            return [" ".join(str(error).split()).removesuffix(".")]
        return self._presence.faults(built, apart_from=bound)
