"""Sets of file descriptors: a private pool to read them in, and the one form of them that is stored and hashed.

Foreign files never enter the default pool, where their names could clash with ours. The stored form is canonical, so
that protoc, buf and reflection agree on its bytes: imports before their importers, no source information, every JSON
name written, options in the order of their numbers, and no import that is there only to declare options (they stay
readable as unknown fields, and buf.validate enforces its rules from those). That keeps a set at a few kilobytes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import cast

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from registry.model import BadRequest

_OPTIONS = ".google.protobuf."
_DESCRIPTOR = "google/protobuf/descriptor.proto"
_WELL_KNOWN = ("any", "api", "descriptor", "duration", "empty", "field_mask", "source_context", "struct", "timestamp",
               "type", "wrappers")  # fmt: skip


def read_set(data: bytes) -> tuple[FileDescriptorProto, ...]:
    """Read a serialised `google.protobuf.FileDescriptorSet`.

    Raises:
        BadRequest: the bytes are not one.
    """
    try:
        return tuple(FileDescriptorSet.FromString(data).file)
    except DecodeError as error:
        raise BadRequest("The bytes are not a serialised google.protobuf.FileDescriptorSet.") from error


def private_pool(files: Sequence[FileDescriptorProto]) -> DescriptorPool:
    """A pool of these files alone, completed by google/protobuf/*.proto where the set lacks them.

    Raises:
        BadRequest: an import is missing, or the files contradict each other.
    """
    pool = descriptor_pool.DescriptorPool()
    for file in _closure(_by_name(files), [_DESCRIPTOR, *(file.name for file in files)]):
        try:
            pool.AddSerializedFile(file.SerializeToString())
        except (TypeError, DecodeError, ValueError) as error:
            raise BadRequest(f"The descriptor of {file.name} does not hold: {_one_line(error)}") from error
    return pool


def class_in(pool: DescriptorPool, full_name: str) -> type[Message]:
    """The class of a message of a pool; it knows the extensions of that pool and of no other."""
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))


def descriptor_of(message: type[Message]) -> Descriptor:
    """The descriptor of a message class; stubs call it one of two classes, which are the same at run time."""
    return cast("Descriptor", message.DESCRIPTOR)


def normalised(files: Sequence[FileDescriptorProto], roots: Iterable[str]) -> bytes:
    """The canonical serialised FileDescriptorSet of what the roots need; the same whoever compiled them."""
    by_name = _by_name(files)
    everything = {file.name: _plain(file) for file in _closure(by_name, list(by_name))}
    for name, imports in _needed_imports(everything).items():
        _replace_imports(everything[name], imports)
    kept = _closure(everything, sorted(roots))
    # Only classes of a pool that knows all extensions put options in one order; the default pool knows whatever
    # happens to be imported in this process.
    ordered = class_in(private_pool(files), "google.protobuf.FileDescriptorSet")
    return ordered.FromString(FileDescriptorSet(file=kept).SerializeToString()).SerializeToString(deterministic=True)


def _by_name(files: Iterable[FileDescriptorProto]) -> dict[str, FileDescriptorProto]:
    found: dict[str, FileDescriptorProto] = {}
    for file in files:
        if file.name in found and found[file.name] != file:
            raise BadRequest(f"The descriptor set holds {file.name} twice, and they differ.")
        found[file.name] = file
    return found


def _closure(by_name: Mapping[str, FileDescriptorProto], names: Sequence[str]) -> tuple[FileDescriptorProto, ...]:
    """The named files and all they import, imports first. Iterative: a chain of imports may be long."""
    done: dict[str, FileDescriptorProto] = {}
    entered: set[str] = set()
    todo = [(name, name) for name in reversed(names)]
    while todo:
        name, importer = todo[-1]
        file = by_name.get(name) or _well_known().get(name)
        if file is None:
            raise BadRequest(
                f"The descriptor set lacks {name}, which {importer} needs: build it with --include_imports."
            )
        missing = [import_ for import_ in file.dependency if import_ not in done]
        if not missing or name in done:
            done.setdefault(name, file)
            todo.pop()
        elif name in entered:
            raise BadRequest(f"{name} imports itself in a circle.")
        else:
            entered.add(name)
            todo.extend((import_, name) for import_ in reversed(missing))
    return tuple(done.values())


@lru_cache(maxsize=1)
def _well_known() -> Mapping[str, FileDescriptorProto]:
    found: dict[str, FileDescriptorProto] = {}
    for name in _WELL_KNOWN:
        descriptor = cast("FileDescriptor", import_module(f"google.protobuf.{name}_pb2").DESCRIPTOR)
        found[descriptor.name] = FileDescriptorProto.FromString(descriptor.serialized_pb)
    return found


def _plain(file: FileDescriptorProto) -> FileDescriptorProto:
    """A copy without what compilers differ in."""
    plain = FileDescriptorProto()
    plain.CopyFrom(file)
    plain.ClearField("source_code_info")
    for extension in _extensions(plain):
        extension.ClearField("json_name")
    for _, message in _messages(plain):
        for field in message.field:
            field.json_name = field.json_name or default_json_name(field.name)  # protobuf-py does not derive it
    return plain


def default_json_name(name: str) -> str:
    """lowerCamelCase of a field's name, as protobuf derives it."""
    head, *tail = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)


def _needed_imports(files: Mapping[str, FileDescriptorProto]) -> dict[str, list[str]]:
    """For each file the imports it cannot do without, sorted: those it refers to, and those that do more than
    declare options."""
    home = {f".{name}": file.name for file in files.values() for name in _types(file)}
    vocabularies = {file.name for file in files.values() if _only_declares_options(file)}
    needed: dict[str, list[str]] = {}
    for file in files.values():
        referred = {home[name] for name in _references(file) if name in home}
        kept = {name for name in file.dependency if name not in vocabularies}
        needed[file.name] = sorted((referred | kept) - {file.name})
    return needed


def _only_declares_options(file: FileDescriptorProto) -> bool:
    if file.name == _DESCRIPTOR:
        return True
    extensions = list(_extensions(file))
    return bool(extensions) and all(
        extension.extendee.startswith(_OPTIONS) and extension.extendee.endswith("Options") for extension in extensions
    )


def _replace_imports(file: FileDescriptorProto, imports: Sequence[str]) -> None:
    for name in ("dependency", "public_dependency", "weak_dependency", "option_dependency"):
        if name in FileDescriptorProto.DESCRIPTOR.fields_by_name:
            file.ClearField(name)
    file.dependency.extend(imports)


def _messages(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    scope = f"{file.package}." if file.package else ""
    todo = [(f"{scope}{message.name}", message) for message in file.message_type]
    while todo:
        name, message = todo.pop()
        yield name, message
        todo.extend((f"{name}.{nested.name}", nested) for nested in message.nested_type)


def _types(file: FileDescriptorProto) -> Iterator[str]:
    scope = f"{file.package}." if file.package else ""
    yield from (f"{scope}{enum.name}" for enum in file.enum_type)
    for name, message in _messages(file):
        yield name
        yield from (f"{name}.{enum.name}" for enum in message.enum_type)


def _extensions(file: FileDescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from file.extension
    for _, message in _messages(file):
        yield from message.extension


def _fields_of(file: FileDescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from _extensions(file)
    for _, message in _messages(file):
        yield from message.field


def _references(file: FileDescriptorProto) -> Iterator[str]:
    for field in _fields_of(file):
        yield field.type_name
        yield field.extendee
    for service in file.service:
        for method in service.method:
            yield method.input_type
            yield method.output_type


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
