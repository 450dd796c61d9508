"""What the SDK's dispatchers hand our handler with every request: the same, whichever binding brought it."""

from contextlib import AsyncExitStack

from a2a.auth.user import UnauthenticatedUser
from a2a.server.context import ServerCallContext
from starlette.types import Receive

from gateway.a2a.asked import ASKED, Asked
from gateway.a2a.handler import OPENED, RECEIVE


def context_of(asked: Asked, *, receive: Receive, opened: AsyncExitStack) -> ServerCallContext:
    """The SDK's context of a request.

    `receive` says when the client left, and `opened` closes what the SDK leaves open.
    """
    return ServerCallContext.model_construct(
        user=UnauthenticatedUser(),  # who asks is in what was asked; nothing of the SDK's decides by this
        state={
            ASKED: asked,
            RECEIVE: receive,
            OPENED: opened,
            "headers": {"A2A-Version": asked.revision},  # the handler checks what the client said, and more strictly
        },
        tenant="",
        requested_extensions=set(asked.extensions),
    )
