"""Messages of any type, drawn by hypothesis from descriptors: every field there is, with every value it can hold."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from tests.support.instances import few_of

_SCALARS: Mapping[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.text(st.characters(codec="utf-8"), max_size=10),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    **{kind: st.integers(-(2**31), 2**31 - 1) for kind in (5, 17, 15)},
    **{kind: st.integers(-(2**63), 2**63 - 1) for kind in (3, 18, 16)},
    **{kind: st.integers(0, 2**32 - 1) for kind in (13, 7)},
    **{kind: st.integers(0, 2**64 - 1) for kind in (4, 6)},
}
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_NAMES = st.from_regex(r"[a-z]{1,5}(_[a-z]{1,5})?", fullmatch=True)


def messages(message: type[Message]) -> st.SearchStrategy[Message]:
    """Messages of a class, nested a few levels deep."""
    return _fields_of(message.DESCRIPTOR, 2).map(lambda fields: _built(message(), fields))


def _built(message: Any, fields: Mapping[str, Any]) -> Message:
    for name, value in fields.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill_map(getattr(message, name), value)
        elif field.is_repeated and field.message_type is not None:
            for each in value:
                _built(getattr(message, name).add(), each)
        elif field.is_repeated:
            getattr(message, name).extend(value)
        elif field.message_type is not None:
            getattr(message, name).SetInParent()
            _built(getattr(message, name), value)
        else:
            setattr(message, name, value)
    return message


def _fill_map(target: Any, value: Mapping[Any, Any]) -> None:
    for key, each in value.items():
        if isinstance(each, Mapping):
            _built(target[key], cast("Mapping[str, Any]", each))
        else:
            target[key] = each


def _fields_of(message: Any, depth: int) -> st.SearchStrategy[Mapping[str, Any]]:
    special = _SPECIAL.get(message.full_name)
    if special is not None:
        return special(depth)
    fields = {
        field.name: st.deferred(lambda field=field: _field(field, depth))
        for field in message.fields
        if depth > 0 or field.message_type is None
    }
    required = {name: each for name, each in fields.items() if message.fields_by_name[name].is_required}
    optional = {name: each for name, each in fields.items() if name not in required}
    return few_of(required, optional)


def _field(field: Any, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name
        return st.dictionaries(_value(entry["key"], depth), _value(entry["value"], depth), max_size=2)
    return st.lists(_value(field, depth), max_size=2) if field.is_repeated else _value(field, depth)


def _value(field: Any, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return _fields_of(field.message_type, depth - 1)
    if field.enum_type is None:
        return _SCALARS[field.type]
    known = st.sampled_from([value.number for value in field.enum_type.values])
    if field.enum_type.is_closed or field.enum_type.full_name == "google.protobuf.NullValue":
        return known
    return known | st.integers(-(2**31), 2**31 - 1)


def _timestamp(_: int) -> st.SearchStrategy[Mapping[str, Any]]:
    return st.fixed_dictionaries(
        {"seconds": st.integers(-62135596800, 253402300799), "nanos": st.integers(0, 999999999)}
    )


def _duration(_: int) -> st.SearchStrategy[Mapping[str, Any]]:
    sizes = st.tuples(st.integers(0, 315576000000), st.integers(0, 999999999), st.sampled_from([1, -1]))
    return sizes.map(lambda drawn: {"seconds": drawn[0] * drawn[2], "nanos": drawn[1] * drawn[2]})


def _json_value(depth: int) -> st.SearchStrategy[Mapping[str, Any]]:
    options: list[st.SearchStrategy[Mapping[str, Any]]] = [
        st.just({"null_value": 0}),
        _FINITE.map(lambda number: {"number_value": number}),
        _SCALARS[FieldDescriptor.TYPE_STRING].map(lambda text: {"string_value": text}),
        st.booleans().map(lambda flag: {"bool_value": flag}),
    ]
    if depth > 0:
        options.append(st.deferred(lambda: _struct(depth - 1)).map(lambda fields: {"struct_value": fields}))
        options.append(st.deferred(lambda: _list(depth - 1)).map(lambda values: {"list_value": values}))
    return st.one_of(options)


def _struct(depth: int) -> st.SearchStrategy[Mapping[str, Any]]:
    keys = _SCALARS[FieldDescriptor.TYPE_STRING]
    return st.dictionaries(keys, _json_value(depth), max_size=2).map(lambda fields: {"fields": fields})


def _list(depth: int) -> st.SearchStrategy[Mapping[str, Any]]:
    return st.lists(_json_value(depth), max_size=2).map(lambda values: {"values": values})


def _mask(_: int) -> st.SearchStrategy[Mapping[str, Any]]:
    return st.lists(_NAMES, max_size=3).map(lambda paths: {"paths": paths})


_SPECIAL: Mapping[str, Callable[[int], st.SearchStrategy[Mapping[str, Any]]]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.protobuf.Value": _json_value,
    "google.protobuf.Struct": _struct,
    "google.protobuf.ListValue": _list,
    "google.protobuf.FieldMask": _mask,
}
