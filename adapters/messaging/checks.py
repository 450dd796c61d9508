"""What a request has to be like before it is given to an engine: named, storable and not too long.

One text that a database cannot keep would fail the whole transaction it shares with others; so it never gets there.
"""

import math
from collections.abc import Sequence

from adapters.messaging.messages import LOG, Kind, New, Opening, TurnRef, unfit_for_storage
from adapters.messaging.outcomes import (
    Ask,
    Asked,
    ChangeTurn,
    Dead,
    Deferred,
    Done,
    Effect,
    EndHold,
    HoldCall,
    Lease,
    Outcome,
    Push,
    Rejected,
    Reply,
    Retry,
)
from adapters.messaging.requests import Request, size_of
from registry.model import AgentName, BadRequest, ConversationId, TooLarge, TurnId

BODY = 4 << 20
"""Bytes of a message's body, or of anything else that is kept sealed."""

ID = 256
"""Bytes of an id, a sender or a device: three of them fit into one key of an index."""

WORDS = 64 << 10
"""Bytes of an error, a reason, or what else is said in passing; and of the authority that a turn keeps."""

REQUEST = 16 << 20
"""Bytes of all that one request brings."""

TOGETHER = 100
"""Messages of one append."""

RECIPIENTS = 50

NUMBER = 2**63 - 1
"""The highest sequence number that a database keeps."""


_SAID_BY_THE_LOG = frozenset({Kind.CANCELLED, Kind.ERASED, Kind.ASKED})


def check_messages(conversation: ConversationId, messages: Sequence[New]) -> None:
    """Refuse what cannot be stored.

    Raises:
        BadRequest, TooLarge: with the number of the message, and what is wrong.
    """
    check_id("conversation", conversation)
    if not 1 <= len(messages) <= TOGETHER:
        raise BadRequest(f"An append has 1 to {TOGETHER} messages, and not {len(messages)}.")
    for number, new in enumerate(messages, 1):
        _check_message(new, where=f"message {number}" if len(messages) > 1 else "the message")


def check_id(what: str, value: str) -> None:
    """Refuse an id that is empty, too long or not storable.

    Raises:
        BadRequest: it names `what`.
    """
    check_text(f"The id of the {what}", value)
    if not 1 <= len(value.encode()) <= ID:
        raise BadRequest(f"The id of the {what} has {len(value.encode())} bytes; 1 to {ID} are allowed.")


def check_text(what: str, *texts: str) -> None:
    """Refuse text that no database keeps as it is.

    Raises:
        BadRequest: it names `what`.
    """
    if unfit_for_storage(texts) is not None:
        raise BadRequest(f"{what} has text that no database keeps (NUL, or half a surrogate pair).")


def check_words(what: str, *texts: str) -> None:
    """Refuse text that no database keeps as it is, or that is too long to be said in passing.

    Raises:
        BadRequest, TooLarge: it names `what`.
    """
    check_text(what, *texts)
    for text in texts:
        check_size(what, text, limit=WORDS)


def check_size(what: str, content: bytes | str, *, limit: int = BODY) -> None:
    """Refuse what is too long.

    Raises:
        TooLarge: it names `what`, and the limit.
    """
    size = len(content) if isinstance(content, bytes) or content.isascii() else len(content.encode())
    if size > limit:
        raise TooLarge(f"{what} has {size:,} bytes; {limit:,} are allowed.")


def check_request(request: Request) -> None:
    """Refuse a request that brings more than a transaction should.

    Raises:
        TooLarge: it names the limit.
    """
    if (size := size_of(request)) > REQUEST:
        raise TooLarge(f"The request brings {size:,} bytes in all; {REQUEST:,} are allowed.")


def check_agent(agent: AgentName) -> None:
    """Refuse what no agent is named.

    Raises:
        BadRequest: it is empty, too long, not storable, or has white space.
    """
    check_id("agent", agent)
    if agent.split() != [agent]:
        raise BadRequest(f"An agent's name has no white space: {agent[:100]!r}.")


def check_seconds(what: str, seconds: float | None) -> None:
    """Refuse a time that is none.

    Raises:
        BadRequest: it is negative or no finite number.
    """
    if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise BadRequest(f"{what} takes a number of seconds, and not {seconds:g}.")


def check_number(what: str, seq: int) -> None:
    """Refuse what is no sequence number.

    Raises:
        BadRequest: it is negative, or higher than any can be.
    """
    if not 0 <= seq <= NUMBER:
        raise BadRequest(f"{what} is a sequence number, and not {seq}.")


def check_turn(of: TurnRef) -> None:
    """Refuse a reference that no turn can have.

    Raises:
        BadRequest: it says what is wrong.
    """
    check_id("conversation", of.conversation)
    check_agent(of.agent)
    check_id("turn", of.turn)


def check_new_turn(turn: TurnId) -> None:
    """Refuse an id that no turn is opened with: what the log says of one begins with its id and a colon.

    Raises:
        BadRequest: it says what is wrong.
    """
    check_id("turn", turn)
    if ":" in turn:
        raise BadRequest(f"The id of a turn has no colon: {turn[:100]!r}.")


def check_opening(opening: Opening) -> None:
    """Refuse what a conversation cannot begin with.

    Raises:
        BadRequest: it says what is wrong.
    """
    check_words("The opening", opening.domain, opening.started_by, opening.started_by_issuer)


def check_lease(lease: Lease) -> None:
    """Refuse a lease of nobody, or of no time.

    Raises:
        BadRequest: it says what is wrong.
    """
    check_id("owner of a lease", lease.owner)
    check_seconds("A lease", lease.seconds)
    if not lease.seconds:
        raise BadRequest("A lease of 0 seconds is none.")


def check_outcome(outcome: Outcome) -> None:
    """Refuse an outcome that cannot be stored.

    Raises:
        BadRequest, TooLarge: it says what is wrong.
    """
    match outcome:
        case Retry():
            check_words("The error", outcome.error)
            check_seconds("A delay", outcome.after)
        case Dead():
            check_words("The error", outcome.error)
            check_size("The message that says why it failed", outcome.body)
        case Rejected():
            check_words("The reason", outcome.reason)
            check_size("The message that says why it was rejected", outcome.body)
        case Done():
            check_seconds("A review", outcome.review_within)
            _check_replies(outcome.replies)
        case Deferred():
            check_seconds("A deferred turn", outcome.within)
            _check_replies(outcome.replies)
        case Asked():
            _check_question(outcome.question)
            _check_replies(outcome.replies)


def check_effects(effects: Sequence[Effect]) -> None:
    """Refuse an effect that cannot be stored.

    Raises:
        BadRequest, TooLarge: it says what is wrong.
    """
    for effect in effects:
        match effect:
            case ChangeTurn():
                check_turn(effect.of)
                if effect.question is not None:
                    _check_question(effect.question)
            case HoldCall():
                check_id("held call", effect.id)
                check_size("The held call", effect.sealed)
                check_seconds("A held call", effect.expires_in)
            case EndHold():
                check_id("held call", effect.id)
                check_id("end of a held call", effect.how)
            case Push():
                check_id("push", effect.id)
                check_id("push's channel", effect.channel)
                check_size("The push", effect.body)


def _check_message(new: New, *, where: str) -> None:
    if new.sender == LOG:
        raise BadRequest(f"{where}: nobody but the log itself speaks as {LOG}.")
    if new.kind in _SAID_BY_THE_LOG:
        raise BadRequest(f"{where}: nobody but the log itself says that something was {new.kind}.")
    if new.turn and new.id.startswith(f"{new.turn}:"):
        raise BadRequest(f"{where}: an id that begins with the turn's own and a colon is the log's to give.")
    check_text(where, new.id, new.sender, new.text)
    check_words(where, new.issuer, new.updates, new.turn)
    for name, value in (("id", new.id), ("sender", new.sender)):
        if not 1 <= len(value.encode()) <= ID:
            raise BadRequest(f"{where}: its {name} has {len(value.encode())} bytes; 1 to {ID} are allowed.")
    check_size(f"The body of {where}", new.body)
    check_size(f"The search text of {where}", new.text)
    if len(new.to) > RECIPIENTS or len({to.agent for to in new.to}) < len(new.to):
        raise BadRequest(f"{where}: it goes to at most {RECIPIENTS} agents, to each once.")
    for to in new.to:
        check_agent(to.agent)
        check_new_turn(to.turn)
        check_size(f"The authority of {where}", to.authority, limit=WORDS)
        if to.owner or to.root:
            check_text(f"The turn of {where}", to.owner, to.root)
            if max(len(to.owner.encode()), len(to.root.encode())) > ID:
                raise BadRequest(f"{where}: its turn's owner and root have at most {ID} bytes each.")
    if new.answers is not None:
        check_turn(new.answers.of)
        check_id("question", new.answers.question)
        if new.to:
            raise BadRequest(f"{where}: it answers a question, so it goes to the turn that asked and to nobody else.")


def _check_replies(replies: Sequence[Reply]) -> None:
    for number, reply in enumerate(replies, 1):
        check_text(f"Reply {number}", reply.text)
        if reply.kind in _SAID_BY_THE_LOG:
            raise BadRequest(f"Reply {number}: nobody but the log itself says that something was {reply.kind}.")
        check_size(f"The body of reply {number}", reply.body)
        check_size(f"The search text of reply {number}", reply.text)


def _check_question(question: Ask) -> None:
    check_id("question", question.id)
    check_text("The question", question.text)
    check_size("The body of the question", question.body)
    check_size("The search text of the question", question.text)
    check_seconds("A question", question.expires_in)
