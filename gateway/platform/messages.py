"""The operators' door to the conversation log: `interchange.v1.Messages`."""

from interchange.v1 import messages_pb2

from gateway.operators import asked_of_messages
from gateway.platform.callers import Callers
from gateway.platform.operations import Handle, OperationsFace

SERVICE = messages_pb2.DESCRIPTOR.services_by_name["Messages"]


def messages_face(*, handle: Handle, callers: Callers) -> OperationsFace:
    """Answers `interchange.v1.Messages`."""
    return OperationsFace(SERVICE, asked_by=asked_of_messages, handle=handle, callers=callers)
