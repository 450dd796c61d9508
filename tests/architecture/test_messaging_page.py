"""The tables in docs/messaging.md are those of the code: each is made anew here, and has to be in the page."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from adapters.messaging import delivery as mailboxes
from adapters.messaging import plan
from adapters.messaging.delivery import Mailbox, MailboxState
from adapters.messaging.errors import Fenced
from adapters.messaging.messages import New, Opening, To
from adapters.messaging.outcomes import (
    Ask,
    Asked,
    Dead,
    Deferred,
    Done,
    Effect,
    Lease,
    Outcome,
    Rejected,
    Reply,
    Retry,
)
from adapters.messaging.requests import Append, Settle
from adapters.messaging.sheet import Sheet
from adapters.messaging.turns import TURNS, TurnState
from registry.model import AgentName, ConversationId, TurnId

PAGE = (Path(__file__).parents[2] / "docs" / "messaging.md").read_text()
CONVERSATION, AGENT, TURN, OTHER = ConversationId("c"), AgentName("agent"), TurnId("t"), TurnId("other")
NOW = 100.0

# ---- turns


def test_the_table_of_turns_is_that_of_the_code() -> None:
    rows = [f"| {state} | {_changes(state)} |" for state in TURNS]
    assert "\n".join(["| turn | what may happen to it |", "|---|---|", *rows]) in PAGE


def _changes(state: TurnState) -> str:
    changes = (f"{change.value.replace('_', ' ')} → {to}" for change, to in TURNS[state].items())
    return "; ".join(changes) or "–"


# ---- mailboxes

EMPTY = Mailbox(conversation=CONVERSATION, agent=AGENT)
READY = replace(EMPTY, head=1, ready_at=NOW)
LEASED = replace(READY, owner="somebody", fence=1, attempts=1, ready_at=NOW + 30)
PARKED = replace(EMPTY, parked=TURN)
STATES = {
    MailboxState.EMPTY: EMPTY,
    MailboxState.READY: READY,
    MailboxState.LEASED: LEASED,
    MailboxState.PARKED: PARKED,
}


def test_the_table_of_mailboxes_is_what_the_code_does() -> None:
    cells: dict[str, Callable[[Mailbox], Mailbox | None]] = {
        "arrived": lambda it: mailboxes.arrived(it, 2, OTHER, NOW),
        "arrived for the turn it is parked on": _arrived_for_it,
        "claimed": _claimed,
        "extended": _held(lambda it: mailboxes.extended(it, lease=9.0, now=NOW)),
        "put back": _held(lambda it: mailboxes.put_back(it, after=5.0, now=NOW)),
        "parked on": _held(lambda it: mailboxes.parked_on(it, TURN, passes=1)),
        "ended": _held(lambda it: mailboxes.ended(it, passes=1)),
        "withdrawn": _withdrawn,
    }
    head = f"| mailbox | {' | '.join(cells)} |\n|{'---|' * (len(cells) + 1)}"
    rows = [
        f"| {state} | {' | '.join(_cell(does(it), it) for does in cells.values())} |" for state, it in STATES.items()
    ]
    assert "\n".join([head, *rows]) in _without_notes(PAGE)


def test_the_states_in_the_table_are_those_of_a_mailbox() -> None:
    assert list(STATES) == list(MailboxState)
    assert all(mailbox.state is state for state, mailbox in STATES.items())


def _cell(after: Mailbox | None, before: Mailbox) -> str:
    """The state that follows; where the next head has yet to be found, both that are possible."""
    if after is None:
        return "–"
    if before.state is not MailboxState.EMPTY and after.state is MailboxState.EMPTY:
        found = {mailboxes.promoted(after, seq, NOW).state for seq in (2, 0)}
        return " or ".join(sorted(found, reverse=True))
    return after.state


def _arrived_for_it(mailbox: Mailbox) -> Mailbox | None:
    return mailboxes.arrived(mailbox, 2, TURN, NOW) if mailbox.parked else None


def _claimed(mailbox: Mailbox) -> Mailbox | None:
    late = NOW + 60
    if not mailboxes.is_claimable(mailbox, late):
        return None
    after = mailboxes.claimed(mailbox, "another", lease=30.0, now=late)
    assert after.fence > mailbox.fence
    return after


def _held(does: Callable[[Mailbox], Mailbox]) -> Callable[[Mailbox], Mailbox | None]:
    """What only the holder of the lease can do."""

    def or_nothing(mailbox: Mailbox) -> Mailbox | None:
        try:
            mailboxes.check_held(mailbox, mailbox.fence)
        except Fenced:
            return None
        return does(mailbox)

    return or_nothing


def _withdrawn(mailbox: Mailbox) -> Mailbox | None:
    if not mailbox.head and not mailbox.parked:
        return None
    after = mailboxes.withdrawn(mailbox, passes=1)
    assert after.fence > mailbox.fence
    return after


def _without_notes(page: str) -> str:
    for note in ("(1)", "(2)", "(3)"):
        page = page.replace(f" {note}", "")
    return page


# ---- outcomes

REPLIES = (Reply(body=b"so it is"),)
OUTCOMES: Mapping[str, tuple[Outcome, str]] = {
    "`Done`": (Done(replies=REPLIES), ""),
    "`Done` with `review_within`": (Done(replies=REPLIES, review_within=60.0), "expires"),
    "`Retry`": (Retry(after=5.0, error="it broke"), "not before `after` seconds"),
    "`Dead`": (Dead(error="it broke"), "a dead letter"),
    "`Rejected`": (Rejected(reason="no"), "no dead letter: to redrive would not help"),
    "`Asked`": (Asked(question=Ask(id="q", body=b"which?"), replies=REPLIES), "a question; may expire"),
    "`Deferred`": (Deferred(within=60.0, replies=REPLIES), "a grant number; expires"),
}


def test_the_table_of_outcomes_is_what_the_plan_does() -> None:
    rows = [
        f"| {name} | {_settled(outcome)} | {besides} |".replace("|  |", "| |")
        for name, (outcome, besides) in OUTCOMES.items()
    ]
    head = "| outcome | turn | mailbox | the log says | besides |\n|---|---|---|---|---|"
    assert "\n".join([head, *rows]) in PAGE


def test_the_effects_in_the_table_are_those_there_are() -> None:
    table = PAGE.partition("| effect | what it does |\n|---|---|\n")[2].partition("\n\n")[0]
    assert [row.split("`")[1] for row in table.splitlines()] == [effect.__name__ for effect in get_args(Effect)]


def _settled(outcome: Outcome) -> str:
    """The cells that a plan decides: turn, mailbox, messages."""
    sheet = Sheet(now=NOW, at=NOW, monotonic=NOW)
    said = New(id="m", sender="person:a", body=b"?", to=(To(agent=AGENT, turn=TURN),))
    lease = Lease(owner="somebody", seconds=30.0)
    first = Append(conversation=CONVERSATION, messages=(said,), opening=Opening(), claim=lease)
    delivery = plan.perform(first, sheet).delivery
    plan.perform(Settle(delivery=delivery, outcome=outcome), sheet)
    if sheet.written.vacated:
        sheet.promote((key, 0) for key in sheet.written.vacated)
    mailbox = sheet.mailboxes[CONVERSATION, AGENT]
    state = "free" if mailbox.state is MailboxState.EMPTY else mailbox.state
    kinds = [message.kind for message in sheet.written.messages[1:]]
    words = ", ".join("the replies" if kind == "said" else kind for kind in kinds) or "nothing"
    return f"{sheet.turns[CONVERSATION, TURN].state} | {state} | {words}"
