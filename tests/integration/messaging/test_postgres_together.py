"""Several processes on one PostgreSQL: here several engines, none of which knows of the others."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from adapters.messaging.messages import New, To, TurnRef
from adapters.messaging.outcomes import Delivery, Done, Lease, Reply
from adapters.messaging.plan import Appended
from adapters.messaging.postgres.connections import connect
from registry.model import AgentName, ConversationId, new_turn_id
from tests.support.logs import ECHO, OPENING, SCOUT, new_conversation, said
from tests.support.postgres_logs import PostgresLog, log_at, look


@asynccontextmanager
async def _logs_at(url: str, count: int) -> AsyncGenerator[list[PostgresLog]]:
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(log_at(url)) for _ in range(count)]


async def _say(opened: PostgresLog, conversation: ConversationId, new: New) -> Appended:
    return await opened.log.append(conversation, [new], opening=OPENING)


async def test_two_who_open_the_same_conversation_at_once_share_it(database: str) -> None:
    async with _logs_at(database, 2) as logs:
        for _ in range(20):
            conversation = new_conversation()
            appended = await asyncio.gather(
                *(
                    _say(opened, conversation, said(f"{which} {n}"))
                    for which, opened in enumerate(logs)
                    for n in range(5)
                )
            )
            assert sorted(each.seq for each in appended) == list(range(1, 11))


async def test_the_same_first_message_through_two_processes_is_said_once(database: str) -> None:
    async with _logs_at(database, 2) as logs:
        for _ in range(20):
            conversation, new = new_conversation(), said("hello", to=ECHO)
            appended = await asyncio.gather(*(_say(opened, conversation, new) for opened in logs))
            assert [each.seq for each in appended] == [1, 1]
            assert sorted(each.duplicate for each in appended) == [False, True]


async def test_a_conversation_whose_opening_was_refused_does_not_exist(database: str) -> None:
    async with log_at(database) as opened:
        conversation = new_conversation()
        results = await asyncio.gather(
            opened.log.append(conversation, [said("one", id="a"), said("two", id="a")], opening=OPENING),
            _say(opened, new_conversation(), said("another")),
            return_exceptions=True,
        )
        assert [isinstance(each, Exception) for each in results] == [True, False]
        assert await opened.engine.rows.conversations(ids=[conversation]) == []


async def test_messages_of_one_conversation_keep_the_order_in_which_one_process_gave_them(database: str) -> None:
    conversations = [new_conversation() for _ in range(3)]
    async with log_at(database) as opened:
        asked = [
            (conversation, number, asyncio.ensure_future(_say(opened, conversation, said(f"{number}"))))
            for number in range(600)
            for conversation in conversations
        ]
        for _, number, task in asked:
            assert (await task).seq == number + 1


async def test_transactions_that_cross_never_wait_for_each_other_for_ever(database: str) -> None:
    """Every append is to two agents; the conversations are the same in all batches, and in every possible order."""
    conversations = [new_conversation() for _ in range(30)]
    async with _logs_at(database, 3) as logs:

        async def write(opened: PostgresLog, which: int) -> None:
            order = random.Random(which)
            for number in range(20):
                some = order.sample(conversations, 15)
                news = [(each, said(f"{which} {number}", to=[ECHO, SCOUT])) for each in some]
                await asyncio.gather(*(_say(opened, each, new) for each, new in news))

        async def deliver(opened: PostgresLog) -> None:
            for _ in range(40):
                deliveries = await opened.log.claim([ECHO, SCOUT], limit=20, lease=Lease(owner="here", seconds=30))
                await asyncio.gather(*(opened.log.settle(each, Done()) for each in deliveries))

        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            for which in range(6):
                tasks.create_task(write(logs[which % 3], which))
            for opened in logs:
                tasks.create_task(deliver(opened))
    [(deadlocks,)] = await look(database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks == 0
    for _, tail, messages in await look(database, _TAILS):
        assert tail == messages


_TAILS = (
    """SELECT c.id, c.tail, (SELECT count(*) FROM message AS m WHERE m.conversation = c.id) FROM conversation AS c"""
)


async def test_what_is_in_a_conversation_that_one_does_not_have_is_not_locked(database: str) -> None:
    """Somebody opens one while we wait for another: we leave its mailbox to whoever has it, and try once more."""
    opened_meanwhile, known = ConversationId(f"1{new_conversation()}"), ConversationId(f"2{new_conversation()}")
    async with _logs_at(database, 2) as (here, there):
        await _say(here, known, said("0", to=ECHO))
        async with _locked(database, "SELECT FROM mailbox FOR UPDATE"):
            async with _locked(database, "SELECT FROM conversation FOR UPDATE"):
                ours = asyncio.gather(*(_say(here, each, said("1", to=ECHO)) for each in (opened_meanwhile, known)))
                await _until_waiting(database, "conversation")
                await _say(there, opened_meanwhile, said("0", to=ECHO))
            await _until_waiting(database, "mailbox")
            free = f"SELECT FROM mailbox WHERE conversation = '{opened_meanwhile}' FOR UPDATE NOWAIT"
            assert len(await look(database, free)) == 1
        assert [each.seq for each in await ours] == [2, 2]


async def test_who_claims_at_the_same_time_never_gets_the_same_mailbox(database: str) -> None:
    agents = [AgentName(f"agent-{number}") for number in range(5)]
    count = 400
    taken: list[Delivery] = []
    async with _logs_at(database, 4) as logs:
        await asyncio.gather(
            *(_say(logs[0], new_conversation(), said("hello", to=agents[number % 5])) for number in range(count))
        )

        async def claim(opened: PostgresLog) -> None:
            while len(taken) < count:
                taken.extend(await opened.log.claim(agents, limit=7, lease=Lease(owner="here", seconds=60)))

        async with asyncio.timeout(60), asyncio.TaskGroup() as claimers:
            for opened in logs:
                claimers.create_task(claim(opened))
                claimers.create_task(claim(opened))
    assert len(taken) == count
    assert max(Counter((each.conversation, each.agent) for each in taken).values()) == 1


async def test_whoever_claims_passes_over_what_a_neighbour_is_about_to_take(database: str) -> None:
    """One agent has more than a claim takes, and all of the first ones are locked: the next ones are found."""
    async with log_at(database) as opened:
        for number in range(20):
            await _say(opened, new_conversation(), said(f"{number}", to=ECHO))
        async with _locked(database, "SELECT FROM mailbox ORDER BY ready_at LIMIT 12 FOR UPDATE"):
            taken = await opened.log.claim([ECHO], limit=5, lease=Lease(owner="here", seconds=60))
        assert [each.message.text for each in taken] == ["12", "13", "14", "15", "16"]


async def test_an_agent_with_much_mail_leaves_the_others_their_share(database: str) -> None:
    busy, quiet = AgentName("busy"), AgentName("quiet")
    async with log_at(database) as opened:
        for number in range(20):
            await _say(opened, new_conversation(), said(f"{number}", to=busy))
        for number in range(2):
            await _say(opened, new_conversation(), said(f"{number}", to=quiet))
        taken = await opened.log.claim([busy, quiet, ECHO], limit=8, lease=Lease(owner="here", seconds=60))
        assert Counter(each.agent for each in taken) == {busy: 6, quiet: 2}
        assert [each.message.text for each in taken if each.agent == busy] == ["0", "1", "2", "3", "4", "5"]


async def test_a_claim_does_not_wait_for_a_conversation_that_is_being_written(database: str) -> None:
    async with log_at(database) as opened:
        await _say(opened, new_conversation(), said("hello", to=ECHO))
        async with _locked(database, "SELECT FROM conversation FOR UPDATE"), asyncio.timeout(5):
            assert len(await opened.log.claim([ECHO], limit=5, lease=Lease(owner="here", seconds=60))) == 1


async def test_a_claim_and_what_else_happens_to_the_turn_see_each_other(database: str) -> None:
    """A claim changes a turn without its conversation's lock; who revokes it meanwhile fences it all the same."""
    async with _logs_at(database, 2) as (here, there):
        for _ in range(30):
            conversation, turn = new_conversation(), new_turn_id()
            new = New(id="a", sender="person:alice", body=b"", to=(To(agent=ECHO, turn=turn),))
            await _say(here, conversation, new)
            [delivery] = await there.log.claim([ECHO], limit=1, lease=Lease(owner="there", seconds=60))
            results = await asyncio.gather(
                here.log.revoke(delivery.of, by="person:alice"),
                there.log.settle(delivery, Done(replies=(Reply(body=b"done"),))),
                return_exceptions=True,
            )
            assert sum(isinstance(each, Exception) for each in results) == 1
    query = "SELECT state, fence, mailbox.owner FROM turn JOIN mailbox USING (conversation, agent)"
    states = await look(database, query)
    assert {(state, fence) for state, fence, _ in states} <= {("cancelled", 2), ("completed", 1)}
    assert {owner for _, _, owner in states} == {""}


async def test_whoever_waited_for_a_claim_sees_what_it_has_done(database: str) -> None:
    """It waits for the mailbox before it looks at the turn: else it would see neither, or both would wait for ever."""
    async with log_at(database) as opened:
        appended = await opened.log.append(new_conversation(), [said("hello", to=ECHO)], opening=OPENING)
        [(conversation,)] = await look(database, "SELECT conversation FROM mailbox")
        of = TurnRef(conversation=conversation, agent=ECHO, turn=appended.placed[0].turn)
        claiming = await connect(database)
        await claiming.execute("BEGIN")
        await claiming.execute("SELECT FROM mailbox FOR UPDATE")
        revoking = asyncio.ensure_future(opened.log.revoke(of, by="person:alice"))
        await _until_waiting(database, "mailbox")
        await claiming.execute("UPDATE turn SET state = 'working', attempts = 1")
        await claiming.execute("UPDATE mailbox SET owner = 'a neighbour', fence = 1, attempts = 1")
        await claiming.execute("COMMIT")
        await claiming.close()
        await revoking
    assert await look(database, "SELECT state, attempts FROM turn") == [("cancelled", 1)]
    assert await look(database, "SELECT owner, fence FROM mailbox") == [("", 2)]


async def _until_waiting(url: str, table: str) -> None:
    """Until somebody waits for a row that somebody else has locked, in a query about this table."""
    query = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while not any(table in text for (text,) in await look(url, query)):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def _locked(url: str, query: str) -> AsyncGenerator[None]:
    """Rows that somebody else has locked."""
    connection = await connect(url)
    await connection.execute("BEGIN")
    await connection.execute(query)
    try:
        yield
    finally:
        await connection.close()
