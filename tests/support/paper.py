"""An engine on paper: rows in dictionaries and one transaction at a time, as plainly as an engine can be written.

It keeps nothing and shares nothing. The tests of the plan read it, and the contract's tests run on it too: what fails
here as well is the plan's or the test's fault, and not a database's. A sheet is given only what was wanted, so a row
that a request needs and does not name is missed here first.
"""

import itertools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any, TypeVar

from adapters.messaging import plan
from adapters.messaging.delivery import Mailbox, is_claimable
from adapters.messaging.drafts import Draft
from adapters.messaging.engine import Stir, Stirred, stir_of
from adapters.messaging.log import Devices, Found, LetterMark, TurnMark, WhichLetters, WhichTurns
from adapters.messaging.messages import Conversation, DeadLetter, Message, TurnRef
from adapters.messaging.outcomes import Delivery, Lease, Push
from adapters.messaging.requests import (
    LetterKey,
    MailboxKey,
    Request,
    SeenKey,
    SeqKey,
    TurnKey,
    agent_sender,
    wanted,
)
from adapters.messaging.sheet import Blank, HeldCall, Known, Question, Sheet
from adapters.messaging.turns import ENDED, Turn
from registry.model import AgentName, ConversationId, InterchangeError, TurnId

_K = TypeVar("_K")
_V = TypeVar("_V")
_PAGE = 4 << 20
_TICKS = itertools.count(step=1e-6)  # no two transactions at the same instant
BEGAN = 1000.0


@dataclass(slots=True)
class Paper:
    """What is written down. `now` is the log's clock, and stands still until somebody moves it; `stir` is what the last
    transaction may wake somebody for."""

    now: float = BEGAN
    stir: Stir = field(default_factory=Stir, compare=False)
    conversations: dict[ConversationId, Conversation] = field(default_factory=dict[ConversationId, Conversation])
    messages: dict[SeqKey, Message] = field(default_factory=dict[SeqKey, Message])
    mailboxes: dict[MailboxKey, Mailbox] = field(default_factory=dict[MailboxKey, Mailbox])
    turns: dict[TurnKey, Turn] = field(default_factory=dict[TurnKey, Turn])
    questions: dict[tuple[TurnKey, str], Question] = field(default_factory=dict[tuple[TurnKey, str], Question])
    letters: dict[LetterKey, DeadLetter] = field(default_factory=dict[LetterKey, DeadLetter])
    seen: dict[SeenKey, int] = field(default_factory=dict[SeenKey, int])
    holds: dict[str, HeldCall] = field(default_factory=dict[str, HeldCall])
    pushes: dict[str, tuple[ConversationId, Push]] = field(default_factory=dict[str, tuple[ConversationId, Push]])
    drafts: dict[TurnKey, Draft] = field(default_factory=dict[TurnKey, Draft])

    def do(self, request: Request) -> Any:
        """Carry out one request in a transaction of its own; what it raises is raised."""
        (answer,) = self.together(request)
        if isinstance(answer, InterchangeError):
            raise answer
        return answer

    def together(self, *requests: Request) -> list[Any]:
        """Carry out requests in one transaction; for each what it returned or raised."""
        sheet = self._sheet(requests)
        answers = [_performed(request, sheet) for request in requests]
        self._write(sheet)
        self.stir = stir_of(sheet)
        return answers

    def claim(self, agents: Collection[AgentName], *, limit: int, lease: Lease) -> list[Delivery]:
        """See `ConversationLog.claim`: agents in turn, of each the mailbox that waits longest."""
        ranked = [ranked for agent in agents for ranked in enumerate(self._waiting(agent))]
        ranked.sort(key=lambda each: (each[0], each[1].ready_at))
        return [self._handed_out(box, lease) for _, box in ranked[:limit]]

    def _waiting(self, agent: AgentName) -> list[Mailbox]:
        boxes = [box for box in self.mailboxes.values() if box.agent == agent and is_claimable(box, self.now)]
        return sorted(boxes, key=lambda box: (box.ready_at or 0, box.conversation))

    def _handed_out(self, box: Mailbox, lease: Lease) -> Delivery:
        (turn,) = (turn for turn in self._due(box) if turn.due == box.head)
        message = self.messages[box.conversation, box.head]
        mailbox, turn, delivery = plan.claim(box, turn, message, lease, self._sheet(()))
        self.mailboxes[mailbox.conversation, mailbox.agent] = mailbox
        self.turns[turn.conversation, turn.id] = turn
        return delivery

    def _sheet(self, requests: Sequence[Request]) -> Sheet:
        want = wanted(requests)
        known = {(each.conversation, each.sender, each.id): each for each in self.messages.values()}
        letters = _only(self.letters, want.letters)
        want.turns |= {(each.of.conversation, each.of.turn) for each in letters.values()}
        return Sheet(
            now=self.now,
            at=self.now,
            monotonic=time.monotonic(),
            conversations=_only(self.conversations, want.conversations),
            known={
                key: Known(each.seq, each.digest, each.turn, each.at) for key, each in _only(known, want.known).items()
            },
            mailboxes=_only(self.mailboxes, want.mailboxes),
            turns=_only(self.turns, want.turns),
            messages=_only(self.messages, want.messages),
            letters=letters,
            seen=_only(self.seen, want.seen),
            holds=_only(self.holds, want.holds),
        )

    def _write(self, sheet: Sheet) -> None:
        written = sheet.written
        self.conversations |= written.conversations
        self.messages |= {(each.conversation, each.seq): each for each in written.messages}
        self.turns |= written.turns
        for question in written.questions:
            self.questions[(question.conversation, question.turn), question.id] = question
        for conversation, turn, id_, state in written.closed:
            key = ((conversation, turn), id_)
            self.questions[key] = replace(self.questions[key], state=state)
        self.letters |= written.letters
        self.seen |= written.seen
        self.holds |= written.holds
        for blank in written.blanks:
            self._blank(blank)
        for conversation, push in written.pushes:
            self.pushes.setdefault(push.id, (conversation, push))
        sheet.promote([(key, self._next(sheet.mailboxes[key])) for key in written.vacated])
        self.mailboxes |= written.mailboxes

    def _blank(self, blank: Blank) -> None:
        for key, message in self.messages.items():
            if blank.covers(message):
                self.messages[key] = replace(message, body=b"", text="", erased=True)
        for id_, (conversation, push) in self.pushes.items():
            if conversation == blank.conversation:
                self.pushes[id_] = (conversation, replace(push, body=b""))
        for conversation, turn in [key for key in self.drafts if key[0] == blank.conversation]:
            if blank.sender in {"", agent_sender(self.turns[conversation, turn].agent)}:
                del self.drafts[conversation, turn]

    def _due(self, box: Mailbox) -> list[Turn]:
        of_it = [
            turn for turn in self.turns.values() if (turn.conversation, turn.agent) == (box.conversation, box.agent)
        ]
        return [turn for turn in of_it if turn.due and box.parked in {"", turn.id}]

    def _next(self, box: Mailbox) -> int:
        return min(((not turn.urgent, turn.due) for turn in self._due(box)), default=(False, 0))[1]


class PaperEngine:
    """The paper as an `Engine` and as its `Rows`."""

    def __init__(self, paper: Paper, *, stirred: Stirred, shift: Callable[[], float]) -> None:
        self.paper = paper
        self._stirred = stirred
        self._shift = shift

    @property
    def rows(self) -> "PaperEngine":
        return self

    async def submit(self, request: Request) -> Any:
        answer = self._at_this_time().do(request)
        self._stirred(self.paper.stir)
        return answer

    async def claim(self, agents: Collection[AgentName], *, limit: int, lease: Lease) -> Sequence[Delivery]:
        return self._at_this_time().claim(agents, limit=limit, lease=lease)

    async def overdue(self, *, limit: int) -> Sequence[TurnRef]:
        paper = self._at_this_time()
        due = [turn for turn in paper.turns.values() if turn.expires is not None and turn.expires <= paper.now]
        due.sort(key=lambda turn: turn.expires or 0)
        return [turn.of for turn in due[:limit]]

    async def retain(self, *, seconds: float, limit: int) -> int:
        paper = self._at_this_time()
        busy = {
            (turn.conversation, seq)
            for turn in paper.turns.values()
            if turn.state not in ENDED
            for seq in {turn.opened, turn.due, *(each.seq for each in paper.messages.values() if each.turn == turn.id)}
        }
        old = [
            (key, each)
            for key, each in paper.messages.items()
            if not each.erased
            and each.at < paper.now - seconds
            and key not in busy
            and not paper.conversations[each.conversation].hold
        ][:limit]
        for key, message in old:
            paper.messages[key] = replace(message, body=b"", text="", erased=True)
        return len(old)

    async def index(self, *, limit: int) -> int:
        return 0

    async def keep_drafts(self, drafts: Sequence[Draft]) -> None:
        paper = self._at_this_time()
        for draft in drafts:
            key = (draft.conversation, draft.turn)
            turn, before = paper.turns.get(key), paper.drafts.get(key)
            is_newer = before is None or (draft.fence, draft.number) > (before.fence, before.number)
            if turn is not None and turn.state not in ENDED and is_newer:
                paper.drafts[key] = replace(draft, at=paper.now)

    async def drop_drafts(self, turns: Sequence[TurnKey]) -> None:
        for key in turns:
            self.paper.drafts.pop(key, None)

    async def tidy(self, *, limit: int) -> int:
        over = [key for key in self.paper.drafts if self.paper.turns[key].state in ENDED][:limit]
        await self.drop_drafts(over)
        return len(over)

    async def close(self) -> None:
        """There is nothing to be let go of."""

    async def conversations(
        self, *, ids: Sequence[ConversationId] = (), after: ConversationId | None = None, limit: int = 100
    ) -> Sequence[Conversation]:
        paper = self.paper
        if ids:
            return [paper.conversations[each] for each in ids if each in paper.conversations]
        found = sorted(each for each in paper.conversations if after is None or each > after)
        return [paper.conversations[each] for each in found[:limit]]

    async def page(
        self, conversation: ConversationId, *, after: int, before: int | None, limit: int
    ) -> Sequence[Message] | None:
        if (found := self.paper.conversations.get(conversation)) is None:
            return None
        end = found.tail + 1 if before is None else min(before, found.tail + 1)
        all_ = [self.paper.messages[conversation, seq] for seq in range(after + 1, end)]
        if before is None:
            return _capped(all_)[:limit]
        return _capped(all_[::-1])[:limit][::-1]

    async def tails(self, conversations: Sequence[ConversationId]) -> Mapping[ConversationId, int]:
        return {each.id: each.tail for each in await self.conversations(ids=conversations)}

    async def turns(self, which: WhichTurns, *, behind: TurnMark | None, limit: int) -> Sequence[Turn]:
        found = [
            turn
            for turn in self.paper.turns.values()
            if _is_one(turn, which)
            and (behind is None or (turn.changed_at, turn.id) < (behind.changed_at, behind.turn))
        ]
        return sorted(found, key=lambda turn: (turn.changed_at, turn.id), reverse=True)[:limit]

    async def count_turns(self, which: WhichTurns) -> int:
        return sum(_is_one(turn, which) for turn in self.paper.turns.values())

    async def of_turn(self, conversation: ConversationId, turn: TurnId, *, after: int, limit: int) -> Sequence[Message]:
        if (found := self.paper.turns.get((conversation, turn))) is None:
            return []
        tail = self.paper.conversations[conversation].tail
        behind = (self.paper.messages[conversation, seq] for seq in range(max(after + 1, found.opened), tail + 1))
        return _capped([each for each in behind if each.turn == turn or each.seq == found.opened])[:limit]

    async def draft(self, conversation: ConversationId, turn: TurnId) -> Draft | None:
        return self.paper.drafts.get((conversation, turn))

    async def search(
        self, words: str, *, conversations: Sequence[ConversationId] | None, limit: int
    ) -> Sequence[Found]:
        sought = words.casefold().split()
        found = [
            Found(message=message, rank=1.0)
            for message in self.paper.messages.values()
            if (conversations is None or message.conversation in conversations)
            and sought
            and all(word in message.text.casefold().split() for word in sought)
        ]
        return found[:limit]

    async def dead(self, which: WhichLetters, *, after: LetterMark | None, limit: int) -> Sequence[DeadLetter]:
        found = [
            letter
            for letter in self.paper.letters.values()
            if which.conversation in {None, letter.of.conversation}
            and which.agent in {None, letter.of.agent}
            and which.redriven == bool(letter.redriven_as)
        ]
        found.sort(key=_place)
        return [letter for letter in found if after is None or _place(letter) > astuple(after)][:limit]

    async def devices(self, conversation: ConversationId) -> Devices:
        return Devices(seen={device: seq for (of, device), seq in self.paper.seen.items() if of == conversation})

    def _at_this_time(self) -> Paper:
        self.paper.now = BEGAN + self._shift() + next(_TICKS)
        return self.paper


def _is_one(turn: Turn, which: WhichTurns) -> bool:
    return (
        which.conversation in {None, turn.conversation}
        and (not which.turns or turn.id in which.turns)
        and (not which.agents or turn.agent in which.agents)
        and (not which.states or turn.state in which.states)
        and which.started_by in {"", turn.started_by}
        and which.owner in {"", turn.owner}
        and which.root in {"", turn.root}
        and (which.changed_after is None or turn.changed_at >= which.changed_after)
    )


def _place(letter: DeadLetter) -> tuple[Any, ...]:
    return astuple(LetterMark.behind(letter))


def _performed(request: Request, sheet: Sheet) -> Any:
    try:
        return plan.perform(request, sheet)
    except InterchangeError as refused:
        return refused


def _only(rows: Mapping[_K, _V], keys: Collection[_K]) -> dict[_K, _V]:
    return {key: rows[key] for key in keys if key in rows}


def _capped(messages: Sequence[Message]) -> list[Message]:
    """As many as have 4 MiB of bodies together, and at least one."""
    taken: list[Message] = []
    size = 0
    for message in messages:
        size += len(message.body)
        if taken and size > _PAGE:
            break
        taken.append(message)
    return taken
