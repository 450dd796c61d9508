"""What an attempt says: told in chunks, and kept as a draft that those who missed something go on from."""

from adapters.lifecycle.feeds import Chunk, Drafted, Feeds, Hearing, Lane, Piece
from adapters.lifecycle.saying import Saying
from adapters.messaging.bodies import read_body
from adapters.messaging.messages import TurnRef
from registry.model import AgentName, Artifact, ConversationId, Delta, Part, TurnId

OF = TurnRef(conversation=ConversationId("c"), agent=AgentName("echo"), turn=TurnId("t"))


def words(pieces: tuple[Piece, ...]) -> str:
    return "".join(part.text or "" for piece in pieces if isinstance(piece, Artifact) for part in piece.parts)


def chunks(hearing: Hearing) -> list[Chunk]:
    return [notice for notice in hearing.read() if isinstance(notice, Chunk)]


async def test_who_goes_on_from_a_draft_hears_nothing_twice_that_was_gathered_when_it_was_made() -> None:
    feeds = Feeds(None)
    saying = Saying(OF, fence=1, feeds=feeds)
    with feeds.hearing(OF.turn) as hearing:
        for word in ("one ", "two ", "three "):  # the first goes out at once, the others are gathered
            saying.say(Delta(part=Part(text=word)))
        draft = saying.draft()
        assert draft is not None
        saying.flush()
        lane = Lane()
        told = words(lane.restart(Drafted(fence=1, number=draft.number), read_body(draft.body).artifacts))
        told += "".join(words(lane.hear(chunk)) for chunk in chunks(hearing))
        assert told == "one two three "
    saying.close()
