"""What an adapter is: one method that carries a permitted call to its far side and brings back what came of it.

`gateway.corridor` (above) hands over only calls that policy allowed; the table from binding kind to adapter is
`gateway.app`'s. A new kind of far side is a class with `deliver` and one row there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from registry.catalog import SkillEntry
from registry.model import Call, Chain, Emit, JsonObject, Result


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


Credentials = Callable[[Chain, str], Awaitable[str]]
"""Gives the internal token for (chain, audience). Signed by `policies.identity`, handed in by `gateway.app`."""
