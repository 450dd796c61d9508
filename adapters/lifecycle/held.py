"""What an agent holds: the attempt, or the turn put off, that a turn token was made for, as the log knows it.

A token names a turn and a fence. Whether these still count is in the log alone: the fence of a mailbox rises whenever
its delivery changes hands, and a turn that was put off keeps the fence of the attempt that did so as its grant number.
So it can be told in every process, whichever runs the attempt.
"""

from adapters.messaging.errors import Fenced, TurnOver
from adapters.messaging.log import WhichTurns
from adapters.messaging.opening import OpenLog
from adapters.messaging.outcomes import Delivery, delivery_id
from adapters.messaging.turns import ENDED, Turn, TurnState
from registry.model import TurnId, Unknown


async def turn_held(opened: OpenLog, turn: TurnId) -> Turn:
    """The row of a turn.

    Raises:
        Unknown: there is none.
    """
    rows = await opened.history.turns(WhichTurns(turns=(turn,)), limit=1)
    if not rows:
        raise Unknown(f"There is no turn {turn[:64]!r}.")
    return rows[0]


async def is_held(opened: OpenLog, row: Turn, *, fence: int, attempt: int | None = None) -> bool:
    """Whether the attempt with this fence is the live one, or put its turn off; and, if it is told, of that number."""
    if row.state is TurnState.WORKING:
        if await _in_hand(opened, row, fence=fence, attempt=attempt):
            return True
        row = await turn_held(opened, row.id)  # it may have been put off between the two looks
    return row.state is TurnState.DEFERRED and row.grant == fence


async def _in_hand(opened: OpenLog, row: Turn, *, fence: int, attempt: int | None) -> bool:
    """Whether the mailbox of a turn says so."""
    return any(
        each.agent == row.agent
        and (each.fence, each.attempts) == (fence, each.attempts if attempt is None else attempt)
        and bool(each.owner)
        and each.head == row.due
        for each in await opened.overview.mailboxes(row.conversation)
    )


async def delivery_held(opened: OpenLog, row: Turn, *, fence: int, attempt: int = 1) -> Delivery:
    """The delivery of a turn that is worked on, as whoever has this fence would have it: to append under it.

    It is made without asking whether the fence still counts, since only the append itself can tell.

    Raises:
        TurnOver, Fenced: nobody works on the turn, so nobody can have it.
    """
    if row.state in ENDED:
        raise TurnOver(f"The turn has ended ({row.state}).")
    if row.state is not TurnState.WORKING:
        raise Fenced(f"The turn is {row.state}: the attempt that this comes from is over.")
    page = await opened.history.page(row.conversation, after=row.due - 1, limit=1)
    return Delivery(
        id=delivery_id(row.id, row.due),
        of=row.of,
        message=page[0],
        attempt=attempt,
        fence=fence,
        deadline=0.0,
        authority=row.authority,
    )
