"""Hints: whoever tells webhooks hears soon that there may be more, of the conversations that mattered last."""

from adapters.messaging.engine import Stir
from adapters.messaging.fabric import NoFabric, Wakes
from adapters.push.hints import Hints
from registry.model import ConversationId

ONE, TWO, THREE = map(ConversationId, ("one", "two", "three"))


async def heard(hints: Hints) -> set[str]:
    await hints.some(seconds=0.05)
    return set(hints.take())


async def test_a_conversation_that_grows_again_and_again_is_noted_each_time() -> None:
    wakes = Wakes(NoFabric())
    hints = Hints(wakes)
    hints.listen(ONE)
    for tail in range(1, 5):
        wakes.stirred(Stir(grown={ONE: tail, TWO: tail}))
        assert await heard(hints) == {ONE}
    assert await heard(hints) == set()
    hints.close()
    wakes.close()


async def test_of_too_many_those_are_listened_to_that_mattered_last() -> None:
    wakes = Wakes(NoFabric())
    hints = Hints(wakes, at_most=2)
    for conversation in (ONE, TWO, ONE, THREE):
        hints.listen(conversation)
    wakes.stirred(Stir(grown={ONE: 1, TWO: 1, THREE: 1}))
    assert await heard(hints) == {ONE, THREE}
    assert {watch.conversation for watch in wakes.watches()} == {ONE, THREE}
    hints.close()
    assert [watch for watch in wakes.watches() if watch.waiting] == []
    wakes.close()


async def test_what_is_noted_is_taken_once() -> None:
    wakes = Wakes(NoFabric())
    hints = Hints(wakes)
    hints.note(ONE)
    hints.note(TWO)
    assert await hints.some(seconds=10)
    assert set(hints.take()) == {ONE, TWO}
    assert not await hints.some(seconds=0)
    wakes.close()
