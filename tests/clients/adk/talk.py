"""What google-adk's `RemoteA2aAgent` makes of an agent's answer, sent and streamed.

    python talk.py CARD_URL TOKEN QUESTION
    → {"client": "google-adk 2.13.0", "sent": "…", "pieces": ["…"], "streamed": "…"}

There is no model and no key in this: the remote agent is the whole program. The token goes as a bearer credential of
the client's own, with the request for the card too. `sent` and `streamed` are what its session keeps of either; a
session keeps no partial events, and those are `pieces`.
"""

# This runs in an environment of its own:
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")  # it tells of each experimental class

import httpx  # noqa: E402
from a2a.client import ClientConfig, ClientFactory  # noqa: E402
from fastapi.openapi.models import HTTPBearer  # noqa: E402
from google.adk.agents.remote_a2a_agent import RemoteA2aAgent  # noqa: E402
from google.adk.auth.auth_credential import (  # noqa: E402
    AuthCredential,
    AuthCredentialTypes,
    HttpAuth,
    HttpCredentials,
)
from google.adk.events.event import Event  # noqa: E402
from google.adk.runners import InMemoryRunner  # noqa: E402
from google.genai import types  # noqa: E402

CARD_URL, TOKEN, QUESTION = sys.argv[1:]
BEARER = HttpAuth(scheme="bearer", credentials=HttpCredentials(token=TOKEN))
HERE = {"app_name": "clients", "user_id": "recruiter"}


def remote(**options: object) -> RemoteA2aAgent:
    return RemoteA2aAgent(
        name="assistant",
        agent_card=CARD_URL,
        auth_scheme=HTTPBearer(),
        auth_credential=AuthCredential(auth_type=AuthCredentialTypes.HTTP, http=BEARER),
        **options,
    )


def words(event: Event) -> str:
    """What an event says to the person; thoughts are the progress."""
    if event.error_message:
        raise SystemExit(event.error_message)
    parts = event.content.parts if event.content else []
    return "".join(part.text for part in parts if part.text and not part.thought)


async def ask(agent: RemoteA2aAgent) -> tuple[list[str], str]:
    """The pieces in which the answer came, and what is kept of it."""
    runner = InMemoryRunner(agent=agent, app_name=HERE["app_name"])
    session = await runner.session_service.create_session(**HERE)
    question = types.Content(role="user", parts=[types.Part(text=QUESTION)])
    asking = runner.run_async(user_id=HERE["user_id"], session_id=session.id, new_message=question)
    pieces = [words(event) async for event in asking if event.partial]
    kept = await runner.session_service.get_session(**HERE, session_id=session.id)
    return pieces, "".join(words(event) for event in kept.events if event.author == agent.name)


async def main() -> None:
    async with httpx.AsyncClient(timeout=60) as http:  # a factory without one forgets to say that it speaks 1.0
        _, sent = await ask(remote(a2a_client_factory=ClientFactory(ClientConfig(httpx_client=http, streaming=False))))
    pieces, streamed = await ask(remote())
    report = {"client": f"google-adk {version('google-adk')}", "sent": sent, "pieces": pieces, "streamed": streamed}
    print(json.dumps(report))


asyncio.run(main())
