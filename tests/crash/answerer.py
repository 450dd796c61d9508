"""An answerer: whoever goes on with turns from outside: answers, finishes what was deferred, reviews, cancels, expires,
redrives. It keeps nothing between two lives: the log says what waits."""

import asyncio

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.log import WhichLetters, WhichTurns
from adapters.messaging.messages import Kind, New, QuestionRef, TurnRef
from adapters.messaging.outcomes import Ask, ChangeTurn, Effect
from adapters.messaging.requests import agent_sender
from adapters.messaging.turns import Turn, TurnChange, TurnState
from registry.model import Refused, TurnId
from tests.crash.role import Part
from tests.crash.setting import is_left_to_expire, sha

WAITING = (TurnState.WAITING, TurnState.DEFERRED, TurnState.REVIEW)
UNENDED = (*WAITING, TurnState.QUEUED, TurnState.WORKING)


async def answer(part: Part) -> None:
    """Look for what waits, again and again."""
    answerer = Answerer(part)
    while not part.is_over:
        try:
            await answerer.look()
        except LogUnavailable:
            pass
        except Refused:
            pass  # somebody else was first: another answerer, or time
        await asyncio.sleep(0.03)


class Answerer:
    """One life of an answerer."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._me = f"person:answerer{part.number}"

    async def look(self) -> None:
        """Let some of what waits go on."""
        part = self._part
        await part.opened.log.expire(limit=20)
        turns = await part.opened.history.turns(WhichTurns(states=WAITING), limit=50)
        for turn in turns:
            if not part.is_running or part.dice.random() < 0.15:
                await self._go_on(turn)
        if part.is_running and part.dice.random() < 0.1:
            await self._cancel_one()
        if part.is_running and part.dice.random() < 0.1:
            await self._redrive_one()

    async def _go_on(self, turn: Turn) -> None:
        try:
            if turn.state is TurnState.WAITING:
                await self._answer(turn)
            elif turn.state is TurnState.DEFERRED:
                await self._finish(turn)
            else:
                await self._review(turn)
        except LogUnavailable:
            raise
        except Refused:
            pass  # it went on in the meantime

    async def _answer(self, turn: Turn) -> None:
        if is_left_to_expire(turn.id) and self._part.is_running:
            return
        new = New(
            id=f"answer:{turn.id}:{turn.question}",
            sender=self._me,
            kind=Kind.ANSWERED,
            body=f"the answer to {turn.question}".encode(),
            answers=QuestionRef(of=_ref(turn), question=turn.question),
        )
        await self._append(turn, new)

    async def _finish(self, turn: Turn) -> None:
        """The agent goes on by itself: finishes, breaks, asks; or somebody comes with an old grant."""
        dice = self._part.dice.random() if self._part.is_running else 1.0
        if dice < 0.1:
            await self._come_late(turn)
            return
        if dice < 0.2:
            ask = Ask(id=f"d{turn.grant}", body=b"and now?", expires_in=1.5 if is_left_to_expire(turn.id) else 60.0)
            change, what, question = TurnChange.ASKED, "doubts", ask
        elif dice < 0.25:
            change, what, question = TurnChange.BROKE, "broke", None
        else:
            change, what, question = TurnChange.FINISHED, "final", None
        effect = ChangeTurn(of=_ref(turn), change=change, grant=turn.grant, question=question)
        await self._append(turn, self._said_by_agent(turn, what), effect)

    async def _come_late(self, turn: Turn) -> None:
        """A finish with a grant that is not the turn's must not succeed."""
        effect = ChangeTurn(of=_ref(turn), change=TurnChange.FINISHED, grant=turn.grant - 1)
        try:
            await self._append(turn, self._said_by_agent(turn, "late"), effect)
        except Refused:
            return
        self._part.notes.note({"k": "wrong", "why": f"{turn.id} was finished with an old grant"})

    async def _review(self, turn: Turn) -> None:
        accepts = not self._part.is_running or self._part.dice.random() < 0.7
        what = "accepted" if accepts else "returned"
        new = New(id=f"{what}:{turn.id}:{turn.attempts}", sender=self._me, body=what.encode(), turn=turn.id)
        change = TurnChange.ACCEPTED if accepts else TurnChange.RETURNED
        await self._append(turn, new, ChangeTurn(of=_ref(turn), change=change))

    async def _cancel_one(self) -> None:
        turns = await self._part.opened.history.turns(WhichTurns(states=UNENDED), limit=20)
        if not turns:
            return
        turn = self._part.dice.choice(turns)
        revoked = await self._part.opened.log.revoke(_ref(turn), by=self._me, body=b"no more")
        self._part.notes.note(
            {
                "k": "done",
                "c": turn.conversation,
                "s": self._me,
                "id": f"{turn.id}:cancelled",
                "seq": revoked.seq,
                "d": sha(b"no more"),
            }
        )

    async def _redrive_one(self) -> None:
        letters = await self._part.opened.history.dead(WhichLetters(), limit=20)
        if not letters:
            return
        letter = self._part.dice.choice(letters)
        turn = TurnId(f"again-{self._part.dice.getrandbits(48):012x}")
        await self._part.opened.log.redrive(letter.of.conversation, letter.of.agent, letter.seq, turn=turn)

    def _said_by_agent(self, turn: Turn, what: str) -> New:
        return New(
            id=f"{what}:{turn.id}:{turn.grant}", sender=agent_sender(turn.agent), body=what.encode(), turn=turn.id
        )

    async def _append(self, turn: Turn, new: New, *effects: Effect) -> None:
        appended = await self._part.opened.log.append(turn.conversation, [new], effects=effects)
        self._part.notes.note(
            {
                "k": "done",
                "c": turn.conversation,
                "s": new.sender,
                "id": new.id,
                "seq": appended.seq,
                "d": sha(new.body),
            }
        )


def _ref(turn: Turn) -> TurnRef:
    return turn.of
