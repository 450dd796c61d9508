"""What an adapter is: one method that carries a permitted call to its far side and brings back what came of it.

`gateway.corridor` (above) hands over only calls that policy allowed; the tables from binding kind to adapter are
`gateway.app`'s. A new kind of far side is a class with `deliver`, one with `converse` where its agents answer messages,
and a row for each there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from registry.catalog import AgentEntry, SkillEntry
from registry.model import Call, Chain, Emit, FarSideError, FarSideFault, JsonObject, Result, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """A call that may happen.

    `entry` is the skill's live revision and binding as decided on, so that what runs is what was judged;
    `arguments` are the caller's with bound parameters filled in. `descriptor_set` returns the serialised
    FileDescriptorSet of `entry` and is only called where a codec is not compiled yet.
    """

    call: Call
    entry: SkillEntry
    arguments: JsonObject
    descriptor_set: Callable[[], bytes]


class Adapter(Protocol):
    """Reaches one kind of far side."""

    async def deliver(self, permitted: Permitted, emit: Emit) -> Result:
        """Carry the call out and return its result, emitting progress on the way.

        Cancelling the task cancels the work on the far side.

        Raises:
            FarSideError: it failed or refused; the message may be shown to the caller.
            DeadlinePassed: `permitted.call.deadline` or the skill's own timeout passed first.
            TooLarge: the answer is over the limit.
            Overloaded: the target has as many calls in hand as it may.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTurn:
    """A message that may be answered: the call, the agent's live revision and binding as decided on, and the turn."""

    call: Call
    entry: AgentEntry
    turn: Turn


class Converser(Protocol):
    """Reaches agents that converse, at one kind of far side."""

    async def converse(self, open_turn: OpenTurn, emit: Emit) -> Result:
        """Have the agent answer and return the answer; what it says on the way is emitted.

        The result's `parts` are everything said, in order, and `artifacts` each whole. Cancelling the task cancels the
        turn at the agent.

        Raises:
            FarSideError: the agent failed (its words for the caller may be shown), did not answer, or answered with
                what is no answer (GARBLED).
            DeadlinePassed: the call's deadline or the agent's own timeout passed first.
            TooLarge: the message or the answer is over the limit.
            Overloaded: the target has as many calls in hand as it may.
        """
        ...


class HandedBack(FarSideError):
    """Whoever had an attempt put it back, or is gone: somebody else may have it at once, and nobody is at fault.

    `lost`: they went without a word, in the middle of it. A process that this attempt ends looks like that, too, so it
    is better counted.
    """

    def __init__(self, message: str, *, lost: bool = False) -> None:
        super().__init__(message, fault=FarSideFault.UNAVAILABLE, retryable=True)
        self.lost = lost


Credentials = Callable[[Chain, str], Awaitable[str]]
"""Gives the internal token for (chain, audience). Signed by `policies.identity`, handed in by `gateway.app`."""
