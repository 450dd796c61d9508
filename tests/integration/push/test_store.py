"""The store of channels, on both engines: who may claim what, and that a lost claim settles nothing."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.messaging.errors import Fenced, LogUnavailable
from adapters.messaging.fabric import InProcessFabric
from adapters.messaging.opening import OpenLog, open_log
from adapters.push.channels import LEASE_SECONDS, Channel, InHand, Shares, advanced, failed, rested
from adapters.push.database import open_database
from adapters.push.store import LOOKED_AFTER, ChannelStore, Claim
from registry.model import AgentName, BadRequest, ConversationId, Refused, TurnId, new_turn_id
from tests.support.identity import NOW, FakeClock
from tests.support.logs import OPENING, new_conversation, said
from tests.support.postgres import PostgresServer
from tests.support.postgres_logs import until_available
from tests.support.push import pushing, receiver, say, start, told_at
from tests.support.until import until

NOTHING = InHand(places={}, owners={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A log, and two gateways' views of the channels in it."""

    opened: OpenLog
    here: ChannelStore
    there: ChannelStore

    async def conversation(self, *, tail: int = 1) -> ConversationId:
        conversation = new_conversation()
        await self.opened.log.append(conversation, [said(f"{n}") for n in range(tail)], opening=OPENING)
        return conversation

    async def channel(
        self,
        id: str = "hook",  # noqa: A002  the word of the field
        *,
        of: ConversationId | None = None,
        place: str = "p",
        owner: str = "o",
        at: float = NOW,
    ) -> Channel:
        """A channel that was put, of a turn of its own."""
        return await self.here.put(
            Channel(
                turn=new_turn_id(),
                id=id,
                conversation=of or await self.conversation(),
                agent=AgentName("echo"),
                owner=owner,
                context="theirs",
                place=place,
                sealed=b"\x00sealed",
                cursor=0,
                created_at=at,
                ready_at=at,
                looked_at=at,
            )
        )


@pytest.fixture
async def room(url: str) -> AsyncGenerator[Room]:
    async with (
        open_log(url, fabric=InProcessFabric()) as opened,
        open_database(url) as here,
        open_database(url) as there,
    ):
        yield Room(opened=opened, here=ChannelStore(here), there=ChannelStore(there))


def claim(holder: str = "here", *, now: float = NOW, shares: Shares | None = None, in_hand: InHand = NOTHING) -> Claim:
    return Claim(holder=holder, now=now, in_hand=in_hand, shares=shares or Shares())


async def test_what_was_put_is_found_as_it_was(room: Room) -> None:
    channel = await room.channel()
    assert await room.there.get(channel.turn, "hook") == channel
    assert await room.there.get(channel.turn, "other") is None
    assert await room.there.of_turn(TurnId("other")) == []
    await room.there.delete(channel.turn, "hook")
    await room.here.delete(channel.turn, "hook")
    assert await room.here.of_turn(channel.turn) == []


async def test_a_channel_behind_which_nothing_was_said_is_not_claimed(room: Room) -> None:
    conversation = await room.conversation(tail=3)
    channel = await room.channel(of=conversation)
    (held,) = await room.here.claim(claim())
    await room.here.settle(held, rested(held, cursor=3, now=NOW))
    assert await room.here.claim(claim()) == []
    await room.opened.log.append(conversation, [said("more")])
    (again,) = await room.here.claim(claim())
    assert (again.id, again.turn, again.cursor) == (channel.id, channel.turn, 3)


async def test_one_that_nobody_looked_at_for_an_hour_is_looked_at(room: Room) -> None:
    channel = await room.channel(of=ConversationId("never begun"))
    assert await room.here.claim(claim(now=NOW + LOOKED_AFTER - 1)) == []
    (held,) = await room.here.claim(claim(now=NOW + LOOKED_AFTER))
    assert held.turn == channel.turn


async def test_one_gateway_has_it_until_the_lease_ends(room: Room) -> None:
    await room.channel()
    (held,) = await room.here.claim(claim("here"))
    assert await room.there.claim(claim("there", now=NOW + LEASE_SECONDS - 0.1)) == []
    (taken,) = await room.there.claim(claim("there", now=NOW + LEASE_SECONDS))
    assert taken.fence > held.fence

    for after in (advanced(held, cursor=1, now=NOW), failed(held, error="", now=NOW), None):
        with pytest.raises(Fenced):
            await room.here.settle(held, after)
    await room.there.settle(taken, advanced(taken, cursor=1, now=NOW))
    assert (await room.here.of_turn(held.turn))[0].cursor == 1


async def test_a_lease_that_ended_counts_until_somebody_else_claims(room: Room) -> None:
    await room.channel()
    (held,) = await room.here.claim(claim())
    await room.here.settle(held, None)
    assert await room.here.of_turn(held.turn) == []
    with pytest.raises(Fenced):
        await room.here.settle(held, None)


async def test_replacing_a_channel_fences_who_has_it_and_keeps_what_was_told(room: Room) -> None:
    channel = await room.channel()
    (held,) = await room.here.claim(claim())
    await room.here.settle(held, advanced(held, cursor=1, now=NOW))
    new = await room.there.put(replace(channel, sealed=b"other", place="other", cursor=0))
    assert (new.cursor, new.sealed, new.holder) == (1, b"other", "")
    with pytest.raises(Fenced):
        await room.here.settle(held, None)
    assert await room.here.of_turn(channel.turn) == [new]


async def test_a_turn_has_ten_webhooks_at_most_also_if_all_are_named_at_once(room: Room) -> None:
    channel = await room.channel("0")
    stores = (room.here, room.there)
    named = await asyncio.gather(
        *(stores[n % 2].put(replace(channel, id=str(n))) for n in range(1, 16)), return_exceptions=True
    )
    refused = [error for error in named if isinstance(error, BaseException)]
    assert {type(error) for error in refused} == {Refused}
    assert (len(refused), len(await room.here.of_turn(channel.turn))) == (6, 10)
    last = (await room.here.of_turn(channel.turn))[-1]
    await room.here.put(replace(last, sealed=b"replaced"))


async def test_gateways_that_claim_at_once_share_and_none_gets_what_another_has(room: Room) -> None:
    conversation = await room.conversation()
    channels = [await room.channel(of=conversation, place=f"p{n}", owner=f"o{n}") for n in range(40)]
    claimed: list[Channel] = []
    while len(claimed) < len(channels):
        few = Shares(total=7)
        both = await asyncio.gather(
            room.here.claim(claim("here", shares=few)), room.there.claim(claim("there", shares=few))
        )
        claimed += [*both[0], *both[1]]
        assert any(both)
    assert len({channel.turn for channel in claimed}) == len(claimed) == 40


async def test_places_and_owners_get_their_shares_and_those_who_wait_longest_are_first(room: Room) -> None:
    conversation = await room.conversation()
    for n in range(20):
        await room.channel(of=conversation, place="slow", owner="greedy", at=NOW - 100 + n)
    other = await room.channel(of=conversation, place="slow", owner="modest", at=NOW - 2)
    last = await room.channel(of=conversation, place="quick", owner="greedy", at=NOW - 1)
    shares = Shares(total=10, place=4, owner=3)

    first = await room.here.claim(claim(shares=shares))
    assert [channel.ready_at for channel in first] == [NOW + LEASE_SECONDS] * len(first)
    assert sorted(channel.owner for channel in first) == ["greedy"] * 3 + ["modest"]
    assert other.turn in {channel.turn for channel in first}
    assert await room.here.claim(claim(shares=shares, in_hand=InHand.of(first))) == []

    in_hand = InHand(places={"slow": 4}, owners={"greedy": 2})
    assert [channel.turn for channel in await room.here.claim(claim(shares=shares, in_hand=in_hand))] == [last.turn]


async def test_a_place_where_many_owners_wait_does_not_stand_in_front_of_others(room: Room) -> None:
    conversation = await room.conversation()
    for n in range(30):
        await room.channel(of=conversation, place="slow", owner=f"owner {n}", at=NOW - 100 + n)
    late = await room.channel(of=conversation, place="quick", owner="late", at=NOW)

    claimed = await room.here.claim(claim(shares=Shares(total=10, place=4, owner=3)))
    assert sorted(channel.place for channel in claimed) == ["quick"] + ["slow"] * 4
    assert claimed[-1].turn == late.turn


async def test_at_one_place_the_first_of_each_owner_comes_before_the_second_of_any(room: Room) -> None:
    conversation = await room.conversation()
    for owner, waits in (("greedy", 50), ("greedy", 40), ("greedy", 30), ("modest", 20), ("late", 10)):
        await room.channel(of=conversation, place="shared", owner=owner, at=NOW - waits)

    claimed = await room.here.claim(claim(shares=Shares(total=10, place=3, owner=3)))
    assert [channel.owner for channel in claimed] == ["greedy", "modest", "late"]


async def test_a_claim_may_be_restricted_to_some_conversations(room: Room) -> None:
    one, other = await room.channel(), await room.channel()
    (held,) = await room.here.claim(replace(claim(), among=[one.conversation]))
    assert held.turn == one.turn
    assert await room.here.claim(replace(claim(), among=[])) == []
    (rest,) = await room.here.claim(claim())
    assert rest.turn == other.turn


async def test_what_is_given_back_may_be_claimed_at_once(room: Room) -> None:
    await room.channel()
    await room.channel()
    assert len(await room.here.claim(claim("here"))) == 2
    await room.here.release("somebody else", now=NOW)
    assert await room.there.claim(claim("there")) == []
    await room.here.release("here", now=NOW)
    assert len(await room.there.claim(claim("there"))) == 2


async def test_a_log_of_another_engine_has_no_channels() -> None:
    with pytest.raises(BadRequest, match="use sqlite"):
        async with open_database("mysql://somewhere"):
            pass


async def test_a_database_that_is_away_is_said_to_be(tmp_path: object) -> None:
    for url in (f"sqlite:///{tmp_path}/nothing/log.db", "postgresql://postgres@127.0.0.1:1/log"):
        async with open_database(url) as database:
            with pytest.raises(LogUnavailable):
                await ChannelStore(database).of_turn(TurnId("turn"))


def passes(clock: FakeClock) -> bool:
    """Let time go on: what was claimed, and could not be settled while the database was away, waits for its lease."""
    clock.advance(0.1)
    return True


async def test_a_file_that_is_moved_away_is_not_written_and_once_it_is_back_everything_goes_on(
    tmp_path: Path, clock: FakeClock
) -> None:
    url, path = f"sqlite:///{tmp_path / 'log.db'}", tmp_path / "log.db"
    async with pushing(url, clock=clock) as gateway, receiver() as webhook:
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url())
        await say(gateway, turn, "one")
        await until(lambda: webhook.said == ["one"])
        path.rename(tmp_path / "elsewhere.db")
        with pytest.raises(LogUnavailable):
            await told_at(gateway, turn, webhook.url(), id="other")
        (tmp_path / "elsewhere.db").rename(path)
        await told_at(gateway, turn, webhook.url(), id="other")
        await say(gateway, turn, "two")
        await until(lambda: passes(clock) and sorted(webhook.each_once()) == ["one", "one", "two", "two"])


async def test_a_database_that_was_restarted_is_found_again(clock: FakeClock) -> None:
    server = PostgresServer()
    server.start()
    try:
        url = await server.create_database()
        async with pushing(url, clock=clock) as gateway, receiver() as webhook:
            turn = await start(gateway)
            await told_at(gateway, turn, webhook.url())
            await say(gateway, turn, "one")
            await until(lambda: webhook.said == ["one"])
            server.kill()
            with pytest.raises(LogUnavailable):
                await told_at(gateway, turn, webhook.url(), id="other")
            server.start()
            await until_available(lambda: say(gateway, turn, "two"))
            await until(lambda: passes(clock) and webhook.each_once() == ["one", "two"])
    finally:
        server.stop()
