"""A disk that forgets: what a folder would be after a power cut.

It is told of every write, sync and change of names in the folder, in their order, before each happens. What was written
to a file is safe once that file was synced; until then each block of it may be on the disk or not. Names change in
order, as on a journalling file system: they are safe once anything was synced, and until then some first ones of them
may be. That directories exist is taken as safe at once.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 4096
"""Bytes that reach the disk together or not at all."""

KEPT = (0.0, 0.0, 0.3, 0.7)
"""Shares of the unsynced blocks that a cut may leave behind."""


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes at a place."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Sized:
    """The file was cut off, or made longer."""

    length: int


@dataclass(slots=True, eq=False)
class File:
    """What is safe of a file, and what came after it. `content` is None while nobody has touched it."""

    content: bytearray | None = None
    pending: list[Written | Sized] = field(default_factory=list["Written | Sized"])


@dataclass(frozen=True, slots=True)
class Named:
    """A file has a name, or (None) a name is gone."""

    path: str
    file: File | None


class Disk:
    """The disk under one folder. Paths are relative to it; files are told apart by inode."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._safe: dict[str, File] = {}
        self._inodes: dict[int, File] = {}
        self._unsafe: list[tuple[Named, ...]] = []
        self.dropped = 0
        for path in _files(folder):
            file = File()
            self._safe[str(path.relative_to(folder))] = file
            self._inodes[path.stat().st_ino] = file

    def write(self, path: str, inode: int, offset: int, data: bytes) -> None:
        """Bytes are about to be written."""
        self._touched(path, inode).pending.append(Written(offset, data))

    def size(self, path: str, inode: int, length: int) -> None:
        """A file is about to get another length."""
        self._touched(path, inode).pending.append(Sized(length))

    def sync(self, path: str, inode: int) -> None:
        """A file is about to be synced: all that was written to it is safe, and every name so far."""
        _make_safe(self._inodes.get(inode) or self._touched(path, inode))
        self.sync_names()

    def sync_all(self) -> None:
        """Everything is about to be synced."""
        for file in self._inodes.values():
            _make_safe(file)
        self.sync_names()

    def sync_names(self) -> None:
        """A directory is about to be synced."""
        for together in self._unsafe:
            _rename(together, self._safe)
        self._unsafe.clear()

    def rename(self, path: str, to: str, inode: int) -> None:
        """A file is about to get another name; what had that name is gone."""
        file = self._touched(path, inode)
        self._load(to)
        self._unsafe.append((Named(path, None), Named(to, file)))

    def remove(self, path: str, inode: int) -> None:
        """A name is about to go. Its inode may come back as another file."""
        self._touched(path, inode)
        self._inodes.pop(inode, None)
        self._unsafe.append((Named(path, None),))

    def cut(self, into: Path, dice: random.Random) -> None:
        """Write down what is left after the power is gone: a folder, with owners and modes as they are."""
        share = dice.choice(KEPT)
        names = dict(self._safe)
        for together in self._unsafe[: dice.randint(0, len(self._unsafe))]:
            _rename(together, names)
        for path in [self._folder, *(each for each in self._folder.rglob("*") if each.is_dir())]:
            made = into / path.relative_to(self._folder)
            made.mkdir(parents=True, exist_ok=True)
            _as(path, made)
        for name, file in names.items():
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.content is None:
                target.hardlink_to(self._folder / name)  # nobody has touched it
                continue
            target.write_bytes(self._left_of(file.content, file.pending, share, dice))
            _as(self._folder, target)
            target.chmod(0o600)

    def _left_of(self, content: bytearray, pending: list[Written | Sized], share: float, dice: random.Random) -> bytes:
        left = bytearray(content)
        for step in pending:
            for part in _blocks(step):
                if dice.random() < share:
                    _carry_out(part, left)
                else:
                    self.dropped += 1
        return bytes(left)

    def _touched(self, path: str, inode: int) -> File:
        """A file, with what is safe of it at hand; one that nobody knows is new, and empty as far as is safe."""
        file = self._inodes.get(inode)
        if file is None:
            file = self._inodes[inode] = File(content=bytearray())
            self._unsafe.append((Named(path, file),))
        if file.content is None:
            file.content = bytearray((self._folder / path).read_bytes())
        return file

    def _load(self, path: str) -> None:
        """What has this name goes away; should that be forgotten, it has to be known."""
        there = self._folder / path
        if there.is_file():
            self._touched(path, there.stat().st_ino)
            self._inodes.pop(there.stat().st_ino, None)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _rename(together: tuple[Named, ...], names: dict[str, File]) -> None:
    for named in together:
        if named.file is None:
            names.pop(named.path, None)
        else:
            names[named.path] = named.file


def _make_safe(file: File) -> None:
    if file.content is not None:
        for step in file.pending:
            _carry_out(step, file.content)
        file.pending.clear()


def _carry_out(step: Written | Sized, content: bytearray) -> None:
    if isinstance(step, Sized):
        del content[step.length :]
        content.extend(bytes(step.length - len(content)))
        return
    content.extend(bytes(max(0, step.offset - len(content))))
    content[step.offset : step.offset + len(step.data)] = step.data


def _blocks(step: Written | Sized) -> Iterator[Written | Sized]:
    """A step in the pieces that the disk keeps or loses."""
    if isinstance(step, Sized):
        yield step
        return
    start = 0
    while start < len(step.data):
        room = BLOCK - (step.offset + start) % BLOCK
        yield Written(step.offset + start, step.data[start : start + room])
        start += room


def _as(model: Path, path: Path) -> None:
    """Give a file the owner, and a folder the mode as well, of another one."""
    there = model.stat()
    os.chown(path, there.st_uid, there.st_gid)
    if path.is_dir():
        path.chmod(there.st_mode & 0o7777)
