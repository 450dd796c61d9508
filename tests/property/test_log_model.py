"""The conversation log against a model of it: whatever is asked of both, in whatever order, both say the same.

Hypothesis makes up stories of appends, claims, settlements, answers, cancellations, expiries, redrives and erasures,
right ones and wrong ones, one after the other and several at the same moment; and it looks for the shortest story in
which an engine and the model disagree. INTERCHANGE_MODEL_STEPS says how many steps each engine has to go at least.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from adapters.messaging.fabric import NoFabric, Wakes
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
from registry.model import AgentName, ConversationId, InterchangeError, TurnId
from tests.support import log_model as model
from tests.support.log_model import Holding, Model
from tests.support.logs import ALICE, BOB, ECHO, ENGINES, OPENING, SCOUT, Clock, Peek

TALKS = (ConversationId("one"), ConversationId("two"))
AGENTS = (ECHO, SCOUT)
STEPS_OF_A_STORY = 50
EXAMPLES = {"paper": 40, "sqlite": 40, "postgres": 15}
QUESTIONS = ("q1", "q2", "q3")

few = st.sampled_from
seldom = few((False, False, False, False, True))


class Story(RuleBasedStateMachine):
    """A log and its model, side by side."""

    engine: ClassVar[str]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.deliveries: dict[Holding, Delivery] = {}
        self.clock = Clock()
        self.cursors: dict[tuple[str, str], int] = {}
        self.turns = 0
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.log, self.keeping, self.history, self.peek = self.runner.run(self._open())

    async def _open(self) -> tuple[ConversationLog, Keeping, History, Peek]:
        wakes = Wakes(NoFabric())
        start = ENGINES[self.engine](Path(self.folder.name), wakes.stirred, self.clock)
        started = await self.stack.enter_async_context(start)
        recorder = Recorder(started.engine)
        return recorder, recorder, Follower(started.engine.rows, keeping=recorder, wakes=wakes), started.peek

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    # ---- what happens

    @rule(data=st.data())
    def say(self, data: st.DataObject) -> None:
        self.one(self.some_words(data))

    @rule(data=st.data())
    def say_to_an_agent(self, data: st.DataObject) -> None:
        new = self.some_message(data, to=(data.draw(few(AGENTS)),))
        self.one(model.Say(data.draw(few(TALKS)), (new,), claim=data.draw(seldom)))

    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        self.one(self.some_claim(data))

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        if end := self.some_end(data):
            self.one(end)

    @rule(data=st.data())
    def claim_and_settle(self, data: st.DataObject) -> None:
        """So that stories get somewhere."""
        self.one(model.Claim(AGENTS, 10))
        for held in self.held():
            self.one(model.Settle(held, self.some_outcome(data)))

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        if asks := self.some_answer(data):
            self.one(asks)

    @rule(data=st.data())
    def change_a_turn(self, data: st.DataObject) -> None:
        if asks := self.some_change(data):
            self.one(asks)

    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        if any(talk.letters for talk in self.model.talks.values()):
            self.one(self.some_redrive(data))

    @rule(data=st.data())
    def anything(self, data: st.DataObject) -> None:
        self.one(self.some_thing(data))

    @rule(data=st.data())
    def several_at_once(self, data: st.DataObject) -> None:
        self.at_once([self.some_thing(data, at_once=True) for _ in range(data.draw(st.integers(2, 4)))])

    @rule(seconds=few((500, 1500)))
    def some_time_passes(self, seconds: float) -> None:
        self.time_passes(seconds)

    def time_passes(self, seconds: float) -> None:
        self.clock.pass_time(seconds)
        self.model.now += seconds

    @rule(seconds=few((0, 1500)))
    def what_waits_too_long_expires(self, seconds: float) -> None:
        self.time_passes(seconds)
        self.one(model.Expire())

    # ---- both are asked

    def one(self, ask: model.Ask) -> None:
        """Ask both for one thing, and compare what they say and what they are then."""
        type(self).steps += 1
        actual = self.runner.run(self._do(ask))
        note(f"{ask}\n    {actual!r}")
        self.note_deliveries(actual)
        self.model = self.model.step(ask, actual)
        self.compare()

    def at_once(self, asks: Sequence[model.Ask]) -> None:
        """Ask the log for several things at the same moment: there is an order in which the model says the same."""
        type(self).steps += len(asks)

        async def do() -> list[Any]:
            return await asyncio.gather(*map(self._do, asks))

        answers = self.runner.run(do())
        for ask, actual in zip(asks, answers, strict=True):
            note(f"at once: {ask}\n    {actual!r}")
            self.note_deliveries(actual)
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

    def note_deliveries(self, actual: Any) -> None:
        found: list[Any] = list(cast(Any, actual)) if isinstance(actual, list | tuple) else [actual]
        for each in (getattr(one, "delivery", one) for one in found):
            if isinstance(each, Delivery):
                self.deliveries[Holding(each.conversation, each.agent, each.fence)] = each

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

    def compare(self) -> None:
        different = differences(self.model, self.runner.run(self.look()))
        assert not different, different

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

    def some_thing(self, data: st.DataObject, *, at_once: bool = False) -> model.Ask:
        kinds: list[Callable[[st.DataObject], model.Ask | None]] = [
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
        return data.draw(few(kinds))(data) or self.some_words(data)

    def new_turn(self, data: st.DataObject) -> TurnId:
        if data.draw(seldom) and self.turns:
            return TurnId(f"t{data.draw(st.integers(1, self.turns))}")
        self.turns += 1
        return TurnId(f"t{self.turns}")

    def some_message(self, data: st.DataObject, *, to: Sequence[AgentName]) -> New:
        return New(
            id=f"m{data.draw(st.integers(1, 60))}",
            sender=data.draw(few((ALICE, BOB))),
            body=data.draw(few((b"a", b"b"))),
            to=tuple(To(agent=agent, turn=(turn := self.new_turn(data)), authority=turn.encode()) for agent in to),
        )

    def some_words(self, data: st.DataObject) -> model.Ask:
        talk = data.draw(few(TALKS))
        tail = self.model.talks[talk].tail if talk in self.model.talks else 0
        to = few(((), (), (ECHO,), (SCOUT,), AGENTS))
        return model.Say(
            talk,
            tuple(self.some_message(data, to=data.draw(to)) for _ in range(data.draw(few((1, 1, 1, 2, 3))))),
            opening=not data.draw(seldom),
            expect_tail=data.draw(few((None,) * 8 + (tail, tail + 1))),
            under=self.some_held(data) if data.draw(seldom) else None,
            claim=data.draw(seldom),
            effects=data.draw(few(((),) * 12 + CALLS)),
        )

    def some_claim(self, data: st.DataObject) -> model.Ask:
        agents = data.draw(few((AGENTS, AGENTS, (ECHO,), (SCOUT,))))
        return model.Claim(agents, data.draw(few((1, 1, 2, 3, 10))))

    def some_held(self, data: st.DataObject) -> Holding | None:
        """Mostly one that is live; else one that was."""
        live = self.held()
        if live and not data.draw(seldom):
            return data.draw(few(live))
        return data.draw(few(tuple(self.deliveries))) if self.deliveries else None

    def some_outcome(self, data: st.DataObject) -> Any:
        replies = data.draw(few(((), (Reply(body=b"ok"),), (Reply(body=b"ok"), Reply(body=b"ko")))))
        return data.draw(
            few(
                (
                    Done(replies=replies),
                    Done(replies=replies, review_within=1000),
                    Asked(question=self.some_question(data), replies=replies),
                    Asked(question=self.some_question(data), replies=replies),
                    Deferred(within=1000, replies=replies),
                    Retry(after=0, error="e"),
                    Retry(after=1000, error="e"),
                    Dead(error="e", body=b"dead"),
                    Rejected(reason="r", body=b"no"),
                )
            )
        )

    def some_question(self, data: st.DataObject) -> Ask:
        return Ask(id=data.draw(few(QUESTIONS)), body=b"?", expires_in=data.draw(few((None, 1000, 2000))))

    def some_end(self, data: st.DataObject) -> model.Ask | None:
        held = self.some_held(data)
        if held is None:
            return None
        effects = data.draw(few(((),) * 12 + CALLS))
        change = self.some_change_of(data, held.conversation) if data.draw(seldom) else None
        return model.Settle(held, self.some_outcome(data), (*effects, change) if change else effects)

    def some_extension(self, data: st.DataObject) -> model.Ask | None:
        held = self.some_held(data)
        return None if held is None else model.Extend(held)

    def some_turn(self, data: st.DataObject, *states: str) -> TurnRef | None:
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
        if not every or (data.draw(few((True,) * 9 + (False,))) and not such):
            return None
        return data.draw(few(such if such and not data.draw(seldom) else [of for _, of in every]))

    def some_answer(self, data: st.DataObject) -> model.Ask | None:
        of = self.some_turn(data, "waiting")
        if of is None:
            return None
        asked = self.model.talks[of.conversation].turns[of.turn].question
        question = QuestionRef(of=of, question=data.draw(few((asked or "q1",) * 8 + QUESTIONS)))
        message = self.some_message(data, to=())
        answer = New(id=message.id, sender=message.sender, body=message.body, kind=Kind.ANSWERED, answers=question)
        talk = data.draw(few((of.conversation,) * 9 + TALKS))
        return model.Say(talk, (answer,), claim=data.draw(seldom))

    def some_change_of(self, data: st.DataObject, talk: ConversationId | None = None) -> ChangeTurn | None:
        of = self.some_turn(data, "deferred", "review")
        if of is None or talk not in {None, of.conversation}:
            return None
        turn = self.model.talks[of.conversation].turns[of.turn]
        likely = {
            "deferred": (TurnChange.FINISHED, TurnChange.BROKE, TurnChange.ASKED, TurnChange.ASKED),
            "review": (TurnChange.ACCEPTED, TurnChange.RETURNED, TurnChange.RETURNED),
        }
        change = data.draw(few((*likely.get(turn.state, ()) * 12, *TurnChange)))
        grant = data.draw(few((turn.grant,) * 8 + (turn.grant + 1, 0)))
        question = None if data.draw(seldom) else self.some_question(data)
        return ChangeTurn(of=of, change=change, grant=grant, question=question)

    def some_change(self, data: st.DataObject) -> model.Ask | None:
        change = self.some_change_of(data)
        if change is None:
            return None
        to = data.draw(few(((),) * 9 + ((ECHO,),)))
        messages = tuple(self.some_message(data, to=to) for _ in range(data.draw(few((1, 1, 1, 2)))))
        return model.Say(change.of.conversation, messages, effects=(change,))

    def some_cancellation(self, data: st.DataObject) -> model.Ask | None:
        of = self.some_turn(data, "queued", "working", "waiting", "deferred", "review", "cancelled")
        if of is None:
            return None
        if data.draw(seldom):
            of = TurnRef(conversation=data.draw(few(TALKS)), agent=data.draw(few(AGENTS)), turn=of.turn)
        return model.Cancel(of, by=data.draw(few((ALICE, ALICE, BOB))), body=data.draw(few((b"", b"", b"stop"))))

    def some_redrive(self, data: st.DataObject) -> model.Ask:
        letters = [(ConversationId(id_), *key) for id_, talk in self.model.talks.items() for key in talk.letters]
        talk, agent, seq = data.draw(few((*letters * 4, (TALKS[0], ECHO, 1), (TALKS[1], SCOUT, 2))))
        return model.Redrive(talk, AgentName(agent), seq, self.new_turn(data))

    def some_seen(self, data: st.DataObject) -> model.Ask:
        return model.See(data.draw(few(TALKS)), data.draw(few(("phone", "laptop"))), data.draw(st.integers(0, 15)))

    def some_erasure(self, data: st.DataObject) -> model.Ask:
        return model.Erase(
            data.draw(few(TALKS)),
            id=f"m{data.draw(st.integers(1, 60))}",
            by=data.draw(few((ALICE, BOB))),
            reason=data.draw(few(("a", "b"))),
            sender=data.draw(few(("", ALICE, BOB, "agent:echo"))),
            up_to=data.draw(st.integers(0, 10)),
        )

    def some_hold(self, data: st.DataObject) -> model.Ask:
        return model.Keep(data.draw(few(TALKS)), data.draw(few(("", "", "a lawsuit"))))


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
        assert turn.authority == expected.authority


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
    wanted = int(os.environ.get("INTERCHANGE_MODEL_STEPS", "1"))
    while machine.steps < wanted:
        run_state_machine_as_test(machine, settings=stories)
    print(f"{machine.steps:,} steps on {engine} without a difference")
