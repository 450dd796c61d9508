"""Messages as JSON Schema 2020-12 of their ProtoJSON, as the input or the output of a skill.

The root is always an object with `properties` and never a composition or a reference, since model APIs refuse those;
every other message is in `$defs`, so recursion needs nothing special. What an input admits the codec reads; whatever
the codec emits fits the output, which therefore requires nothing and knows no buf.validate rules.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from interchange.v1.annotations_pb2 import ParamOptions

from registry.model import JsonObject
from registry.protoc.annotations import NO_RULES, Annotations, Note, Rules
from registry.protoc.presence import EVERYTHING_OPTIONAL, Needed, Presence
from registry.protoc.rules import IGNORE_ALWAYS, IGNORE_IF_ZERO, Schema, bounds, not_zero, rule_of, with_rules
from registry.protoc.wellknown import OBJECTS, WRAPPERS, Direction, map_key, scalar, well_known

_NULL = "google.protobuf.NullValue"
Notes = Mapping[str, Note[ParamOptions]]

_SHARED = {
    "int64": scalar(FieldDescriptor.TYPE_INT64, Direction.INPUT),
    "uint64": scalar(FieldDescriptor.TYPE_UINT64, Direction.INPUT),
    "bytes": scalar(FieldDescriptor.TYPE_BYTES, Direction.INPUT),
}
"""Schemas too long to be repeated for every field."""


def input_schema(message: Descriptor, annotations: Annotations, *, presence: Presence, notes: Notes) -> JsonObject:
    """The schema of a skill's arguments; `notes` are those on the root's fields, and bound ones are left out."""
    return _Writer(annotations, Direction.INPUT, presence).root(message, notes)


def output_schema(message: Descriptor, annotations: Annotations) -> JsonObject:
    """The schema of a skill's structured result."""
    return _Writer(annotations, Direction.OUTPUT, None).root(message, {})


def collected_schema(message: Descriptor, annotations: Annotations) -> JsonObject:
    """The schema of a collected stream: `{"items": [...]}`."""
    return _Writer(annotations, Direction.OUTPUT, None).collected(message)


def is_root(message: Descriptor) -> bool:
    """Whether the ProtoJSON of a message is an object."""
    return well_known(message.full_name, Direction.INPUT) is None or message.full_name in OBJECTS


def real_oneofs(message: Descriptor) -> list[OneofDescriptor]:
    """The oneofs an author wrote; `optional` makes synthetic ones."""
    return [oneof for oneof in message.oneofs if any(not is_synthetic(field) for field in oneof.fields)]


def is_synthetic(field: FieldDescriptor) -> bool:
    """Whether the oneof of a field is only there to make it `optional`."""
    oneof = field.containing_oneof
    return oneof is not None and len(oneof.fields) == 1 and oneof.name == f"_{field.name}"


class _Writer:
    """Writes one schema. Messages met on the way wait in `_todo`, so that no nesting is too deep."""

    def __init__(self, annotations: Annotations, direction: Direction, presence: Presence | None) -> None:
        self._annotations = annotations
        self._direction = direction
        self._presence = presence
        self._defs: dict[str, Schema] = {}
        self._todo: deque[Descriptor] = deque()

    def root(self, message: Descriptor, notes: Notes) -> JsonObject:
        if (known := well_known(message.full_name, self._direction)) is not None:
            return cast("JsonObject", _known_root(message, known))
        return self._finished(self._object(message, notes))

    def collected(self, message: Descriptor) -> JsonObject:
        items: Schema = {"type": "array", "items": self._reference(message)}
        return self._finished(
            {"type": "object", "properties": {"items": items}, "required": ["items"], "additionalProperties": False}
        )

    def _finished(self, root: Schema) -> JsonObject:
        while self._todo:
            message = self._todo.popleft()
            self._defs[message.full_name] = self._definition(message)
        defs = {"$defs": {name: self._defs[name] for name in sorted(self._defs)}} if self._defs else {}
        return cast("JsonObject", {**root, **defs})

    def _definition(self, message: Descriptor) -> Schema:
        described = _described(self._object(message, {}), self._annotations.comment(message.full_name))
        if self._direction is Direction.OUTPUT:
            return described
        return {**described, **_compositions(message, self._needed(message))}

    def _object(self, message: Descriptor, notes: Notes) -> Schema:
        needed = self._needed(message)
        left_out = {name for name, note in notes.items() if note.options.bound}
        fields = [field for field in message.fields if field.name not in left_out]
        found: Schema = {
            "type": "object",
            "properties": {field.json_name: self._property(field, notes, needed) for field in fields},
        }
        if self._direction is Direction.OUTPUT and message.is_extendable:
            found["patternProperties"] = {r"^\[.*\]$": {}}
        if required := [field.json_name for field in fields if field.name in needed.fields]:
            found["required"] = required
        return {**found, "additionalProperties": False}

    def _needed(self, message: Descriptor) -> Needed:
        if self._presence is None:
            return EVERYTHING_OPTIONAL
        return self._presence.of(self._annotations.message(message.full_name))

    def _property(self, field: FieldDescriptor, notes: Notes, needed: Needed) -> Schema:
        note = notes.get(field.name) or self._annotations.param(field)
        schema = self._shared(self._value_or_container(field))
        if self._may_be_null(field, needed):
            schema = _or_null(schema)
        sentences = [note.description, *self._enum_words(field), _oneof_words(field, needed), *self._rule_words(field)]
        schema = _described(schema, "\n".join(filter(None, sentences)))
        if (example := read_example(note.options)) is not None:
            schema["examples"] = [example]
        if notes and note.options.header:
            schema["x-mcp-header"] = note.options.header
        return {**schema, "deprecated": True} if field.GetOptions().deprecated else schema

    def _may_be_null(self, field: FieldDescriptor, needed: Needed) -> bool:
        """ProtoJSON reads null as absent; written down where it is custom, for wrappers."""
        return (
            self._direction is Direction.INPUT
            and not field.is_repeated
            and field.message_type is not None
            and field.message_type.full_name in WRAPPERS
            and field.containing_oneof is None
            and field.name not in needed.fields
        )

    def _value_or_container(self, field: FieldDescriptor) -> Schema:
        rules = self._annotations.rules(field) if self._direction is Direction.INPUT else NO_RULES
        if rules.get("required") and not field.has_presence and rules.get("ignore") != IGNORE_ALWAYS:
            zeros = _zero_names(field.enum_type) if field.enum_type else []
            return not_zero(self._unconditional(field, rules), repeated=field.is_repeated, zeros=zeros)
        return self._unconditional(field, rules)

    def _unconditional(self, field: FieldDescriptor, rules: Rules) -> Schema:
        if not field.is_repeated:
            return self._value(field, rules)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return self._map(field.message_type, rule_of(rules, "map"))
        rule = rule_of(rules, "repeated")
        items = self._shared(self._value(field, rule_of(rule, "items")))
        found: Schema = {"type": "array", "items": items}
        return found | bounds(rule, min_items="minItems", max_items="maxItems", unique="uniqueItems")

    def _map(self, entry: Descriptor, rule: Rules) -> Schema:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        names = (
            with_rules(map_key(key.type), rule_of(rule, "keys")) if key.type == key.TYPE_STRING else map_key(key.type)
        )
        found: Schema = {"type": "object", **({"propertyNames": names} if names else {})}
        found["additionalProperties"] = self._shared(self._value(value, rule_of(rule, "values")))
        return found | bounds(rule, min_pairs="minProperties", max_pairs="maxProperties")

    def _value(self, field: FieldDescriptor, rules: Rules) -> Schema:
        if field.enum_type is not None:
            return self._enum(field.enum_type, rules)
        if field.message_type is None:
            return with_rules(scalar(field.type, self._direction), rules)
        known = well_known(field.message_type.full_name, self._direction)
        return self._reference(field.message_type) if known is None else with_rules(known, rules)

    def _enum(self, enum: EnumDescriptor, rules: Rules) -> Schema:
        if self._direction is Direction.INPUT:
            return _enum_to_write(enum, rules)
        if enum.full_name == _NULL:
            return {"type": ["null", "integer"]}
        names = list(dict.fromkeys([*(value.name for value in enum.values), *self._annotations.json_names(enum)]))
        return {"anyOf": [{"type": "string", "enum": names}, {"type": "integer"}]}

    def _reference(self, message: Descriptor) -> Schema:
        if (known := well_known(message.full_name, self._direction)) is not None:
            return known
        if message.full_name not in self._defs:
            self._defs[message.full_name] = {}
            self._todo.append(message)
        return {"$ref": f"#/$defs/{message.full_name}"}

    def _shared(self, schema: Schema) -> Schema:
        for name, shared in _SHARED.items():
            if schema == shared:
                self._defs[name] = shared
                return {"$ref": f"#/$defs/{name}"}
        return schema

    def _rule_words(self, field: FieldDescriptor) -> list[str]:
        return _rule_words(self._annotations.rules(field)) if self._direction is Direction.INPUT else []

    def _enum_words(self, field: FieldDescriptor) -> list[str]:
        if field.enum_type is None:
            return []
        names = [(value.name, f"{field.enum_type.full_name}.{value.name}") for value in field.enum_type.values]
        said = [(name, self._annotations.comment(full_name)) for name, full_name in names]
        return [f"- {name}: {comment}" for name, comment in said if comment]


def _rule_words(rules: Rules) -> list[str]:
    """What rules in CEL say when they are broken: the only way to tell a model of them beforehand."""
    written = cast("Sequence[Rules]", rules.get("cel", []))
    return [f"Rule: {rule['message']}" for rule in written if rule.get("message")]


def read_example(options: ParamOptions) -> object:
    """The example of a field, None where there is none (or it is not JSON, which the build reports)."""
    try:
        return json.loads(options.example) if options.example else None
    except (ValueError, RecursionError):
        return None


def _known_root(message: Descriptor, known: Schema) -> Schema:
    closed = {"additionalProperties": False} if message.full_name == "google.protobuf.Empty" else {}
    known.pop("maxProperties", None)
    return {"type": "object", "properties": {}, **known, **closed}


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description} if description else dict(schema)


def _or_null(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), str) and not {"enum", "const"} & set(schema):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _enum_to_write(enum: EnumDescriptor, rules: Rules) -> Schema:
    if enum.full_name == _NULL:
        return {"type": "null"}
    names = [value.name for value in enum.values]
    rule = rule_of(rules, "enum")
    allowed = [value.name for value in enum.values if _admits(rule, value.number)]
    zero = [value.name for value in enum.values if value.number == 0 and rules.get("ignore") == IGNORE_IF_ZERO]
    kept = [name for name in names if name in allowed or name in zero]
    return {"type": "string", "enum": kept or names}


def _zero_names(enum: EnumDescriptor) -> list[str]:
    return [value.name for value in enum.values if value.number == 0]


def _admits(rule: Rules, number: int) -> bool:
    listed = cast("Sequence[int]", rule.get("in", [number]))
    refused = cast("Sequence[int]", rule.get("not_in", []))
    return number in listed and number not in refused and number == rule.get("const", number)


def _oneof_words(field: FieldDescriptor, needed: Needed) -> str:
    oneof = field.containing_oneof
    if oneof is None or is_synthetic(field) or (len(oneof.fields) < 2 and oneof.name not in needed.oneofs):
        return ""
    names = ", ".join(member.json_name for member in oneof.fields)
    return f"{'Exactly' if oneof.name in needed.oneofs else 'At most'} one of: {names}."


def _compositions(message: Descriptor, needed: Needed) -> Schema:
    """The oneofs of a message that is not the root, where composition is allowed."""
    oneofs = real_oneofs(message)
    found = [_at_most_one(oneof) for oneof in oneofs if len(oneof.fields) > 1 and oneof.name not in needed.oneofs]
    found += [_exactly_one(oneof) for oneof in oneofs if oneof.name in needed.oneofs]
    if len(found) < 2:
        return found[0] if found else {}
    return {"allOf": found}


def _at_most_one(oneof: OneofDescriptor) -> Schema:
    names = [member.json_name for member in oneof.fields]
    if len(names) > 4:  # the pairs would outgrow the sum
        return {"oneOf": [*_each_required(names), {"not": {"anyOf": _each_required(names)}}]}
    pairs: list[Schema] = [{"required": list(pair)} for pair in combinations(names, 2)]
    return {"not": pairs[0] if len(pairs) == 1 else {"anyOf": pairs}}


def _exactly_one(oneof: OneofDescriptor) -> Schema:
    return {"oneOf": _each_required([member.json_name for member in oneof.fields])}


def _each_required(names: Sequence[str]) -> list[Schema]:
    return [{"required": [name]} for name in names]
