"""A stream of A2A that nobody closes, on a real connection."""

import pytest
from starlette.types import Message, Receive, Scope, Send

from conformance.a2a.checks import PAPER, stream
from conformance.runner import examine
from conformance.subject import Told
from conformance.verdict import Broke
from conformance.wire import Wires
from tests.support.small_agent import TOKEN, URL, Mutation, SmallAgent, signed, small_card
from tests.support.web import bound, serving


class LeftOpen:
    """An agent whose streams stay open until the client leaves."""

    def __init__(self, url: str) -> None:
        card = signed(small_card())
        told = {
            **card,
            "supportedInterfaces": [
                {**one, "url": one["url"].replace(URL, url)} for one in card["supportedInterfaces"]
            ],
        }
        self._agent = SmallAgent(Mutation(card=lambda _: told))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams = False

        async def left_open(message: Message) -> None:
            nonlocal streams
            if message["type"] == "http.response.start":
                streams = (b"content-type", b"text/event-stream") in message["headers"]
            await send({**message, "more_body": streams} if message["type"] == "http.response.body" else message)

        await self._agent(scope, receive, left_open)
        while streams and (await receive())["type"] != "http.disconnect":
            pass


@pytest.mark.parametrize("message", ["hello", "a task"])
async def test_it_is_found_open_after_its_last_event(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CLOSING_SECONDS", 0.1)
    with bound() as (door, url), serving(LeftOpen(url), door):
        wires = Wires(token=TOKEN, seconds=10)
        told = Told(url=url, message=message)
        findings = examine(PAPER, told, wires=wires, seconds=10, only=("a2a.stream.closes",))
        (finding,) = [one async for one in findings]
    assert isinstance(finding.outcome, Broke)
    assert "still open" in finding.outcome.found
