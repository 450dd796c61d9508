"""Calls of a traced program, and what they mean for the disk under one folder.

Everything that is to be known of a call is read while the program stands before it: names, positions, and the bytes
that are going to be written.
"""

import ctypes
import os
import stat
import struct
from pathlib import Path

from tests.crash.disk import Disk
from tests.crash.ptrace import call_of

_HERE = -100  # AT_FDCWD
_LEFT_OUT = (" (deleted)", "-shm", "postmaster.pid")
"""What a power cut leaves nothing of, or nothing that matters: SQLite's index is memory that happens to have a name."""


class Call:
    """One call of a traced program that is about to be carried out."""

    def __init__(self, pid: int, folder: str) -> None:
        self.name, self._arguments = call_of(pid)
        self._pid = pid
        self._folder = folder + "/"

    def tell(self, disk: Disk) -> None:
        """Tell the disk what it means, if it is about its folder."""
        match self.name:
            case "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2":
                self._write(disk)
            case "fsync" | "fdatasync":
                self._sync(disk)
            case "syncfs":
                disk.sync_all()
            case "ftruncate" | "fallocate" | "open" | "openat" | "truncate":
                self._size(disk)
            case "rename" | "renameat" | "renameat2" | "unlink" | "unlinkat":
                self._rename(disk)
            case _:
                self._refuse()

    def _write(self, disk: Disk) -> None:
        there = self._file(self._arguments[0])
        if there is None:
            return
        _, address, length, offset, *_ = self._arguments
        if self.name in ("write", "pwrite64"):
            data = self._memory(address, length)
        else:
            vector = self._memory(address, 16 * length)
            data = b"".join(self._memory(*struct.unpack_from("=QQ", vector, at)) for at in range(0, len(vector), 16))
        if self.name in ("write", "writev"):
            offset = self._position(self._arguments[0], there)
        disk.write(*there, offset, data)

    def _sync(self, disk: Disk) -> None:
        there = self._file(self._arguments[0])
        if there is not None:
            disk.sync(*there)
        elif self._inside(self._path_of(self._arguments[0])) is not None:
            disk.sync_names()

    def _size(self, disk: Disk) -> None:
        first, second, third, fourth = self._arguments[:4]
        if self.name in ("ftruncate", "fallocate"):
            there = self._file(first)
            if there is not None and self.name == "ftruncate":
                disk.size(*there, second)
            elif there is not None:
                disk.size(*there, max(third + fourth, (Path(self._folder) / there[0]).stat().st_size))
            return
        path = self._named(first, second) if self.name == "openat" else self._named(_HERE, first)
        if path is not None and (Path(self._folder) / path).is_file():
            inode = (Path(self._folder) / path).stat().st_ino
            disk.size(path, inode, second if self.name == "truncate" else 0)

    def _rename(self, disk: Disk) -> None:
        first, second, third, fourth = self._arguments[:4]
        at = self.name.endswith(("at", "at2"))
        path = self._named(first, second) if at else self._named(_HERE, first)
        if path is None or not (Path(self._folder) / path).is_file():
            return
        inode = (Path(self._folder) / path).stat().st_ino
        if self.name.startswith("unlink"):
            disk.remove(path, inode)
            return
        to = self._named(third, fourth) if at else self._named(_HERE, second)
        if to is None:
            raise RuntimeError(f"{path} leaves the folder; this disk cannot tell what is left of it then.")
        disk.rename(path, to, inode)

    def _refuse(self) -> None:
        """What this disk does not follow must not happen in its folder.

        Raises:
            RuntimeError: it does.
        """
        first, second, third = self._arguments[:3]
        match self.name:
            case "sendfile":
                is_ours = self._file(first) is not None
            case "copy_file_range":
                is_ours = self._file(third) is not None
            case "link":
                is_ours = self._named(_HERE, first) is not None
            case "linkat":
                is_ours = self._named(first, second) is not None
            case _:  # io_uring: whatever it is used for, it is not seen
                is_ours = True
        if is_ours:
            raise RuntimeError(f"{self.name} changes files in a way that this disk does not follow.")

    def _file(self, descriptor: int) -> tuple[str, int] | None:
        """The path of an open file in the folder, and its inode; None for everything else."""
        path = self._inside(self._path_of(descriptor))
        if path is None:
            return None
        there = Path(f"/proc/{self._pid}/fd/{descriptor}").stat()
        return (path, there.st_ino) if stat.S_ISREG(there.st_mode) else None

    def _path_of(self, descriptor: int) -> str:
        link = "cwd" if descriptor == _HERE else f"fd/{descriptor}"
        try:
            return str(Path(f"/proc/{self._pid}/{link}").readlink())
        except OSError:
            return ""

    def _named(self, descriptor: int, address: int) -> str | None:
        """The path that is named by an argument, if it is in the folder."""
        descriptor = ctypes.c_int(descriptor).value
        name = os.fsdecode(self._text(address))
        return self._inside(os.path.normpath(f"{'' if name.startswith('/') else self._path_of(descriptor)}/{name}"))

    def _inside(self, path: str) -> str | None:
        """A path as the disk knows it; None outside of it, and for what a power cut leaves nothing of."""
        if path + "/" == self._folder:
            return "."
        if not path.startswith(self._folder) or path.endswith(_LEFT_OUT):
            return None
        return path.removeprefix(self._folder)

    def _position(self, descriptor: int, there: tuple[str, int]) -> int:
        lines = Path(f"/proc/{self._pid}/fdinfo/{descriptor}").read_text().splitlines()
        told = dict(line.split(":", 1) for line in lines if ":" in line)
        if int(told["flags"], 8) & os.O_APPEND:
            return (Path(self._folder) / there[0]).stat().st_size
        return int(told["pos"])

    def _memory(self, address: int, length: int) -> bytes:
        if not length:
            return b""
        with Path(f"/proc/{self._pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(length)

    def _text(self, address: int) -> bytes:
        """A string that ends with a zero. It may lie close to the end of what can be read."""
        text = b""
        while b"\0" not in text:
            text += self._memory(address + len(text), 4096 - (address + len(text)) % 4096)
        return text.split(b"\0", 1)[0]
