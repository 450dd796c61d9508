"""The conversation log against a model of it: whatever is asked of both, in whatever order, both say the same.

Hypothesis makes up stories of appends, claims, settlements, answers, cancellations, expiries, redrives and erasures,
right ones and wrong ones, one after the other and several at the same moment; and it looks for the shortest story in
which an engine and the model disagree. INTERCHANGE_MODEL_STEPS says how many steps each engine has to go at least.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from adapters.messaging.fabric import Wakes
from adapters.messaging.follower import Follower
from adapters.messaging.log import ConversationLog, History, Keeping, WhichLetters, WhichTurns
from adapters.messaging.messages import Conversation, DeadLetter, Kind, Message, New, QuestionRef, To, TurnRef
from adapters.messaging.outcomes import (
    Ask,
    Asked,
    ChangeTurn,
    Dead,
    Deferred,
    Delivery,
    Done,
    EndHold,
    HoldCall,
    Lease,
    Rejected,
    Reply,
    Retry,
)
from adapters.messaging.recorder import Recorder
from adapters.messaging.turns import Turn, TurnChange
from registry.model import NO_TURN, AgentName, ConversationId, InterchangeError, TurnId
from tests.support import log_model as model
from tests.support.log_model import Holding, Model
from tests.support.logs import ALICE, BOB, ECHO, OPENING, SCOUT, Clock, Peek, new_place

TALKS = (ConversationId("one"), ConversationId("two"))
AGENTS = (ECHO, SCOUT)
STEPS_OF_A_STORY = 50
EXAMPLES = {"paper": 40, "sqlite": 40, "postgres": 15}
QUESTIONS = ("q1", "q2", "q3")

# A rule is given a number and makes up the rest from it: what Hypothesis draws may not depend on what a database did.
NUMBERS = st.integers(0, 2**16)


def seldom(chance: Random) -> bool:
    return chance.random() < 0.2


def usually(chance: Random) -> bool:
    return chance.random() < 0.9


class Opened(NamedTuple):
    """What a story needs of a log; nothing of it runs by itself between two steps."""

    clock: Clock
    log: ConversationLog
    keeping: Keeping
    history: History
    peek: Peek


class Story(RuleBasedStateMachine):
    """A log and its model, side by side."""

    engine: ClassVar[str]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.deliveries: dict[Holding, Delivery] = {}
        self.story: list[str] = []
        self.spoken: list[model.Say] = []
        self.cursors: dict[tuple[str, str], int] = {}
        self.turns = 0
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.clock, self.log, self.keeping, self.history, self.peek = self.runner.run(self._open())

    async def _open(self) -> "Opened":
        place = await new_place(self.engine, folder=Path(self.folder.name))
        wakes = Wakes(place.fabric)
        started = await self.stack.enter_async_context(place.start(wakes.stirred))
        recorder = Recorder(started.engine)
        history = Follower(started.engine.rows, keeping=recorder, wakes=wakes)
        return Opened(place.clock, recorder, recorder, history, started.peek)

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    # ---- what happens

    @rule(number=NUMBERS)
    def one_thing_happens(self, number: int) -> None:
        self.one(self.some_thing(self.chance(number)))

    @rule(number=NUMBERS)
    def several_things_happen_at_once(self, number: int) -> None:
        chance = self.chance(number)
        self.at_once([self.some_thing(chance) for _ in range(chance.randint(2, 4))])

    @rule(number=NUMBERS)
    def somebody_speaks_to_an_agent(self, number: int) -> None:
        chance = self.chance(number)
        new = self.some_message(chance, to=(chance.choice(AGENTS),))
        self.one(model.Say(chance.choice(TALKS), (new,), claim=seldom(chance)))

    @rule(number=NUMBERS)
    def agents_do_their_work(self, number: int) -> None:
        chance = self.chance(number)
        self.one(model.Claim(AGENTS, 10))
        for held in self.held():
            self.one(model.Settle(held, self.some_outcome(chance)))

    @rule(number=NUMBERS)
    def what_waits_goes_on(self, number: int) -> None:
        chance = self.chance(number)
        for ask in (self.some_answer(chance), self.some_change(chance)):
            if ask is not None:
                self.one(ask)

    @rule(seconds=st.sampled_from((500, 1500)), looked_for=st.booleans())
    def time_passes(self, *, seconds: float, looked_for: bool) -> None:
        self.clock.pass_time(seconds)
        self.model.now += seconds
        if looked_for:
            self.one(model.Expire())

    def chance(self, number: int) -> Random:
        return Random(f"{number} {len(self.story)}")

    # ---- both are asked

    def one(self, ask: model.Ask) -> None:
        """Ask both for one thing, and compare what they say and what they are then."""
        type(self).steps += 1
        actual = self.runner.run(self._do(ask))
        self.remember(ask, actual)
        with self.telling():
            self.model = self.model.step(ask, actual)
            different = differences(self.model, self.runner.run(self.look()))
            assert not different, different

    def at_once(self, asks: Sequence[model.Ask]) -> None:
        """Ask the log for several things at the same moment: there is an order in which the model says the same."""
        type(self).steps += len(asks)

        async def do() -> list[Any]:
            return await asyncio.gather(*map(self._do, asks))

        answers = self.runner.run(do())
        for ask, actual in zip(asks, answers, strict=True):
            self.remember(ask, actual, "at once: ")
        with self.telling():
            self.model = self.explained(list(zip(asks, answers, strict=True)), self.runner.run(self.look()))

    def explained(self, happened: Sequence[tuple[model.Ask, Any]], seen: "Seen") -> Model:
        why: list[str] = []
        for order in permutations(happened):
            following = self.model
            try:
                for ask, actual in order:
                    following = following.step(ask, actual, hurried=True)
            except AssertionError as contradiction:
                why.append(str(contradiction))
                continue
            following.now += model.TICK
            if not (different := differences(following, seen)):
                return following
            why.append(different)
        raise AssertionError("No order of these explains them all: " + "; or ".join(why))

    def remember(self, ask: model.Ask, actual: Any, how: str = "") -> None:
        self.story.append(f"{how}{ask}\n    {actual!r}")
        if isinstance(ask, model.Say):
            self.spoken.append(ask)
        found: list[Any] = list(cast(Any, actual)) if isinstance(actual, list | tuple) else [actual]
        for each in (getattr(one, "delivery", one) for one in found):
            if isinstance(each, Delivery):
                self.deliveries[Holding(each.conversation, each.agent, each.fence)] = each

    @contextmanager
    def telling(self) -> Generator[None]:
        """If the two disagree, tell the whole story: a database does not always do the same again."""
        try:
            yield
        except AssertionError as different:
            raise AssertionError(f"{different}\n\n" + "\n".join(self.story)) from None

    async def _do(self, ask: model.Ask) -> Any:
        try:
            return await self._asking(ask)
        except InterchangeError as refused:
            return refused

    def _asking(self, ask: model.Ask) -> Awaitable[Any]:
        log, lease = self.log, Lease(owner="here", seconds=model.LEASE)
        match ask:
            case model.Say():
                return log.append(
                    ask.conversation,
                    ask.messages,
                    opening=OPENING if ask.opening else None,
                    expect_tail=ask.expect_tail,
                    under=self.deliveries[ask.under] if ask.under else None,
                    claim=lease if ask.claim else None,
                    effects=ask.effects,
                )
            case model.Claim():
                return log.claim(ask.agents, limit=ask.limit, lease=lease)
            case model.Extend():
                return log.extend(self.deliveries[ask.held], seconds=model.LEASE)
            case model.Settle():
                return log.settle(self.deliveries[ask.held], ask.outcome, effects=ask.effects)
            case model.Cancel():
                return log.revoke(ask.of, by=ask.by, body=ask.body)
            case model.Expire():
                return log.expire(limit=100)
            case model.Redrive():
                return log.redrive(ask.conversation, ask.agent, ask.seq, turn=ask.turn)
            case model.See():
                return log.seen(ask.conversation, ask.device, ask.seq)
            case model.Erase():
                return self.keeping.erase(
                    ask.conversation, id=ask.id, by=ask.by, reason=ask.reason, sender=ask.sender, up_to=ask.up_to
                )
            case model.Keep(reason=""):
                return self.keeping.release(ask.conversation)
            case model.Keep():
                return self.keeping.hold(ask.conversation, reason=ask.reason)

    # ---- both are looked at

    async def look(self) -> "Seen":
        """All that there is in the log."""
        history = self.history
        listed, turns, dead, redriven, boxes = await asyncio.gather(
            history.conversations(),
            history.turns(WhichTurns(), limit=10_000),
            history.dead(WhichLetters(), limit=10_000),
            history.dead(WhichLetters(redriven=True), limit=10_000),
            self.peek("mailbox"),
        )
        ids = [each.id for each in listed]
        pages = await asyncio.gather(*(history.page(id_, limit=10_000) for id_ in ids))
        devices = await asyncio.gather(*(history.devices(id_) for id_ in ids))
        for row in boxes:
            key = (row["conversation"], row["agent"])
            assert row["cursor"] >= self.cursors.get(key, 0), "a cursor never falls"
            self.cursors[key] = row["cursor"]
        return Seen(
            conversations={each.id: each for each in listed},
            pages=dict(zip(ids, pages, strict=True)),
            turns={(turn.conversation, turn.id): turn for turn in turns},
            letters=[*dead, *redriven],
            devices={id_: each.seen for id_, each in zip(ids, devices, strict=True)},
            boxes={(row["conversation"], row["agent"]): row for row in boxes},
        )

    # ---- what could be asked

    def held(self) -> list[Holding]:
        """The deliveries that are in somebody's hands."""
        return [
            Holding(ConversationId(conversation), AgentName(agent), box.holder)
            for conversation, talk in self.model.talks.items()
            for agent, box in talk.boxes.items()
            if box.holder
        ]

    def some_thing(self, chance: Random) -> model.Ask:
        kinds: list[Callable[[Random], model.Ask | None]] = [
            self.some_words,
            self.some_words,
            self.some_claim,
            self.some_end,
            self.some_end,
            self.some_answer,
            self.some_change,
            self.some_cancellation,
            self.some_extension,
            self.some_redrive,
            self.some_seen,
            self.some_erasure,
            self.some_hold,
        ]
        return chance.choice(kinds)(chance) or self.some_words(chance)

    def new_turn(self, chance: Random) -> TurnId:
        if seldom(chance) and self.turns:
            return TurnId(f"t{chance.randint(1, self.turns)}")
        self.turns += 1
        return TurnId(f"t{self.turns}")

    def some_message(self, chance: Random, *, to: Sequence[AgentName]) -> New:
        return New(
            id=f"m{chance.randint(1, 60)}",
            sender=chance.choice((ALICE, BOB)),
            body=chance.choice((b"a", b"b")),
            to=tuple(self.some_recipient(chance, agent) for agent in to),
        )

    def some_recipient(self, chance: Random, agent: AgentName) -> To:
        turn = self.new_turn(chance)
        owner, root = chance.choice(("", "alice", "bob")), chance.choice((NO_TURN, NO_TURN, TurnId("t1")))
        return To(agent=agent, turn=turn, authority=turn.encode(), owner=owner, root=root)

    def some_words(self, chance: Random) -> model.Ask:
        """Something new, or once more what was said before."""
        if self.spoken and seldom(chance):
            return replace(chance.choice(self.spoken), claim=seldom(chance), under=None)
        talk = chance.choice(TALKS)
        tail = self.model.talks[talk].tail if talk in self.model.talks else 0
        return model.Say(
            talk,
            tuple(
                self.some_message(chance, to=chance.choice(((), (), (ECHO,), (SCOUT,), AGENTS)))
                for _ in range(chance.choice((1, 1, 1, 2, 3)))
            ),
            opening=not seldom(chance),
            expect_tail=chance.choice((None,) * 8 + (tail, tail + 1)),
            under=self.some_held(chance) if seldom(chance) else None,
            claim=seldom(chance),
            effects=chance.choice(((),) * 12 + CALLS),
        )

    def some_claim(self, chance: Random) -> model.Ask:
        agents = chance.choice((AGENTS, AGENTS, (ECHO,), (SCOUT,)))
        return model.Claim(agents, chance.choice((1, 1, 2, 3, 10)))

    def some_held(self, chance: Random) -> Holding | None:
        """Mostly one that is live; else one that was."""
        live = self.held()
        if live and not seldom(chance):
            return chance.choice(live)
        return chance.choice(tuple(self.deliveries)) if self.deliveries else None

    def some_outcome(self, chance: Random) -> Any:
        replies = chance.choice(((), (Reply(body=b"ok"),), (Reply(body=b"ok"), Reply(body=b"ko"))))
        return chance.choice(
            (
                Done(replies=replies),
                Done(replies=replies, review_within=1000),
                Asked(question=self.some_question(chance), replies=replies),
                Asked(question=self.some_question(chance), replies=replies),
                Deferred(within=1000, replies=replies),
                Retry(after=0, error="e"),
                Retry(after=1000, error="e"),
                Dead(error="e", body=b"dead"),
                Rejected(reason="r", body=b"no"),
            )
        )

    def some_question(self, chance: Random) -> Ask:
        return Ask(id=chance.choice(QUESTIONS), body=b"?", expires_in=chance.choice((None, 1000, 2000)))

    def some_end(self, chance: Random) -> model.Ask | None:
        held = self.some_held(chance)
        if held is None:
            return None
        effects = chance.choice(((),) * 12 + CALLS)
        change = self.some_change_of(chance, held.conversation) if seldom(chance) else None
        return model.Settle(held, self.some_outcome(chance), (*effects, change) if change else effects)

    def some_extension(self, chance: Random) -> model.Ask | None:
        held = self.some_held(chance)
        return None if held is None else model.Extend(held)

    def some_turn(self, chance: Random, *states: str) -> TurnRef | None:
        """Mostly one in one of these states."""
        every = [
            (
                talk.turns[id_].state,
                TurnRef(conversation=ConversationId(c), agent=AgentName(turn.agent), turn=TurnId(id_)),
            )
            for c, talk in self.model.talks.items()
            for id_, turn in talk.turns.items()
        ]
        such = [of for state, of in every if state in states]
        if not every or (usually(chance) and not such):
            return None
        return chance.choice(such if such and not seldom(chance) else [of for _, of in every])

    def some_answer(self, chance: Random) -> model.Ask | None:
        of = self.some_turn(chance, "waiting")
        if of is None:
            return None
        asked = self.model.talks[of.conversation].turns[of.turn].question
        question = QuestionRef(of=of, question=chance.choice((asked or "q1",) * 8 + QUESTIONS))
        message = self.some_message(chance, to=())
        answer = New(id=message.id, sender=message.sender, body=message.body, kind=Kind.ANSWERED, answers=question)
        talk = chance.choice((of.conversation,) * 9 + TALKS)
        return model.Say(talk, (answer,), claim=seldom(chance))

    def some_change_of(self, chance: Random, talk: ConversationId | None = None) -> ChangeTurn | None:
        of = self.some_turn(chance, "deferred", "review")
        if of is None or talk not in {None, of.conversation}:
            return None
        turn = self.model.talks[of.conversation].turns[of.turn]
        likely = {
            "deferred": (TurnChange.FINISHED, TurnChange.BROKE, TurnChange.ASKED, TurnChange.ASKED),
            "review": (TurnChange.ACCEPTED, TurnChange.RETURNED, TurnChange.RETURNED),
        }
        change = chance.choice((*likely.get(turn.state, ()) * 12, *TurnChange))
        grant = chance.choice((turn.grant,) * 8 + (turn.grant + 1, 0))
        question = None if seldom(chance) else self.some_question(chance)
        return ChangeTurn(of=of, change=change, grant=grant, question=question)

    def some_change(self, chance: Random) -> model.Ask | None:
        change = self.some_change_of(chance)
        if change is None:
            return None
        to = chance.choice(((),) * 9 + ((ECHO,),))
        messages = tuple(self.some_message(chance, to=to) for _ in range(chance.choice((1, 1, 1, 2))))
        return model.Say(change.of.conversation, messages, effects=(change,))

    def some_cancellation(self, chance: Random) -> model.Ask | None:
        of = self.some_turn(chance, "queued", "working", "waiting", "deferred", "review", "cancelled")
        if of is None:
            return None
        if seldom(chance):
            of = TurnRef(conversation=chance.choice(TALKS), agent=chance.choice(AGENTS), turn=of.turn)
        return model.Cancel(of, by=chance.choice((ALICE, ALICE, BOB)), body=chance.choice((b"", b"", b"stop")))

    def some_redrive(self, chance: Random) -> model.Ask:
        letters = [(ConversationId(id_), *key) for id_, talk in self.model.talks.items() for key in talk.letters]
        talk, agent, seq = chance.choice((*letters * 4, (TALKS[0], ECHO, 1), (TALKS[1], SCOUT, 2)))
        return model.Redrive(talk, AgentName(agent), seq, self.new_turn(chance))

    def some_seen(self, chance: Random) -> model.Ask:
        return model.See(chance.choice(TALKS), chance.choice(("phone", "laptop")), chance.randint(0, 15))

    def some_erasure(self, chance: Random) -> model.Ask:
        return model.Erase(
            chance.choice(TALKS),
            id=f"m{chance.randint(1, 60)}",
            by=chance.choice((ALICE, BOB)),
            reason=chance.choice(("a", "b")),
            sender=chance.choice(("", ALICE, BOB, "agent:echo")),
            up_to=chance.randint(0, 10),
        )

    def some_hold(self, chance: Random) -> model.Ask:
        return model.Keep(chance.choice(TALKS), chance.choice(("", "", "a lawsuit")))


CALLS = (
    (HoldCall(id="c1", sealed=b"x", expires_in=1000),),
    (HoldCall(id="c2", sealed=b"x", expires_in=1000),),
    (EndHold(id="c1", how="approved"),),
    (EndHold(id="c2", how="declined"),),
)


@dataclass(frozen=True)
class Seen:
    """What a log has."""

    conversations: dict[ConversationId, Conversation]
    pages: dict[ConversationId, Sequence[Message]]
    turns: dict[tuple[ConversationId, TurnId], Turn]
    letters: list[DeadLetter]
    devices: dict[ConversationId, dict[str, int]]
    boxes: dict[tuple[str, str], dict[str, Any]]


def differences(expected: Model, seen: Seen) -> str:
    """In what a log is not as the model says, in words; nothing if it is."""
    try:
        _compare(expected, seen)
    except AssertionError as difference:
        return str(difference) or "they differ"
    return ""


def _compare(expected: Model, seen: Seen) -> None:
    listed = {each.id: (each.tail, each.hold) for each in seen.conversations.values()}
    assert listed == {id_: (talk.tail, talk.hold) for id_, talk in expected.talks.items()}
    for id_, talk in expected.talks.items():
        conversation = ConversationId(id_)
        _compare_messages(seen.pages[conversation], talk)
        _compare_turns({turn.id: turn for turn in seen.turns.values() if turn.conversation == id_}, talk)
        letters = {(each.of.agent, each.seq): each for each in seen.letters if each.of.conversation == id_}
        assert {key: each.redriven_as for key, each in letters.items()} == talk.letters
        assert {key: each.of.turn for key, each in letters.items()} == talk.letter_turns
        assert seen.devices[conversation] == talk.seen
        for agent, box in talk.boxes.items():
            if (row := seen.boxes.get((id_, agent))) is not None:
                _compare_mailbox(box, row)
            else:
                assert box == model.Box(), f"there is no mailbox {agent} of {id_}, and there should be"


def _compare_messages(page: Sequence[Message], talk: model.Talk) -> None:
    assert [message.seq for message in page] == list(range(1, talk.tail + 1)), "numbers are dense"
    assert len({(message.sender, message.id) for message in page}) == len(page), "an id is used once"
    for message, said in zip(page, talk.said, strict=True):
        found = (message.sender, message.kind, message.turn, message.to, message.body, message.erased)
        body = b"" if said.erased else said.body
        assert found == (said.sender, said.kind, said.turn, said.to, body, said.erased), f"{message} is not {said}"
        assert said.id in {None, message.id}


def _compare_turns(turns: dict[TurnId, Turn], talk: model.Talk) -> None:
    assert turns.keys() == talk.turns.keys()
    for id_, expected in talk.turns.items():
        turn, box = turns[TurnId(id_)], talk.box(expected.agent)
        due = [each.seq for each in (*box.waiting, *([box.now] if box.now else ())) if each.turn == id_]
        found = (turn.agent, turn.opened, turn.state, turn.attempts, turn.question, turn.due)
        what = (expected.agent, expected.opened, expected.state, expected.attempts, expected.question, sum(due))
        assert found == what, f"{turn} is not {expected}"
        assert (turn.expires is None) == (expected.expires is None), f"{turn} is not {expected}"
        assert turn.grant == expected.grant or expected.state != "deferred"
        kept = (expected.authority, expected.owner, expected.root)
        assert (turn.authority, turn.owner, turn.root) == kept


def _compare_mailbox(box: model.Box, row: dict[str, Any]) -> None:
    if box.uncertain and box.now is not None and row["head"] != box.now.seq:
        _choose_instead(box, row["head"])
    head = 0 if box.now is None else box.now.seq
    assert (row["head"], row["parked"], row["attempts"]) == (head, box.parked, box.attempts), f"{row} is not {box}"
    assert bool(row["owner"]) == bool(box.holder), f"{row} is not {box}"
    assert row["fence"] >= box.fence, "fences rise"
    assert row["cursor"] == box.cursor, f"{row} is not {box}"
    assert all(each.seq > row["cursor"] for each in box.waiting if each.behind), "nothing is passed over"


def _choose_instead(box: model.Box, seq: int) -> None:
    """What is next was chosen before all that happened at once had happened: that is as good, if it could be chosen."""
    instead = [each for each in box.waiting if each.seq == seq and each in box.candidates()]
    if instead and box.now is not None and box.attempts == 0:
        box.waiting = [box.now, *(each for each in box.waiting if each != instead[0])]
        box.now = instead[0]


@pytest.mark.parametrize("engine", EXAMPLES)
def test_a_log_does_what_its_model_says(engine: str) -> None:
    machine = type(f"StoryOn{engine.title()}", (Story,), {"engine": engine, "steps": 0})
    stories = settings(
        max_examples=EXAMPLES[engine],
        stateful_step_count=STEPS_OF_A_STORY,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    if engine == "postgres":  # where several things happen at once, it does not do the same again: nothing to shrink
        stories = settings(stories, phases=[Phase.generate])
    wanted = int(os.environ.get("INTERCHANGE_MODEL_STEPS", "1"))
    while machine.steps < wanted:
        run_state_machine_as_test(machine, settings=stories)
    print(f"{machine.steps:,} steps on {engine} without a difference")
