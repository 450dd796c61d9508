"""`interchange agents serve` as a process: a graph becomes an agent, answers, and its spans join the caller's trace."""

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from policies.identity.dev_issuer.secret import agent_credentials
from tests.support.agents import Door, text, words_of
from tests.support.odd_agent import eventually
from tests.support.office import office
from tests.support.otlp_sink import Sink, otlp_sink
from tests.support.served import Served

SECONDS = 60.0
TRACE = "0af7651916cd43dd8448eb211c80319c"
GRAPH = """
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from interchange_client.langgraph_skills import turn_in_hand

def greet(state: MessagesState):
    return {"messages": [AIMessage(f"Good day, {turn_in_hand().person.name}: {state['messages'][-1].text}")]}

builder = StateGraph(MessagesState)
builder.add_node("greet", greet)
builder.add_edge(START, "greet")
graph = builder.compile()
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with office(tmp_path_factory.mktemp("gateway")) as served:
        yield served


@contextmanager
def serving(gateway: Served, folder: Path, *, agent: str, **environment: str) -> Generator["subprocess.Popen[str]"]:
    """The command, until it has published; on leaving it is stopped as a terminal would."""
    (folder / "greeting.py").write_text(GRAPH)
    command = [sys.executable, "-m", "gateway.cli", "agents", "serve", str(folder / "greeting.py") + ":graph"]
    command += ["--agent", agent, "--domain", "office", "--gateway", gateway.url]
    given = {**os.environ, **agent_credentials(gateway.state, "clerk"), **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=given)
    timer = threading.Timer(SECONDS, process.kill)
    timer.start()
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        timer.cancel()


def lines_until(process: "subprocess.Popen[str]", last: str) -> list[str]:
    said: list[str] = []
    for line in process.stdout or ():
        said.append(line.rstrip())
        if said[-1] == last:
            break
    return said


@pytest.fixture(scope="module")
def sink() -> Generator[Sink]:
    with otlp_sink() as running:
        yield running


def test_a_graph_becomes_an_agent_that_answers(gateway: Served, sink: Sink, tmp_path: Path) -> None:
    ada = Door(gateway.url, gateway.token("ada"), headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with serving(gateway, tmp_path, agent="clerk", **environment) as process:
        said = lines_until(process, "published clerk")
        assert said[0].startswith("listening 127.0.0.1:"), said
        assert said[-1] == "published clerk", said

        assert words_of(ada.send("clerk", text("here I am"))) == "Good day, ada: here I am"
        eventually(lambda: bool(sink.spans), "no spans have arrived")
    assert process.returncode == 0
    (graph,) = sink.spans
    assert (graph.name, graph.trace_id.hex()) == ("invoke_agent clerk", TRACE)
    assert not any(b"here I am" in body for body in sink.arrived)
    (name,) = [
        attribute.value.string_value
        for resource in sink.requests[0].resource_spans
        for attribute in resource.resource.attributes
        if attribute.key == "service.name"
    ]
    assert name == "clerk"


def test_an_agent_cannot_be_served_under_anothers_name(gateway: Served, tmp_path: Path) -> None:
    with serving(gateway, tmp_path, agent="deputy") as process:
        said = lines_until(process, "")
        assert process.wait() == 1, said
    assert said[-1].startswith("interchange: ")
    assert "published deputy" not in said
