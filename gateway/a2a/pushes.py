"""What webhooks are told: a logged message of a turn as one event of A2A (section 4.3.3 of A2A 1.0).

Said on the way, it is a status with that message; where the turn ended, or waits for its starter, it is the whole task.
What the starter said themselves is told to nobody.
"""

import orjson
from a2a.types import a2a_pb2 as wire

from adapters.lifecycle.service import Lifecycle
from adapters.lifecycle.views import TurnView, is_over
from adapters.messaging.messages import Message
from adapters.push.channels import Channel
from gateway.a2a.printing import print_message
from gateway.a2a.tasks import body_of, ids_of, is_agents, is_heard, write_logged, write_task
from gateway.a2a.writing import timestamp


class TurnPushes:
    """Writes what is told. `lifecycle` is put in once there is one."""

    def __init__(self) -> None:
        self.lifecycle: Lifecycle | None = None

    async def write(self, channel: Channel, message: Message) -> bytes | None:
        """A message as a webhook is told of it; None where it is told nothing of this one."""
        row = await self.lifecycle.views.row(channel.turn) if self.lifecycle is not None else None
        if self.lifecycle is None or row is None:
            return None
        return write_push(await self.lifecycle.views.view(row), message)


def write_push(view: TurnView, message: Message) -> bytes | None:
    """A message of a turn as whoever is told of it hears it; None where there is nothing to be told of this one."""
    if is_over(view.turn) and message.seq == view.seen:
        return _written(wire.StreamResponse(task=write_task(view)))
    if not (is_heard(message) and is_agents(message, view.turn)):
        return None
    ids = ids_of(view)
    said = write_logged(message, body_of(message), view.turn, ids)
    status = wire.TaskStatus(state=wire.TASK_STATE_WORKING, timestamp=timestamp(message.at), message=said)
    update = wire.TaskStatusUpdateEvent(task_id=ids.task, context_id=ids.context, status=status)
    return _written(wire.StreamResponse(status_update=update))


def _written(event: wire.StreamResponse) -> bytes:
    return orjson.dumps(print_message(event))
