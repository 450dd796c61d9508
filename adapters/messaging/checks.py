"""What a message has to be like before it is given to an engine: named, storable and not too long.

One message that a database cannot keep would fail the whole transaction it shares with others; so it never gets there.
"""

from collections.abc import Sequence

from adapters.messaging.messages import LOG, New, unfit_for_storage
from registry.model import BadRequest, ConversationId, TooLarge

BODY = 4 << 20
"""Bytes of a message's body."""

ID = 256
"""Characters of an id, a sender or a device."""

TOGETHER = 100
"""Messages of one append."""

RECIPIENTS = 50


def check_messages(conversation: ConversationId, messages: Sequence[New]) -> None:
    """Refuse what cannot be stored.

    Raises:
        BadRequest, TooLarge: with the number of the message, and what is wrong.
    """
    check_id("conversation", conversation)
    if not 1 <= len(messages) <= TOGETHER:
        raise BadRequest(f"An append has 1 to {TOGETHER} messages, and not {len(messages)}.")
    for number, new in enumerate(messages, 1):
        _check(new, where=f"message {number}" if len(messages) > 1 else "the message")


def check_id(what: str, value: str) -> None:
    """Refuse an id that is empty, too long or not storable.

    Raises:
        BadRequest: it names `what`.
    """
    if not 1 <= len(value) <= ID:
        raise BadRequest(f"The id of the {what} has {len(value)} characters; 1 to {ID} are allowed.")
    if unfit_for_storage((value,)) is not None:
        raise BadRequest(f"The id of the {what} has characters that no database keeps (NUL, or half a surrogate pair).")


def _check(new: New, *, where: str) -> None:
    if new.sender == LOG:
        raise BadRequest(f"{where}: nobody but the log itself speaks as {LOG}.")
    for name, value in (("id", new.id), ("sender", new.sender)):
        if not 1 <= len(value) <= ID:
            raise BadRequest(f"{where}: its {name} has {len(value)} characters; 1 to {ID} are allowed.")
    if len(new.body) > BODY:
        raise TooLarge(f"{where} has a body of {len(new.body):,} bytes; {BODY:,} are allowed.")
    if len(new.text) > BODY:
        raise TooLarge(f"{where} has a search text of {len(new.text):,} characters; {BODY:,} are allowed.")
    if len(new.to) > RECIPIENTS or len({to.agent for to in new.to}) < len(new.to):
        raise BadRequest(f"{where}: it goes to at most {RECIPIENTS} agents, to each once.")
    texts = (new.id, new.sender, new.issuer, new.text, new.updates, new.turn, *(to.turn for to in new.to))
    if unfit_for_storage(texts) is not None:
        raise BadRequest(f"{where}: it has text that no database keeps (NUL, or half a surrogate pair).")
