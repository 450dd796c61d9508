"""The operations on the conversation log, and what each is to policy. What they do is `gateway.messages.desk`'s.

What names a conversation is about that one. What names none is about the message log as a whole, and tells nobody's
words; only some operations are possible there.
"""

from collections.abc import Mapping
from types import MappingProxyType

from registry.model import MESSAGE_LOG, Action, BadRequest, JsonObject, Target, TargetKind

ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "Status": Action.READ_CONVERSATION,
        "Tail": Action.READ_CONVERSATION,
        "Show": Action.READ_CONVERSATION,
        "Dead": Action.READ_CONVERSATION,
        "Export": Action.READ_CONVERSATION,
        "Redrive": Action.KEEP_CONVERSATION,
        "Hold": Action.KEEP_CONVERSATION,
        "Release": Action.KEEP_CONVERSATION,
        "Erase": Action.KEEP_CONVERSATION,
        # These two only while no gateway runs: see `gateway.messages.tables`.
        "Tables": Action.READ_CONVERSATION,
        "Upgrade": Action.KEEP_CONVERSATION,
    }
)

OF_THE_WHOLE = frozenset({"Status", "Tables", "Upgrade"})
"""Operations that are about no single conversation, ever."""

OF_EITHER = frozenset({"Tail", "Dead"})
"""Operations that may be about one conversation or about all."""


def action_of(operation: str) -> Action:
    """What an operation is to policy."""
    return ACTIONS[operation]


def target_of(operation: str, content: JsonObject) -> Target:
    """What an operation is about. A turn that is named instead of its conversation stands for that.

    Raises:
        BadRequest: it needs a conversation and names none.
    """
    named = str(content.get("conversation", ""))
    if operation in OF_THE_WHOLE or (operation in OF_EITHER and not named):
        return MESSAGE_LOG
    if operation == "Show":
        named = named or str(content.get("turn", ""))
    if not named:
        raise BadRequest("Which conversation? Name it by its id.")
    return Target(TargetKind.CONVERSATION, named)
