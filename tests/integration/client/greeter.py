"""An agent in as few lines as there can be; started as a process of its own, with the gateway's URL and a title."""

import asyncio
import sys

from interchange_client.agent import TurnInHand, serve


async def answer(turn: TurnInHand):
    echoed = await turn.gateway.call("odd.echo", {"text": turn.text})
    yield f"You said {echoed.structured['text']}." if not echoed.is_error else echoed.text


if __name__ == "__main__":
    gateway, title = sys.argv[1:]
    asyncio.run(serve(answer, name="greeter", domain="tests", title=title, listen="127.0.0.1:0", gateway=gateway))
