"""The disk that forgets keeps what was synced, and no more than was written."""

import random
from pathlib import Path

import pytest

from tests.crash.disk import BLOCK, KEPT, Disk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "old").write_bytes(b"as it was")
    return made


def left_of(disk: Disk, folder: Path, seed: int = 0) -> dict[str, bytes]:
    """What each file is after a cut."""
    into = folder.with_name(f"after-{seed}")
    disk.cut(into, random.Random(seed))
    return {path.name: path.read_bytes() for path in into.iterdir()}


def test_what_nobody_touched_stays(folder: Path) -> None:
    assert left_of(Disk(folder), folder) == {"old": b"as it was"}


def test_what_was_synced_stays_however_it_came_there(folder: Path) -> None:
    disk = Disk(folder)
    disk.write("new", 1, 0, b"one two")
    disk.write("new", 1, 4, b"three")
    disk.size("new", 1, 8)
    disk.sync("new", 1)

    assert all(left_of(disk, folder, seed)["new"] == b"one thre" for seed in range(20))


def test_what_was_not_synced_is_lost_block_by_block(folder: Path) -> None:
    disk = Disk(folder)
    inode = (folder / "old").stat().st_ino
    disk.write("old", inode, 0, b"A" * BLOCK + b"B" * BLOCK)
    lefts = {left_of(disk, folder, seed)["old"] for seed in range(40)}

    assert b"as it was" in lefts
    assert b"A" * BLOCK in lefts
    assert b"as it was".ljust(BLOCK, b"\0") + b"B" * BLOCK in lefts


def test_a_rename_happens_or_not_and_is_safe_once_anything_was_synced(folder: Path) -> None:
    disk = Disk(folder)
    inode = (folder / "old").stat().st_ino
    disk.rename("old", "renamed", inode)
    before = {tuple(left_of(disk, folder, seed)) for seed in range(20)}
    disk.sync("else", 2)

    assert before == {("old",), ("renamed",)}
    assert "renamed" in left_of(disk, folder, 99)


def test_a_removed_file_may_come_back_until_something_was_synced(folder: Path) -> None:
    disk = Disk(folder)
    inode = (folder / "old").stat().st_ino
    disk.remove("old", inode)
    (folder / "old").unlink()
    disk.write("other", inode, 0, b"the same inode")
    lefts = [left_of(disk, folder, seed) for seed in range(20)]

    assert {"old": b"as it was"} in lefts
    assert {"other": b""} in [{name: body for name, body in left.items() if name == "other"} for left in lefts]


def test_a_cut_loses_something_in_most_cases() -> None:
    assert max(KEPT) < 1
