"""Turns of agents whose processes attach to the gateway: brought to a free seat, answered by a stream of events.

Which process has a turn is nobody's business but its attachment's. One that goes away, or puts the turn back, has it
handed back (`HandedBack`), and another attempt may go to another process at once. An agent that sends faster than its
listener hears waits; what it may say at most are the limits of any turn.
"""

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from interchange.v1 import agent_pb2, work_pb2
from opentelemetry import trace
from opentelemetry.trace import Span

from adapters.base import OpenTurn
from adapters.grpc import names
from adapters.grpc.metadata import write_trace
from adapters.grpc.spans import Recorded, opening
from adapters.grpc.statuses import Asked
from adapters.mailbox.attachments import Attachment, Attachments
from adapters.mailbox.bringing import Errand, bring, what_ended
from adapters.mailbox.hearing import Hearing
from adapters.turn_events import ENDS, TURN_LIMITS, TurnLimits, garbled, read_turn
from adapters.turns import deadline_of, write_turn
from registry.model import Emit, Result

log = logging.getLogger(__name__)


class MailboxConverser:
    """Reaches agents that are attached. One for the process."""

    def __init__(
        self, attachments: Attachments, *, limits: TurnLimits = TURN_LIMITS, clock: Callable[[], float] = time.time
    ) -> None:
        self._attachments = attachments
        self._limits = limits
        self._clock = clock
        self._tracer = trace.get_tracer(names.TRACER)

    async def converse(self, open_turn: OpenTurn, emit: Emit) -> Result:
        """Have the agent answer (`adapters.base.Converser` says what is raised).

        Raises:
            HandedBack: the process that had the turn put it back, or is gone.
        """
        with Recorded(self._tracer, opening(open_turn.entry.agent.converse)) as span:
            errand = self._errand(open_turn, span)

            async def read(hearing: Hearing) -> Result:
                async with aclosing(self._events(hearing, open_turn, errand)) as events:
                    return await read_turn(events, emit, turn=open_turn.turn, limits=self._limits)

            return await bring(errand, self._attachments, read)

    def _errand(self, open_turn: OpenTurn, span: Span) -> Errand:
        deadline = deadline_of(open_turn)
        turn = write_turn(open_turn, deadline, now=self._clock())
        attempt = work_pb2.Attempt(delivery_id=turn.delivery_id, number=turn.attempt, fence=turn.fence)
        return Errand(
            call=open_turn.call,
            asked=Asked(name=open_turn.entry.agent.name, repeatable=False),
            agent=open_turn.entry.agent.name,
            assignment=work_pb2.Assignment(
                attempt=attempt,
                turn=turn,
                call_id=open_turn.call.id,
                trace=write_trace(trace.set_span_in_context(span)),
            ),
            deadline=deadline,
            suits=_converses,
        )

    async def _events(
        self, hearing: Hearing, open_turn: OpenTurn, errand: Errand
    ) -> AsyncGenerator[agent_pb2.TurnEvent]:
        """What the agent says. An answer that has ended stands, whatever becomes of its attempt then."""
        ended = False
        async for piece in hearing:
            match piece.WhichOneof("piece"):
                case "event":
                    ended = ended or piece.event.WhichOneof("event") in ENDS
                    yield piece.event
                case "message":
                    raise garbled(open_turn.turn, "a message of a skill's answer")
                case _:
                    pass
            if not piece.ended.code:
                continue
            if not ended:
                raise what_ended(piece.ended, errand, limit=self._limits.answer)
            fields = {"call": open_turn.call.id, "agent": errand.agent, "status": piece.ended.code}
            log.warning("An agent failed after the end of its answer, which stands.", extra=fields)


def _converses(attachment: Attachment) -> bool:
    return attachment.converses
