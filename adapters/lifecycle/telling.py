"""A logged message as an agent is told of it."""

from adapters.messaging.bodies import read_body
from adapters.messaging.messages import Message
from registry.model import Utterance


def utterance(message: Message) -> Utterance:
    """A message in the words that agents are given; one that was erased says nothing."""
    body = read_body(message.body) if message.kind.value != "erased" else read_body(b"")
    return Utterance(
        id=message.id,
        sender=message.sender,
        issuer=message.issuer,
        parts=body.parts,
        seq=message.seq,
        kind=message.kind.value,
        turn=message.turn,
        answers=message.answers,
        at=message.at,
        artifacts=body.artifacts,
    )
