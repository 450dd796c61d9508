"""Where declarations are written and what their comments say, by full name.

Read once from `source_code_info`; a descriptor set without it (reflection) simply has no comments and line 0. An enum
value is found under its enum's name (`pkg.Kind.ACTIVE`), not in protobuf's sibling scope.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
    SourceCodeInfo,
)

from registry.protoc.problems import Place

_Path = tuple[int, ...]
_Locations = Mapping[_Path, SourceCodeInfo.Location]

_DIRECTIVE = re.compile(
    r"\(?\s*(?:--\s*)?(?:buf:lint:|protolint:|api-linter:|clang-format\b|@exclude\b|nolint\b)", re.I
)
_LIST_ITEM = re.compile(r"(?:[-*+•]|\d+[.)])\s")


@dataclass(frozen=True, slots=True)
class _Declaration:
    """A full name, its path in its file (descriptor.proto, SourceCodeInfo.Location) and that of its options."""

    name: str
    path: _Path
    options: int = 0


class Sources:
    """The comments and places of everything declared in some files."""

    def __init__(self, files: Sequence[FileDescriptorProto]) -> None:
        self._declared: dict[str, tuple[str, _Declaration, _Locations]] = {}
        for file in files:
            locations = {tuple(location.path): location for location in file.source_code_info.location}
            for declaration in _declarations(file):
                self._declared[declaration.name] = (file.name, declaration, locations)

    def place(self, full_name: str, *, option: int = 0) -> Place:
        """Where a declaration is written, or the option of that number on it."""
        if full_name not in self._declared:
            return Place(full_name)
        file, declaration, locations = self._declared[full_name]
        location = locations.get((*declaration.path, declaration.options, option)) or locations.get(declaration.path)
        return Place(file, location.span[0] + 1 if location else 0)

    def comment(self, full_name: str) -> str:
        """What the comment before a declaration says, else the one after it; empty where there is none."""
        if full_name not in self._declared:
            return ""
        _, declaration, locations = self._declared[full_name]
        location = locations.get(declaration.path)
        if location is None:
            return ""
        return clean_comment(location.leading_comments) or clean_comment(location.trailing_comments)


def clean_comment(text: str) -> str:
    """A comment as prose: linters' directives dropped, wrapped lines joined, paragraphs and lists kept."""
    paragraphs: list[list[str]] = [[]]
    for raw in text.splitlines():
        line = raw.strip()
        if _DIRECTIVE.match(line):
            continue
        if not line:
            paragraphs.append([])
        elif _LIST_ITEM.match(line) or not paragraphs[-1]:
            paragraphs[-1].append(line)
        else:
            paragraphs[-1][-1] += f" {line}"
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def _declarations(file: FileDescriptorProto) -> Iterator[_Declaration]:
    scope = f"{file.package}." if file.package else ""
    for index, message in enumerate(file.message_type):
        yield from _in_message(message, scope, (4, index))
    for index, enum in enumerate(file.enum_type):
        yield from _in_enum(enum, scope, (5, index))
    for index, service in enumerate(file.service):
        yield from _in_service(service, scope, (6, index))
    yield from _fields(file.extension, scope, (7,))


def _in_message(message: DescriptorProto, scope: str, path: _Path) -> Iterator[_Declaration]:
    name = f"{scope}{message.name}"
    yield _Declaration(name, path, 7)
    yield from _fields(message.field, f"{name}.", (*path, 2))
    for index, nested in enumerate(message.nested_type):
        yield from _in_message(nested, f"{name}.", (*path, 3, index))
    for index, enum in enumerate(message.enum_type):
        yield from _in_enum(enum, f"{name}.", (*path, 4, index))
    for index, oneof in enumerate(message.oneof_decl):
        yield _Declaration(f"{name}.{oneof.name}", (*path, 8, index), 2)


def _in_enum(enum: EnumDescriptorProto, scope: str, path: _Path) -> Iterator[_Declaration]:
    name = f"{scope}{enum.name}"
    yield _Declaration(name, path, 3)
    for index, value in enumerate(enum.value):
        yield _Declaration(f"{name}.{value.name}", (*path, 2, index), 3)


def _in_service(service: ServiceDescriptorProto, scope: str, path: _Path) -> Iterator[_Declaration]:
    name = f"{scope}{service.name}"
    yield _Declaration(name, path, 3)
    for index, method in enumerate(service.method):
        yield _Declaration(f"{name}.{method.name}", (*path, 2, index), 4)


def _fields(fields: Sequence[FieldDescriptorProto], scope: str, path: _Path) -> Iterator[_Declaration]:
    for index, field in enumerate(fields):
        yield _Declaration(f"{scope}{field.name}", (*path, index), 8)
