"""Turns: what may happen to one, as a table. One function reads it; docs and tests are made from it.

Pure. A turn is what A2A calls a task; `plan` (above) decides which change an outcome is, and the engines store it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from adapters.messaging.errors import TurnOver
from adapters.messaging.messages import TurnRef
from adapters.messaging.records import record
from registry.model import NO_TURN, AgentName, ConversationId, TurnId


class TurnState(StrEnum):
    """Where a turn is."""

    QUEUED = "queued"
    WORKING = "working"
    WAITING = "waiting"
    DEFERRED = "deferred"
    REVIEW = "review"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class TurnChange(StrEnum):
    """What happens to a turn."""

    STARTED = "started"
    ATTEMPT_LOST = "attempt_lost"
    ASKED = "asked"
    ANSWERED = "answered"
    PUT_OFF = "put_off"
    FINISHED = "finished"
    NEEDS_REVIEW = "needs_review"
    ACCEPTED = "accepted"
    RETURNED = "returned"
    BROKE = "broke"
    GIVEN_UP = "given_up"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCEL = "cancel"


_S, _C = TurnState, TurnChange

TURNS: Mapping[TurnState, Mapping[TurnChange, TurnState]] = MappingProxyType(
    {
        _S.QUEUED: {
            _C.STARTED: _S.WORKING,
            _C.GIVEN_UP: _S.FAILED,
            _C.REFUSED: _S.REJECTED,
            _C.CANCEL: _S.CANCELLED,
        },
        _S.WORKING: {
            _C.ASKED: _S.WAITING,
            _C.PUT_OFF: _S.DEFERRED,
            _C.FINISHED: _S.COMPLETED,
            _C.NEEDS_REVIEW: _S.REVIEW,
            _C.BROKE: _S.FAILED,
            _C.ATTEMPT_LOST: _S.QUEUED,
            _C.REFUSED: _S.REJECTED,
            _C.CANCEL: _S.CANCELLED,
        },
        _S.WAITING: {_C.ANSWERED: _S.QUEUED, _C.EXPIRED: _S.FAILED, _C.CANCEL: _S.CANCELLED},
        _S.DEFERRED: {
            _C.ASKED: _S.WAITING,
            _C.FINISHED: _S.COMPLETED,
            _C.BROKE: _S.FAILED,
            _C.EXPIRED: _S.FAILED,
            _C.CANCEL: _S.CANCELLED,
        },
        _S.REVIEW: {
            _C.ACCEPTED: _S.COMPLETED,
            _C.RETURNED: _S.QUEUED,
            _C.EXPIRED: _S.FAILED,
            _C.CANCEL: _S.CANCELLED,
        },
        _S.COMPLETED: {},
        _S.FAILED: {},
        _S.CANCELLED: {},
        _S.REJECTED: {},
    }
)

ENDED = frozenset(state for state, changes in TURNS.items() if not changes)
"""The states a turn never leaves."""


@record
class Turn:
    """A turn as the log has it.

    `opened` is the sequence number of the message that opened it, `due` of the message that is still to be delivered
    (0: none); `urgent` puts that message before the turns that have not been started. `attempts` counts how often it
    was handed out in all. `grant` is the number that a deferred turn's finish must present; `expires` is when, by the
    log's clock, it fails if nothing happens (None: never). `question` is the one it waits on, `error` why the last
    attempt failed. `authority`, `owner` and `root` are what `To` said as it was opened, and never change.
    """

    conversation: ConversationId
    agent: AgentName
    id: TurnId
    opened: int
    state: TurnState
    started_by: str
    opened_at: float
    changed_at: float
    due: int = 0
    urgent: bool = False
    attempts: int = 0
    grant: int = 0
    expires: float | None = None
    question: str = ""
    error: str = ""
    authority: bytes = b""
    owner: str = ""
    root: TurnId = NO_TURN

    @property
    def of(self) -> TurnRef:
        """What it is called."""
        return TurnRef(conversation=self.conversation, agent=self.agent, turn=self.id)


def after(state: TurnState, change: TurnChange) -> TurnState:
    """The state that a change leads to.

    Raises:
        TurnOver: the change is not possible in this state.
    """
    following = TURNS[state].get(change)
    if following is None:
        raise TurnOver(_sentence(state, change))
    return following


def _sentence(state: TurnState, change: TurnChange) -> str:
    if state in ENDED:
        return f"The turn has ended ({state}), so nothing can happen to it any more (asked for: {_words(change)})."
    return f"The turn is {state}: {_words(change)} is not possible, only {', '.join(map(_words, TURNS[state]))}."


def _words(change: TurnChange) -> str:
    return change.value.replace("_", " ")
