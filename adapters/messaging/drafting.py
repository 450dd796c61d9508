"""Drafting: `Drafts` on top of any engine. Checks what it is given, and leaves out what is not worth a transaction."""

from collections.abc import Iterator, Sequence

from adapters.messaging.checks import REQUEST, check_id, check_number, check_size
from adapters.messaging.drafts import Draft
from adapters.messaging.engine import Engine, Rows
from registry.model import ConversationId, TurnId


class Drafting:
    """See `Drafts`."""

    def __init__(self, engine: Engine, rows: Rows) -> None:
        self._engine = engine
        self._rows = rows

    async def keep(self, drafts: Sequence[Draft]) -> None:
        """See `Drafts`."""
        newest: dict[tuple[ConversationId, TurnId], Draft] = {}
        for draft in drafts:
            _check(draft)
            key = (draft.conversation, draft.turn)
            before = newest.get(key)
            if before is None or (before.fence, before.number) < (draft.fence, draft.number):
                newest[key] = draft
        for part in _parts([newest[key] for key in sorted(newest)]):
            await self._engine.keep_drafts(part)

    async def of(self, conversation: ConversationId, turn: TurnId) -> Draft | None:
        """See `Drafts`."""
        _check_turn(conversation, turn)
        return await self._rows.draft(conversation, turn)

    async def drop(self, turns: Sequence[tuple[ConversationId, TurnId]]) -> None:
        """See `Drafts`."""
        for conversation, turn in turns:
            _check_turn(conversation, turn)
        if turns:
            await self._engine.drop_drafts(sorted(set(turns)))


def _parts(drafts: Sequence[Draft]) -> Iterator[Sequence[Draft]]:
    """What is kept in one transaction: mostly all."""
    part: list[Draft] = []
    size = 0
    for draft in drafts:
        if part and size + len(draft.body) > REQUEST:
            yield part
            part, size = [], 0
        part.append(draft)
        size += len(draft.body)
    if part:
        yield part


def _check(draft: Draft) -> None:
    _check_turn(draft.conversation, draft.turn)
    check_number("The fence of a draft", draft.fence)
    check_number("The number of a draft", draft.number)
    check_size(f"The draft of turn {draft.turn}", draft.body)


def _check_turn(conversation: ConversationId, turn: TurnId) -> None:
    check_id("conversation", conversation)
    check_id("turn", turn)
