"""The checks of a run of turns: what must hold of the evidence, once everything is quiet.

Each is a function that yields sentences, one for each place where its promise is broken; `CHECKS` has them all. They
know what clients say, what agents answer and what A2A promises, and nothing of how the product keeps it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from a2a.types import TaskState

from tests.crash.checks import Violation
from tests.crash.turns.clients import Errand
from tests.crash.turns.evidence import ENDED, Evidence, Row
from tests.crash.turns.words import ASK, DEFER, FLAKY, QUESTION

AROUND = 12.0
"""Seconds after a strike in which a stream may still break off because of it."""

ASKED = "INPUT_REQUIRED"
"""What a webhook is told of a question: as the state that it brings, or as a message where it was answered already."""

_NAMES = {"completed": "COMPLETED", "failed": "FAILED", "cancelled": "CANCELED", "rejected": "REJECTED"}


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong."""
    return [Violation(name, what) for name, check in CHECKS.items() for what in check(evidence)]


def _acknowledged(evidence: Evidence) -> Iterator[Errand]:
    for errand in evidence.clients.errands:
        if errand.task and errand.task in evidence.turns:
            yield errand


def _completed(evidence: Evidence) -> Iterator[Errand]:
    for errand in _acknowledged(evidence):
        if evidence.turns[errand.task].state == "completed":
            yield errand


# ---- what was acknowledged


def acknowledged(evidence: Evidence) -> Iterator[str]:
    """Every task that was acknowledged is there, opened by its message, and by no other."""
    for errand in evidence.clients.errands:
        if errand.task and errand.task not in evidence.turns:
            yield f"{errand.words}: the task {errand.task} is not there"
        if len(errand.tasks) > 1:
            yield f"{errand.words}: it became {len(errand.tasks)} tasks"
    for errand in _acknowledged(evidence):
        first = evidence.messages[errand.task][0]
        if (first.id, first.text, first.sender.split(":")[0]) != (errand.words.key, str(errand.words), "person"):
            yield f"{errand.words}: its task was opened by {first.id} of {first.sender}: {first.text}"
    opened = Counter((rows[0].conversation, rows[0].sender, rows[0].id) for rows in evidence.messages.values())
    for (_, sender, said), times in opened.items():
        if times > 1:
            yield f"{said} of {sender} opened {times} tasks"


def ended(evidence: Evidence) -> Iterator[str]:
    """Every task has ended: completed, or cancelled by somebody who wanted that."""
    asked = {errand.task for errand in evidence.clients.errands if errand.cancels}
    for turn in evidence.turns.values():
        if turn.state not in ENDED:
            yield f"{turn.id} of {turn.agent} is still {turn.state}"
        elif turn.state == "cancelled" and turn.id not in asked:
            yield f"{turn.id} of {turn.agent} is cancelled, and nobody asked for that"
        elif turn.state not in ("completed", "cancelled"):
            rows = evidence.messages[turn.id]
            yield f"{rows[0].text} of {turn.agent} is {turn.state}: {rows[-1].text} {rows[-1].body.get('metadata')}"


def replies(evidence: Evidence) -> Iterator[str]:
    """A completed task has one reply, which is what its agent says to it; and what it said on the way is there once."""
    for errand in _completed(evidence):
        rows = [row for row in evidence.messages[errand.task] if row.sender == f"agent:{errand.agent}"]
        said = [row for row in rows if row.kind == "said"]
        if not said or said[-1].artifacts != errand.words.artifacts:
            yield f"{errand.words}: its last message is {str(said[-1].body if said else None)[:300]}"
        if errand.words.notes != [row.text for row in said[:-1]]:
            yield f"{errand.words}: before its end it says {[row.text for row in said[:-1]]}"


def seen_as_logged(evidence: Evidence) -> Iterator[str]:
    """What clients were shown is what is in the log, and what had ended stays as it was."""
    for errand in evidence.clients.errands:
        yield from (f"{errand.words}: {odd}" for odd in errand.odd)
    for errand in _acknowledged(evidence):
        state = evidence.turns[errand.task].state
        if errand.states and errand.states[-1] != _NAMES.get(state, state):
            yield f"{errand.words}: it was seen as {errand.states[-1]}, and is {state}"
    yield from evidence.clients.odd


def cancelled_stays(evidence: Evidence) -> Iterator[str]:
    """What was answered CANCELED stays so."""
    for errand in _acknowledged(evidence):
        if errand.cancelled and evidence.turns[errand.task].state != "cancelled":
            yield f"{errand.words}: it was cancelled, and is {evidence.turns[errand.task].state}"


def subscribers(evidence: Evidence) -> Iterator[str]:
    """Who listened until the end heard every note once, in order, and was left with what is in the log."""
    for errand in _completed(evidence):
        for heard in errand.heard:
            if heard.state == TaskState.TASK_STATE_COMPLETED and (
                heard.notes != errand.words.notes or heard.artifacts != errand.words.artifacts
            ):
                yield f"{errand.words}: a subscriber heard {heard.notes} {str(heard.artifacts)[:200]}"


# ---- what agents did


def in_order(evidence: Evidence) -> Iterator[str]:
    """Of each conversation, tasks opened in the order in which they were acknowledged, and the agent did them so."""
    first: dict[str, float] = {}
    for line in evidence.did:
        if line["what"] == "did":
            first.setdefault(line["turn"], line["at"])
    lanes: dict[str, list[Errand]] = defaultdict(list)
    for errand in _acknowledged(evidence):
        lanes[errand.context].append(errand)
    for context, errands in lanes.items():
        opened = [evidence.turns[errand.task].opened for errand in errands]
        if opened != sorted(opened):
            yield f"{context}: its tasks were not opened in their order"
        done = [errand for errand in errands if evidence.turns[errand.task].state == "completed"]
        times = [first.get(errand.task, float("inf")) for errand in done if errand.words.word != ASK]
        if times != sorted(times):
            yield f"{context}: its agent did not do them in their order"
    for errand in _completed(evidence):
        if errand.task not in first:
            yield f"{errand.words}: it is completed, and its agent has not done it"


def one_delivery(evidence: Evidence) -> Iterator[str]:
    """All attempts at one message are one delivery, so that agents can tell; what they do is done once for each."""
    deliveries: dict[str, set[str]] = defaultdict(set)
    words: dict[str, str] = {}
    for line in evidence.did:
        if line["what"] == "begun":
            deliveries[line["turn"]].add(line["delivery"])
    for errand in evidence.clients.errands:
        words[errand.task] = errand.words.word
    for turn, found in deliveries.items():
        if len(found) > (2 if words.get(turn) == ASK else 1):
            yield f"{turn}: its attempts are {len(found)} deliveries"


def fenced(evidence: Evidence) -> Iterator[str]:
    """The answer that counts is the one of the last attempt that was begun."""
    for errand in _completed(evidence):
        if errand.words.word in (ASK, DEFER):
            continue
        turn, reply = evidence.turns[errand.task], evidence.messages[errand.task][-1]
        attempt = reply.body.get("metadata", {}).get("attempt")
        if attempt != turn.attempts:
            yield f"{errand.words}: its answer is that of attempt {attempt} of {turn.attempts}"


def quiet_attempts(evidence: Evidence) -> Iterator[str]:
    """Where nobody was struck, there are no more attempts than there have to be."""
    if evidence.strikes:
        return
    for errand in _acknowledged(evidence):
        wanted = 2 if errand.words.word in (ASK, FLAKY) else 1
        attempts = evidence.turns[errand.task].attempts
        if attempts > wanted:
            yield f"{errand.words}: {attempts} attempts, though nobody was struck"


# ---- the audit logs


def audited(evidence: Evidence) -> Iterator[str]:
    """Every attempt has one decision, every decision one outcome; none is open, and no outcome is of nothing."""
    decided: dict[str, Mapping[str, Any]] = {}
    for number, entries in enumerate(evidence.audits):
        decisions = [entry["call"] for entry in entries if entry["kind"] == "decision"]
        outcomes = Counter(entry["call"] for entry in entries if entry["kind"] == "outcome")
        yield from (f"gateway {number}: {call} has {n} outcomes" for call, n in outcomes.items() if n > 1)
        yield from (f"gateway {number}: {call} is decided {n} times" for call, n in Counter(decisions).items() if n > 1)
        yield from (f"gateway {number}: {call} is open" for call in decisions if evidence.over and not outcomes[call])
        yield from (f"gateway {number}: {call} has an outcome only" for call in outcomes.keys() - set(decisions))
        for entry in entries:
            if entry["kind"] == "decision":
                if entry["call"] in decided:
                    yield f"{entry['call']} was decided at both gateways"
                decided[entry["call"]] = entry
    yield from _attempts_decided(evidence, decided)


def _attempts_decided(evidence: Evidence, decided: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    calls: dict[str, tuple[str, int]] = {}
    for line in evidence.did:
        if line["what"] != "begun":
            continue
        entry = decided.get(line["call"])
        if entry is None:
            yield f"attempt {line['attempt']} at {line['key']} was not decided"
        elif entry["verdict"] != "allow" or entry["door"] != "turn":
            yield f"attempt {line['attempt']} at {line['key']} was decided so: {entry['verdict']} at {entry['door']}"
        attempt = calls.setdefault(line["call"], (line["delivery"], line["attempt"]))
        if attempt != (line["delivery"], line["attempt"]):
            yield f"the call {line['call']} is two attempts: {attempt}, and {line['attempt']} at {line['key']}"


# ---- webhooks


def webhooks(evidence: Evidence) -> Iterator[str]:
    """Each webhook was told every message of its task at least once, in order, and its end."""
    told: dict[str, list[str]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    for received in evidence.hooks:
        if (received.path, received.key) not in seen:
            seen.add((received.path, received.key))
            told[received.path].append(_told(received.body))
    for errand in _acknowledged(evidence):
        if not errand.hook:
            continue
        heard = told["/" + errand.hook.rpartition("/")[2]]
        wanted = [row.text for row in _spoken(evidence, errand)]
        wanted.append(_NAMES.get(evidence.turns[errand.task].state, "?"))
        if [word for word in heard if word != ASKED] != wanted:
            yield f"{errand.words}: its webhook was told {heard}, and not {wanted}"


def _spoken(evidence: Evidence, errand: Errand) -> list[Row]:
    """What the agent said on the way to the end; a question is told as one, or as the state that it brings."""
    ours = [
        row for row in evidence.messages[errand.task] if row.sender == f"agent:{errand.agent}" and row.kind == "said"
    ]
    is_end = evidence.turns[errand.task].state == "completed"
    return ours[:-1] if is_end else ours


def _told(body: bytes) -> str:
    event: Mapping[str, Any] = json.loads(body)
    if "task" in event:
        return event["task"]["status"]["state"].removeprefix("TASK_STATE_")
    parts = event["statusUpdate"]["status"]["message"]["parts"]
    text = "".join(part.get("text", "") for part in parts)
    return ASKED if text == QUESTION else text


# ---- what befell others


def unharmed(evidence: Evidence) -> Iterator[str]:
    """Whoever was not struck went on; streams broke off where their gateway did, and otherwise ended with a reason."""
    yield from evidence.wrong
    for url, at, why in evidence.clients.cut:
        killed = [when for what, when in evidence.strikes if url in what and "killed" in what]
        if not any(when - 1 <= at <= when + AROUND for when in killed):
            yield f"a stream of {url} broke off at {at:.1f}, when it was not killed: {why[:200]}"
    for reason, times in evidence.clients.reasons.items():
        if "failed" in reason:
            yield f"{times} times a gateway said: {reason}"
    for url, times in evidence.clients.closed.items():
        yield f"{times} streams of {url} ended without a reason"


CHECKS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    check.__name__: check
    for check in (
        acknowledged,
        ended,
        replies,
        seen_as_logged,
        cancelled_stays,
        subscribers,
        in_order,
        one_delivery,
        fenced,
        quiet_attempts,
        audited,
        webhooks,
        unharmed,
    )
}
