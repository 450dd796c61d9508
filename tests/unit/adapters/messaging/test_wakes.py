"""Wakes: who is told what, and how often. The fabric under it is the one within a process."""

import asyncio
from collections import Counter

import orjson
import pytest

from adapters.messaging.engine import Stir
from adapters.messaging.fabric import SHARDS, InProcessFabric, Listener, NoFabric, Stop, Wakes, shard_of
from registry.model import AgentName, ConversationId

ECHO, SCOUT = AgentName("echo"), AgentName("scout")
LONG = 60.0
"""Seconds after which a test would have failed anyway."""


class Recorded(InProcessFabric):
    """A fabric that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, bytes]] = []
        self.heard: Counter[str] = Counter()

    def tell(self, topic: str, payload: bytes) -> None:
        self.told.append((topic, payload))
        super().tell(topic, payload)

    def hear(self, topic: str, listener: Listener) -> Stop:
        self.heard[topic] += 1
        stop = super().hear(topic, listener)

        def stopped() -> None:
            self.heard[topic] -= 1
            stop()

        return stopped


@pytest.fixture
def fabric() -> Recorded:
    return Recorded()


@pytest.fixture
def here(fabric: Recorded) -> Wakes:
    return Wakes(fabric, poll=LONG)


@pytest.fixture
def there(fabric: Recorded) -> Wakes:
    return Wakes(fabric, poll=LONG)


def grew(conversation: str, tail: int) -> Stir:
    return Stir(grown={ConversationId(conversation): tail})


def mail_for(*agents: AgentName) -> Stir:
    return Stir(ready=frozenset(agents))


async def until_told(fabric: Recorded, times: int) -> None:
    async with asyncio.timeout(5):
        while len(fabric.told) < times:
            await asyncio.sleep(0.001)


async def test_who_waits_in_the_same_process_is_woken_before_anybody_is_told(here: Wakes, fabric: Recorded) -> None:
    watch = here.watch(ConversationId("c"))
    waiting = watch.beyond(0)

    here.stirred(grew("c", 1))

    assert waiting.done()
    assert fabric.told == []


async def test_who_waits_in_another_process_is_told_a_moment_later(here: Wakes, there: Wakes) -> None:
    watch = there.watch(ConversationId("c"))
    waiting = watch.beyond(0)

    here.stirred(grew("c", 3))

    async with asyncio.timeout(5):
        await waiting
    assert watch.tail == 3


async def test_who_waits_for_what_comes_later_sleeps_on(here: Wakes) -> None:
    watch = here.watch(ConversationId("c"))
    first, later = watch.beyond(0), watch.beyond(4)

    here.stirred(grew("c", 4))

    assert first.done()
    assert not later.done()


async def test_ten_thousand_appends_are_not_ten_thousand_tells(here: Wakes, there: Wakes, fabric: Recorded) -> None:
    conversations = [ConversationId(f"conversation {number}") for number in range(1000)]
    watches = [there.watch(conversation) for conversation in conversations]

    for tail in range(1, 11):
        for conversation in conversations:
            here.stirred(Stir(grown={conversation: tail}, ready=frozenset({ECHO})))
    async with asyncio.timeout(5):
        while any(watch.tail < 10 for watch in watches):
            await asyncio.sleep(0.001)

    assert sorted(topic for topic, _ in fabric.told) == ["grown.all", "ready"]


async def test_what_goes_on_being_written_is_told_every_few_milliseconds(here: Wakes, fabric: Recorded) -> None:
    began = asyncio.get_running_loop().time()
    for tail in range(1, 200):
        here.stirred(grew("c", tail))
        await asyncio.sleep(0.0005)
    await until_told(fabric, 2)
    here.close()

    passed = asyncio.get_running_loop().time() - began
    assert len(fabric.told) <= passed / 0.005 + 2
    assert orjson.loads(fabric.told[-1][1][8:]) == {"c": 199}


async def test_very_many_conversations_at_once_are_told_in_pieces(here: Wakes, fabric: Recorded) -> None:
    here.stirred(Stir(grown={ConversationId(f"{number:0200}"): 1 for number in range(600_000)}))
    here.close()

    assert max(len(payload) for _, payload in fabric.told) < 1_000_000  # what a NATS server takes by default
    assert sum(len(orjson.loads(payload[8:])) for _, payload in fabric.told) == 600_000


async def test_mail_wakes_whoever_waits_for_that_agent_and_nobody_else(here: Wakes) -> None:
    await here.mail([ECHO, SCOUT], seconds=LONG)
    async with asyncio.TaskGroup() as tasks:
        echo = tasks.create_task(here.mail([ECHO], seconds=LONG))
        scout = tasks.create_task(here.mail([SCOUT], seconds=LONG))
        await asyncio.sleep(0)

        here.stirred(mail_for(ECHO))
        await asyncio.wait_for(echo, 5)
        assert not scout.done()
        here.stirred(mail_for(SCOUT))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await here.mail([ECHO, SCOUT], seconds=LONG)


async def test_who_asks_for_an_agent_for_the_first_time_is_sent_to_look(here: Wakes) -> None:
    async with asyncio.timeout(5):
        await here.mail([ECHO], seconds=LONG)
        await here.mail([ECHO, SCOUT], seconds=LONG)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await here.mail([ECHO, SCOUT], seconds=LONG)


async def test_mail_is_told_to_other_processes(here: Wakes, there: Wakes) -> None:
    await there.mail([ECHO], seconds=LONG)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        tasks.create_task(there.mail([ECHO], seconds=LONG))
        await asyncio.sleep(0)

        here.stirred(mail_for(ECHO))


async def test_mail_that_came_while_nobody_waited_lets_the_next_one_go_on_once(here: Wakes) -> None:
    await here.mail([ECHO, SCOUT], seconds=0)
    here.stirred(mail_for(ECHO))
    here.stirred(mail_for(ECHO))

    async with asyncio.timeout(5):
        await here.mail([ECHO, SCOUT], seconds=LONG)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await here.mail([ECHO], seconds=LONG)


async def test_five_thousand_agents_are_one_topic(here: Wakes, there: Wakes, fabric: Recorded) -> None:
    agents = frozenset(AgentName(f"agent {number}") for number in range(5000))
    await there.mail(agents, seconds=LONG)
    await there.mail([ECHO], seconds=LONG)
    assert fabric.heard == {"ready": 1}
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        tasks.create_task(there.mail(agents, seconds=LONG))
        await asyncio.sleep(0)

        here.stirred(mail_for(AgentName("agent 4711"), SCOUT))
    assert [(topic, sorted(orjson.loads(payload[8:]))) for topic, payload in fabric.told] == [
        ("ready", ["agent 4711", "scout"])
    ]


async def test_to_wait_for_the_same_agents_again_costs_nothing_more(here: Wakes) -> None:
    """As a dispatcher does; what five thousand of them cost, once or every time, shows in the time it takes."""
    agents = frozenset(AgentName(f"agent {number}") for number in range(200_000))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await here.mail(agents, seconds=0)
    once, began = loop.time() - began, loop.time()
    for _ in range(10):
        await here.mail(agents, seconds=0)
    assert loop.time() - began < max(5 * once, 0.05)


async def test_very_many_agents_with_mail_are_told_in_pieces(here: Wakes, there: Wakes, fabric: Recorded) -> None:
    agents = frozenset(AgentName(f"{number:0250}") for number in range(10_000))
    await there.mail(agents, seconds=0)
    here.stirred(mail_for(*agents))
    here.close()
    assert max(len(payload) for _, payload in fabric.told) < 1_000_000
    assert sum(len(orjson.loads(payload[8:])) for _, payload in fabric.told) == 10_000
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        for agent in sorted(agents)[::1000]:
            await there.mail([agent], seconds=LONG)


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"12345678", b'12345678{"echo":1}', b"12345678[1,null]", b"12345678[\xff"]
)
async def test_mail_that_makes_no_sense_is_not_heard(here: Wakes, fabric: Recorded, payload: bytes) -> None:
    await here.mail([ECHO], seconds=0)
    fabric.tell("ready", payload)
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await here.mail([ECHO], seconds=LONG)


async def test_mail_of_agents_that_nobody_here_waits_for_is_not_kept(here: Wakes) -> None:
    await here.mail([ECHO], seconds=0)
    here.stirred(mail_for(SCOUT))
    await here.mail([SCOUT], seconds=LONG)  # the first time one is sent to look anyway
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await here.mail([ECHO, SCOUT], seconds=LONG)


async def test_nobody_waits_for_mail_longer_than_the_poll_or_than_he_wants() -> None:
    impatient, patient = Wakes(NoFabric(), poll=0.01), Wakes(NoFabric(), poll=LONG)
    async with asyncio.timeout(5):
        for _ in range(3):
            await impatient.mail([ECHO], seconds=LONG)
            await patient.mail([ECHO], seconds=0.01)
            await impatient.mail([], seconds=LONG)


async def test_ones_own_tells_wake_nobody_a_second_time(here: Wakes, fabric: Recorded) -> None:
    await here.mail([ECHO], seconds=0)
    watch = here.watch(ConversationId("c"))
    here.stirred(Stir(grown={ConversationId("c"): 5}, ready=frozenset({ECHO})))
    await here.mail([ECHO], seconds=LONG)
    watch.tail = 0
    await until_told(fabric, 2)
    await asyncio.sleep(0)

    assert watch.tail == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await here.mail([ECHO], seconds=LONG)


@pytest.mark.parametrize("payload", [b"", b"x", b"12345678", b"12345678[1]", b'12345678{"c":"9"}', b"12345678{\xff"])
async def test_what_makes_no_sense_is_not_heard(here: Wakes, fabric: Recorded, payload: bytes) -> None:
    watch = here.watch(ConversationId("c"))
    fabric.tell(f"grown.{shard_of(ConversationId('c'))}", payload)
    await asyncio.sleep(0)

    assert watch.tail == 0


async def test_little_is_told_only_to_those_who_hear_its_shard(here: Wakes, fabric: Recorded) -> None:
    conversations = [ConversationId(f"{number}") for number in range(4)]
    here.stirred(Stir(grown=dict.fromkeys(conversations, 1)))
    here.close()

    assert {topic for topic, _ in fabric.told} == {f"grown.{shard_of(each)}" for each in conversations}


async def test_shards_are_heard_only_while_somebody_watches_in_them(here: Wakes, fabric: Recorded) -> None:
    first, second = here.watch(ConversationId("c")), here.watch(ConversationId("c"))
    assert first is second
    assert fabric.heard.total() == 2  # this shard, and what is told of all together

    del first
    assert len(here.watches()) == 1
    del second
    assert here.watches() == []
    assert fabric.heard.total() == 0


async def test_a_conversation_is_in_the_same_shard_everywhere() -> None:
    assert shard_of(ConversationId("conversation")) == 233
    assert {shard_of(ConversationId(f"{number}")) for number in range(10_000)} == set(range(SHARDS))


async def test_closing_tells_what_is_left_and_hears_no_more(here: Wakes, fabric: Recorded) -> None:
    await here.mail([ECHO], seconds=0)
    watch = here.watch(ConversationId("c"))
    here.stirred(grew("c", 1))

    here.close()

    assert len(fabric.told) == 1
    assert fabric.heard.total() == 0
    assert watch.tail == 1
