"""`serve MODULE:GRAPH …`: a LangGraph graph as an agent of a gateway, with nothing to write but the graph.

Two commands are this one: `python -m interchange_client serve`, in the Python that the graph's own packages are
installed in, and `interchange agents serve`, in the gateway's. The process is what any agent's is. LangGraph is loaded
only when a graph is served.
"""

import argparse
import asyncio
import gc
import importlib
import os
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from urllib.parse import urlsplit

from interchange_client.wire import is_loopback

HELP: Final = "serve a LangGraph graph as an agent of a gateway"
DESCRIPTION: Final = (
    "Serve a compiled LangGraph graph whose state is messages: publish it at a gateway as an agent that converses, and"
    " answer its turns. It runs until Ctrl-C or SIGTERM."
)
EPILOG: Final = (
    "The agent's credential comes from the environment: INTERCHANGE_CLIENT_ID and INTERCHANGE_CLIENT_SECRET. The"
    " gateway's directory says which agent that client is, and in which domain. Spans go to"
    " OTEL_EXPORTER_OTLP_ENDPOINT, if that is set. The graph runs in the Python that runs this command; python -m"
    " interchange_client serve is the same command in another."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `serve`."""
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


def run(options: argparse.Namespace) -> None:
    """Load the graph, then serve it until it is told to stop.

    Raises:
        UnfitGraph, ValueError, OSError: the graph, the options or the environment are not right.
        GatewayError: the gateway does not take the agent.
    """
    # Only now: what answers `--help` should not load gRPC.
    client: Any = importlib.import_module("interchange_client.credentials")
    manifest: Any = importlib.import_module("interchange_client.manifest")
    loading: Any = importlib.import_module("interchange_client.langgraph_loading")
    telemetry: Any = importlib.import_module("interchange_client.telemetry")
    manifest.check_name(options.agent)
    credentials = client.AgentCredentials.from_environment(_gateway_url(options.gateway))
    answer = loading.open_answer(loading.load_graph(options.graph), named=options.graph)
    with telemetry.agent_telemetry(options.agent):
        asyncio.run(_serve(options, answer, credentials))


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
        raise ValueError("Which gateway? Name its URL with --gateway, or in INTERCHANGE_URL.")
    if "://" in named:
        return named
    return f"http://{named}" if is_loopback(urlsplit(f"//{named}").hostname or "") else f"https://{named}"
