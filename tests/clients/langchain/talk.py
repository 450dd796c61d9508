"""What langchain-remote-a2a-agent's `RemoteAgent` makes of an agent's answer, sent and streamed.

    python talk.py CARD_URL TOKEN QUESTION
    → {"client": "langchain-remote-a2a-agent 1.0.0", "sent": "…", "pieces": ["…"], "streamed": "…", "remark": "…"}

The token goes as a header. The client puts all chunks of a stream behind each other, also the last one, which replaces
those before it: whoever streams leaves out either, and who only wants the answer asks for no stream.
"""

# This runs in an environment of its own:
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
from importlib.metadata import version

from langchain_remote_a2a_agent import RemoteAgent

CARD_URL, TOKEN, QUESTION = sys.argv[1:]
NAME = "langchain-remote-a2a-agent"


def remote(*, streaming: bool) -> RemoteAgent:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return RemoteAgent(agent_card_url=CARD_URL, headers=headers, use_streaming=streaming)


async def invoke(agent: RemoteAgent) -> str:
    return (await agent.ainvoke(QUESTION))["messages"][-1].content


async def main() -> None:
    chunks = [chunk["messages"][-1] async for chunk in remote(streaming=True).astream(QUESTION)]
    pieces = [chunk.content for chunk in chunks if not chunk.additional_kwargs.get("a2a_last_chunk")]
    whole = [chunk.content for chunk in chunks if chunk.additional_kwargs.get("a2a_last_chunk")]
    report = {
        "client": f"{NAME} {version(NAME)}",
        "sent": await invoke(remote(streaming=False)),
        "pieces": [piece for piece in pieces if piece],
        "streamed": "".join(whole),
    }
    twice = await invoke(remote(streaming=True)) == report["streamed"] * 2
    print(json.dumps(report | ({"remark": "ainvoke says it twice unless use_streaming=False"} if twice else {})))


asyncio.run(main())
