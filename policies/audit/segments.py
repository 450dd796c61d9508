"""Segments: the files that the audit log consists of, written by one thread and readable by anybody.

A segment is begun at every start and when one has grown large. Its first line names the calls that were open then, so
that one segment tells which calls never ended. A line counts once it is whole and synced: whatever a crash or a full
disk left behind it is cut off before anything is written after it.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import cast

import orjson

from policies.audit.entry import Entry, as_json

_NAME = re.compile(r"audit-(?P<day>\d{8})-(?P<number>\d{6})\.jsonl")


def segments(folder: Path) -> list[Path]:
    """All segments, the oldest first."""
    return sorted(path for path in folder.glob("audit-*.jsonl") if _NAME.fullmatch(path.name))


def read_entries(folder: Path) -> Iterator[Entry]:
    """Every entry of every segment, in order; a last line that is not whole, after a crash, is no entry.

    Raises:
        ValueError: a line is not JSON; the message names file and line.
    """
    for path in segments(folder):
        for number, line in enumerate(_whole_lines(path), start=1):
            try:
                yield cast("Entry", orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise ValueError(f"{path.name}:{number}: {error}") from None


def _whole_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


class Segments:
    """The growing end of the log. Used by one thread at a time; `begin` and `append` raise OSError."""

    def __init__(self, folder: Path, *, largest: int) -> None:
        self._folder = folder
        self._largest = largest
        self._file = -1
        self._size = 0  # of what is durable, and where the next line goes
        self._seq = 1
        self._unclean = False
        self._open: dict[str, None] = {}  # calls with a decision and no outcome yet

    def begin(self, now: datetime) -> None:
        """Find where an earlier run stopped, begin a segment, and close the calls that run left open."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if existing := segments(self._folder):
            self._resume(existing[-1])
        self._begin_segment(now)
        unknown: Entry = {"kind": "outcome", "time": now, "outcome": "unknown"}
        self.append([{**unknown, "call": call} for call in self._open], now)

    def append(self, entries: Sequence[Entry], now: datetime) -> None:
        """Write entries and make them durable; after an error none of them is there."""
        if self._unclean:
            self._clean(now)
        elif self._size >= self._largest or os.fstat(self._file).st_nlink == 0:  # somebody deleted the file
            self._begin_segment(now)
        self._unclean = True
        lines = self._lines(entries)
        _write_durably(self._file, lines, self._size)
        self._unclean = False
        self._advance(entries, len(lines))

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _resume(self, path: Path) -> None:
        """Learn from the last segment which number is next and which calls are open; cut off what is not whole."""
        whole = 0
        for line in _whole_lines(path):
            whole += len(line)
            with suppress(orjson.JSONDecodeError, KeyError):  # no reason not to start: whoever reads it will be told
                entry = cast("Entry", orjson.loads(line))
                self._note(entry)
                self._seq = cast("int", entry["seq"]) + 1
        if whole < path.stat().st_size:
            os.truncate(path, whole)

    def _begin_segment(self, now: datetime) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / self._next_name(now)
        head: list[Entry] = [{"kind": "segment", "time": now, "open": list(self._open)}]
        lines = self._lines(head)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_durably(file, lines, 0)
            _sync_folder(self._folder)
        except OSError:
            os.close(file)
            with suppress(OSError):
                path.unlink()
            raise
        self.close()
        self._file, self._size, self._unclean = file, 0, False
        self._advance(head, len(lines))

    def _next_name(self, now: datetime) -> str:
        """A name that sorts after all others, whatever the clock says."""
        day, number = f"{now:%Y%m%d}", 1
        if (existing := segments(self._folder)) and (last := _NAME.fullmatch(existing[-1].name)) and last["day"] >= day:
            day, number = last["day"], int(last["number"]) + 1
        return f"audit-{day}-{number:06}.jsonl"

    def _clean(self, now: datetime) -> None:
        """After an error: cut the segment to what was durable, or go on in a new one where it is beyond reach."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._begin_segment(now)

    def _lines(self, entries: Sequence[Entry]) -> bytes:
        return b"".join(as_json({"seq": seq, **entry}) + b"\n" for seq, entry in enumerate(entries, start=self._seq))

    def _advance(self, entries: Sequence[Entry], size: int) -> None:
        self._size += size
        self._seq += len(entries)
        for entry in entries:
            self._note(entry)

    def _note(self, entry: Entry) -> None:
        """Keep account of the open calls."""
        kind = entry["kind"]
        if kind == "decision":
            self._open[entry["call"]] = None
        elif kind == "outcome":
            self._open.pop(entry["call"], None)
        elif kind == "segment":
            self._open = dict.fromkeys(cast("list[str]", entry["open"]))


def _write_durably(file: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written
    os.fdatasync(file)


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file durable too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
