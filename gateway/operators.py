"""What operators ask, as policy sees it: by the operation's name and its request, whichever door it comes through."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from gateway.messages.operations import action_of as messages_action
from gateway.messages.operations import target_of as messages_target
from registry.model import CATALOG, Action, JsonObject, Target
from registry.operations import action_of as registry_action


class Asked(NamedTuple):
    """An action, and on what."""

    action: Action
    target: Target


AskedBy: TypeAlias = Callable[[str, JsonObject], Asked]
"""Raises `BadRequest` where a request does not say what it is about."""


def asked_of_registry(operation: str, content: JsonObject) -> Asked:
    """An operation of `interchange.v1.Registry` is about the catalog."""
    return Asked(registry_action(operation, content), CATALOG)


def asked_of_messages(operation: str, content: JsonObject) -> Asked:
    """An operation of `interchange.v1.Messages` is about one conversation, or about the log of all.

    Raises:
        BadRequest: it has to name a conversation, and names none.
    """
    return Asked(messages_action(operation), messages_target(operation, content))
