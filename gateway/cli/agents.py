"""`interchange agents serve`: a LangGraph graph as an agent of a gateway, with nothing to write but the graph.

The process is what any agent's is, and everything it does is `interchange_client`'s: it listens, proves who it is,
publishes itself, and answers. LangGraph is loaded only here, and only when a graph is served.
"""

import argparse
import asyncio
import gc
import importlib
import os
from contextlib import AbstractAsyncContextManager
from typing import Any

from gateway.cli.agent_credentials import add_credentials
from gateway.cli.commands import Commands
from gateway.cli.places import with_scheme
from gateway.logs import log_to_stderr
from gateway.telemetry.agents import agent_telemetry
from registry.model import BadRequest, Refused


def add_commands(commands: Commands) -> None:
    agents = commands.add_parser("agents", help="serve a LangGraph graph as an agent, print an agent's credential")
    verbs = agents.add_subparsers(required=True, metavar="COMMAND")
    add_credentials(verbs)
    parser = verbs.add_parser(
        "serve",
        help="serve a LangGraph graph as an agent of a gateway",
        description="Serve a compiled LangGraph graph whose state is messages: publish it at a gateway as an agent that"
        " converses, and answer its turns. It runs until Ctrl-C or SIGTERM.",
        epilog="The agent's credential comes from the environment: INTERCHANGE_CLIENT_ID and INTERCHANGE_CLIENT_SECRET."
        " The gateway's directory says which agent that client is, and in which domain. Spans go to"
        " OTEL_EXPORTER_OTLP_ENDPOINT, if that is set.",
    )
    parser.add_argument(
        "graph", metavar="MODULE:GRAPH", help="a compiled graph, such as app:graph or folder/app.py:graph"
    )
    parser.add_argument("--agent", required=True, metavar="NAME", help="the agent's name in the gateway's directory")
    parser.add_argument("--domain", required=True, help="its domain there")
    parser.add_argument(
        "--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="where it is called; port 0 takes a free one"
    )
    parser.add_argument(
        "--advertise", default="", metavar="HOST[:PORT]", help="where the gateway finds it, if not where it listens"
    )
    parser.add_argument(
        "--gateway", default=None, metavar="URL", help="the gateway, host:port or URL (or INTERCHANGE_URL)"
    )
    about = parser.add_argument_group("what others read about it")
    about.add_argument("--title", default="", help="for people (default: its name)")
    about.add_argument("--description", default="", help="what it is good for; people and models choose by it")
    about.add_argument(
        "--example", action="append", default=[], metavar="TEXT", help="something to say to it; repeatable"
    )
    about.add_argument("--tag", action="append", default=[], metavar="WORD", help="may be repeated")
    about.add_argument("--agent-version", default="0.1.0", metavar="SEMVER", help="of the agent (default: 0.1.0)")
    parser.set_defaults(run=serve)


def serve(options: argparse.Namespace) -> int:
    """Load the graph, then serve it.

    Raises:
        BadRequest: the options, the environment or the graph are not right; nothing was started.
        Refused: the gateway does not take the agent.
    """
    log_to_stderr()
    client: Any = importlib.import_module("interchange_client.credentials")
    errors: Any = importlib.import_module("interchange_client.errors")
    loading: Any = importlib.import_module("interchange_client.langgraph_loading")
    try:
        credentials = client.AgentCredentials.from_environment(_gateway_url(options.gateway))
        answer = loading.open_answer(loading.load_graph(options.graph))
        with agent_telemetry(options.agent):
            asyncio.run(_serve(options, answer, credentials))
    except (loading.UnfitGraph, ValueError) as error:
        raise BadRequest(f"{error}") from error
    except errors.GatewayError as error:
        raise Refused(error.message) from error
    return 0


async def _serve(options: argparse.Namespace, opening: AbstractAsyncContextManager[Any], credentials: Any) -> None:
    serving: Any = importlib.import_module("interchange_client.serving")
    spans: Any = importlib.import_module("interchange_client.langgraph_spans")
    async with opening as answer:
        spans.record_spans()
        gc.freeze()
        gc.enable()
        await serving.serve(
            answer,
            name=options.agent,
            domain=options.domain,
            listen=options.listen,
            advertise=options.advertise,
            gateway=credentials.gateway_url,
            credentials=credentials,
            title=options.title,
            description=options.description,
            examples=options.example,
            tags=options.tag,
            version=options.agent_version,
        )


def _gateway_url(named: str | None) -> str:
    """The gateway's URL; of a bare `host:port`, with the scheme that a token may travel by."""
    named = named or os.environ.get("INTERCHANGE_URL", "")
    if not named:
        raise BadRequest("Which gateway? Name its URL with --gateway, or in INTERCHANGE_URL.")
    return with_scheme(named)
