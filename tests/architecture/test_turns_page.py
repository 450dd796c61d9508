"""The tables and numbers in docs/turns.md are those of the code: each is made anew here, and has to be in the page."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from a2a.types import TaskState

from adapters.base import HandedBack
from adapters.lifecycle import attempts, endings
from adapters.lifecycle.endings import Terms, after_error
from adapters.lifecycle.grants import DAY
from adapters.lifecycle.rules import LifecycleRules
from adapters.messaging.messages import Kind, Message, TurnRef
from adapters.messaging.outcomes import Dead, Delivery, Rejected, Retry
from adapters.messaging.turns import TURNS, TurnState
from adapters.turn_events import LONGEST
from gateway.a2a.tasks import STATES
from gateway.config import Limits, TurnSettings
from gateway.serving import GRACE, LAST_WORDS
from gateway.turn_room import SKILL_ATTEMPTS
from registry.model import (
    AgentName,
    Attention,
    AuditUnavailable,
    ConversationId,
    DeadlinePassed,
    Denied,
    FarSideError,
    FarSideFault,
    InterchangeError,
    InvalidArguments,
    Overloaded,
    TurnId,
    TurnRules,
    Unknown,
)

PAGE = (Path(__file__).parents[2] / "docs" / "turns.md").read_text()
RULES = LifecycleRules()


# ---- states


def test_the_table_of_states_is_that_of_the_code() -> None:
    rows = [f"| {state} | `{_task(state)}` | {_changes(state)} |" for state in TURNS]
    assert "\n".join(["| state | A2A | what may happen |", "|---|---|---|", *rows]) in PAGE


def _task(state: TurnState) -> str:
    return TaskState.Name(STATES[state]).removeprefix("TASK_STATE_")


def _changes(state: TurnState) -> str:
    changes = (f"{change.value.replace('_', ' ')} → {to}" for change, to in TURNS[state].items())
    return "; ".join(changes) or "–"


def test_the_table_of_attention_has_each_of_them() -> None:
    table = PAGE.partition("| attention | who | if they go away |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert [row.split("`")[1] for row in table.splitlines()] == list(Attention)


# ---- what is tried again

TERMS = {
    "an agent": Terms(attempts=TurnRules().max_attempts),
    "a skill that may be repeated": Terms(attempts=SKILL_ATTEMPTS),
    "one that may not": Terms(attempts=SKILL_ATTEMPTS, repeatable=False),
    "with somebody who attends": Terms(attempts=TurnRules().max_attempts, attended=True),
}


def _far_side(fault: FarSideFault, *, retryable: bool = False) -> FarSideError:
    return FarSideError("no", fault=fault, retryable=retryable)


ERRORS: Mapping[str, tuple[InterchangeError, ...]] = {
    "policy or the directory refuses it by now, or the grant is too old": (Denied("no"),),
    "it is not registered any more, or not for them": (Unknown("no"),),
    "its arguments do not fit any more": (InvalidArguments(()),),
    "the far side is not there": (_far_side(FarSideFault.UNAVAILABLE, retryable=True),),
    "the far side has its hands full": (_far_side(FarSideFault.EXHAUSTED),),
    "this gateway has no room, or cannot write its audit log": (Overloaded("no"), AuditUnavailable("no")),
    "an attached process handed it back": (HandedBack("no"),),
    "an attached process went without a word": (HandedBack("no", lost=True),),
    "it took longer than it may": (DeadlinePassed("no"),),
    "the agent says `failed`, and that it may be retried": (_far_side(FarSideFault.BROKEN, retryable=True),),
    "the agent says `failed`": (_far_side(FarSideFault.BROKEN), _far_side(FarSideFault.REJECTED)),
    "the answer makes no sense, or is too large": (_far_side(FarSideFault.GARBLED),),
    "the gateway itself broke": (InterchangeError("no"),),
}


def test_the_table_of_what_is_tried_again_is_what_the_code_does() -> None:
    head = f"| what went wrong | {' | '.join(TERMS)} |\n|{'---|' * (len(TERMS) + 1)}"
    rows = [f"| {what} | {' | '.join(_cell(errors, terms) for terms in TERMS.values())} |" for what, errors in _rows()]
    assert "\n".join([head, *rows]) in PAGE


def _rows() -> list[tuple[str, tuple[InterchangeError, ...]]]:
    return list(ERRORS.items())


def _cell(errors: tuple[InterchangeError, ...], terms: Terms) -> str:
    (cell,) = {_ending(error, terms) for error in errors}
    return cell


def _ending(error: InterchangeError, terms: Terms) -> str:
    """How a delivery ends whose attempts all end with an error: at once, or after so many of them."""
    for number in range(1, 100):
        match after_error(error, _delivery(number), terms, call=""):
            case Rejected():
                return "rejected"
            case Dead():
                return "failed" if number == 1 else str(number)
            case Retry(after=0.0):
                return "at once"
            case _:
                pass
    raise AssertionError("it never ends")


def _delivery(number: int) -> Delivery:
    of = TurnRef(conversation=ConversationId("c"), agent=AgentName("agent"), turn=TurnId("t"))
    message = Message(
        conversation=of.conversation, seq=1, id="m", sender="person:a", issuer="", kind=Kind.SAID,
        turn=of.turn, to=(), answers="", updates="", body=b"", text="", digest=b"", at=0.0,
    )  # fmt: skip
    return Delivery(id="t:1", of=of, message=message, attempt=number, fence=number, deadline=0.0, authority=b"")


# ---- numbers


@pytest.mark.parametrize(
    "sentence",
    [
        f"by a **lease** of {RULES.lease:.0f} seconds, which it extends every {RULES.extend_every:.0f}",
        f"leases end within {RULES.lease:.0f} seconds",
        f"`[turns] grant_hours` ({TurnSettings().grant_hours:.0f} at most)",
        f"may end within {'two' if GRACE - LAST_WORDS == 2.0 else '?'} seconds",
        f"tries to settle for {'a minute' if attempts.SETTLING * attempts.PAUSE == 60.0 else '?'}",
        f"in *review* for {'seven days' if endings.REVIEW_SECONDS == 7 * DAY else '?'}",
        f"puts its answer off**, for {'a day' if LONGEST == DAY else '?'} at most",
        f"{'Five' if TurnRules().max_attempts == 5 else '?'} is what an agent has",
        f"passes {'a quarter of a second' if endings.AGAIN.first == endings.UNSENT.first == 0.25 else '?'} at first,"
        f" then {'four' if endings.AGAIN.growth == 4.0 else '?'} times as long each time,"
        f" up to {'a minute' if endings.AGAIN.longest == endings.UNSENT.longest == 60.0 else '?'}",
        f"it is only {'twice' if endings.UNSENT.growth == 2.0 else '?'} as long each time",
    ],
)
def test_the_page_has_the_numbers_of_the_code(sentence: str) -> None:
    assert sentence in re.sub(r"\s+", " ", PAGE)


def test_sixteen_attempts_take_as_long_as_the_page_says() -> None:
    longest = sum(min(endings.UNSENT.longest, endings.UNSENT.first * endings.UNSENT.growth**n) for n in range(15))
    assert "sixteen attempts are four to eight minutes" in re.sub(r"\s+", " ", PAGE)
    assert endings.UNSENT.attempts == 16
    assert 4.0 <= longest / 2 / 60 <= longest / 60 <= 8.1


def test_the_settings_that_the_page_names_exist() -> None:
    named = re.findall(r"`\[(turns|limits)\] (\w+)`", PAGE)
    assert named
    assert all(hasattr({"turns": TurnSettings, "limits": Limits}[table], key) for table, key in named)
