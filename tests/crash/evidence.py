"""Evidence: what the roles noted, and what the database says at one moment after that."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from tests.crash.database import clock_ahead, snapshot
from tests.crash.role import ENDED_BY, noted
from tests.crash.setting import Setting

QUERIES: Mapping[str, str] = {
    "conversations": "SELECT id, tail FROM conversation",
    "messages": "SELECT conversation, seq, id, sender, kind, turn, recipients, answers, body FROM message"
    " ORDER BY conversation, seq",
    "turns": "SELECT conversation, id, agent, opened, state, due FROM turn ORDER BY conversation, agent, opened",
    "mailboxes": "SELECT conversation, agent, head, ready_at, owner, parked FROM mailbox",
    "questions": "SELECT conversation, turn, id, agent, seq, state FROM question",
    "letters": "SELECT conversation, agent, seq, redriven_as FROM dead_letter",
    "seen": "SELECT conversation, device, seq FROM seen",
    "journal": "SELECT at, conversation, agent, cursor, head, ready_at, fence, settled, owner, parked"
    " FROM mailbox_journal ORDER BY id",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A message as the database has it; `sha` is that of its body."""

    seq: int
    id: str
    sender: str
    kind: str
    turn: str
    recipients: str
    answers: str
    sha: str


@dataclass(frozen=True, slots=True)
class TurnRow:
    conversation: str
    id: str
    agent: str
    opened: int
    state: str
    due: int


@dataclass(frozen=True, slots=True)
class Change:
    """What a mailbox was like after a change, and when, by the log's clock."""

    at: float
    cursor: int
    head: int
    ready_at: float | None
    fence: int
    settled: int
    owner: str
    parked: str


_NOTHING = Change(at=0.0, cursor=0, head=0, ready_at=None, fence=0, settled=0, owner="", parked="")


@dataclass(kw_only=True)
class Evidence:
    """All of it. `notes` are by role and number, as they were written; `over`: the run has drained and ended."""

    setting: Setting
    notes: Mapping[tuple[str, int], list[dict[str, Any]]]
    tails: Mapping[str, int]
    messages: Mapping[str, list[Row]]
    turns: list[TurnRow]
    mailboxes: list[Mapping[str, Any]]
    questions: list[Mapping[str, Any]]
    letters: list[Mapping[str, Any]]
    seen: Mapping[tuple[str, str], int]
    journal: Mapping[tuple[str, str], list[Change]]
    over: bool = False
    deaths: list[str] = field(default_factory=list[str])

    def noted(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """Every note of these kinds, whoever made it."""
        for notes in self.notes.values():
            yield from (note for note in notes if note["k"] in kinds)

    def message(self, conversation: str, seq: int) -> Row | None:
        """The message that has this number, if its conversation is that long."""
        rows = self.messages.get(conversation, [])
        return rows[seq - 1] if 0 < seq <= len(rows) else None

    @cached_property
    def by_id(self) -> Mapping[tuple[str, str], list[Row]]:
        """Messages by conversation and id; several, if several senders use it."""
        found: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for conversation, rows in self.messages.items():
            for row in rows:
                found[conversation, row.id].append(row)
        return found

    @cached_property
    def deliveries(self) -> Mapping[tuple[str, str], list[int]]:
        """The numbers of the messages that were to be delivered for each turn, in their order."""
        found = {(turn.conversation, turn.id): [turn.opened] for turn in self.turns}
        for conversation, rows in self.messages.items():
            for row in rows:
                if row.kind == "answered" or row.id.startswith("returned:"):
                    found[conversation, row.turn].append(row.seq)
        return found

    @cached_property
    def turn_of(self) -> Mapping[tuple[str, str, int], str]:
        """For which turn of an agent a message was to be delivered."""
        agents = {(turn.conversation, turn.id): turn.agent for turn in self.turns}
        return {
            (conversation, agents[conversation, turn], seq): turn
            for (conversation, turn), seqs in self.deliveries.items()
            for seq in seqs
        }

    def steps(self) -> Iterator[tuple[tuple[str, str], Change, Change]]:
        """Every change of every mailbox: what it was, and what it became."""
        for where, changes in self.journal.items():
            for before, now in pairwise([_NOTHING, *changes]):
                yield where, before, now

    @cached_property
    def handed(self) -> Mapping[tuple[str, str, int], tuple[str, int]]:
        """Owner and message of every lease, by mailbox and fence."""
        return {
            (*where, now.fence): (now.owner, now.head)
            for where, before, now in self.steps()
            if now.owner and now.fence > before.fence
        }

    @cached_property
    def settled(self) -> Mapping[tuple[str, str, int], tuple[str, int]]:
        """Owner and message of every lease that was settled, by mailbox and fence."""
        return {
            (*where, now.settled): (before.owner, before.head)
            for where, before, now in self.steps()
            if now.settled > before.settled
        }


def gather(setting: Setting, *, over: bool = False) -> Evidence:
    """What is known now. The notes come first: what they say has to be in the database."""
    notes = {
        (role, number): list(noted(setting.notes_of(role, number)))
        for role, count in setting.roles.items()
        for number in range(count)
    }
    ahead = clock_ahead(setting.url)
    rows = snapshot(setting.url, QUERIES)
    return Evidence(
        setting=setting,
        notes=notes,
        tails={row["id"]: row["tail"] for row in rows["conversations"]},
        messages=_messages(rows["messages"]),
        turns=_turns(rows["turns"]),
        mailboxes=list(rows["mailboxes"]),
        questions=list(rows["questions"]),
        letters=list(rows["letters"]),
        seen={(row["conversation"], row["device"]): row["seq"] for row in rows["seen"]},
        journal=_journal(rows["journal"], ahead),
        over=over,
        deaths=_last_words(setting),
    )


def _last_words(setting: Setting) -> list[str]:
    """What was left behind by those whom an error ended."""
    said = {who: setting.errors_of(*who) for who in setting.cast}
    words = {who: path.read_text(errors="replace") for who, path in said.items() if path.exists()}
    return [f"{role} {number}: {text[-2000:]}" for (role, number), text in words.items() if ENDED_BY in text]


def _turns(rows: Any) -> list[TurnRow]:
    return [TurnRow(*row) for row in map(tuple, rows)]


def _messages(rows: Any) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    columns: Any
    for conversation, *columns, body in map(tuple, rows):
        found[conversation].append(Row(*columns, sha=hashlib.sha256(body).hexdigest()))
    return found


def _journal(rows: Any, ahead: float) -> Mapping[tuple[str, str], list[Change]]:
    found: dict[tuple[str, str], list[Change]] = defaultdict(list)
    columns: Any
    for at, conversation, agent, *columns in map(tuple, rows):
        found[conversation, agent].append(Change(at + ahead, *columns))
    return found
