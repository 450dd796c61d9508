"""What the log has, as the proto3 JSON of `messages.proto`."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

from adapters.messaging.delivery import Mailbox
from adapters.messaging.messages import Conversation, DeadLetter, Message
from adapters.messaging.overview import Envelope, Tally
from adapters.messaging.turns import Turn
from registry.model import JsonObject, JsonValue


def write_envelope(envelope: Envelope) -> JsonObject:
    """A message without its words."""
    return {
        "conversation": envelope.conversation,
        "seq": envelope.seq,
        "id": envelope.id,
        "kind": envelope.kind.value,
        "sender": envelope.sender,
        "issuer": envelope.issuer,
        "to": list(envelope.to),
        "turn": envelope.turn,
        "at": write_time(envelope.at),
        "size": envelope.size,
    }


def write_message(message: Message) -> JsonObject:
    """A message with all that was said."""
    return {
        "conversation": message.conversation,
        "seq": message.seq,
        "id": message.id,
        "kind": message.kind.value,
        "sender": message.sender,
        "issuer": message.issuer,
        "to": list(message.to),
        "turn": message.turn,
        "answers": message.answers,
        "updates": message.updates,
        "at": write_time(message.at),
        "size": len(message.body),
        "erased": message.erased,
        "digest": _base64(message.digest),
        **_words(message.body),
    }


def write_conversation(conversation: Conversation) -> JsonObject:
    """What is known of a conversation but for what was said."""
    return {
        "id": conversation.id,
        "tail": conversation.tail,
        "domain": conversation.domain,
        "startedBy": conversation.started_by,
        "startedByIssuer": conversation.started_by_issuer,
        "openedAt": write_time(conversation.opened_at),
        "hold": conversation.hold,
    }


def write_turn(turn: Turn) -> JsonObject:
    """A turn, without what it keeps of its starter's authority."""
    return {
        "id": turn.id,
        "agent": turn.agent,
        "opened": turn.opened,
        "state": turn.state.value,
        "startedBy": turn.started_by,
        "openedAt": write_time(turn.opened_at),
        "changedAt": write_time(turn.changed_at),
        "due": turn.due,
        "attempts": turn.attempts,
        "question": turn.question,
        "error": turn.error,
    }


def write_mailbox(mailbox: Mailbox) -> JsonObject:
    """A mailbox as it is."""
    return {
        "agent": mailbox.agent,
        "state": mailbox.state.value,
        "cursor": mailbox.cursor,
        "head": mailbox.head,
        "attempts": mailbox.attempts,
        "owner": mailbox.owner,
        "parked": mailbox.parked,
        "fence": mailbox.fence,
    }


def write_letter(letter: DeadLetter) -> JsonObject:
    """A dead letter."""
    return {
        "conversation": letter.of.conversation,
        "agent": letter.of.agent,
        "seq": letter.seq,
        "turn": letter.of.turn,
        "attempts": letter.attempts,
        "error": letter.error,
        "at": write_time(letter.at),
        "redrivenAs": letter.redriven_as,
    }


def write_tally(tally: Tally) -> JsonObject:
    """How much there is."""
    return {
        "conversations": tally.conversations,
        "messages": tally.messages,
        "ready": tally.ready,
        "leased": tally.leased,
        "parked": tally.parked,
        "dead": tally.dead,
        "oldestSeconds": round(tally.waited, 3),
    }


def write_time(at: float) -> str:
    """Seconds since the epoch in RFC 3339."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _words(body: bytes) -> Mapping[str, JsonValue]:
    """A body, as text where it is text."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"raw": _base64(body)}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
