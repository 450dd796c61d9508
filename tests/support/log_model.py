"""What the conversation log promises, written down once more, as simply as it can be said.

A second opinion: nothing in here knows how the log comes to its decisions (`plan`, `delivery`, `turns`). It has lists
of what waits where the log has cursors and heads; it copies everything where the log has transactions. Where the
contract leaves a choice (which mailboxes a claim takes, which fence it gives) the model looks at what was done and says
whether it may have been.
"""

from collections import Counter
from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from adapters.messaging.errors import (
    AlreadySettled,
    Fenced,
    IdConflict,
    NotDead,
    OnHold,
    TailMoved,
    TurnOver,
)
from adapters.messaging.messages import New, TurnRef
from adapters.messaging.outcomes import (
    Asked,
    ChangeTurn,
    Dead,
    Deferred,
    Delivery,
    Done,
    Effect,
    EndHold,
    HoldCall,
    Outcome,
    Rejected,
    Retry,
)
from registry.model import AgentName, BadRequest, ConversationId, InterchangeError, Refused, TurnId, Unknown

LEASE = 1000.0
OVER = frozenset({"completed", "failed", "cancelled", "rejected"})
TICK = 1e-6


class Holding(NamedTuple):
    """Which delivery: no two of a mailbox have the same fence."""

    conversation: ConversationId
    agent: AgentName
    fence: int


# ---- what can be asked of a log


@dataclass(frozen=True)
class Say:
    conversation: ConversationId
    messages: tuple[New, ...]
    opening: bool = True
    expect_tail: int | None = None
    under: Holding | None = None
    claim: bool = False
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class Claim:
    agents: tuple[AgentName, ...]
    limit: int


@dataclass(frozen=True)
class Extend:
    held: Holding


@dataclass(frozen=True)
class Settle:
    held: Holding
    outcome: Outcome
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class Cancel:
    of: TurnRef
    by: str
    body: bytes


@dataclass(frozen=True)
class Expire:
    pass


@dataclass(frozen=True)
class Redrive:
    conversation: ConversationId
    agent: AgentName
    seq: int
    turn: TurnId


@dataclass(frozen=True)
class See:
    conversation: ConversationId
    device: str
    seq: int


@dataclass(frozen=True)
class Erase:
    conversation: ConversationId
    id: str
    by: str
    reason: str
    sender: str
    up_to: int


@dataclass(frozen=True)
class Keep:
    conversation: ConversationId
    reason: str


Ask = Say | Claim | Extend | Settle | Cancel | Expire | Redrive | See | Erase | Keep


# ---- what a log is


@dataclass
class Said:
    """A message. `what` must be the same in a repetition; None where nobody can repeat it."""

    sender: str
    id: str | None
    kind: str
    body: bytes
    turn: str
    to: tuple[str, ...] = ()
    what: tuple[Any, ...] | None = None
    erased: bool = False


@dataclass
class ATurn:
    agent: str
    opened: int
    authority: bytes
    owner: str = ""
    root: str = ""
    state: str = "queued"
    attempts: int = 0
    question: str = ""
    asked: set[str] = field(default_factory=set[str])
    grant: int = 0
    expires: float | None = None
    cancelled: tuple[str, bytes, int] | None = None


class Waiting(NamedTuple):
    """A message for a turn. Answers come before what opens a turn, and each in the order in which it was said."""

    behind: bool
    seq: int
    turn: str


@dataclass
class Box:
    """A mailbox. `uncertain`: so much happened at once that what is next may have been chosen before all of it."""

    waiting: list[Waiting] = field(default_factory=list[Waiting])
    now: Waiting | None = None
    attempts: int = 0
    free_at: float = 0.0
    holder: int = 0
    settled: int = 0
    fence: int = 0
    parked: str = ""
    cursor: int = 0
    uncertain: bool = False

    def candidates(self) -> list[Waiting]:
        return sorted(each for each in self.waiting if self.parked in {"", each.turn})


@dataclass
class Talk:
    """A conversation."""

    said: list[Said] = field(default_factory=list[Said])
    hold: str = ""
    boxes: dict[str, Box] = field(default_factory=dict[str, Box])
    turns: dict[str, ATurn] = field(default_factory=dict[str, ATurn])
    letters: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    letter_turns: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    seen: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def tail(self) -> int:
        return len(self.said)

    def box(self, agent: str) -> Box:
        return self.boxes.setdefault(agent, Box())

    def find(self, sender: str, id_: str, what: tuple[Any, ...]) -> int | None:
        """Where a message with this sender and id is; it must be this one."""
        for seq, said in enumerate(self.said, 1):
            if (said.sender, said.id) == (sender, id_):
                if said.what != what:
                    raise IdConflict("model: another message")
                return seq
        return None

    def add(self, said: Said) -> int:
        self.said.append(said)
        return self.tail


Placed = tuple[int, str, bool]


@dataclass(frozen=True)
class Answer:
    """What an append, a settlement, a cancellation, a redrive or an erasure returns, but for the delivery."""

    placed: tuple[Placed, ...]
    tail: int


@dataclass
class Model:
    """All that a log has. `step` says what becomes of it."""

    now: float = 0.0
    talks: dict[str, Talk] = field(default_factory=dict[str, Talk])
    calls: dict[str, str] = field(default_factory=dict[str, str])
    ids: dict[tuple[str, str, str, int], str] = field(default_factory=dict[tuple[str, str, str, int], str])
    hurried: bool = False

    def step(self, ask: Ask, actual: Any, *, hurried: bool = False) -> "Model":
        """The model after something was asked of the log, which answered with `actual`, an answer or an error.

        `hurried`: other things were asked at the same moment, so a mailbox may have looked busy that was not.

        Raises:
            AssertionError: this answer breaks the contract.
        """
        after = deepcopy(self)
        after.hurried = hurried
        after.now += TICK * (not hurried)
        try:
            getattr(after, f"_{type(ask).__name__.lower()}")(ask, actual)
        except InterchangeError as expected:
            assert type(actual) is type(expected), f"{ask}: {actual!r}, and not {expected!r}"
            return self
        return after

    # ---- appending

    def _say(self, ask: Say, actual: Any) -> None:
        talk = self._talk(ask.conversation, opening=ask.opening)
        found = [talk.find(new.sender, new.id, what(new)) for new in ask.messages]
        known = [seq for seq in found if seq is not None]
        if known and len(known) < len(found):
            raise IdConflict("model: partly a repetition")
        if known:
            same(ask, actual, [(seq, talk.said[seq - 1].turn, True) for seq in known], talk)
            assert actual.delivery is None
            return
        if ask.expect_tail not in {None, talk.tail}:
            raise TailMoved("model", tail=talk.tail)
        if ask.under is not None:
            if ask.under.conversation != ask.conversation:
                raise BadRequest("model: a delivery of another conversation")
            self._check_held(ask.under)
        placed = [self._take(talk, new) for new in ask.messages]
        for effect in ask.effects:
            self._apply(talk, effect, placed)
        if ask.claim:
            self._claim_said(ask, talk, placed, actual)
        same(ask, actual, placed, talk)
        assert ask.claim or getattr(actual, "delivery", None) is None

    def _take(self, talk: Talk, new: New) -> Placed:
        if talk.find(new.sender, new.id, what(new)) is not None:
            raise IdConflict("model: twice in one append")
        turn = new.to[0].turn if new.to else new.answers.of.turn if new.answers else new.turn
        to = tuple(each.agent for each in new.to)
        seq = talk.add(Said(new.sender, new.id, new.kind, new.body, turn, to, what(new)))
        for each in new.to:
            if each.turn in talk.turns:
                raise IdConflict("model: a turn is opened once")
            talk.turns[each.turn] = ATurn(each.agent, seq, each.authority, each.owner, each.root)
            self._arrive(talk, each.agent, Waiting(behind=True, seq=seq, turn=each.turn))
        if new.answers is not None:
            answered = self._turn(talk, new.answers.of)
            if answered.state != "waiting" or answered.question != new.answers.question:
                raise TurnOver("model: the question is not open")
            answered.state, answered.question, answered.expires = "queued", "", None
            self._arrive(talk, answered.agent, Waiting(behind=False, seq=seq, turn=new.answers.of.turn))
        return seq, turn, False

    def _claim_said(self, ask: Say, talk: Talk, placed: list[Placed], actual: Any) -> None:
        recipients = [
            (agent, seq)
            for new, (seq, _, _) in zip(ask.messages, placed, strict=True)
            for agent in ([new.answers.of.agent] if new.answers else [to.agent for to in new.to])
        ]
        if len(recipients) != 1:
            raise BadRequest("model: not one recipient")
        agent, seq = recipients[0]
        box = talk.box(agent)
        is_next = box.now is not None and box.now.seq == seq and not box.holder
        delivery = getattr(actual, "delivery", None)
        if delivery is None:
            assert self.hurried or not is_next, f"{ask}: the mailbox was free"
        else:
            assert is_next, f"{ask}: the mailbox was not free"
            self._handed_out(ask.conversation, agent, delivery)

    # ---- delivering

    def _arrive(self, talk: Talk, agent: str, waiting: Waiting) -> None:
        talk.box(agent).waiting.append(waiting)
        self._go_on(talk.box(agent))

    def _go_on(self, box: Box) -> None:
        """Choose what is delivered next, if nothing is being delivered."""
        if box.now is None and (candidates := box.candidates()):
            box.now, box.attempts, box.free_at = candidates[0], 0, self.now
            box.waiting.remove(candidates[0])
            box.uncertain = self.hurried

    def claimable(self, agents: Collection[str]) -> list[tuple[str, str]]:
        return [
            (conversation, agent)
            for conversation, talk in self.talks.items()
            for agent, box in talk.boxes.items()
            if agent in agents and box.now is not None and box.free_at <= self.now
        ]

    def _claim(self, ask: Claim, actual: Any) -> None:
        assert not isinstance(actual, BaseException), f"{ask}: {actual!r}"
        deliveries: list[Delivery] = list(actual)
        could = self.claimable(ask.agents)
        taken = [(each.conversation, each.agent) for each in deliveries]
        assert len(set(taken)) == len(taken), f"{ask}: a mailbox was handed out twice"
        assert set(taken) <= set(could), f"{ask}: {set(taken) - set(could)} could not be handed out"
        if self.hurried:
            assert len(taken) <= ask.limit
        else:
            assert len(taken) == min(ask.limit, len(could)), f"{ask}: {len(taken)} of {len(could)} were handed out"
            self._check_fair(ask, set(could), set(taken))
        for delivery in deliveries:
            self._handed_out(delivery.conversation, delivery.agent, delivery)

    def _check_fair(self, ask: Claim, could: set[tuple[str, str]], taken: set[tuple[str, str]]) -> None:
        """Those that wait longest first, and no agent more than another but for what that one has not got."""
        has = Counter(agent for _, agent in taken)
        left = could - taken
        for agent in {agent for _, agent in left}:
            assert all(has[other] <= has[agent] + 1 for other in ask.agents), f"{ask}: {agent} got less"
            since = [self.talks[c].boxes[a].free_at for c, a in taken if a == agent]
            still = [self.talks[c].boxes[a].free_at for c, a in left if a == agent]
            assert not since or max(since) <= min(still) + TICK / 2, f"{ask}: others wait longer"

    def _handed_out(self, conversation: str, agent: str, delivery: Delivery) -> None:
        talk = self.talks[conversation]
        box = talk.boxes[agent]
        assert box.now is not None
        turn, said = talk.turns[box.now.turn], talk.said[box.now.seq - 1]
        assert delivery.of == TurnRef(
            conversation=delivery.conversation, agent=delivery.agent, turn=TurnId(box.now.turn)
        )
        assert (delivery.message.seq, delivery.message.body) == (box.now.seq, b"" if said.erased else said.body)
        assert delivery.attempt == box.attempts + 1
        assert delivery.fence > box.fence, "fences rise"
        assert delivery.authority == turn.authority
        key = (conversation, agent, box.now.turn, box.now.seq)
        assert self.ids.setdefault(key, delivery.id) == delivery.id, "the same over all attempts"
        assert not any(
            id_ == delivery.id for other, id_ in self.ids.items() if other[0] == conversation and other != key
        ), "and of no other delivery"
        box.attempts, box.fence, box.holder = delivery.attempt, delivery.fence, delivery.fence
        box.free_at, box.uncertain = self.now + LEASE, False
        turn.state, turn.attempts = "working", turn.attempts + 1

    def _check_held(self, held: Holding) -> Box:
        box = self.talks[held.conversation].box(held.agent)
        if box.holder == held.fence:
            return box
        raise AlreadySettled("model") if box.settled == held.fence else Fenced("model")

    def _extend(self, ask: Extend, actual: Any) -> None:
        box = self._check_held(ask.held)
        assert isinstance(actual, Delivery), f"{ask}: {actual!r}"
        assert (actual.conversation, actual.agent, actual.fence) == ask.held
        box.free_at = self.now + LEASE

    def _settle(self, ask: Settle, actual: Any) -> None:
        talk = self.talks[ask.held.conversation]
        box = self._check_held(ask.held)
        assert box.now is not None
        seq, id_ = box.now.seq, box.now.turn
        turn = talk.turns[id_]
        box.holder, box.settled = 0, ask.held.fence
        if isinstance(ask.outcome, Retry):
            turn.state, box.free_at = "queued", self.now + ask.outcome.after
            placed: list[Placed] = []
        else:
            self._end(box)
            placed = self._outcome(talk, ask, id_, seq, actual)
        for effect in ask.effects:
            self._apply(talk, effect, placed)
        self._go_on(box)
        same(ask, actual, placed, talk)

    def _end(self, box: Box) -> None:
        if box.now is not None and box.now.behind and box.attempts:
            box.cursor = max(box.cursor, box.now.seq)
        box.now, box.attempts, box.parked, box.holder = None, 0, "", 0

    def _outcome(self, talk: Talk, ask: Settle, id_: str, seq: int, actual: Any) -> list[Placed]:
        turn, agent, outcome = talk.turns[id_], ask.held.agent, ask.outcome
        replies = outcome.replies if isinstance(outcome, Done | Asked | Deferred) else ()
        placed = [(talk.add(Said(f"agent:{agent}", None, each.kind, each.body, id_)), id_, False) for each in replies]
        match outcome:
            case Done():
                within = outcome.review_within
                turn.state = "completed" if within is None else "review"
                turn.expires = None if within is None else self.now + within
            case Deferred():
                turn.state, turn.expires = "deferred", self.now + outcome.within
                turn.grant = getattr(actual, "grant", 0)
                assert turn.grant > 0 or isinstance(actual, BaseException)
            case Asked():
                placed.append(self._question(talk, id_, outcome.question.id, outcome.question.body))
                turn.expires = _in(self.now, outcome.question.expires_in)
                talk.box(agent).parked = id_
            case Dead():
                talk.letters[agent, seq], talk.letter_turns[agent, seq] = 0, id_
                turn.state = "failed"
                placed.append(self._failed(talk, id_, outcome.body))
            case Rejected():
                turn.state = "rejected"
                placed.append(self._failed(talk, id_, outcome.body))
            case Retry():
                raise AssertionError
        return placed

    def _question(self, talk: Talk, id_: str, question: str, body: bytes) -> Placed:
        turn = talk.turns[id_]
        if question in turn.asked:
            raise Refused("model: asked before")
        turn.asked.add(question)
        turn.state, turn.question, turn.grant = "waiting", question, 0
        return talk.add(Said(f"agent:{turn.agent}", None, "asked", body, id_)), id_, False

    def _failed(self, talk: Talk, id_: str, body: bytes) -> Placed:
        return talk.add(Said("service:interchange", None, "failed", body, id_)), id_, False

    # ---- ending turns

    def _cancel(self, ask: Cancel, actual: Any) -> None:
        talk = self._talk(ask.of.conversation)
        turn = self._turn(talk, ask.of)
        if turn.cancelled is not None and turn.cancelled[0] == ask.by:
            if turn.cancelled[1] != ask.body:
                raise IdConflict("model: cancelled with other words")
            same(ask, actual, [(turn.cancelled[2], ask.of.turn, True)], talk)
            return
        if turn.state in OVER:
            raise TurnOver("model")
        self._withdraw(talk, ask.of.turn)
        turn.state = "cancelled"
        seq = talk.add(Said(ask.by, None, "cancelled", ask.body, ask.of.turn))
        turn.cancelled = (ask.by, ask.body, seq)
        same(ask, actual, [(seq, ask.of.turn, False)], talk)

    def _withdraw(self, talk: Talk, id_: str) -> None:
        """Nothing of this turn is delivered any more."""
        turn = talk.turns[id_]
        box = talk.box(turn.agent)
        if box.parked == id_ or (box.now is not None and box.now.turn == id_):
            self._end(box)
        box.waiting = [each for each in box.waiting if each.turn != id_]
        turn.question, turn.expires, turn.grant = "", None, 0
        self._go_on(box)

    def _expire(self, ask: Expire, actual: Any) -> None:
        assert not isinstance(actual, BaseException), actual
        due = {
            (conversation, id_): turn.expires
            for conversation, talk in self.talks.items()
            for id_, turn in talk.turns.items()
            if turn.expires is not None and turn.expires <= self.now
        }
        failed = [(of.conversation, of.turn) for of in actual]
        assert len(set(failed)) == len(failed)
        assert set(failed) == set(due), f"{set(failed) ^ set(due)} should have expired, or should not"
        for before, after in pairwise(failed):
            assert due[before] <= due[after] + TICK / 2, "those that are due longest first"
        for conversation, id_ in failed:
            talk = self.talks[conversation]
            self._withdraw(talk, id_)
            talk.turns[id_].state = "failed"
            self._failed(talk, id_, b"")

    # ---- effects

    def _apply(self, talk: Talk, effect: Effect, placed: list[Placed]) -> None:
        match effect:
            case ChangeTurn():
                self._change(talk, effect, placed)
            case HoldCall():
                if effect.id in self.calls:
                    raise IdConflict("model: a held call with this id")
                self.calls[effect.id] = ""
            case EndHold():
                if effect.id not in self.calls:
                    raise Unknown("model: no such held call")
                if self.calls[effect.id]:
                    raise Refused("model: ended before")
                self.calls[effect.id] = effect.how
            case _:
                pass

    def _change(self, talk: Talk, effect: ChangeTurn, placed: list[Placed]) -> None:
        turn = self._turn(talk, effect.of)
        possible = {"deferred": {"finished", "broke", "asked"}, "review": {"accepted", "returned"}}
        if effect.change not in possible.get(turn.state, ()):
            raise TurnOver("model")
        if turn.state == "deferred" and effect.grant != turn.grant:
            raise Fenced("model: another grant")
        if effect.change == "asked":
            if effect.question is None:
                raise BadRequest("model: no question")
            self._question(talk, effect.of.turn, effect.question.id, effect.question.body)
            turn.expires = _in(self.now, effect.question.expires_in)
            return
        turn.grant, turn.expires = 0, None
        if effect.change != "returned":
            turn.state = "failed" if effect.change == "broke" else "completed"
            return
        if len(placed) != 1 or self._is_delivered(talk, placed[0][0]):
            raise BadRequest("model: returned with one message, which goes nowhere else")
        turn.state = "queued"
        self._arrive(talk, turn.agent, Waiting(behind=False, seq=placed[0][0], turn=effect.of.turn))

    def _is_delivered(self, talk: Talk, seq: int) -> bool:
        return any(
            each.seq == seq for box in talk.boxes.values() for each in (*box.waiting, *([box.now] if box.now else ()))
        )

    # ---- operators

    def _redrive(self, ask: Redrive, actual: Any) -> None:
        talk = self._talk(ask.conversation)
        key = (ask.agent, ask.seq)
        if key not in talk.letters:
            raise NotDead("model")
        if as_ := talk.letters[key]:
            again = talk.turns.get(ask.turn)
            if again is None or again.opened != as_:
                raise NotDead("model: redriven before")
            same(ask, actual, [(as_, ask.turn, True)], talk)
            return
        died = talk.said[ask.seq - 1]
        if died.erased:
            raise NotDead("model: erased")
        if ask.turn in talk.turns:
            raise IdConflict("model: a turn is opened once")
        seq = talk.add(Said(died.sender, None, "said", died.body, ask.turn, (ask.agent,)))
        before = talk.turns[talk.letter_turns[key]]
        talk.turns[ask.turn] = ATurn(ask.agent, seq, before.authority, before.owner, before.root)
        talk.letters[key] = seq
        self._arrive(talk, ask.agent, Waiting(behind=True, seq=seq, turn=ask.turn))
        same(ask, actual, [(seq, ask.turn, False)], talk)

    def _see(self, ask: See, actual: Any) -> None:
        talk = self._talk(ask.conversation)
        if ask.seq > talk.tail:
            raise BadRequest("model: not that long")
        before = talk.seen.get(ask.device, 0)
        assert actual == max(before, ask.seq), f"{ask}: {actual}"
        if ask.seq > before:
            talk.seen[ask.device] = ask.seq

    def _erase(self, ask: Erase, actual: Any) -> None:
        talk = self._talk(ask.conversation)
        identity = ("erased", (), (), "", ask.reason.encode())
        seq = talk.find(ask.by, ask.id, identity)
        if seq is not None:
            same(ask, actual, [(seq, "", True)], talk)
            return
        if talk.hold:
            raise OnHold("model")
        for said in talk.said[: ask.up_to or None]:
            if ask.sender in {"", said.sender}:
                said.erased = True
        seq = talk.add(Said(ask.by, ask.id, "erased", ask.reason.encode(), "", (), identity))
        same(ask, actual, [(seq, "", False)], talk)

    def _keep(self, ask: Keep, actual: Any) -> None:
        self._talk(ask.conversation).hold = ask.reason
        assert actual is None, f"{ask}: {actual!r}"

    # ---- what there is

    def _talk(self, conversation: str, *, opening: bool = False) -> Talk:
        if conversation not in self.talks and not opening:
            raise Unknown("model: no such conversation")
        return self.talks.setdefault(conversation, Talk())

    def _turn(self, talk: Talk, of: TurnRef) -> ATurn:
        turn = talk.turns.get(of.turn)
        if turn is None or turn.agent != of.agent or self.talks.get(of.conversation) is not talk:
            raise Unknown("model: no such turn")
        return turn


def what(new: New) -> tuple[Any, ...]:
    """What must be the same in a repetition."""
    answers = (new.answers.of.turn, new.answers.question) if new.answers else ()
    return new.kind, tuple(to.agent for to in new.to), answers, new.updates, new.body


def same(ask: Ask, actual: Any, placed: list[Placed], talk: Talk) -> None:
    """Whether an answer is the one that is due."""
    assert not isinstance(actual, BaseException), f"{ask}: {actual!r}"
    got = [(each.seq, each.turn, each.duplicate) for each in actual.placed]
    assert got == placed, f"{ask}: {got}, and not {placed}"
    assert actual.tail == talk.tail, f"{ask}: ends at {actual.tail}, and not at {talk.tail}"


def _in(now: float, seconds: float | None) -> float | None:
    return None if seconds is None else now + seconds
