"""The checks: what must hold of the evidence, whenever it was gathered. Independent of how the product keeps it.

Each check is a function that yields sentences, one for each place where its promise is broken; `CHECKS` has them all.
They know the contract (`adapters.messaging.log`), what the roles of this test say, and how ids are made; nothing else.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.crash.evidence import Evidence, Row, TurnRow
from tests.crash.setting import SENDERS, agents_of, body_of, id_of, replies_of, sha

LOG = "service:interchange"
ENDED = frozenset({"completed", "failed", "cancelled", "rejected"})
TOLERANCE = 0.1
"""Seconds by which the two clocks of a lease and of the journal may differ."""

_DEFERRED = re.compile(r"(?P<what>doubts|broke|final):(?P<turn>[^:]+):(?P<grant>[0-9]+)")
_ASKED = re.compile(r"(?P<turn>[^:]+):asked:d(?P<grant>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and where."""

    check: str
    what: str


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong."""
    return [Violation(name, what) for name, check in CHECKS.items() for what in check(evidence)]


# ---- what was acknowledged


def acknowledged(evidence: Evidence) -> Iterator[str]:
    """What was acknowledged is where it was said to be, from whom it came, and says what it said."""
    for note in evidence.noted("ack", "done"):
        row = evidence.message(note["c"], note["seq"])
        if row is None:
            yield f"{note['c']} {note['seq']} ({note['id']} of {note['s']}) is not there"
        elif (row.id, row.sender, row.sha) != (note["id"], note["s"], note["d"]):
            yield f"{note['c']} {note['seq']} is {row.id} of {row.sender}, and not {note['id']} of {note['s']}"


def dense(evidence: Evidence) -> Iterator[str]:
    """Numbers go from 1 to the tail."""
    for conversation, tail in evidence.tails.items():
        numbers = [row.seq for row in evidence.messages.get(conversation, [])]
        if numbers != list(range(1, tail + 1)):
            yield f"{conversation} ends at {tail} and has {len(numbers)} messages"


def senders_in_order(evidence: Evidence) -> Iterator[str]:
    """Each sender's messages are in the order they were sent, all of them and none twice, word for word."""
    for conversation, rows in evidence.messages.items():
        said: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.sender in SENDERS and not row.id.endswith(":redriven"):
                said[row.sender].append(row)
        for sender, theirs in said.items():
            if [row.id for row in theirs] != [id_of(number) for number in range(1, len(theirs) + 1)]:
                yield f"{conversation}: what {sender} said is not in its order, or not once"
            for number, row in enumerate(theirs, 1):
                if row.sha != sha(body_of(conversation, sender, number)):
                    yield f"{conversation}: {row.id} of {sender} says something else"
                if row.recipients.split() != list(agents_of(conversation, number)):
                    yield f"{conversation}: {row.id} of {sender} goes to {row.recipients!r}"


def refused(evidence: Evidence) -> Iterator[str]:
    """Nothing that was right was refused, and nothing that was wrong succeeded."""
    for note in evidence.noted("refused", "wrong"):
        yield f"{note.get('c', '')} {note.get('s', '')}: {note['why']}"


# ---- replies and turns


def replies_once(evidence: Evidence) -> Iterator[str]:
    """Everything that an agent or the log said is what came of one delivery or turn, under the id that it must have."""
    expected = _expected_words(evidence)
    for conversation, rows in evidence.messages.items():
        for row in rows:
            if row.sender in SENDERS or row.sender.startswith("person:"):
                continue
            known = row.sha in expected.get((conversation, row.sender, row.id), ())
            if not known and not _said_while_deferred(evidence, conversation, row):
                yield f"{conversation} {row.seq}: {row.sender} said {row.id}, which nothing accounts for"
    yield from _said_twice(evidence)


def _said_twice(evidence: Evidence) -> Iterator[str]:
    for (conversation, said), rows in evidence.by_id.items():
        for sender, times in Counter(row.sender for row in rows).items():
            if times > 1:
                yield f"{conversation}: {sender} said {said} {times} times"


def _expected_words(evidence: Evidence) -> Mapping[tuple[str, str, str], set[str]]:
    """What may be said of each turn: by conversation, sender and id, what it says."""
    expected: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for turn in evidence.turns:
        agent = f"agent:{turn.agent}"
        for seq in evidence.deliveries[turn.conversation, turn.id]:
            delivery = f"{turn.id}:{seq}"
            for number, body in enumerate(replies_of(delivery), 1):
                expected[turn.conversation, agent, f"{delivery}:{number}"].add(sha(body))
            expected[turn.conversation, agent, f"{turn.id}:asked:q{seq}"].add(sha(b"which one?"))
            for body in (b"given up", b"rejected"):
                expected[turn.conversation, LOG, f"{delivery}:failed"].add(sha(body))
        expected[turn.conversation, LOG, f"{turn.id}:failed"].add(sha(b""))
    return expected


def _said_while_deferred(evidence: Evidence, conversation: str, row: Row) -> bool:
    """Whether an agent said this on its own, in a turn that was deferred at this very fence."""
    found = _DEFERRED.fullmatch(row.id) or _ASKED.fullmatch(row.id)
    if found is None:
        return False
    body = found["what"].encode() if found.re is _DEFERRED else b"and now?"
    at = evidence.settled.get((conversation, agent := row.sender.removeprefix("agent:"), int(found["grant"])))
    is_its_turn = at is not None and evidence.turn_of.get((conversation, agent, at[1])) == found["turn"]
    return is_its_turn and row.sha == sha(body)


def turns_end_as_they_say(evidence: Evidence) -> Iterator[str]:
    """A turn's state and its messages agree: what was delivered was replied to, all of it, in the same transaction."""
    for turn in evidence.turns:
        seqs = evidence.deliveries[turn.conversation, turn.id]
        came = [_came_of(evidence, turn, seq) for seq in seqs]
        if "some" in came or any(each != "replies" for each in came[:-1]) or came[-1] not in _LAST[turn.state]:
            yield f"{turn.conversation}: {turn.id} is {turn.state}; of its deliveries {seqs} came {came}"
        cancelled = len(evidence.by_id.get((turn.conversation, f"{turn.id}:cancelled"), ()))
        if cancelled != (turn.state == "cancelled"):
            yield f"{turn.conversation}: {turn.id} is {turn.state}, and was cancelled {cancelled} times"


_LAST: Mapping[str, tuple[str, ...]] = {
    "queued": ("nothing",),
    "working": ("nothing",),
    "waiting": ("replies",),
    "deferred": ("replies",),
    "review": ("replies",),
    "completed": ("replies",),
    "failed": ("replies", "failed"),
    "rejected": ("failed",),
    "cancelled": ("replies", "nothing"),
}
"""What came of a turn's last delivery, by the turn's state."""


def _came_of(evidence: Evidence, turn: TurnRow, seq: int) -> str:
    """What there is of one delivery: all `replies` or `some`, a word that it `failed`, or `nothing`."""
    delivery = f"{turn.id}:{seq}"
    wanted = len(replies_of(delivery))
    there = sum((turn.conversation, f"{delivery}:{number}") in evidence.by_id for number in range(1, wanted + 1))
    failed = (turn.conversation, f"{delivery}:failed") in evidence.by_id
    if there:
        return "replies" if there == wanted and not failed else "some"
    return "failed" if failed else "nothing"


def replies_in_order(evidence: Evidence) -> Iterator[str]:
    """The first word to each request of a mailbox comes in the order of the requests, whatever became of others."""
    mailboxes: dict[tuple[str, str], list[TurnRow]] = defaultdict(list)
    for turn in evidence.turns:
        mailboxes[turn.conversation, turn.agent].append(turn)
    for turns in mailboxes.values():
        before: TurnRow | None = None
        reached: float = 0
        for turn in turns:
            at = _first_word(evidence, turn)
            if at is None and turn.state == "cancelled":
                continue
            if at is not None and at < reached:
                yield f"{turn.conversation}: {turn.agent} began {turn.id} before {before.id if before else ''}"
            before, reached = turn, at if at is not None else float("inf")


def _first_word(evidence: Evidence, turn: TurnRow) -> int | None:
    delivery = f"{turn.id}:{turn.opened}"
    for word in ("1", "failed"):
        if rows := evidence.by_id.get((turn.conversation, f"{delivery}:{word}")):
            return rows[0].seq
    return None


def parked_in_the_log(evidence: Evidence) -> Iterator[str]:
    """Between a question and whatever closed it, nothing else of its mailbox was delivered."""
    spans: dict[str, list[tuple[int, int, str, str]]] = defaultdict(list)
    for question in evidence.questions:
        if question["id"].startswith("q"):  # the others were asked by deferred turns, which hold nobody up
            conversation, turn = question["conversation"], question["turn"]
            closed = _closed_at(evidence, conversation, turn, question["id"], question["seq"])
            spans[conversation].append((question["seq"], closed, turn, question["agent"]))
    words_of = _words_by_delivery(evidence)
    for conversation, parked in spans.items():
        words = words_of.get(conversation, {})
        for asked, closed, turn, agent in parked:
            for seq in range(asked + 1, min(closed, len(evidence.messages[conversation]) + 1)):
                spoke = words.get(seq)
                if spoke is not None and spoke[0] == agent and spoke[1] != turn:
                    yield f"{conversation} {seq}: {agent} replied in {spoke[1]} while {turn} waited"


def _closed_at(evidence: Evidence, conversation: str, turn: str, question: str, asked: int) -> int:
    """The number of the message that ended a question; beyond the end where it is open."""
    rows = evidence.messages[conversation]
    for row in rows[asked:]:
        if row.turn == turn and (row.answers == question or row.id in (f"{turn}:cancelled", f"{turn}:failed")):
            return row.seq
    return len(rows) + 1


def _words_by_delivery(evidence: Evidence) -> Mapping[str, Mapping[int, tuple[str, str]]]:
    """Which messages came of a delivery: agent and turn, by conversation and number."""
    found: dict[str, dict[int, tuple[str, str]]] = defaultdict(dict)
    for (conversation, agent, seq), turn in evidence.turn_of.items():
        for word in ("1", "2", "failed"):
            for row in evidence.by_id.get((conversation, f"{turn}:{seq}:{word}"), ()):
                found[conversation][row.seq] = (agent, turn)
    return found


# ---- mailboxes, change by change


def mailboxes_go_forward(evidence: Evidence) -> Iterator[str]:
    """Cursors, fences and settled fences never fall."""
    for where, before, now in evidence.steps():
        for name in ("cursor", "fence", "settled"):
            if getattr(now, name) < getattr(before, name):
                yield f"{where}: {name} fell from {getattr(before, name)} to {getattr(now, name)}"


def claims_wait(evidence: Evidence) -> Iterator[str]:
    """Nothing is handed out before its time: while a lease is live, during a backoff, or past the head."""
    for where, before, now in evidence.steps():
        if not now.owner or now.fence == before.fence:
            continue
        if now.fence != before.fence + 1:
            yield f"{where}: the fence rose from {before.fence} to {now.fence}"
        early = 0.0 if before.ready_at is None else before.ready_at - now.at
        if early > TOLERANCE:
            why = f"the lease of {before.owner} was live" if before.owner else "it was not ready"
            yield f"{where}: {now.owner} claimed {now.head} {early:.3f} s too early: {why}"
        if before.owner and now.head != before.head:
            yield f"{where}: {now.head} was handed out although {before.head} had not ended"


def parked_mailboxes_stay_parked(evidence: Evidence) -> Iterator[str]:
    """A parked mailbox hands out only what belongs to its turn."""
    for (conversation, agent), before, now in evidence.steps():
        for change in (before, now):
            if change.parked and change.head and evidence.turn_of[conversation, agent, change.head] != change.parked:
                yield f"{conversation} {agent}: parked on {change.parked}, and the head is {change.head}"


def settles_at_its_fence(evidence: Evidence) -> Iterator[str]:
    """Only the holder's settle has an effect, and what its holder was told is what happened."""
    handed, settled = evidence.handed, evidence.settled
    yield from _settled_by_nobody(evidence)
    claims = Counter((note["c"], note["a"], note["fence"]) for note in evidence.noted("claim"))
    yield from (f"{key} was handed out {times} times" for key, times in claims.items() if times > 1)
    told = Counter((note["c"], note["a"], note["fence"]) for note in evidence.noted("settled"))
    yield from (f"{key} was settled {times} times" for key, times in told.items() if times > 1)
    for note in evidence.noted("claim", "settled", "already", "fenced"):
        key = (note["c"], note["a"], note["fence"])
        theirs = (note["owner"], note["seq"])
        if note["k"] == "claim" and handed.get(key) != theirs:
            yield f"{key}: {theirs} was told that it has it, and {handed.get(key)} had"
        if note["k"] in ("settled", "already") and settled.get(key) != theirs:
            yield f"{key}: a stale settle of {theirs} succeeded; settled at this fence: {settled.get(key)}"
        if note["k"] == "fenced" and not note["doubt"] and key in settled:
            yield f"{key}: {theirs} was told that it is fenced, and had settled"
        if note["k"] == "already" and not note["doubt"]:
            yield f"{key}: {theirs} was told that it had settled before, and had not"


def _settled_by_nobody(evidence: Evidence) -> Iterator[str]:
    for where, before, now in evidence.steps():
        if now.settled > before.settled and not (before.owner and before.fence == now.settled):
            yield f"{where}: settled at fence {now.settled}, which {before.owner or 'nobody'} had at {before.fence}"


def nothing_is_forgotten(evidence: Evidence) -> Iterator[str]:
    """At every moment each message that is due is the head of its mailbox, or behind it or a question."""
    due: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for turn in evidence.turns:
        if turn.due:
            due[turn.conversation, turn.agent][turn.id] = turn.due
    waiting = {(turn.conversation, turn.id) for turn in evidence.turns if turn.state == "waiting"}
    for mailbox in evidence.mailboxes:
        where, head, parked = (mailbox["conversation"], mailbox["agent"]), mailbox["head"], mailbox["parked"]
        dues = due.pop(where, {})
        if head and head not in dues.values():
            yield f"{where}: the head is {head}, and due is {sorted(dues.values())}"
        if not head and not parked and dues:
            yield f"{where}: there is no head, and due is {sorted(dues.values())}"
        if parked and not head and (where[0], parked) not in waiting:
            yield f"{where}: parked on {parked}, which waits for nothing"
    yield from (f"{where}: there is no mailbox, and due is {dues}" for where, dues in due.items())


# ---- readers


def readers_see_all_in_order(evidence: Evidence) -> Iterator[str]:
    """Followers see every message once and in order, through all their lives."""
    for (role, number), notes in evidence.notes.items():
        if role != "reader":
            continue
        ends: dict[str, int] = defaultdict(int)
        for note in notes:
            if note["k"] == "read":
                yield from _read_wrong(evidence, note["c"], note["seq"], (note["id"], note["s"]), ends[note["c"]])
                ends[note["c"]] = note["seq"]
        if evidence.over:
            for conversation, tail in evidence.tails.items():
                if ends[conversation] != tail:
                    yield f"reader {number} saw {conversation} up to {ends[conversation]} of {tail}"


def _read_wrong(evidence: Evidence, conversation: str, seq: int, said: tuple[str, str], end: int) -> Iterator[str]:
    if seq != end + 1:
        yield f"{conversation}: {seq} was read after {end}"
    row = evidence.message(conversation, seq)
    if row is None or (row.id, row.sender) != said:
        yield f"{conversation} {seq} was read as {said}"


def seen_never_goes_back(evidence: Evidence) -> Iterator[str]:
    """What a device has shown stays shown."""
    for note in evidence.noted("seen"):
        there = evidence.seen.get((note["c"], note["device"]), 0)
        if note["seq"] < note["asked"] or there < note["seq"]:
            yield f"{note['c']}: {note['device']} showed {note['asked']}, was told {note['seq']}; there is {there}"


# ---- the end


def nothing_is_left(evidence: Evidence) -> Iterator[str]:
    """Once a run has drained, everything was delivered and every turn has ended."""
    if not evidence.over:
        return
    for mailbox in evidence.mailboxes:
        if mailbox["head"] or mailbox["owner"] or mailbox["parked"] or mailbox["ready_at"] is not None:
            yield f"{mailbox['conversation']} {mailbox['agent']}: {dict(mailbox)}"
    for turn in evidence.turns:
        if turn.state not in ENDED or turn.due:
            yield f"{turn.conversation}: {turn.id} is {turn.state}"
    for question in evidence.questions:
        if question["state"] == "open":
            yield f"{question['conversation']}: {question['id']} of {question['turn']} is still open"


def nobody_died_alone(evidence: Evidence) -> Iterator[str]:
    """No process ended but those that were killed."""
    yield from evidence.deaths


CHECKS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    check.__name__: check
    for check in (
        acknowledged,
        dense,
        senders_in_order,
        refused,
        replies_once,
        turns_end_as_they_say,
        replies_in_order,
        parked_in_the_log,
        mailboxes_go_forward,
        claims_wait,
        parked_mailboxes_stay_parked,
        settles_at_its_fence,
        nothing_is_forgotten,
        readers_see_all_in_order,
        seen_never_goes_back,
        nothing_is_left,
        nobody_died_alone,
    )
}
