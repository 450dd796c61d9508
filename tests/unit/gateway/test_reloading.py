"""What comes into force together: policies and directory, or neither; and a publish in between loses nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import overload

import pytest

from gateway.live import InForce, Live
from gateway.publishing import Grounds, Judges, Reloading
from gateway.sight import Sight
from policies.identity.directory import Directory, Listed
from policies.identity.tokens import Verified
from policies.load import PolicyProblems, PolicySource
from registry.model import BadRequest, Principal, PrincipalKind, SkillId
from tests.support.policies import ISSUER, catalog, skill

OPEN = [PolicySource("tests.cedar", '@id("all") permit (principal, action in Action::"use", resource);')]
CLOSED = [PolicySource("tests.cedar", '@id("none") forbid (principal, action in Action::"use", resource);')]
MISTAKEN = [PolicySource("tests.cedar", "permit (principal, action, resourc);")]
PEOPLE, ADA_GONE = (Directory(persons={"ada": Listed(name="ada", disabled=disabled)}) for disabled in (False, True))
FIRST, SECOND = (catalog([skill("candidates.search")], version=version) for version in (1, 2))
SEARCH = SkillId("candidates.search")
ADA = Verified(
    principal=Principal(kind=PrincipalKind.PERSON, issuer=ISSUER, subject="ada", name="ada"),
    scopes=frozenset(),
    groups=frozenset(),
    client_id="cli",
    expires_at=0.0,
)


class Slow(Sequence[PolicySource]):
    """Policies that take so long to judge by that something is published meanwhile."""

    def __init__(self, sources: Sequence[PolicySource], publish: Callable[[], None]) -> None:
        self._sources = sources
        self._publish = publish

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> PolicySource: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PolicySource]: ...
    def __getitem__(self, index: int | slice) -> PolicySource | Sequence[PolicySource]:
        self._publish()
        return self._sources[index]


class Room:
    """What is in force, and what would be read on a reload."""

    def __init__(self) -> None:
        self.on_disk = Grounds(OPEN, PEOPLE)
        self.judges = Judges(self.on_disk)
        self.live = Live(self.judges.in_force(FIRST))
        self.sight = Sight(live=self.live, environment="test")
        self.reload = Reloading(self._read, judges=self.judges, live=self.live).reload
        self.meanwhile: list[InForce] = []
        self._loop = asyncio.get_running_loop()

    @property
    def sees(self) -> bool:
        return self.sight.sees_skill(ADA, SEARCH)

    def _read(self) -> Grounds:
        return replace(self.on_disk, sources=Slow(self.on_disk.sources, self._publish))

    def _publish(self) -> None:
        while self.meanwhile:
            asyncio.run_coroutine_threadsafe(self.live.swap(self.meanwhile.pop()), self._loop).result()


async def test_policies_and_directory_come_into_force_together() -> None:
    room, told = Room(), list[tuple[Directory, str]]()
    assert room.sees

    async def listener() -> None:
        told.append((room.live.directory(), room.live.current().judge.version))

    room.live.when_changed(listener)
    room.on_disk = Grounds(OPEN, ADA_GONE)
    await room.reload()
    assert not room.sees
    assert told == [(ADA_GONE, room.live.current().judge.version)]

    room.on_disk = Grounds(OPEN, PEOPLE)
    await room.reload()
    assert room.sees


async def test_a_mistake_in_either_leaves_both_in_force() -> None:
    room = Room()
    before = room.live.current()
    room.on_disk = Grounds(MISTAKEN, ADA_GONE)
    with pytest.raises(PolicyProblems, match=r"tests\.cedar"):
        await room.reload()
    assert room.live.current() is before
    assert room.judges.in_force(SECOND).directory is PEOPLE

    def unreadable() -> Grounds:
        raise BadRequest("directory.toml: [persons.ada]: disabled: expected true or false")

    with pytest.raises(BadRequest, match=r"directory\.toml"):
        await Reloading(unreadable, judges=room.judges, live=room.live).reload()
    assert room.live.current() is before


async def test_what_is_published_later_is_judged_by_what_was_reloaded() -> None:
    room = Room()
    room.on_disk = Grounds(CLOSED, ADA_GONE)
    await room.reload()
    following = room.judges.in_force(SECOND)
    assert following.directory is ADA_GONE
    assert await room.live.swap(following)
    assert not room.sees


async def test_a_publish_that_was_judged_before_a_reload_does_not_undo_it() -> None:
    room = Room()
    overtaken = room.judges.in_force(SECOND)
    room.on_disk = Grounds(OPEN, ADA_GONE)
    await room.reload()
    assert not await room.live.swap(overtaken)
    assert not room.sees
    assert await room.live.swap(room.judges.in_force(SECOND))
    assert not room.sees


async def test_a_reload_is_of_the_catalog_that_was_published_meanwhile() -> None:
    room = Room()
    room.meanwhile.append(room.judges.in_force(SECOND))
    room.on_disk = Grounds(OPEN, ADA_GONE)
    await room.reload()
    now = room.live.current()
    assert (now.catalog, now.directory) == (SECOND, ADA_GONE)


async def test_two_reloads_at_once_end_with_what_is_on_disk() -> None:
    room = Room()
    room.on_disk = Grounds(OPEN, ADA_GONE)
    await asyncio.gather(room.reload(), room.reload(), room.reload())
    assert room.live.current().edition == 3
    assert room.live.directory() is ADA_GONE


async def test_an_older_catalog_never_comes_back() -> None:
    room = Room()
    older = room.live.current()
    assert await room.live.swap(replace(older, catalog=SECOND))
    assert not await room.live.swap(older)
    assert room.live.current().catalog is SECOND


async def test_who_is_slow_or_fails_keeps_nobody_from_being_told() -> None:
    room, told, slow = Room(), asyncio.Event(), asyncio.Event()

    async def dawdles() -> None:
        await slow.wait()

    async def fails() -> None:
        raise RuntimeError("a listener's own trouble")

    async def notes() -> None:
        told.set()

    for listener in (dawdles, fails, notes):
        room.live.when_changed(listener)
    swapping = asyncio.ensure_future(room.live.swap(replace(room.live.current(), edition=1)))
    await asyncio.wait_for(told.wait(), 2)
    slow.set()
    with pytest.raises(RuntimeError, match="own trouble"):
        await swapping
