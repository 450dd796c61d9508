"""An A2A server nobody here wrote: the parts of a2a-sdk put together as its documentation puts them, and an echo.

The word "stream" in a message makes it answer with a task and artifact chunks, "hello" and everything else with one
message. It is what the examiner is tried on, so nothing of ours may be in it.
"""

from a2a.helpers import new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Message, Part, Role
from starlette.applications import Starlette


class Echo(AgentExecutor):
    """Says what it hears."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        heard = context.get_user_input()
        if "stream" in heard:
            await _in_chunks(heard.split(), context, event_queue)
        else:
            await event_queue.enqueue_event(
                Message(
                    message_id=f"echo-{context.context_id}",
                    role=Role.ROLE_AGENT,
                    context_id=context.context_id,
                    parts=[Part(text=heard)],
                )
            )

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        await _updater(context, event_queue).cancel()


async def _in_chunks(words: list[str], context: RequestContext, event_queue: EventQueue) -> None:
    if context.message is None:
        raise ValueError("a task needs a message")
    task = new_task_from_user_message(context.message)
    task.id, task.context_id = context.task_id or "", context.context_id or ""
    await event_queue.enqueue_event(task)
    updater = _updater(context, event_queue)
    await updater.start_work()
    for number, word in enumerate(words):
        await updater.add_artifact([Part(text=word)], artifact_id="echo", append=number > 0)
    await updater.complete()


def _updater(context: RequestContext, event_queue: EventQueue) -> TaskUpdater:
    return TaskUpdater(event_queue, context.task_id or "", context.context_id or "")


def sample_card(url: str) -> AgentCard:
    """The card of the echo, at that base URL."""
    return AgentCard(
        name="Echo",
        description="Says what it hears.",
        version="1.0.0",
        supported_interfaces=[
            AgentInterface(url=f"{url}/rpc", protocol_binding="JSONRPC", protocol_version="1.0"),
            AgentInterface(url=url, protocol_binding="HTTP+JSON", protocol_version="1.0"),
        ],
        capabilities=AgentCapabilities(streaming=True, push_notifications=False),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="Echo", description="Says what it hears.", tags=["sample"])],
    )


def sample_server(url: str) -> Starlette:
    """The application that serves the echo over JSON-RPC and REST."""
    card = sample_card(url)
    handler = DefaultRequestHandler(agent_executor=Echo(), task_store=InMemoryTaskStore(), agent_card=card)
    return Starlette(
        routes=[
            *create_agent_card_routes(card),
            *create_jsonrpc_routes(handler, "/rpc"),
            *create_rest_routes(handler),
        ]
    )
